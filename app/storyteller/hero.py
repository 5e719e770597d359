"""Hero: who a character is, drawn once for all texts about the same one.

What the caller gave comes first. The rest hangs on the name, or without one on the whole context
and the seed: a backstory and a combat text of one character speak of the same mentor, town and god.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller import rules, supplied
from app.storyteller.arms import arm
from app.storyteller.asked import Asked
from app.storyteller.casting import shorter
from app.storyteller.continuation import Parent
from app.storyteller.english import counted, many, ordinal
from app.storyteller.facts import Entity, Facts, record
from app.storyteller.packs import Packs, known, seeded, tier
from app.storyteller.powers import can, numbers
from app.storyteller.pronouns import which

KEYS = {
    "name": ("name", "character_name", "full_name"),
    "class": ("character_class", "class"),
    "race": ("character_race", "race", "species", "ancestry"),
    "level": ("character_level", "level"),
    "home": ("home", "hometown", "homeland", "birthplace", "origin"),
    "deity": ("deity", "god", "faith", "religion"),
    "patron": ("patron",),
    "goal": ("goal", "motivation", "ambition", "quest"),
    "family": ("family", "relatives", "parents", "siblings"),
    "rival": ("enemy", "nemesis", "villain", "rival"),
    "mentor": ("mentor", "teacher", "master"),
    "weapon": ("weapon", "favorite_weapon", "favourite_weapon"),
    "pronouns": ("pronouns", "gender", "sex"),
    "subclass": ("subclass", "archetype", "path", "domain", "oath", "school", "circle", "college"),
}
STEERING = ("pronouns", "gender", "sex", "character_level", "level", "alignment", "age")
CONDUCT = {"lawful": "l", "chaotic": "c", "neutral": "n"}
NATURE = {"good": "g", "evil": "e", "neutral": "n"}
SHORT = re.compile(r"\A([lcn])?([gen])\Z")
PARTY = 4  # as many as the document's own examples have
YOUNG = 1.6  # times the age of the grown is the most that is drawn
KIN = (
    ("cousin", "friend", "sister", "brother", "neighbour", "old comrade", "aunt", "uncle"),
    ("friend", "neighbour", "old comrade", "fellow foundling", "partner"),  # who has no family
)
SEX = {"sister": "she", "aunt": "she", "brother": "he", "uncle": "he"}
GROWN = 13  # years; what somebody did for years was done after these
YEARS = {"four years": 4, "five winters": 5, "six years": 6, "seven years": 7, "nine winters": 9,
         "eleven years": 11, "a dozen years": 12, "fifteen years": 15}  # fmt: skip
STOPPED = frozenset(".;")  # what no further clause goes behind
KEPT = ", kept {kept_where}"
PLACED = (
    "; {hero} would {would_rather} before giving it up",
    "; it has a place of its own, {kept_where}",
    "; nobody has been told {untold}",
    ", kept {kept_where}",
    "; of all of it this is what {hero} would {would_rather} to keep",
    "; even {mentor} was not told {untold}",
    ", {thing_story}",
    "; {hero} looks at it when others pray",
)


class Hero:
    """The facts of one character. `tables`: where the steps of a plan find the hero's own lines."""

    def __init__(
        self,
        packs: Packs,
        given: Mapping[str, Any],
        theme: Any,
        seed: Any,
        parent: Parent | None = None,
    ) -> None:
        self.packs, self.given, self.parent = packs, given, parent or Parent()
        self.asked = Asked(character_context=given)
        self.asked.understand(key for keys in KEYS.values() for key in keys)
        self.facts = Facts()
        self.facts.wordings = packs.same
        named = self.asked.title(*KEYS["name"]) or next(iter(self.parent.people), "")
        self.rng = seeded("person", named) if named else seeded("person", given, seed)
        self.level: int = given.get("character_level") or self.rng.randint(1, 3)
        self.cls, self.class_noun = self._kind("class", packs.callings)
        self.race, self.race_noun = self._kind("race", packs.people["race"])
        self.background, self.background_noun = self._past()
        self.nature, self.conduct = self._alignment()
        self.life = self._life(seeded("life", given, seed))
        self.mood = packs.mood(theme)
        self._tags()
        self._words()
        self._cast(named)
        self._weapons()
        self._foes()
        self._steer()
        self.tables = list(self._tables())

    @property
    def devout(self) -> bool:
        """Whether a god belongs into the text: one was given, or the class serves one."""
        return self.cls in ("cleric", "paladin") or bool(self.asked.get(*KEYS["deity"]))

    def _steer(self) -> None:
        """What has decided something need not be told; what is not known is told as it came."""
        self.asked.steer(*STEERING)
        own = {"class": self.cls, "race": self.race, "background": self.background}
        for what, kind in own.items():
            if kind not in ("homebrew", "supplied"):
                self.asked.steer(*KEYS.get(what, (what,)))

    # -- what kind of person
    def _kind(self, what: str, packs: Mapping[str, Any]) -> tuple[str, str]:
        """The pack for a class or race, and the noun to call it by."""
        value = self.asked.get(*KEYS[what])
        found, noun = known(value, packs), supplied.noun(value)
        if noun:
            return found or "homebrew", noun
        found = found or self.rng.choice([name for name in packs if name != "homebrew"])
        return found, found.replace("_", "-")

    def _past(self) -> tuple[str, str]:
        value = self.given.get("background")
        packs = self.packs.people["background"]
        words = {word: name for name, pack in packs.items() for word in pack["words"]}
        found, noun = known(value, words), supplied.noun(value)
        if found:
            return words[found], noun
        if value:
            return ("supplied" if noun else "homebrew"), noun
        return self.rng.choice([name for name, pack in packs.items() if pack["words"]]), noun

    def _alignment(self) -> tuple[str, str]:
        """Nature and conduct; where none is given nobody is evil, and a paladin is good."""
        said = str(self.given.get("alignment") or "").lower()[:100].replace("-", " ")
        words = re.findall(r"[a-z]+", said)
        if found := SHORT.match("".join(words)):
            return _by_letter(NATURE, found[2]), _by_letter(CONDUCT, found[1] or "n")
        drawn = "good" if self.cls == "paladin" else self.rng.choice(("good", "neutral"))
        nature = next((n for n in ("good", "evil") if n in words), "neutral" if words else drawn)
        return nature, next((c for c in ("lawful", "chaotic") if c in words), "neutral")

    def _life(self, rng: Random) -> Mapping[str, Any]:
        """What made them leave, of those that somebody of such a nature and class may have had."""
        lives: Sequence[Mapping[str, Any]] = self.packs.lives["life"]
        fit = [
            life
            for life in lives
            if self.nature in life["natures"]
            and self.cls in life.get("classes", (self.cls,))
            and not (self.background == "noble" and life.get("family"))
        ]
        return rng.choice(fit)

    # -- words, tags and cast
    def _tags(self) -> None:
        family = self.life.get("family")
        orphan = family == "foundling" or (self.background == "urchin" and family != "kin")
        facts = {
            "orphan": orphan,
            "kin": family == "kin" or bool(self.asked.get(*KEYS["family"])),
            "noble": self.background == "noble",
            "street": self.background == "urchin",
            "odd_race": self.race == "homebrew",
        }
        self.facts.tags |= {tag for tag, true in facts.items() if true}
        self.facts.tags |= {self.nature, self.conduct, self.mood, f"tier{tier(self.level)}"}
        self.facts.tags |= {self.life.get("lost", "gone"), f"class_{self.cls}"}

    def _words(self) -> None:
        facts, manners = self.facts, self.packs.manners
        facts.words |= {
            "a": "a",
            "class": self.class_noun,
            "race": self.race_noun,
            "level": ordinal(self.level),
            "people": self._people(),
            "background": self.background_noun,
        }
        facts.words |= {name: str(n) for name, n in numbers(self.cls, self.level).items()}
        facts.free |= {f"mood_{n}": v for n, v in self.packs.moods[self.mood].items()}
        facts.free |= self.packs.common["free"] | self.packs.names | manners["free"]
        if ages := rules.ages(self.race):
            age = self.rng.randint(ages[0] + 1, int(ages[0] * YOUNG) + 4)
            facts.words |= {"age": str(age), "young": "young" if age < ages[1] / 3 else "no age"}
            facts.tags.add("age")
            able = [n for n, many in YEARS.items() if many <= max(4, age - GROWN)]
            facts.free["years"] = able
        facts.free["purse"] = manners["purse"][str(tier(self.level))]
        for side in (self.nature, self.conduct):
            for name, options in manners.get(side, {}).items():  # neutral has no conduct of its own
                facts.free[name] = [*facts.free.get(name, ()), *options]
        facts.free["quality2"] = facts.free["quality"]  # another one, since none is told twice
        facts.free["bond_said"] = [self.life["bond"]] if "bond" in self.life else []
        facts.free["town2"] = self.packs.names["town"]
        for name, options in {**manners["once"], "town2": facts.free["town2"]}.items():
            # Drawn here and now, so that it is the same in every text.
            facts.once[name] = [self.rng.choice(options)]
        if deity := self.asked.title(*KEYS["deity"]):
            facts.words["deity"] = deity
        if goal := supplied.subject(self.asked.get(*KEYS["goal"])):
            facts.words["goal"] = goal
            facts.tags.add("goal")

    def _people(self) -> str:
        said = self.packs.people["race"][self.race]["people"][0]
        return str(said.replace("{race}", self.race_noun))

    def _cast(self, named: str) -> None:
        packs, rng = self.packs, self.rng
        places = packs.story["places"]
        home = supplied.place(self.asked.get(*KEYS["home"]), places)
        home = home or self.parent.place or rng.choice(packs.names["town"])
        if self.parent.thread:
            self.facts.words["open_thread"] = self.parent.thread
        towns = rng.sample([t for t in packs.names["town"] if t != home], 2)
        known_for = rng.sample(list(packs.towns["known"]), 2)
        self.facts.once["town2"] = [towns[0]]
        self.facts.add("home", Entity(home, home, "it", {"known": known_for}))
        self.facts.words["town"] = towns[1]
        pronoun = which(self.asked.get(*KEYS["pronouns"]), bool(named), rng)
        race = packs.people["race"][self.race]
        full = named or f"{rng.choice(_first_names(race, pronoun))} {rng.choice(race['family'])}"
        again = shorter(full, packs.titles)
        self.facts.add("hero", Entity(full, again, pronoun, self._record()))
        self._others({full, again})

    def _record(self) -> dict[str, Sequence[str]]:
        calling, own = self.packs.callings[self.cls], self.packs.classes[self.cls]
        found: dict[str, Sequence[str]] = dict(record(calling))
        found["say"] = [*calling["say"], *own["line"], *self.packs.manners[self.nature]["say"]]
        for name in ("patron", "wild", "quarry"):
            if options := own.get(name):
                self.facts.words[name] = self.rng.choice(options)
        if patron := self.asked.title(*KEYS["patron"]):
            self.facts.words["patron"] = patron
        path = not self.asked.get(*KEYS["subclass"])
        return found | can(self.packs.fights, self.cls, self.level, self.nature, path, self.rng)

    def _others(self, taken: set[str]) -> None:
        """Mentor, rival and the one who was lost; from the parent's cast, if it has somebody."""
        rest = [name for name in self.parent.people if not taken & {name, name.split()[0]}]
        found = {"rival": self.parent.enemy or next(iter(rest), "")}
        found["lost"] = next((name for name in rest if name != found["rival"]), "")
        for part in ("mentor", "rival", "lost"):
            given = self.asked.title(*KEYS[part]) if part in KEYS else ""
            if given := given or found.get(part, ""):
                again = shorter(given, self.packs.titles)
                said = record(self._mentor()) if part == "mentor" else {}
                self.facts.add(part, Entity(given, again, "they", said))
                taken |= {given, again}
            else:
                self.facts.add(part, self._drawn(part, taken))

    def _drawn(self, part: str, taken: set[str]) -> Entity:
        packs, rng = self.packs, self.rng
        drawn = rng.choice(KIN[self._orphan()])  # in any case, so that the next draw is the same
        kin = str(self.life.get("relation") or drawn)
        pronoun = rng.choice(("she", "he"))
        if part == "lost":
            pronoun = SEX.get(kin, pronoun)
        first = rng.choice([n for n in packs.names[pronoun] if n not in taken])
        family = rng.choice([n for n in packs.names["family"] if n not in taken])
        taken |= {first, family}
        calling = packs.callings[self.cls]
        if part == "mentor":
            full = f"the {rng.choice(calling['teacher'])} {first} {family}"
            return Entity(full, family, pronoun, record(self._mentor()))
        if part == "rival":
            known_as = self.life.get("rival_as", calling["foe"])
            return Entity(f"{known_as} {first} {family}", first, pronoun)
        their = self.facts.cast["hero"].field("their")
        return Entity(f"{their} {kin} {first}", first, pronoun)

    def _mentor(self) -> dict[str, Any]:
        mentor: dict[str, Any] = dict(self.rng.choice(self.packs.mentors["mentor"]))
        return mentor | {"saying_quoted": [f"“{said}”" for said in mentor["saying"]]}

    def _orphan(self) -> bool:
        return "orphan" in self.facts.tags

    def _weapons(self) -> None:
        said = supplied.noun(self.asked.get(*KEYS["weapon"]))
        words = arm(self.packs, self.cls, self.race, self.level, said, self.rng)
        self.facts.words |= words
        self.facts.tags |= words.keys()

    def _foes(self) -> None:
        """Monsters that a party of the hero's level may meet, as `three ghouls`."""
        count = self.rng.randint(2, 4)
        found = rules.suited(self.level, PARTY, count)
        self.facts.words["foes"] = f"{counted(count)} {many(self.rng.choice(found).name)}"
        self.facts.tags.add("foes")

    # -- where the steps find their lines
    def _tables(self) -> Iterator[Mapping[str, Any]]:
        people, own = self.packs.people, self.packs.classes[self.cls]
        race = people["race"][self.race]
        past = people["background"][self.background]
        life = {name: said for name, said in self.life.items() if name in ("open", "break", "cost")}
        life |= {"want": self._wants(), "thread": self.life["thread"]}
        yield life
        yield {"birth": race["origin"], "kin_trait": race["trait"], "kin_fight": race["combat"]}
        yield {"race_thing": _placed(race["keepsake"], 0), "past_thing": _placed(past["item"], 1)}
        yield {"past": past["origin"]}
        yield {"calling": self.packs.callings[self.cls]["calling"]}
        yield {"trait": own["trait"], "habit": own["habit"], "ground": own["ground"]}
        yield {
            "keepsake": _placed(own["keepsake"], 2),
            "bond": _headed("Bond: ", own["bond"], past["bond"]),
        }
        yield {"flaw": _headed("Flaw: ", own["flaw"])}
        kit = self.packs.arms[self.cls]["kit"]
        yield {"kit": [f"{thing}{more}." for thing in kit for more in (", {kit_note}", KEPT)]}
        yield {"keep": _placed([self.life["keep"]] if "keep" in self.life else own["keepsake"], 3)}
        yield self.packs.character["line"]

    def _wants(self) -> Sequence[str]:
        if "goal" in self.facts.words:
            return self.packs.character["goal"]  # type: ignore[no-any-return]  # a grammar's list
        wants: Sequence[str] = self.life["want"]
        return wants


def _placed(things: Sequence[str], at: int) -> list[str]:
    """Things of somebody's, with where they are kept or what they are worth: for each of the four
    lists another of these, so that nothing is said of two of them.
    """
    bare = [thing.removesuffix(".") for thing in things]
    return [
        f"{t}{more}." for t in bare for more in (PLACED[at::4] if not STOPPED & {*t} else ("",))
    ]


def _headed(head: str, *lists: Sequence[str]) -> list[str]:
    return [f"{head}{said}" for some in lists for said in some]


def _first_names(race: Mapping[str, Any], pronoun: str) -> Sequence[str]:
    found: Sequence[str] = race.get(pronoun) or [*race["she"], *race["he"]]
    return found


def _by_letter(names: Mapping[str, str], letter: str) -> str:
    return next(name for name, short in names.items() if short == letter)
