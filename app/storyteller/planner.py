"""Planner: which sentence stands at each step of a text, before any of them is told.

A step names a list of lines. The planner goes through the steps in order and takes, at random, a
line whose needs are met, that uses no clause a second time, and that leaves nothing set up which
no later step can pay. What is still open when its last payer comes is paid there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from app.storyteller.facts import ENDINGS, FIELDS, Facts
from app.storyteller.lines import Line

MAX_TRIES = 6  # plans that are made until one pays all that it sets up
SPECIFIC = 10  # times as likely is a line for each thing of the piece that it asks for

PRONOUN_FIELDS = frozenset((*FIELDS, *ENDINGS))

Pool = Callable[[str], Sequence[Line]]


class Planner:
    """Plans for one piece. `pool` gives a step's lines."""

    def __init__(self, facts: Facts, pool: Pool, rng: Random) -> None:
        self._facts, self._pool, self._rng = facts, pool, rng

    def plan(self, steps: Sequence[str]) -> list[Line | None]:
        """A line for each step; None where nothing fits."""
        banned: set[str] = set()
        chosen: list[Line | None] = []
        for _ in range(MAX_TRIES):
            chosen, pending = self._tried(steps, banned)
            if not pending:
                break
            banned |= pending
        return chosen

    def _tried(self, steps: Sequence[str], banned: set[str]) -> tuple[list[Line | None], set[str]]:
        known, pending = set(self._facts.tags), set[str]()
        used: Counter[tuple[str, str]] = Counter()
        told, met = set[str](), set[str]()
        chosen: list[Line | None] = []
        for step, later in zip(steps, self._payable(steps), strict=True):
            fitting = [
                found
                for found in self._pool(step)
                if found.fits(known, pending)
                and found.text not in told
                and found.opens <= later
                and not found.opens & banned
            ]
            line = self._drawn(fitting, pending - later, used, met)
            chosen.append(line)
            if line is None:
                continue
            told.add(line.text)
            met |= line.sure
            known |= line.gives | line.opens | {f"met_{name}" for name in met}
            pending = (pending | line.opens) - line.pays
            used.update(slot for slot in line.slots if slot[1])
        return chosen, pending

    def _payable(self, steps: Sequence[str]) -> list[set[str]]:
        """For each step, what the steps after it can pay."""
        paid, found = set[str](), []
        for step in reversed(steps):
            found.append(set(paid))
            paid.update(p for line in self._pool(step) if line.pays for p in line.pays)
        return found[::-1]

    def _tellable(self, line: Line, used: Counter[tuple[str, str]]) -> bool:
        """Whether each slot has words, and each clause one that was not told yet."""
        wanted = Counter(line.slots)
        for (name, field), times in wanted.items():
            if name == "self" or field in FIELDS:
                continue
            options = self._facts.options(name, field)
            if not options:
                return False
            entity = self._facts.cast.get(name)
            clause = field and entity is not None and entity.field(field) is None
            if clause and used[name, field] + times > len(options):
                return False
        return True

    def _clear(self, line: Line, met: set[str]) -> bool:
        """Whether nobody is a pronoun, and no thing a bare clause, that was not named."""
        named = set(met)
        inside = {name for name, field in line.slots if field in ("", "the")}
        for name, field in line.slots:
            if field in ("", "the"):
                named.add(name)
            elif name == "self":
                continue
            elif field in PRONOUN_FIELDS:
                if name not in named:
                    return False
            elif name not in named | inside and self._bare(name, field):
                return False
            elif (entity := self._facts.cast.get(name)) and "{self}" in entity.clause(field):
                named.add(name)
        return True

    def _bare(self, name: str, field: str) -> bool:
        """Whether a clause of a thing does not name it."""
        entity = self._facts.cast.get(name)
        return entity is not None and entity.is_thing and "{self}" not in entity.clause(field)

    def _drawn(
        self,
        lines: list[Line],
        due: set[str],
        used: Counter[tuple[str, str]],
        met: set[str],
    ) -> Line | None:
        """A line that can be told here; of those that pay what is due, where there are some."""
        lines = [line for line in lines if line.pays & due] or lines
        weights = [SPECIFIC ** len(line.needs | line.pays) for line in lines]
        while lines:
            at = self._rng.choices(range(len(lines)), weights)[0]
            if self._tellable(lines[at], used) and self._clear(lines[at], met):
                return lines[at]
            del lines[at], weights[at]
        return None
