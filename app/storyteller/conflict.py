"""Conflict: who wants what of whom in one campaign text, and the sentences that say so.

An affair (conflicts/*.toml) is one conflict from its first sign to what remains of it, a list of
wordings for each logical step. Which one: by the kind of the caller's matter (conflicts.toml).
Whichever wordings are drawn, they speak of the same matter, the same persons and the same places,
so that a text may take any of the steps in any fitting order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from app.storyteller import ground, matter, supplied
from app.storyteller.asked import Asked
from app.storyteller.casting import HEROES, KNOWN, LISTED, PERSONS, known, shorter
from app.storyteller.continuation import Parent
from app.storyteller.english import counted, listed, ordinal
from app.storyteller.facts import Entity, Facts
from app.storyteller.lines import Line, lines
from app.storyteller.packs import Packs, tier
from app.storyteller.premise import premise
from app.storyteller.pronouns import which
from app.storyteller.rules import Monster, monster, suited

NAME = re.compile(r"\A([^,:;(–—-]{2,60})[,:;(–—-]\s*(.{2,60}?)\)?\Z")
CAST = ("giver", "third", "hand")  # who asks, who knows, and who does the villain's work
OWN = (*CAST, "matter", "foes", *ground.SPOTS)  # what a second conflict has of its own
SLOT = re.compile(r"\{([a-z_0-9]+)(?=[.}])")
# `and {villain} has`: a verb that the telling takes for that of the word before.
FOES = (2, 3, 4, 5, 6)
KINDS = {"dragon": ("dragon",), "undead": ("undead",), "fey": ("fey",), "fiend": ("fiend",),
         "beast": ("monstrosity", "beast", "giant")}  # fmt: skip
SHE = re.compile(r"(?:ess|wife|widow|girl|maid|nun|sister|mother)\b")
HE = re.compile(r"(?:man|boy|brother|father|monk|friar|prior|canon)\b")
COMIC = re.compile(r"whims|light|comed|comic|humo|funny|silly|absurd|farc", re.I)
DARK = ("horror", "dark", "drama")


class Conflict:
    """The facts of one text: `facts`, with `kind` and `task`; `lines(step)` are its wordings."""

    def __init__(
        self,
        packs: Packs,
        asked: Asked,
        theme: Any,
        rng: Random,
        parent: Parent | None = None,
        local: Mapping[str, Any] | None = None,
        grounds: Sequence[str] = (),
    ) -> None:
        """`local`: a kind of place that is nearer than the setting, such as a tavern.

        `grounds`: the kinds of setting that it may lie in, where not in all.
        """
        self.more: list[Mapping[str, Any]] = [packs.campaigns["line"]]  # steps of every conflict
        self.packs, self.asked, self.rng = packs, asked, rng
        self.parent = parent or Parent()
        self.facts = Facts()
        self.matter = matter.asked_for(packs, asked)
        self.level = asked.get("party_level", "level")
        self._taken: set[str] = set()
        self.kinds = self._kinds()
        self.affairs = [self._affair(kind) for kind in self.kinds]
        town, kind = ground.named(packs, asked, rng, self.parent.place, grounds)
        near = [g for g in grounds if g in ground.NEAR.get(kind, grounds)] or grounds
        self.ground = kind if kind in grounds or not grounds else rng.choice(near)
        self.place: Mapping[str, Any] = local or packs.settings["kind"][self.ground]
        self.facts.add("town", town)
        self.asked.understand(KNOWN)
        self._tags(theme)
        self._words()
        self._villain()
        self._party()
        self.begin(0)

    def _kinds(self) -> list[str]:
        """The caller's kind of conflict, else a drawn one, and others for what goes on beside."""
        able = [name for name, table in self.packs.conflicts["conflict"].items() if table["own"]]
        self.rng.shuffle(able)
        first = self.matter.kind or able[0]
        return [first, *(name for name in able if name != first)]

    def _affair(self, kind: str) -> str:
        able: list[str] = self.packs.conflicts["conflict"][kind]["affairs"]
        return able[0] if len(able) == 1 else self.rng.choice(able)

    def _tags(self, theme: Any) -> None:
        said = " ".join(str(v) for v in (theme.tone, theme.genre, theme.style) if v)
        mood = self.packs.mood(theme, self.asked.get("mood", "atmosphere", "campaign_type"))
        feel = "comic" if mood == "comedy" or COMIC.search(said) else ""
        self.facts.tags.add(feel or ("dark" if mood in DARK else "plain"))
        felt = [("tone", theme.tone), ("genre", theme.genre), ("style", theme.style)]
        for key, value in felt:
            if value and not self.packs.lists.unknown([str(value)]):
                self.asked.steer(key)

    # -- what the lines speak of
    def begin(self, number: int) -> None:
        """The cast and the ground of the conflict so numbered; the first is the caller's."""
        mark = str(number or "")
        table = self.table(number)
        ground.laid(self.facts, self.place, self.rng, mark)
        for part in CAST:
            self._person(part, mark)
        entity = None if number else self.matter.entity
        own = str(self.rng.choice(table["own"])).split("|") if table["own"] else ["the trouble"] * 2
        if entity is None:
            entity = Entity(own[0], own[1], own[2] if len(own) > 2 else "it")
        self.facts.add(f"matter{mark}", entity)
        if not number:  # the matter of the whole text, for the threads beside it
            self.facts.add("main", Entity(entity.again, entity.again, entity.pronoun))
        task = self.matter.task if not number else ""
        self.facts.words[f"task{mark}"] = task or table["task"].replace("{matter}", entity.again)
        self._foes(table, mark, entity)

    def table(self, number: int) -> Mapping[str, Any]:
        """What its kind decides."""
        found: Mapping[str, Any] = self.packs.conflicts["conflict"][self.kinds[number]]
        return found

    def lines(self, step: str, number: int, known: set[str]) -> Sequence[Line]:
        """The wordings of a step that fit what is known, those that need most of it first.

        So a text tells what it has set up, and in the mood that was asked for.
        """
        able = [f for f in self._wordings(step, number) if f.fits(known, set())]
        return sorted(able, key=lambda f: -len(f.needs))

    def tells(self, step: str) -> bool:
        """Whether there are words for a step, were all said that they need."""
        return bool(self._wordings(step, 0))

    def _wordings(self, step: str, number: int) -> list[Line]:
        own = self.packs.affair(self.affairs[number])
        texts: Sequence[str] = next((t[step] for t in (own, *self.more) if step in t), ())
        return [f for f in lines(self._marked(text, number) for text in texts) if self._tells(f)]

    def _marked(self, text: str, number: int) -> str:
        """A line with the cast of its conflict."""
        own = (*OWN, "task", "stat")
        if number:
            text = SLOT.sub(lambda m: f"{{{m[1]}{number if m[1] in own else ''}", text)
        return text

    def _tells(self, line: Line) -> bool:
        return all(self.facts.tells(*slot) for slot in line.slots)

    def _words(self) -> None:
        words, packs = self.facts.words, self.packs
        step = tier(self.level or self.rng.randint(1, 6))
        words["dc"] = str(9 + 2 * step + self.rng.randint(0, 2))
        words["dc2"] = str(11 + 2 * step + self.rng.randint(0, 2))
        for name in ("deadline", "sum", "years", "season", "hour"):
            words[name] = self.rng.choice(packs.campaigns["word"][name])
        given = self.asked.get("deadline")
        words["deadline"] = self.asked.thing("deadline") if given else words["deadline"]
        reward = self.asked.thing("reward")
        words["reward"] = reward or self.rng.choice(packs.campaigns["reward"]["tiers"][step - 1])
        words |= {k: v for k, v in self._given_words() if v}

    def _given_words(self) -> Sequence[tuple[str, str]]:
        get = self.asked.get
        # The brief is the matter already; these are told besides it.
        return (
            ("length", supplied.noun(get("duration", "length"))),
            ("form", supplied.noun(get("campaign_type"))),
            ("quarrel", supplied.subject(get("conflict", "stakes"))),
            ("item", self.asked.thing("item", "artifact", "artefact", "treasure", "macguffin")),
            ("thread", self.parent.thread),
            ("said", self.matter.told),
            ("where", known(self.matter.where) if self.matter.where else ""),
        )

    def _villain(self) -> None:
        given = self.asked.named(*PERSONS["enemy"]) or self.parent.enemy
        if given:
            pronoun = matter.gender(given, self.packs.nouns)
            pronoun = pronoun or which(self.asked.get("enemy_pronouns"), True, self.rng)
            again = shorter(given, self.packs.titles)
            if given.startswith("the ") and matter.phrased(given[4:], self.packs).many:
                # One of a band does the plotting, and says what all of them want.
                given, again, pronoun = f"the eldest of {given}", "the eldest", "it"
            entity = Entity(given, again, pronoun)
        else:
            first, again, pronoun = self.rng.choice(
                self.packs.campaigns["people"]["villain"]
            ).split("|")
            entity = Entity(first, again, pronoun)
        self._taken.add(entity.first)
        self.facts.add("villain", entity)

    def _person(self, part: str, mark: str) -> None:
        """Somebody for a part: the caller's or the parent's, else one with a trade of the place."""
        given, trade = ("", "") if mark else self._given_person(part)
        noun = trade or self._fresh(self.place[part])
        drawn = "she" if SHE.search(noun) else "he" if HE.search(noun) else ""
        pronoun = drawn or which(None, False, self.rng)
        if given:
            pronoun = matter.gender(given, self.packs.nouns) or "they"
            first = f"the {noun} {given}" if trade else given
        else:
            given = self._fresh(self.packs.names[pronoun])
            first = f"the {noun} {given} {self._fresh(self.packs.names['family'])}"
        self.facts.add(f"{part}{mark}", Entity(first, shorter(given, self.packs.titles), pronoun))

    def _given_person(self, part: str) -> tuple[str, str]:
        keys = {"giver": "giver", "third": "third", "hand": "other"}[part]
        if name := self.asked.title(*PERSONS[keys]):
            return name, ""
        people = [*self._listed(), *((name, "") for name in self.parent.people)]
        at = CAST.index(part)
        return people[at] if at < len(people) else ("", "")

    def _listed(self) -> list[tuple[str, str]]:
        """The cast that the caller listed: names, with what follows a comma as their trade."""
        value = self.asked.get(*LISTED)
        items = value if isinstance(value, list) else re.split(r"[,;]| and ", str(value or ""))
        people = []
        for item in items[:8]:
            found = NAME.match(str(item).strip())
            if name := supplied.title(found[1] if found else item):
                people.append((name, supplied.noun(found[2]) if found else ""))
        return people

    def _party(self) -> None:
        level, size = self.level, self.asked.get("party_size")
        self.asked.steer("party_level", "party_size", "level")
        who = "a party" if size is None else f"{counted(size)} adventurers"
        if size == 1:
            who = "a lone adventurer"
        if level or size:
            self.facts.words["company"] = f"{who} of {ordinal(level)} level" if level else who
        heroes = self.asked.get(*HEROES)
        items = heroes if isinstance(heroes, list) else re.split(r"[,;]| and ", str(heroes or ""))
        if names := [n for n in map(supplied.title, items) if n][:8]:
            self.facts.words["heroes"] = listed(names)

    def _foes(self, table: Mapping[str, Any], mark: str, about: Entity) -> None:
        """Whom they may have to fight: so many that it is a fair match, as the rules have it."""
        given = self.asked.thing("minions", "foes", "monsters") if not mark else ""
        level, size = self.level or self.rng.randint(1, 6), self.asked.get("party_size") or 4
        head = about.again.split()[-1].lower().removesuffix("s")
        own = monster(head) if about.many else None
        count, found = self._match(table["foes"], level, size, own)
        first = given or f"{counted(count)} {several(found.name)} (CR {found.challenge} each)"
        again = given.removeprefix("the ") if given else f"the {several(found.name)}"
        self.facts.add(f"foes{mark}", Entity(first, again or first, "many"))
        if beasts := self._beasts(about, level, size):
            name = self.rng.choice(beasts)
            self.facts.words[f"stat{mark}"] = f"a {name.name} (CR {name.challenge})"

    def _match(self, kind: str, level: int, size: int, own: Monster | None) -> tuple[int, Monster]:
        counts = self.rng.sample(FOES, len(FOES))
        hired = self.packs.campaigns["hired"]["names"]
        for count in counts:
            able = suited(level, size, count, "moderate", kind)
            able = tuple(m for m in able if kind != "humanoid" or m.name in hired)
            if own or able:
                return count, own or self.rng.choice(able)
        return counts[0], self.rng.choice(suited(level, size, counts[0], "moderate", kind))

    def _beasts(self, about: Entity, level: int, size: int) -> list[Monster]:
        """What has the numbers of a creature that the text is about."""
        kind = "" if about.many else premise(about.first, {}, self.packs.nouns).kind
        return [m for k in KINDS.get(kind, ()) for m in suited(level, size, 1, "high", k)]

    def _fresh(self, options: Sequence[str]) -> str:
        able = [o for o in options if o not in self._taken] or list(options)
        chosen = self.rng.choice(able)
        self._taken.add(chosen)
        return chosen


SAME = ("drow", "sahuagin", "merfolk", "lizardfolk", "deer", "duergar", "spawn")  # their own plural


def several(name: str) -> str:
    """A monster's name in the plural: thugs, wolves, swarms of rats, mummies, harpies."""
    head, of, rest = name.partition(" of ")
    if head.endswith(SAME):
        return name
    if head.endswith(("wolf", "elf")):
        head = f"{head[:-1]}ves"
    elif head.endswith("y") and head[-2] not in "aeiou":
        head = f"{head[:-1]}ies"
    elif head.endswith("man"):
        head = f"{head[:-3]}men"
    elif head.endswith(("s", "x", "ch", "sh")):
        head = f"{head}es"
    else:
        head = f"{head}s"
    return f"{head}{of}{rest}"
