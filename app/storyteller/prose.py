"""Prose: a plan's lines as paragraphs, within a length and an allowance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from app.storyteller import lengths
from app.storyteller.english import tokens
from app.storyteller.facts import Facts
from app.storyteller.grammar import SENTENCE, Unit
from app.storyteller.lengths import Length, Step
from app.storyteller.lines import Line, lines
from app.storyteller.planner import Planner
from app.storyteller.telling import Telling

MORE = (1.4, 2.0)  # times the words asked for, which are then shortened
SPEAKER = re.compile(r"^([^:“”\n]{1,60}): “", re.M)


@dataclass(frozen=True, slots=True)
class Composed:
    """What a composer made. cut: `max_tokens` ended it before its end. unused: the paths of what
    the caller gave and no text could take.
    """

    draft: Any
    cut: bool = False
    unused: tuple[str, ...] = ()


@dataclass(slots=True)
class Told:
    """Units of one telling, and how many words they have. fields: which unit belongs to which."""

    units: list[Unit]
    fields: list[str] = field(default_factory=list)

    def of(self, name: str) -> list[Unit]:
        """The units of one field."""
        return [u for u, each in zip(self.units, self.fields, strict=True) if each == name]

    @property
    def words(self) -> int:
        return sum(lengths.words(unit.text) for unit in self.units)

    @property
    def text(self) -> str:
        return "".join((u.joiner if at else "") + u.text for at, u in enumerate(self.units))

    def within(self, words: int) -> Told:
        """The same in at most so many words, as long as there is a sentence behind another of the
        same unit to leave out: the shortest that is enough, else the longest.
        """
        made, over = list(self.units), self.words - words
        while over > 0:
            less = {at: s for at, unit in enumerate(made) if (s := _but_the_last(unit.text))}
            saves = {at: lengths.words(made[at].text) - lengths.words(less[at]) for at in less}
            if not saves:
                break
            enough = [at for at in saves if saves[at] >= over]
            at = min(enough, key=saves.__getitem__, default=max(saves, key=saves.__getitem__))
            made[at] = Unit(made[at].joiner, less[at])
            over -= saves[at]
        return Told(made, self.fields)


class Prose:
    """Tells plans of one piece. `tables`: where a step's lines are looked up, all of them."""

    def __init__(self, facts: Facts, tables: Sequence[Mapping[str, Any]], seed: Random) -> None:
        self._facts, self._tables = facts, tables
        self._seed = seed.getrandbits(64)
        self._pools: dict[str, Sequence[Line]] = {}
        self.telling = Telling(facts, seed)  # the last one: who was named there is known

    def pool(self, name: str) -> Sequence[Line]:
        """The lines of a step that the piece has words for, from every table that has some."""
        if name not in self._pools:
            found = lines(said for table in self._tables for said in table.get(name, ()))
            tells = self._facts.tells
            self._pools[name] = [f for f in found if all(tells(*slot) for slot in f.slots)]
        return self._pools[name]

    def fitted(self, plan: Sequence[Sequence[str]], length: Length) -> Told:
        """The plan told in as many of its steps as the length holds."""
        return self.fitted_steps(lengths.steps(plan), length)

    def fitted_steps(self, steps: Sequence[Step], length: Length) -> Told:
        """The same for steps that belong to fields."""
        told: Told = lengths.fitted(steps, length, self.told)
        if not length.exact or length.holds(told.words):
            return told
        # No number of steps comes near: more of them, without what they say at the end.
        found = [told.within(length.words)]
        for times in MORE:
            longer = Length(round(length.words * times), exact=True)
            found.append(lengths.fitted(steps, longer, self.told).within(length.words))
        fit = [each for each in found if each.words <= length.words]
        return max(fit, key=lambda each: each.words) if fit else found[0]

    def told(self, steps: Sequence[Step]) -> Told:
        """The steps told; the same words for the same steps."""
        rng, words = Random(self._seed), dict(self._facts.words)
        chosen = Planner(self._facts, self.pool, rng).plan([step.pool for step in steps])
        self.telling = telling = Telling(self._facts, rng)
        made = Told([])
        last, said = ("", -1), set[str]()
        for at, (step, line) in enumerate(zip(steps, chosen, strict=True)):
            start = (step.field, step.paragraph) != last
            if line is None or (step.mark == ">" and not _leads(at, steps, chosen)):
                continue
            text = ("- " if step.mark == "-" else "") + telling.tell(line)
            if said & (sentences := {s.strip(" -\n") for s in SENTENCE.split(text)}):
                continue
            said |= sentences
            text, joined = _spoken_on(made.units[-1].text if made.units else "", text)
            joiner = "\n\n" if start else "\n" if step.mark in ("-", ":") and not joined else " "
            made.units.append(Unit(joiner, text))
            made.fields.append(step.field)
            last = (step.field, step.paragraph)
        self._facts.words = words
        return made


def _leads(at: int, steps: Sequence[Step], chosen: Sequence[Line | None]) -> bool:
    """Whether something of the same paragraph is told after it."""
    place = (steps[at].field, steps[at].paragraph)
    return any(
        line is not None and (step.field, step.paragraph) == place
        for step, line in zip(steps[at + 1 :], chosen[at + 1 :], strict=True)
    )


def _but_the_last(text: str) -> str:
    """A text without its last sentence, or nothing: it has one, or that ends a quotation."""
    shorter = "".join(SENTENCE.split(text)[:-1]).rstrip()
    return shorter if shorter.count("“") == shorter.count("”") else ""


def _spoken_on(before: str, text: str) -> tuple[str, bool]:
    """A speech without its speaker's name where the same one spoke last."""
    last, found = SPEAKER.findall(before), SPEAKER.match(text)
    if last and found and found[1] == last[-1] and before.endswith("”"):
        return text[found.end() - 1 :], True
    return text, False


def kept(units: Sequence[Unit], limit: int) -> tuple[str, bool]:
    """As many whole sentences as have at most `limit` tokens, else words; and whether it was cut.

    No sentence is said twice, and no quotation is left open but where a single sentence is cut.
    """
    text, room, said = "", limit, set[str]()
    for unit in units:
        sentences = {s.strip(" -\n") for s in SENTENCE.split(unit.text)}
        if said & sentences:
            continue
        said |= sentences
        size = tokens(unit.text)
        if size > room:
            more = _whole(unit.text, room)
            text += (unit.joiner if text else "") * bool(more) + more
            return text or _words(unit.text, limit), True
        text += (unit.joiner if text else "") + unit.text
        room -= size
    return text, False


def _whole(text: str, room: int) -> str:
    """The whole sentences at a text's head that fit, with every quotation closed."""
    kept, best = "", ""
    for sentence in SENTENCE.split(text):
        kept += sentence
        if tokens(kept) > room:
            break
        if kept.count("“") == kept.count("”"):
            best = kept
    return best.rstrip()


def _words(text: str, limit: int) -> str:
    """The first words of a sentence that is longer than `limit` tokens."""
    pieces: list[str] = []
    for word in text.split(" "):
        if pieces and tokens(" ".join([*pieces, word])) > limit:
            break
        pieces.append(word)
    text = " ".join(pieces)
    while tokens(text) > limit:
        text = text[:-1]
    return text or "…"


def kept_text(text: str, limit: int) -> tuple[str, bool]:
    """A single text within an allowance, and whether it was cut."""
    return kept([Unit("", text)], limit)
