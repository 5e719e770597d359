"""Scenario: the case that a story is built on, with the caller's errand, place and people in it.

A case (cases/*.toml) is one whole affair: what happened, why, what is in the way, what is
true behind it, and how it may end. Its sentences were written to follow one another, so that every
choice among their wordings is coherent. Which case: by the kind of the caller's errand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller import rules, supplied
from app.storyteller.casting import MATTERS, PERSONS, PLACES, THINGS, known, many, shorter
from app.storyteller.english import counted
from app.storyteller.errand import Errand, errand
from app.storyteller.facts import Entity
from app.storyteller.packs import Packs
from app.storyteller.premise import sort_of
from app.storyteller.tale import Tale

Case = Mapping[str, Any]
MOST_FOES = 12
# Of the document's humanoids, those that are anybody's hired people.
PEOPLE = frozenset((
    "bandit", "guard", "scout", "thug", "spy", "berserker", "bandit captain", "knight", "veteran",
    "gladiator", "assassin",
))  # fmt: skip
KILLED = frozenset(("murder", "killing", "assassination", "poisoning"))
SIZE, LEVEL = 4, 3  # of a party of which nothing is said


def laid(tale: Tale, packs: Packs, rng: Random) -> Case:
    """The case for a tale, whose facts have from now on all that its sentences speak of."""
    return _Scenario(tale, packs, rng).case


class _Scenario:
    def __init__(self, tale: Tale, packs: Packs, rng: Random) -> None:
        self.tale, self.packs, self.rng = tale, packs, rng
        self.facts, self.asked = tale.facts, tale.asked
        self.kinds: Mapping[str, Any] = packs.kinds["kind"]
        self.errand = self._errand()
        self.kind = self.errand.kind or self._kind()
        self.case = self._case()
        self.facts.tags.update((f"kind_{self.kind}", self.kind))
        for name, said in self.case.items():
            if name.startswith("v_"):
                self.facts.once[name.removeprefix("v_")] = said
                self.facts.definite.add(name.removeprefix("v_"))
        self.facts.definite -= {"sign", "fault", "in"}
        self.facts.wordings = packs.same
        self.facts.once |= self.packs.stories["once"]
        self.facts.once["plea"] = self.case["plea"]
        self._town()
        self._people()
        self._object()
        self._victim()
        self._place()
        self._enemy()
        self._foes()
        self._aim()

    # -- what it is about
    def _errand(self) -> Errand:
        """The first of the caller's values that names a kind of story, else something in one."""
        found = [
            errand(key, self.asked.get(key), self.kinds, self.packs.nouns)
            for key in MATTERS
            if key not in ("conflict", "stakes")
        ]
        fit = [e for e in found if e.kind] or [e for e in found if e.whom or e.matter]
        return fit[0] if fit else Errand()

    def _kind(self) -> str:
        if not (self.errand.sort or self.errand.matter):
            return self.rng.choice(list(self.kinds))
        able: list[str] = self.packs.kinds["by_sort"][self.errand.sort or "matter"]
        return self.rng.choice(able)

    def _case(self) -> Case:
        cases = self.packs.cases(self.kind)
        plural = many(self.errand.whom or "it", self.packs.nouns)
        sort = self.errand.sort or ("matter" if self.errand.kind else "")
        fit = [c for c in cases if not sort or sort in c.get("sorts", (sort,))]
        like = [c for c in fit if c.get("many", plural) == plural]
        return self.rng.choice(like or fit or cases)

    def _aim(self) -> None:
        """What the party is to do, behind `to`, and what the whole is called."""
        words, found = self.facts.words, self.errand
        if found.matter:
            name = found.short or found.matter
            plural = many(name, self.packs.nouns)
            self.facts.add("m", Entity(found.matter, name, "many" if plural else "it"))
        else:
            options = self.case.get("matter") or self.kinds[self.kind]["matter"]
            said = self.rng.choice(options)
            said = said.replace("{obj}", self.facts.cast["obj"].again)
            first, _, again = said.replace("{town}", self.facts.cast["town"].first).partition("|")
            self.facts.add("m", Entity(first, again or first, "it"))
        words["goal"] = found.goal or self.rng.choice(self.case.get("goal") or self._goals())
        words.pop("matter", None)
        if weather := supplied.noun(self.asked.get("weather")):
            words["weather_given"] = weather
            self.asked.understand(("weather",))
        if found.said:
            words["brief_said"] = found.said
        if found.matter:
            words["matter"] = found.matter
            if self.facts.cast["obj"].first != found.matter:
                self.facts.tags.add("apart")
        self.asked.embody(found.key, found.goal or found.matter or found.said.rstrip("."))

    def _goals(self) -> Sequence[str]:
        found: Sequence[str] = self.kinds[self.kind]["goal"]
        return found

    def _victim(self) -> None:
        """Of a murder: whom the caller says, else the case's own."""
        found = self.errand
        of = found.whom.partition(" of ")[2]
        if not of and found.sort == "person" and KILLED & set(found.matter.lower().split()):
            of = found.whom
        name = known(of) if of else "the archivist"
        self.facts.add("victim", Entity(name, name, self.tale.cast.gender(name) or "he"))

    # -- who and where
    def _town(self) -> None:
        """A place of a name that the errand speaks of, where no other one was given."""
        where, town = self.errand.where, self.facts.cast["town"]
        if where[:1].isupper() and not self.asked.get(*PLACES):
            self.facts.add("town", Entity(where, where, "it", town.record))
        if self.kind == "survive" and town.first == self.errand.whom:  # one flees to another
            away = self.facts.words["town2"]
            self.facts.add("town", Entity(away, away, "it", town.record))

    def _people(self) -> None:
        """The two whom the party meets, by name and by what they are."""
        for part in ("giver", "other"):
            one = self.facts.cast[part]
            if part == "giver" and self.errand.who and not self._named("giver"):
                noun = self.errand.who
                one = self._called(noun, one)
            elif part == "other" and self._is_talked_to():
                one = self._called(self.errand.whom, one)
            trade = "" if one.again.startswith("the ") else self._trade(one)
            self.facts.add(part, Entity(one.first, one.again, one.pronoun, one.record, trade=trade))

    def _is_talked_to(self) -> bool:
        found = self.errand
        return self.kind == "bargain" and found.sort == "person" and not self._named("other")

    def _called(self, noun: str, one: Entity) -> Entity:
        """Somebody of the caller's, such as `the abbot`, who is given a name if there is none."""
        noun = noun.removeprefix("the ")
        pronoun = self.tale.cast.gender(noun) or one.pronoun
        if noun[:1].isupper():
            return Entity(noun, shorter(noun, self.packs.titles), pronoun, one.record)
        names = self.packs.names[pronoun if pronoun in ("he", "she") else "she"]
        met = {word for each in self.facts.cast.values() for word in each.first.split()}
        name = self.rng.choice([n for n in names if n not in met])
        pronoun = pronoun if pronoun in ("he", "she") else "she"
        return Entity(f"the {noun} {name}", f"the {noun}", pronoun, one.record)

    def _named(self, part: str) -> str:
        return self.asked.title(*PERSONS[part])

    @staticmethod
    def _trade(one: Entity) -> str:
        """`the reeve` of `the reeve Odile Vell`; `` for somebody without a trade."""
        small = [w for w in one.first.split() if w[:1].islower()]
        return " ".join(small) if len(small) > 1 and one.first.startswith("the ") else ""

    def _object(self) -> None:
        """What it is done to, and for an event whom it is about."""
        given = self.errand.whom
        if self.kind == "bargain" and given and self.errand.sort == "person":
            self.facts.cast["obj"] = self.facts.cast["other"]
            self.facts.tags.add("obj")
            return
        if not given or self.case.get("sorts") == ["matter"]:
            part = "prize" if "thing" in self.case.get("sorts", ()) else "ward"
            given = self.asked.thing(*THINGS.get("prize", ())) if part == "prize" else ""
            given = given or (self._named("ward") if part == "ward" else "")
        if given:
            plural = many(given, self.packs.nouns)
            pronoun = self.tale.cast.gender(given) or self._pronoun()
            pronoun = "many" if plural else pronoun
            first = known(given)
            if self.errand.matter.startswith(f"{first} "):
                first = self.errand.matter
            self.facts.add("obj", Entity(first, _again(known(given)), pronoun))
            return
        options = self.case.get("object") or self.kinds[self.kind]["object"]
        first, again, pronoun = self.rng.choice(options).split("|")
        self.facts.add("obj", Entity(first, again, pronoun))

    def _pronoun(self) -> str:
        return self.rng.choice(("she", "he")) if self.errand.sort == "person" else "it"

    def _place(self) -> None:
        given = self.asked.thing(*THINGS["site"])
        where = self.errand.where
        if where and (where == self.facts.cast["town"].first or where[:1].isupper()):
            where = ""
        first, _, again = self.rng.choice(self.case["site"]).partition("|")
        if where:
            self.facts.tags.add("where")
        if given or where:
            first, again = given or where, ""
        site = Entity(first, again or first, "it")
        if self.errand.sort == "place" and self.errand.whom:
            site = self.facts.cast["obj"]
        self.facts.add("site", site)
        item = self.asked.thing(*THINGS["prize"])
        if item and item != self.facts.cast["obj"].first:
            self.facts.words["item"] = item

    def _enemy(self) -> None:
        """Who is against it: the caller's villain, else the case's own."""
        given = self.asked.named(*PERSONS["enemy"]) or self.tale.cast.parent.enemy
        first, again, pronoun = self.rng.choice(self.case["enemy"]).split("|")
        self.facts.tags.discard("enemy_given")
        if given:
            again = shorter(given, self.packs.titles)
            first, pronoun = given, self.tale.cast.gender(given) or "they"
            if many(given, self.packs.nouns):
                pronoun = "many"
            if sort_of(given.split(), self.packs.nouns)[0] == "creature" and pronoun != "many":
                pronoun = "it"
            self.facts.tags.add("enemy_given")
        enemy = Entity(first, again, pronoun)
        trade = "" if given else self._trade(enemy)
        self.facts.add("enemy", Entity(first, again, pronoun, trade=trade))

    def _foes(self) -> None:
        """How many the party meets at once, and as what they are played."""
        level, size = self.tale.cast.level or LEVEL, self.asked.get("party_size") or SIZE
        level, size = min(20, max(1, int(level))), min(MOST_FOES, max(1, int(size)))
        given = self.asked.thing("minions", "foes", "monsters")
        foes = given or self.rng.choice(self.case["foes"])
        self.facts.add("foes", Entity(foes, foes.removeprefix("the "), "many"))
        number = max(2, round(size * self.rng.choice((0.5, 1.0, 1.5))))
        sort = self.case.get("stat", "humanoid")
        found = rules.suited(level, size, number, "moderate", sort)
        if like := self.case.get("like", () if "stat" in self.case else PEOPLE):
            most = max(m.challenge for m in found)
            found = tuple(m for m in rules.monsters(0, float(most), sort) if m.name in like)
        played = self.rng.choice(found[-3:])
        self.facts.words["number"] = counted(number)
        self.facts.words["stat"] = f"{played.name}, challenge {played.challenge}"
        dc = 9 + 2 * self.tale.cast.tier + self.rng.randint(1, 3)
        self.facts.words |= {"dc": str(dc), "dc_low": str(dc - 2), "dc_high": str(dc + 2)}


def _again(name: str) -> str:
    """`the crown` of `the drowned crown`; what has an owner or a name of its own stays whole."""
    words = name.split()
    if words[0] != "the" or "of" in words or any("'" in w or "’" in w for w in words):
        return name
    if any(w[:1].isupper() for w in words):
        return name
    return f"the {words[-1]}"
