"""Casting: who and what a tale is about, from the caller's words where there are some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller import landscape, supplied
from app.storyteller.asked import Asked
from app.storyteller.continuation import Parent
from app.storyteller.english import counted, listed, ordinal
from app.storyteller.facts import Entity, Facts, record
from app.storyteller.packs import Packs, tier
from app.storyteller.premise import Premise, premise
from app.storyteller.pronouns import which

# What the caller may name, and the part that it plays.
PERSONS = {
    "enemy": ("villain", "antagonist", "enemy", "bbeg", "monster", "foe", "creature"),
    "giver": ("quest_giver", "giver", "patron", "ally", "employer", "speaker", "speaker_a",
              "protagonist", "character", "npc"),
    "other": ("rival", "listener", "speaker_b", "other_character", "second_character"),
    "ward": ("victim", "captive", "hostage", "target", "ward", "missing_person"),
    "third": ("witness", "third", "informant"),
}  # fmt: skip
THINGS = {
    "prize": ("item", "artifact", "artefact", "macguffin", "treasure", "object"),
    "site": ("dungeon", "lair", "site", "destination"),
}
LISTED = ("characters", "cast", "npcs", "persons", "people", "speakers", "participants")
HEROES = ("heroes", "party_members", "players", "party", "adventurers")
PLACES = ("setting", "location", "place", "town", "city", "village", "region", "world")
MATTERS = ("objective", "goal", "quest", "campaign_theme", "premise", "plot", "subject", "topic",
           "hook", "title", "conflict", "stakes", "event", "scene", "additional_context", "prompt",
           "description", "idea", "notes")  # fmt: skip
FEELING = ("tone", "mood", "atmosphere", "genre", "style")
KNOWN = frozenset(
    key
    for keys in (
        *(*PERSONS.values(), *THINGS.values(), LISTED, HEROES, PLACES, MATTERS, FEELING),
        ("reward", "campaign_type", "minions", "foes"),
    )
    for key in keys
)
# Of these an enemy has one in all of a piece, its summary included.
SETTLED = ("want", "truth", "last", "offer", "nature")
CAST = ("giver", "other", "third", "ward")
NAME = re.compile(r"\A([^,:;(–—-]{2,60})[,:;(–—-]\s*(.{2,60}?)\)?\Z")
SPAN = re.compile(r"\b(?:session|evening|night|hour|day|week|month|year)s?\b", re.I)
FOES = (0.5, 1.0, 1.5)  # foes for each member of the party


class Casting:
    """The facts of one tale: `facts` for its sentences, `spine` for its plan."""

    def __init__(
        self,
        packs: Packs,
        asked: Asked,
        theme: Any,
        rng: Random,
        parent: Parent | None = None,
        half: int = 0,
    ) -> None:
        """`half`: which half of what people say is theirs, so that two kinds of text share none."""
        self._half = half
        self.packs, self.asked, self.rng = packs, asked, rng
        self.parent = parent or Parent()
        self.facts = Facts()
        self.mood = self._mood(theme)
        self.level = self.asked.get("party_level", "level")
        self.tier = tier(self.level or rng.randint(1, 6))
        self.premises = list(self._premises())
        self._taken: set[str] = set()
        self.asked.understand(KNOWN)
        self._given = dict(self._named())
        self.spine = self._spine()
        self._words()
        self._town()
        self._enemy()
        for part in CAST:
            self.person(part)
        self._thing("prize", "prizes")
        self._thing("site", "sites")
        self._thing("site2", "sites")
        self._party()

    # -- what the tale is
    def _mood(self, theme: Any) -> str:
        said = [self.asked.get(key) for key in (*FEELING, "campaign_type", "campaign_theme")]
        mood: str = self.packs.mood(theme, *said)
        return mood

    def _premises(self) -> Iterator[Premise]:
        spines, nouns = self.packs.spines["spine"], self.packs.nouns
        for key in MATTERS:
            found = premise(self.asked.get(key), spines, nouns)
            if found.spine or found.sort:
                self.asked.embody(key, found.whom)
                yield found

    def _named(self) -> Iterator[tuple[str, str]]:
        """The caller's noun for a part, as a premise has it."""
        parts = {"creature": "enemy", "person": "ward", "thing": "prize", "place": "site"}
        for found in self.premises:
            if found.whom:
                part = parts.get(found.sort) or self._by_spine(found)
                yield part, found.whom

    def _by_spine(self, found: Premise) -> str:
        return str(self.packs.spines["spine"][found.spine]["object"])

    def _spine(self) -> str:
        """The spine of the caller's verb, else one that the caller's nouns can be told with."""
        spines: Mapping[str, Any] = self.packs.spines["spine"]
        if asked := next((p.spine for p in self.premises if p.spine), ""):
            return asked
        able = [n for n, t in spines.items() if t["object"] in self._given] or list(spines)
        for occasion in self._occasions():
            able = self.packs.nouns["occasion_spines"][occasion]
        return self.rng.choice(able)

    # -- its cast
    def _words(self) -> None:
        facts, packs = self.facts, self.packs
        facts.tags.update((self.mood, self.spine, f"tier{self.tier}"))
        more = packs.senses[self.mood]
        moods = packs.moods[self.mood].items()
        facts.free |= {f"mood_{n}": [*v, *more.get(n, ())] for n, v in moods}
        facts.free |= packs.fillings["free"]
        facts.once |= packs.fillings["once"]
        facts.once["reward"] = packs.fillings[f"tier_{self.tier}"]["reward"]
        facts.words["dc"] = str(9 + 2 * self.tier + self.rng.randint(0, 3))
        if reward := self.asked.thing("reward"):
            facts.words["reward"] = reward
        facts.words |= {name: said for name, said in self._matters() if said}
        facts.tags.update(name for name in facts.words if name != "dc")
        if occasions := set(self._occasions()):
            facts.tags |= occasions | {"occasion"}

    def _matters(self) -> Iterator[tuple[str, str]]:
        """What the caller's own phrases become: an action is a goal, what is no action a matter."""
        asked = self.asked.get
        length = asked("duration", "length")
        if SPAN.search(str(length)):
            yield "length", supplied.noun(length)
        for found in self.premises:
            if found.action and found.matter:
                yield "goal", found.matter[:1].lower() + found.matter[1:]
                break
        theme = premise(asked("campaign_theme"), self.packs.spines["spine"], self.packs.nouns)
        told = theme.action or (theme.sort and not set(self._occasions()))
        yield "matter", "" if told else supplied.subject(asked("campaign_theme"))
        yield "campaign_type", supplied.noun(asked("campaign_type"))
        yield "conflict", supplied.subject(asked("conflict", "stakes"))

    def _occasions(self) -> Iterator[str]:
        """Deathbeds, weddings and the like that the caller spoke of."""
        said = {w.lower() for key in MATTERS for w in str(self.asked.get(key) or "")[:400].split()}
        for name, words in self.packs.nouns["occasion"].items():
            if said & set(words):
                yield name

    def _town(self) -> None:
        places = self.packs.story["places"]
        said = [self.asked.get(key) for key in PLACES]
        found = next(filter(None, (supplied.place(value, places) for value in said)), "")
        where = next((supplied.place(p.where, places) for p in self.premises if p.where), "")
        name = found or where or self.parent.place or self._fresh(self.packs.names["town"])
        kinds, given = self.packs.settings["kind"], found or where or self.parent.place
        self.place = landscape.kind(f"{given}", kinds) if given else ""
        self._taken.add(name)
        known = self._fresh([str(k) for k in self.packs.towns["known"]])
        self.facts.add("town", Entity(name, name, "it", {"known": [known]}))
        self.facts.words["town2"] = self._fresh(self.packs.names["town"])

    def _enemy(self) -> None:
        table = self._pattern()
        first, again, pronoun = self._enemy_name(table)
        tags = ["creature" if table["kind"] in self.packs.nouns["creature"] else "person"]
        if not any(name.startswith(f"{first}|") for name in table["names"]):
            tags.append("enemy_given")
        settled = {n: [self.rng.choice(v)] for n, v in record(table).items() if n in SETTLED}
        entity = Entity(first, again, pronoun, record(table) | settled)
        self.facts.add("enemy", entity, *tags)
        foes = self.asked.thing("minions", "foes", "monsters") or self.rng.choice(table["foes"])
        self.facts.add("foes", Entity(foes, foes.removeprefix("the "), "many"))

    def _pattern(self) -> Mapping[str, Any]:
        """What the enemy is after, and how: of the caller's kind, else of the mood and level."""
        patterns: Sequence[Mapping[str, Any]] = self.packs.enemies["enemy"]
        kind = next((p.kind for p in self.premises if p.sort == "creature"), "")
        named = self.asked.title(*PERSONS["enemy"])
        if named and not kind:
            kind = premise(named, {}, self.packs.nouns).kind or "person"
        if kind:
            found = [p for p in patterns if p["kind"] == kind] or [
                p for p in patterns if p["kind"] in ("person", "beast")
            ]
        else:
            found = [p for p in patterns if self.tier in p["tiers"]]
        fit = [p for p in found if self.mood in p["moods"]]
        return self.rng.choice(fit or [p for p in found if not p["moods"]] or found)

    def _enemy_name(self, table: Mapping[str, Any]) -> tuple[str, str, str]:
        name = self.rng.choice(table["names"]).split("|")
        given = self.asked.named(*PERSONS["enemy"]) or self.parent.enemy
        if not given and "enemy" in self._given:
            given = known(self._given["enemy"])
        if not given:
            return name[0], name[1], name[2]
        plural = many(given, self.packs.nouns)
        pronoun = which(self.asked.get("enemy_pronouns"), False, self.rng)
        pronoun = self.gender(given) or (name[2] if name[2] in ("it", "they") else pronoun)
        if plural:
            pronoun = "many"
        return given, shorter(given, self.packs.titles), pronoun

    def person(self, part: str, trade: Mapping[str, Any] | None = None) -> Entity:
        """Somebody for a part: named by the caller or the parent's text, else drawn."""
        given, described = self._given_person(part)
        table = trade or self._trade(described)
        noun = described or str(table["noun"])
        pronoun = str(table.get("who") or which(None, False, self.rng))
        if not given:
            name = self._fresh(self.packs.names[pronoun])
            given = f"{name} {self._fresh(self.packs.names['family'])}"
            first = f"the {noun} {given}"
        elif given[:1].islower():
            first, pronoun = given, self.gender(given) or pronoun
        else:
            first = f"the {noun} {given}" if described else given
            pronoun = self.gender(given) or "they"
        said = record(table) | {"says": table["says"][self._half :: 2]}
        entity = Entity(first, shorter(given, self.packs.titles), pronoun, said)
        self.facts.add(part, entity)
        return entity

    def stranger(self, part: str) -> None:
        """Somebody without a trade of the grammar's, for lines that give one."""
        pronoun = which(None, False, self.rng)
        name = self._fresh(self.packs.names[pronoun])
        full = f"{name} {self._fresh(self.packs.names['family'])}"
        self.facts.add(part, Entity(full, name, pronoun))

    def gender(self, name: str) -> str:
        """The pronoun that a name's words ask for, or ``."""
        words = set(name.lower().split(" of ")[0].split())
        genders = self.packs.nouns["gender"].items()
        return next((gender for gender, nouns in genders if words & set(nouns)), "")

    def _given_person(self, part: str) -> tuple[str, str]:
        if name := self.asked.title(*PERSONS[part]):
            return name, ""
        if part in self._given:
            return known(self._given[part]), ""
        order = CAST.index(part)
        people = self._listed()
        if order < len(people):
            return people[order]
        if order < len(self.parent.people):
            return self.parent.people[order], ""
        return "", ""

    def _listed(self) -> list[tuple[str, str]]:
        """The cast that the caller listed: names, with what follows a comma as their trade."""
        value = self.asked.get(*LISTED)
        items = value if isinstance(value, list) else re.split(r"[,;]| and ", str(value or ""))
        people = []
        for item in items[:8]:
            found = NAME.match(str(item).strip())
            name = supplied.title(found[1] if found else item)
            if name:
                people.append((name, supplied.noun(found[2]) if found else ""))
        return people

    def _trade(self, noun: str) -> Mapping[str, Any]:
        trades: Sequence[Mapping[str, Any]] = self.packs.trades["trade"]
        known_trade = next((t for t in trades if t["noun"] == noun), None)
        if known_trade:
            return known_trade
        fit = landscape.trades(trades, self.place)
        chosen = self.rng.choice([t for t in fit if self.free(t)] or fit)
        self._taken.add(chosen["noun"])
        return chosen

    def free(self, trade: Mapping[str, Any]) -> bool:
        """Whether nobody of the cast lives by it yet."""
        return trade["noun"] not in self._taken

    def _thing(self, part: str, grammar: str) -> None:
        tables: Sequence[Mapping[str, Any]] = self.packs.__getattr__(grammar)[grammar.rstrip("s")]
        given = self.asked.thing(*THINGS.get(part, ()))
        if not given and part in self._given:
            given = known(self._given[part])
        if given:
            table = self.rng.choice(self.packs.__getattr__(grammar)["given"])
            self.facts.add(part, Entity(given, given, "it", record(table)), f"{part}_given")
            return
        able = [t for t in tables if t["name"] not in self._taken and self._suits(t)]
        fit = [t for t in able if self.mood in t.get("moods", ())]
        table = self.rng.choice(fit or able)
        self._taken.add(table["name"])
        first, _, again = table["name"].partition("|")
        self.facts.add(part, Entity(first, again or first, "it", record(table)))

    def _suits(self, table: Mapping[str, Any]) -> bool:
        """Whether it is of every mood, or of this one."""
        return not table.get("moods") or self.mood in table["moods"]

    def _party(self) -> None:
        level, size = self.level, self.asked.get("party_size")
        self.asked.steer("party_level", "party_size", "level")
        who = "the party" if size is None else f"{counted(size)} adventurers"
        if size == 1:
            who = "a lone adventurer"
        first = f"{who} of {ordinal(level)} level" if level else who
        if level or size:
            self.facts.words["company"] = first.replace("the party", "a party")
            self.facts.tags.add("company")
        heroes = [n for n in map(supplied.title, self._heroes()) if n]
        if heroes:
            first = listed(heroes[:8])
        many = len(heroes) > 1 or (size or 1) > 1
        again = "the party" if size != 1 else "the adventurer"
        self.facts.add("party", Entity(first, again, "they", {}, many))
        foes = round((size or self.rng.randint(3, 6)) * self.rng.choice(FOES))
        self.facts.words["number"] = counted(max(2, foes))

    def _heroes(self) -> list[Any]:
        value = self.asked.get(*HEROES)
        if isinstance(value, list):
            return value
        return re.split(r"[,;]| and ", value) if isinstance(value, str) else []

    def _fresh(self, options: Sequence[str]) -> str:
        able = [o for o in options if o not in self._taken] or list(options)
        chosen = self.rng.choice(able)
        self._taken.add(chosen)
        return chosen


def known(noun: str) -> str:
    """A noun as it is spoken of: the dragon, Eldoria, the captive king."""
    if noun.lower().startswith(("the ", "a ", "an ")):
        return f"the {noun.partition(' ')[2]}"
    own = noun[:1].isupper() and "'s " not in noun and "’s " not in noun
    return noun if own else f"the {noun}"


def shorter(name: str, titles: frozenset[str]) -> str:
    """What somebody is called once they were named in full."""
    first, _, rest = name.partition(" ")
    if not rest or not first[:1].isupper():
        return name
    return name.split(" of ")[0] if first in titles else first


def many(name: str, nouns: Mapping[str, Any]) -> bool:
    """Whether the name of a creature, a person or a place is a plural: the wolves, the ruins."""
    last = name.lower().split(" of ")[0].split()[-1]
    singular = last.removesuffix("s")
    known_nouns = [
        words for sort in ("creature", "person", "place") for words in nouns[sort].values()
    ]
    return last != singular and any(singular in known for known in known_nouns)
