"""Npc: a person who stands to the party in a role, with the traits and ties that were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

from app.operations.npc import NpcDraft, NpcRequest, Relationship
from app.storyteller import landscape, lengths, supplied
from app.storyteller.asked import Asked, canon
from app.storyteller.casting import PLACES, Casting, shorter
from app.storyteller.continuation import Parent
from app.storyteller.english import polished, tokens
from app.storyteller.facts import Entity, record
from app.storyteller.grammar import Unit
from app.storyteller.packs import Packs, known
from app.storyteller.portrait import Portrait
from app.storyteller.pronouns import which
from app.storyteller.prose import Composed, Told
from app.storyteller.sheet import fitted, text, within

# Traits and further keys that the text speaks of in its own way, and what they are called here.
KEYS = {
    "name": ("name", "npc_name", "full_name"),
    "race": ("race", "species", "ancestry", "character_race"),
    "trade": ("occupation", "profession", "job", "trade"),
    "pronouns": ("pronouns", "gender", "sex"),
}
FIELDS = {"d": "description", "u": "description", "p": "personality", "m": "motivations",
          "s": "secrets"}  # fmt: skip
TRAITS_PER_SENTENCE = 4  # traits that one sentence lists
MAX_NATURE = 200  # characters of a given relationship
EMPTY = Unit("", "")
YES = ("yes", "true", "")
USUAL = 230  # words
STEERING = ("party_level", "level", "party_size", "campaign_type", "tone", "genre", "style")


def compose(packs: Packs, request: NpcRequest, rng: Random) -> Composed:
    """The person, in at most `model.max_tokens` words and marks beside what the caller gave."""
    person = _Person(packs, request, rng)
    portrait, told = person.portrait, person.told()
    fields = {name: told.of(name) for name in FIELDS.values()}
    ties = list(_ties(request.relationships, person))
    drawn = ties[len(request.relationships) :]
    empty = _draft(person, {name: [EMPTY] for name in fields}, drawn)
    limit = request.model.max_tokens - tokens(empty.model_dump_json())
    kept, cut = within(fields, limit)
    given = [Unit(" ", said) for said in _kept(request.traits, person)]
    given += _talked(request.relationships)
    beside = " ".join(unit.text for unit in (*told.units, *given))
    kept["description"] += given + portrait.canon(beside)
    draft = _draft(person, kept, ties)
    return Composed(draft, cut, portrait.lost(draft.model_dump_json().replace('\\"', '"')))


def _draft(
    person: _Person, fields: Mapping[str, Sequence[Unit]], ties: Sequence[Relationship]
) -> NpcDraft:
    return NpcDraft(
        name=person.name,
        description=polished(text(fields["description"])),
        personality=text(fields["personality"]),
        motivations=[unit.text for unit in fields["motivations"]],
        secrets=[unit.text for unit in fields["secrets"]],
        relationships=list(ties),
    )


class _Person:
    """Who it is: the caller's words where there are some, else drawn ones, in a cast of others."""

    def __init__(self, packs: Packs, request: NpcRequest, rng: Random) -> None:
        self.packs, self.rng = packs, rng
        given = {**request.context.given(), **request.traits}
        self.asked = Asked(context=request.context.given(), traits=request.traits)
        self.asked.steer(*STEERING, *lengths.KEYS)
        self.cast = Casting(packs, self.asked, request.theme, rng, Parent())
        self.facts = self.cast.facts
        self.facts.wordings = packs.same
        if self.facts.cast["town"].first not in packs.names["town"]:
            self.asked.steer(*PLACES)  # the place is the caller's, in words that fit a sentence
        self.role_name = request.role.value
        self.role = packs.npc["role"][self.role_name]
        self._fill()
        self._who(given)
        tables = [packs.npc["line"], self.role]
        self.portrait = Portrait(packs, self.asked, self.facts, tables, rng)

    def _fill(self) -> None:
        """What the frames are filled with: manners for everybody, and the role's own."""
        manners, free = self.packs.manners, self.facts.free
        for name, options in {**manners["free"], **self.packs.npc["fill"]}.items():
            free.setdefault(name, options)
        free["quality2"] = free["quality"]
        free["purse"] = manners["purse"][str(self.cast.tier)]
        free["line"] = self.role["line"]
        free |= {name: self.packs.names[name] for name in ("inn",)}
        for name in ("deity", "signal", "trade"):
            free.setdefault(name, manners["once"][name])
        self.facts.words["a"] = "a"
        self.facts.words["party_s"] = "" if self.facts.cast["party"].many_at_first else "s"

    def _who(self, given: Mapping[str, Any]) -> None:
        """Name, race, trade and pronoun; `used`: the traits that became words of sentences."""
        packs, rng = self.packs, self.rng
        found = {word: next((k for k in keys if given.get(k)), "") for word, keys in KEYS.items()}
        told = {word: given.get(key) for word, key in found.items()}
        races = packs.people["race"]
        noun = supplied.noun(told["race"])
        race = known(told["race"], races)
        if race is None:
            race = "homebrew" if noun else rng.choice([r for r in races if r != "homebrew"])
        name = supplied.title(told["name"])
        pronoun = which(told["pronouns"], bool(name), rng)
        trade = supplied.noun(told["trade"])
        first = races[race].get(pronoun) or [*races[race]["she"], *races[race]["he"]]
        self.name = name or f"{rng.choice(first)} {rng.choice(races[race]['family'])}"
        table = self._trade(trade, pronoun)
        self.facts.words |= {
            "race": noun or race.replace("_", "-"),
            "trade": trade or str(table["noun"]),
        }
        self.facts.tags |= {self.cast.mood}
        clauses = record(table)
        again = shorter(self.name, packs.titles)
        self.facts.add("hero", Entity(self.name, again, pronoun, clauses))
        self._others()
        became = {"name": name, "race": noun, "trade": trade}
        self.used = frozenset(found[word] for word, said in became.items() if said)

    def _trade(self, given: str, pronoun: str) -> Mapping[str, Any]:
        """By what the person lives: of the role, and such as there is in a place of that kind."""
        tables: Sequence[Mapping[str, Any]] = self.packs.trades["trade"]
        if own := next((t for t in tables if t["noun"] == given), None):
            return own
        fit = [t for t in tables if self.role_name in t["roles"]]
        fit = [t for t in fit if t.get("who", pronoun) == pronoun]
        able = landscape.trades(fit, self.cast.place)
        return self.rng.choice([t for t in able if self.cast.free(t)] or able or fit)

    def _others(self) -> None:
        """Those of a person's past whom the manners speak of."""
        names, rng = self.packs.names, self.rng
        self.facts.add("home", Entity(home := rng.choice(names["town"]), home))
        for part in ("mentor", "rival", "lost"):
            pronoun = rng.choice(("she", "he"))
            first, family = rng.choice(names[pronoun]), rng.choice(names["family"])
            self.facts.add(part, Entity(f"{first} {family}", first, pronoun))

    # -- the fields
    def told(self) -> Told:
        """The sheet's steps told, in as many as the asked length holds; of each field the first."""
        said = [(path.partition(".")[2], value) for path, value in self.asked.values.items()]
        steps = lengths.steps([self.packs.npc["plan"]])
        steps = [replace(step, field=FIELDS[step.pool[0]]) for step in steps]
        told: Told = fitted(steps, lengths.asked(said, USUAL), self.portrait.prose.told)
        return Told(self.portrait.named(told.units), told.fields)


def _kept(traits: Mapping[str, str], person: _Person) -> Iterator[str]:
    """Sentences in which every given trait stands; talk is quoted, not built in."""
    listed: list[str] = []
    hero = person.facts.cast["hero"].again
    for key, value in traits.items():
        person.asked.steer(key)  # it is told here, or stands in the sentences already
        if key in person.used:
            continue
        if supplied.is_talk(value):
            talk, _ = canon(value)
            what = supplied.noun(key.replace("_", " ")) or "ways"
            if talk:
                yield polished(f"It is said of {hero}, as to the {what}: “{' '.join(talk)}”")
        elif trait := _trait(key, value):
            listed.append(trait)
    listing = iter(listed)
    while some := list(islice(listing, TRAITS_PER_SENTENCE)):
        lead = person.rng.choice(
            ("Settled about {} from the start", "Known of {}", "Of {} all say")
        )
        yield polished(f"{lead.format(hero)}: {'; '.join(some)}.")


def _trait(key: str, value: str) -> str:
    """A trait as `hair, red`, or its name alone where the value only says yes."""
    what, said = supplied.noun(key.replace("_", " ")), supplied.subject(value)
    if said.lower() in YES:
        return what
    return f"{what}, {said}" if what else said


def _talked(given: Mapping[str, str]) -> list[Unit]:
    """The whole of a relationship that is too long for its line."""
    long = ((to, value) for to, value in given.items() if len(value) > MAX_NATURE)
    return [
        Unit(" ", polished(f"As to {supplied.verbatim(to)}: “{' '.join(talk)}”"))
        for to, value in long
        if (talk := canon(value)[0])
    ]


def _ties(given: Mapping[str, str], person: _Person) -> Iterator[Relationship]:
    """Every given relationship with its given nature, and a few that nobody gave."""
    fill, rng, cast = person.packs.npc["fill"], person.rng, person.facts.cast
    for to, value in given.items():
        said = supplied.verbatim(value, MAX_NATURE)
        yield Relationship(to=to, nature=said or rng.choice(fill["tie_giver"]))
    taken = {to.casefold() for to in given}
    for to, natures in (
        ("the party", person.role["party"]),
        (cast["giver"].first, fill["tie_giver"]),
        (cast["enemy"].first, fill["tie_villain"]),
    ):
        if to.casefold() not in taken:
            yield Relationship(to=to, nature=rng.choice(natures))
