"""Planner: which sentence stands at each step of a text, before any of them is told.

A step names a list of lines. The planner goes through the steps in order and takes, at random, a
line whose needs are met, that uses no clause a second time, and that leaves nothing set up which
no later step can pay. What is still open when its last payer comes is paid there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from app.storyteller.facts import FIELDS, Facts
from app.storyteller.lines import Line

MAX_TRIES = 6  # plans that are made until one pays all that it sets up
SPECIFIC = 3  # times as likely is a line for each thing of the piece that it asks for

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
        told: set[str] = set()
        chosen: list[Line | None] = []
        for step, later in zip(steps, self._payable(steps), strict=True):
            fitting = [
                found
                for found in self._pool(step)
                if found.fits(known, pending)
                and found.text not in told
                and found.opens <= later
                and not found.opens & banned
                and self._tellable(found, used)
            ]
            line = self._drawn(fitting, pending, later)
            chosen.append(line)
            if line is None:
                continue
            told.add(line.text)
            known |= line.gives | line.opens
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

    def _drawn(self, lines: Sequence[Line], pending: set[str], later: set[str]) -> Line | None:
        if not lines:
            return None
        if due := pending - later:
            most = max(len(line.pays & due) for line in lines)
            lines = [line for line in lines if len(line.pays & due) == most]
        weights = [SPECIFIC ** len(line.needs | line.pays) for line in lines]
        return self._rng.choices(lines, weights)[0]
