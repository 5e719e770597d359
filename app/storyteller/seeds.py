"""Seeds: drawn for who gives none, until a text is another than what the user got lately.

A text is decided by its seed alone, so another one is had by drawing another seed. Of some texts
the first is taken that has no mark of what the user got (`app/storyteller/marks.py`). Some people
come with the request: whoever asks about Ilse Vane meets her mentor each time. They are known by
being met twice all the same, or in each of several texts.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from app.llm.completion import Completion

SEEDS = 2**31  # drawn below it, so that every JSON reader and GraphQL's Int hold them
MAX_DRAWS = 8  # texts that are told for one answer, of which each holds the loop by itself
ENOUGH = 3  # texts told side by side; what all have is the request's, what two have may be chance


def drawn() -> int:
    return secrets.randbelow(SEEDS)


def with_seed(request: Any, draw: Callable[[], int]) -> Any:
    """The request with its own seed, else with one drawn for it."""
    if request.model.seed is not None:
        return request
    seed = {"seed": draw()}
    return request.model_copy(update={"model": request.model.model_copy(update=seed)})


class Draws:
    """The texts told for one answer, of which one is to differ from each piece in `lately`."""

    def __init__(self, lately: Sequence[Sequence[bytes]]) -> None:
        self._lately = lately
        self._told: list[Completion] = []
        self._avoided: frozenset[bytes] = frozenset()

    def settled(self, told: Completion) -> bool:
        """Whether no other text need be told after this one."""
        if not self._told:
            self._avoided = _avoided(self._lately, told.marks[:1])
        self._told.append(told)
        return len(self._told) == MAX_DRAWS or not any(self._repeated(self.best))

    @property
    def best(self) -> Completion:
        """The one that repeats least; of those the first."""
        return min(self._told, key=self._repeated)

    def _repeated(self, told: Completion) -> tuple[bool, int]:
        """Whether it begins as a piece that the user got, and how many marks it has of them."""
        met = self._avoided.intersection(told.marks)
        if len(self._told) >= ENOUGH:
            met = met.difference(frozenset(told.marks).intersection(*(t.marks for t in self._told)))
        return not met.isdisjoint(told.marks[1:2]), len(met)


def _avoided(lately: Sequence[Sequence[bytes]], request: Sequence[bytes]) -> frozenset[bytes]:
    """The marks of these pieces, less the people who were met twice with the same request."""
    same = [piece for piece in lately if piece[:1] == request]
    met = Counter(mark for piece in same for mark in piece[2:])
    fixed = (mark for mark, times in met.items() if times > 1)
    return frozenset(mark for piece in lately for mark in piece[1:]).difference(fixed)
