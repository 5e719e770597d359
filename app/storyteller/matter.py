"""Matter: what a campaign text is about, read from the caller's brief.

`steal the Duke's seal` is an undertaking whose object is the seal; `a war between two guilds` is a
trouble that the whole text is about. Either way the text has one thing to speak of, first as the
caller put it and shortly after that: “a war between two guilds”, then “the war”.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.storyteller import supplied
from app.storyteller.asked import ORDERS, Asked
from app.storyteller.casting import MATTERS, known
from app.storyteller.facts import Entity
from app.storyteller.packs import Packs
from app.storyteller.premise import Premise, premise

WORD = re.compile(r"[^\W_]+(?:[’'-][^\W_]+)*")
ARTICLE = re.compile(r"\A(?:an?|the)\s+", re.I)
# The head noun of a phrase is the last word before one of these.
BEHIND = frozenset((
    "of", "on", "in", "at", "between", "among", "over", "under", "for", "from", "to", "with",
    "against", "about", "near", "by", "behind", "beneath", "above", "that", "which", "who",
    "whose", "where", "when", "nobody", "somebody", "everybody", "everyone", "no", "is", "are",
    "was", "were", "and", "without", "within", "after", "before", "across", "through", "into",
))  # fmt: skip
SINGULARS = ("ss", "us", "is", "ness", "politics", "news")
POSSESSIVE = re.compile(r"[’']s?\Z")


@dataclass(frozen=True, slots=True)
class Matter:
    """kind: a table of conflicts.toml; entity: what it is about; task: `to steal the Duke's seal`,
    `` where the caller named no undertaking; told: a longer brief, which is quoted as it stands.
    """

    kind: str = ""
    entity: Entity | None = None
    task: str = ""
    told: str = ""
    where: str = ""


def asked_for(packs: Packs, asked: Asked) -> Matter:
    """The first of the caller's values that says what the text is about."""
    for key in MATTERS:
        value = asked.get(key)
        if isinstance(value, str) and value.strip():
            found = read(packs, value)
            if found.kind:
                if found.entity:
                    asked.embody(key, found.entity.first)
                return found
    return Matter()


def read(packs: Packs, value: str) -> Matter:
    """What a value asks for; nothing where it holds no phrase that fits a sentence."""
    if ORDERS.search(value):  # it is said to a model, and is no brief
        return Matter()
    conflicts: Mapping[str, Any] = packs.conflicts["conflict"]
    found = premise(value, packs.spines["spine"], packs.nouns)
    kind = _kind(value, found, conflicts)
    phrase = supplied.subject(value)
    if supplied.is_talk(value):
        entity = _object(found, packs) if found.whom and found.sort else None
        told = supplied.quotation(value) if entity or kind else ""
        return Matter(kind or "trouble", entity, "", told) if told else Matter()
    if not phrase:
        return Matter()
    if found.action and found.whom:
        task = f"to {found.matter[:1].lower()}{found.matter[1:]}"
        return Matter(kind, _object(found, packs), task, "", found.where)
    return Matter(kind, phrased(phrase, packs), "", "", found.where)


def _kind(value: str, found: Premise, conflicts: Mapping[str, Any]) -> str:
    """The conflict of the verb, else the first whose words stand in the value, its head first."""
    if found.action:
        for name, table in conflicts.items():
            if found.spine in table["spines"] and found.sort in table["sorts"]:
                return name
        return "trouble"
    words = [w.lower() for w in WORD.findall(value[: supplied.MAX_LOOKED_AT])]
    end = next((n for n, w in enumerate(words) if n and w in BEHIND), len(words))
    for word in (*reversed(words[:end]), *words[end:]):
        for name, table in conflicts.items():
            known_word = word in table["words"] or word.removesuffix("s") in table["words"]
            if known_word and found.sort in table.get("only", (found.sort,)):
                return name
    for name, table in conflicts.items():
        if found.sort and found.sort in table.get("nouns", ()):
            return name
    return "trouble"


def _object(found: Premise, packs: Packs) -> Entity:
    """What an undertaking is done to: the dragon, the Duke's seal, the miller's daughter."""
    first = known(found.whom)
    words = first.split()
    short = f"the {words[-1]}" if found.sort == "thing" and first.startswith("the ") else first
    if " of " in first:
        short = first.split(" of ")[0]
    many = _many(words if " of " not in first else first.split(" of ")[0].split())
    return Entity(first, short, "many" if many else gender(first, packs.nouns) or "it")


def phrased(phrase: str, packs: Packs) -> Entity:
    """A phrase as it is first spoken of, and by its head noun after that."""
    words = phrase.split()
    end = next((n for n, w in enumerate(words) if n and w.lower() in BEHIND), len(words))
    head = words[:end]
    if not ARTICLE.match(phrase) and head[-1].lower() in packs.conflicts["countable"]:
        phrase = f"a {phrase}"
    proper = head[-1][:1].isupper() and not ARTICLE.match(phrase)
    again = phrase if proper else f"the {head[-1]}"
    many = _many(head) and not ARTICLE.match(phrase)
    return Entity(phrase, again, "many" if many else "it")


def _many(head: list[str]) -> bool:
    """Whether a noun is a plural, by its look: goblins, wolves, but not a dress."""
    last = POSSESSIVE.sub("", head[-1].lower())
    return last.endswith("s") and not last.endswith(SINGULARS)


def gender(name: str, nouns: Mapping[str, Any]) -> str:
    """The pronoun that a name's words ask for, or ``."""
    words = set(re.split(r"[\s’']+", name.lower().split(" of ")[0])[-2:])
    words |= {name.lower().split()[0], name.lower().removeprefix("the ").split()[-1]}
    found = (g for g, known_words in nouns["gender"].items() if words & set(known_words))
    return next(found, "")
