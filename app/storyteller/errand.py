"""Errand: what a caller's few words ask a story to be about.

`escort a bishop through the marsh` is something to be done: a kind of action, its object, and
where. `a thief bargains with the abbot` is a clause, of which the story is the whole. `undead
uprising` is a matter: something that happens, whose cause, harm and end the story tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from app.storyteller import supplied
from app.storyteller.inflection import bases
from app.storyteller.premise import ENDS, PLACES, POSSESSIVE, WORD, noun_phrase, sort_of

LOOSE = frozenset(
    (*supplied.ARTICLES, *supplied.OWNERS, "down", "off", "up", "some", "that", "this")
)
# What follows the head of a noun phrase: `war between two guilds`, `plague nobody admits to`.
AFTER = ENDS | {
    "between", "among", "nobody", "no", "everybody", "everyone", "which", "whose", "they",
    "he", "she", "we", "of", "must", "will", "about", "upon",
}  # fmt: skip
BEFORE_OBJECT = frozenset(("with", "to", "from", "against", "for", "over", "into", "upon"))
# Behind these stand those who take part in a matter, and not what it is.
PARTIES = frozenset(("between", "among"))
MAX_SHORT = 4  # words of a matter that is always called by all of them
LONGEST = 14  # words of a value that may stand in a sentence as it is


@dataclass(frozen=True, slots=True)
class Errand:
    """kind: of kinds.toml, `` when the words name none. goal: stands behind `to`, where they are an
    action; said: a whole sentence, where they are a clause, with the one who does it in `who`;
    matter and short: a noun phrase and its head, where they are one. whom: what it is done to.
    """

    key: str = ""
    kind: str = ""
    goal: str = ""
    said: str = ""
    matter: str = ""
    short: str = ""
    whom: str = ""
    sort: str = ""
    who: str = ""
    where: str = ""


def errand(key: str, value: Any, kinds: Mapping[str, Any], nouns: Mapping[str, Any]) -> Errand:
    """What a value asks for; one of many words gives its kind and object, and nothing verbatim."""
    if not isinstance(value, str) or not value.strip():
        return Errand()
    whole = not supplied.is_talk(value)
    words = [w for w in WORD.findall(supplied.plain(value)) if w[0].isalnum()]
    if words and words[0].lower() == "to":
        words = words[1:]
    if not words:
        return Errand()
    kind, at = _action(words, kinds)
    if kind and at == 0 and len(words) > 1:
        return _deed(key, words, kind, nouns, whole)
    if kind and (who := _subject(words[:at], words[at], nouns)):
        return _clause(key, words, at, (kind, who), nouns, whole)
    return _matter(key, words, kinds, nouns, whole)


@lru_cache(4)
def _words(pairs: tuple[tuple[str, ...], ...]) -> Mapping[str, str]:
    return {word: name for name, *words in reversed(pairs) for word in words}


def _known(kinds: Mapping[str, Any], which: str) -> Mapping[str, str]:
    return _words(tuple((n, *table.get(which, ())) for n, table in kinds.items()))


def _action(words: Sequence[str], kinds: Mapping[str, Any]) -> tuple[str, int]:
    """The kind of the first verb of action, and where it stands."""
    verbs = _known(kinds, "verbs")
    for at, word in enumerate(words):
        for base in bases(word.lower()):
            if base in verbs and (at == 0 or not word.lower().endswith("ing")):
                return verbs[base], at
    return "", 0


def _deed(
    key: str, words: Sequence[str], kind: str, nouns: Mapping[str, Any], whole: bool
) -> Errand:
    at = 2 if len(words) > 1 and words[1].lower() in BEFORE_OBJECT else 1
    found, end = noun_phrase(list(words), at, nouns)
    sort = sort_of(found, nouns)[0]
    verb = _plain_verb(words[0].lower())
    rest = [*words[1:at], *_definite(words[at:])]
    goal = " ".join([verb, *rest]) if whole else ""
    found, where = _at(found, _where(words, end, nouns))
    return Errand(key, kind, goal, whom=_the(found), sort=sort, where=where)


def _clause(
    key: str,
    words: Sequence[str],
    at: int,
    told: tuple[str, str],
    nouns: Mapping[str, Any],
    whole: bool,
) -> Errand:
    kind, who = told
    start = at + 2 if len(words) > at + 1 and words[at + 1].lower() in BEFORE_OBJECT else at + 1
    found, end = noun_phrase(list(words), start, nouns)
    said = " ".join(words)
    return Errand(
        key,
        kind,
        said=f"{said[:1].upper()}{said[1:]}." if whole else "",
        whom=_the(found),
        sort=sort_of(found, nouns)[0],
        who=who,
        where=_where(words, end, nouns),
    )


def _subject(words: Sequence[str], verb: str, nouns: Mapping[str, Any]) -> str:
    """Who does it, where a person or a creature stands before a verb in the third person."""
    bare = [w for w in words if w.lower() not in LOOSE]
    if not bare or not verb.lower().endswith(("s", "ed")) or words[-1].lower() in AFTER:
        return ""
    one = sort_of(bare, nouns)[0] in ("person", "creature") or bare[0][:1].isupper()
    return " ".join(bare) if one and not POSSESSIVE.search(bare[-1]) else ""


def _matter(
    key: str,
    words: Sequence[str],
    kinds: Mapping[str, Any],
    nouns: Mapping[str, Any],
    whole: bool,
) -> Errand:
    bare = list(words[1:]) if words[0].lower() in LOOSE and len(words) > 1 else list(words)
    end = next((n for n, w in enumerate(bare) if n and w.lower() in AFTER), len(bare))
    head = bare[:end]
    kind = _event(head, bare, kinds)
    found, stop = noun_phrase(list(words), 0, nouns)
    parted = next((n for n, w in enumerate(found) if n and w.lower() in PARTIES), len(found))
    found = found[:parted]
    sort = sort_of(found, nouns)[0]
    if end < len(bare) and bare[end].lower() == "of":
        after, stop = noun_phrase(bare, end + 1, nouns)
        if kind and after:
            found, sort = after, sort_of(after, nouns)[0]
            kind = "swarm" if kind == "plague" and sort == "creature" else kind
    if kind and not sort and not (found and found[0][:1].isupper()):
        found = []
    matter = supplied.subject(" ".join(words)) if whole and len(words) <= LONGEST else ""
    mass = not _counted(words, head, nouns)
    whom = _the(found, article=not (mass and found == head))
    if not matter:
        return Errand(key, kind, whom=whom if sort else "", sort=sort)
    bare = matter.split()
    bare = bare[1:] if bare[0].lower() in LOOSE and len(bare) > 1 else bare
    the = [] if mass else ["the"]
    full = " ".join([*the, *bare])
    return Errand(
        key,
        kind,
        matter=full,
        short=" ".join([*the, *_short(bare, len(head))]),
        whom=whom if sort or found else "",
        sort=sort,
        where=_where(words, max(stop, 1), nouns),
    )


def _event(head: Sequence[str], words: Sequence[str], kinds: Mapping[str, Any]) -> str:
    """The kind of a noun phrase: by its head, else by any word of it."""
    known = _known(kinds, "nouns")
    if any(known.get(word.lower()) == "undead" for word in words):
        return "undead"  # an undead uprising is none of the living
    for word in [*reversed(head), *words]:
        for base in bases(word.lower()):
            if base in known:
                return known[base]
    return ""


def _short(words: Sequence[str], head: int) -> Sequence[str]:
    """What a matter is called after the first time."""
    owned = any(POSSESSIVE.search(w) or w[:1].isupper() for w in words[:head])
    if owned or (len(words) <= MAX_SHORT and "of" in words):
        return words[:head] if owned and head < len(words) else words
    return words[head - 1 : head]


def _counted(words: Sequence[str], head: Sequence[str], nouns: Mapping[str, Any]) -> bool:
    """Whether a noun phrase is spoken of with an article."""
    if words[0].lower() in LOOSE:
        return True
    return not head[0][:1].isupper() and head[-1].lower() not in nouns["mass"]["nouns"]


def _at(found: Sequence[str], where: str) -> tuple[list[str], str]:
    """`the dragon of Cold Ferry` is the dragon, and where it is."""
    words = list(found)
    if "of" in words[1:-1]:
        at = words.index("of", 1)
        if words[at + 1][:1].isupper() and words[at - 1][:1].islower():
            return words[:at], where or " ".join(words[at + 1 :])
    return words, where


def _definite(words: Sequence[str]) -> list[str]:
    """`a bishop` as it's spoken of once it is known: `the bishop`."""
    if words and words[0].lower() in ("a", "an", "some"):
        return ["the", *words[1:]]
    return list(words)


def _plain_verb(verb: str) -> str:
    return next((b for b in bases(verb) if not b.endswith("ing")), verb)


def _the(found: Sequence[str], *, article: bool = True) -> str:
    phrase = " ".join(found)
    own = phrase[:1].isupper() and "'s " not in phrase and "’s " not in phrase
    return phrase if not phrase or own or not article else f"the {phrase}"


def _where(words: Sequence[str], at: int, nouns: Mapping[str, Any]) -> str:
    """A place that the words name behind a preposition, with its article."""
    places = PLACES | {"over", "through", "across", "on"}
    for start in range(at, len(words) - 1):
        if words[start].lower() in places:
            found, _ = noun_phrase(list(words), start + 1, nouns)
            if found and (sort_of(found, nouns)[0] == "place" or found[0][0].isupper()):
                return _the(found)
    return ""
