"""Npc: a person who stands to the party in a role, with the traits and ties that were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

from app.operations.npc import NpcDraft, NpcRequest, Relationship
from app.storyteller import lengths, supplied
from app.storyteller.asked import Asked
from app.storyteller.casting import PLACES, Casting, shorter
from app.storyteller.continuation import Parent
from app.storyteller.english import polished, tokens
from app.storyteller.facts import Entity, record
from app.storyteller.grammar import SENTENCE, Unit, finished
from app.storyteller.packs import Packs, known
from app.storyteller.portrait import Portrait
from app.storyteller.pronouns import which
from app.storyteller.prose import Composed
from app.storyteller.telling import Telling

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
YES = ("yes", "true", "")
USUAL = 230  # words
STEERING = ("party_level", "level", "party_size", "campaign_type", "tone", "genre", "style")


def compose(packs: Packs, request: NpcRequest, rng: Random) -> Composed:
    """The person, in at most `model.max_tokens` words and marks beside what the caller gave."""
    person = _Person(packs, request, rng)
    told = person.told()
    fields, cut = person.within(told, request.model.max_tokens)
    given = " ".join(_kept(request.traits, person))
    canon = person.portrait.canon_beside(told.text + given)
    description = f"{fields['description']} {given} {canon}".strip()
    draft = NpcDraft(
        name=person.name,
        description=polished(description),
        personality=str(fields["personality"]),
        motivations=list(fields["motivations"]),
        secrets=list(fields["secrets"]),
        relationships=list(_ties(request.relationships, person)),
    )
    return Composed(draft, cut, person.portrait.unused)


class _Person:
    """Who it is: the caller's words where there are some, else drawn ones, in a cast of others."""

    def __init__(self, packs: Packs, request: NpcRequest, rng: Random) -> None:
        self.packs, self.rng = packs, rng
        given = {**request.context.given(), **request.traits}
        self.asked = Asked(context=request.context.given())
        self.asked.steer(*STEERING, *lengths.KEYS)
        self.cast = Casting(packs, self.asked, request.theme, rng, Parent())
        self.facts = self.cast.facts
        if self.facts.cast["town"].first not in packs.names["town"]:
            self.asked.steer(*PLACES)  # the place is the caller's, in words that fit a sentence
        self.role = packs.npc["role"][request.role.value]
        self._fill()
        self._who(given)
        flavour = [supplied.noun(v) for v in request.theme.given().values()]
        if words := supplied.shortened(" ".join(dict.fromkeys(" ".join(flavour).split()))):
            self.facts.words["flavour"] = words
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
        self.facts.words |= {
            "race": noun or race.replace("_", "-"),
            "trade": trade or rng.choice(self.role["trade"]),
        }
        self.facts.tags |= {self.cast.mood}
        clauses = record(rng.choice(packs.trades["trade"]))
        again = shorter(self.name, packs.titles)
        self.facts.add("hero", Entity(self.name, again, pronoun, clauses))
        self._others()
        became = {"name": name, "race": noun, "trade": trade}
        self.used = frozenset(found[word] for word, said in became.items() if said)

    def _others(self) -> None:
        """Those of a person's past whom the manners speak of."""
        names, rng = self.packs.names, self.rng
        self.facts.add("home", Entity(home := rng.choice(names["town"]), home))
        for part in ("mentor", "rival", "lost"):
            pronoun = rng.choice(("she", "he"))
            first, family = rng.choice(names[pronoun]), rng.choice(names["family"])
            self.facts.add(part, Entity(f"{first} {family}", first, pronoun))

    # -- the fields
    def told(self) -> Any:
        """The sheet's steps told, in as many as the asked length holds."""
        said = [(path.partition(".")[2], value) for path, value in self.asked.values.items()]
        steps = [
            replace(step, field=FIELDS[step.pool[0]])
            for step in lengths.steps([[name] for name in self.packs.npc["plan"]])
        ]
        return self.portrait.prose.fitted_steps(steps, lengths.asked(said, USUAL))

    def within(self, told: Any, limit: int) -> tuple[dict[str, Any], bool]:
        """The fields in at most `limit` tokens, save that each has its first sentence."""
        units: dict[str, list[str]] = {field: [] for field in FIELDS.values()}
        for unit, name in zip(told.units, told.fields, strict=True):
            units[name].append(unit.text)
        room, fields, whole = limit, {}, 0
        for field, texts in units.items():
            if field in ("description", "personality"):
                fields[field] = finished([Unit(" ", text) for text in texts], max(1, room // 2))
            else:
                fields[field] = list(_fitting(texts, room))  # type: ignore[assignment]  # a list
            room -= sum(map(tokens, [fields[field]] if isinstance(fields[field], str)
                            else fields[field]))  # fmt: skip
            whole += sum(map(tokens, texts))
        return fields, room < limit - whole

    def said(self, template: str) -> str:
        """One line about the person, told by itself."""
        telling = Telling(self.facts, self.rng)
        telling.tell("{hero}")  # who was named already
        return telling.tell(template)


def _fitting(texts: Sequence[str], room: int) -> Iterator[str]:
    """As many as have room, and the first whatever it takes."""
    for at, text in enumerate(dict.fromkeys(texts)):
        room -= tokens(text)
        if at and room < 0:
            return
        yield text


def _kept(traits: Mapping[str, str], person: _Person) -> Iterator[str]:
    """Sentences in which every given trait stands; talk is quoted, not built in."""
    listed: list[str] = []
    hero = person.facts.cast["hero"].again
    for key, value in traits.items():
        if key in person.used:
            continue
        if supplied.is_talk(value) and (talk := _once(supplied.verbatim(value))):
            what = supplied.noun(key.replace("_", " ")) or "ways"
            yield polished(f"It is said of {hero}, as to the {what}: “{_quoted(talk)}”")
        elif trait := _trait(key, value):
            listed.append(trait)
    listing = iter(listed)
    while some := list(islice(listing, TRAITS_PER_SENTENCE)):
        lead = person.rng.choice(
            ("Settled about {} from the start", "Known of {}", "Of {} all say")
        )
        yield polished(f"{lead.format(hero)}: {'; '.join(some)}.")


def _once(talk: str) -> str:
    """Talk without a sentence that it has said already."""
    return " ".join(dict.fromkeys(SENTENCE.split(talk))) if talk else ""


def _trait(key: str, value: str) -> str:
    """A trait as `hair, red`, or its name alone where the value only says yes."""
    what, said = supplied.noun(key.replace("_", " ")), supplied.subject(value)
    if said.lower() in YES:
        return what
    return f"{what}, {said}" if what else said


def _quoted(talk: str) -> str:
    talk = supplied.ended(talk)
    return talk[:1].upper() + talk[1:]


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
