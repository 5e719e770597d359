"""Npc: a person who stands to the party in a role, with the traits and ties that were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from random import Random
from typing import Any

from app.operations.npc import NpcDraft, NpcRequest, Relationship
from app.storyteller import supplied
from app.storyteller.brief import Brief
from app.storyteller.english import polished
from app.storyteller.grammar import Expander, scope
from app.storyteller.packs import Packs, known
from app.storyteller.pronouns import named, pronouns, which
from app.storyteller.sheet import Sheet

# Traits and further keys that the text speaks of in its own way, and what they are called here.
KEYS = {
    "name": ("name", "npc_name", "full_name"),
    "race": ("race", "species", "ancestry", "character_race"),
    "trade": ("occupation", "profession", "job", "trade"),
    "pronouns": ("pronouns", "gender", "sex"),
}
USED = frozenset(key for keys in KEYS.values() for key in keys)
TRAITS_PER_SENTENCE = 4  # traits that one sentence lists
MAX_NATURE = 200  # characters of a given relationship
YES = ("yes", "true", "")


def compose(packs: Packs, request: NpcRequest, rng: Random) -> NpcDraft:
    """The person, in at most `model.max_tokens` words and marks beside what the caller gave."""
    brief = Brief(packs, request.context, request.theme, rng, used=USED)
    person = _Person(packs, {**brief.given, **request.traits}, rng)
    role, texts = packs.npc["role"][request.role.value], packs.npc["text"]
    words = {"trade": rng.choice(role["trade"])} | brief.words | person.words
    expander = Expander(rng, words, brief.scopes(scope("role", role), texts), brief.once)
    sheet = Sheet(brief, expander, packs.npc["sheet"], texts, request.model.max_tokens)
    given = " ".join(_kept(request.traits, person.used, expander, rng, texts))
    if short := expander.called("name", packs.titles):
        given = given.replace(*short)
    description = f"{sheet.prose('description')} {given}".strip()
    return NpcDraft(
        name=person.words["name"],
        description=f"{description}{sheet.missing}",
        personality=sheet.prose("personality"),
        motivations=sheet.items("motivations"),
        secrets=sheet.items("secrets"),
        relationships=list(_ties(request.relationships, expander)),
    )


class _Person:
    """Name, race, trade and pronoun: the caller's words where there are some, else drawn ones."""

    def __init__(self, packs: Packs, given: Mapping[str, Any], rng: Random) -> None:
        found = {word: next((k for k in keys if given.get(k)), "") for word, keys in KEYS.items()}
        told = {word: given.get(key) for word, key in found.items()}
        races = packs.people["race"]
        race = known(told["race"], races)
        noun = supplied.noun(told["race"])
        if race is None:
            race = "homebrew" if noun else rng.choice([r for r in races if r != "homebrew"])
        name = supplied.title(told["name"])
        pronoun = which(told["pronouns"], bool(name), rng)
        self.words = pronouns(pronoun) | {
            "name": name or named(races[race], pronoun, rng),
            "race": noun or race.replace("_", "-"),
        }
        if trade := supplied.noun(told["trade"]):
            self.words["trade"] = trade
        # What became no word of the sentences is told with the other traits.
        became = {"name": name, "race": noun, "trade": trade}
        self.used = frozenset(found[word] for word, said in became.items() if said)


def _kept(
    traits: Mapping[str, str],
    used: frozenset[str],
    expander: Expander,
    rng: Random,
    texts: Mapping[str, list[str]],
) -> Iterator[str]:
    """Sentences in which every given trait stands; talk is quoted, not built in."""
    listed: list[str] = []
    for key, value in traits.items():
        if key in used:
            continue
        if supplied.is_talk(value) and (talk := supplied.verbatim(value)):
            what = supplied.noun(key.replace("_", " ")) or "ways"
            template = rng.choice(texts["talk"]).replace("{what}", what)
            yield polished(expander.expand(template.replace("{talk}", _quoted(talk))))
        elif trait := _trait(key, value):
            listed.append(trait)
    listing = iter(listed)
    while some := list(islice(listing, TRAITS_PER_SENTENCE)):
        template = rng.choice(texts["traits"])
        yield polished(expander.expand(template.replace("{traits}", "; ".join(some))))


def _trait(key: str, value: str) -> str:
    """A trait as `hair, red`, or its name alone where the value only says yes."""
    what, said = supplied.noun(key.replace("_", " ")), supplied.subject(value)
    if said.lower() in YES:
        return what
    return f"{what}, {said}" if what else said


def _quoted(talk: str) -> str:
    talk = supplied.ended(talk)
    return talk[:1].upper() + talk[1:]


def _ties(given: Mapping[str, str], expander: Expander) -> Iterator[Relationship]:
    """Every given relationship with its given nature, and a few that nobody gave."""
    for to, value in given.items():
        said = supplied.verbatim(value, MAX_NATURE)
        yield Relationship(to=to, nature=said or expander.draw("tie_giver"))
    taken = {to.casefold() for to in given}
    for to, slot in (
        ("the party", "role_party"),
        (expander.draw("giver"), "tie_giver"),
        (expander.draw("villain"), "tie_villain"),
    ):
        if to.casefold() not in taken:
            yield Relationship(to=to, nature=expander.draw(slot))
