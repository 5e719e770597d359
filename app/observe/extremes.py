"""Extremes: the lowest or highest of what was seen in the last minute, by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection

WINDOW = 60.0  # s
STEPS = 6  # of the window: what was seen is forgotten after 60 to 70 s


class Extremes:
    """`note` what is seen, a number for a name; `of` is the extreme that is still remembered."""

    def __init__(
        self,
        names: Collection[str],
        *,
        lowest: bool,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Names that are not among these are not remembered."""
        self._names, self._now = frozenset(names), now
        self._sign = 1.0 if lowest else -1.0
        self._steps: list[tuple[int, dict[str, float]]] = []
        self._seen: dict[str, float] = {}  # in the newest step
        self._until = 0.0  # when that ends

    def note(self, name: str, value: float) -> None:
        if self._now() >= self._until:
            self._step()
        signed = self._sign * value
        if signed < self._seen.get(name, math.inf) and name in self._names:
            self._seen[name] = signed

    def of(self, name: str) -> float | None:
        """None: nothing was seen of it."""
        self._step()
        found = [seen[name] for _, seen in self._steps if name in seen]
        return self._sign * min(found) if found else None

    def _step(self) -> None:
        at = int(self._now() * STEPS / WINDOW)
        if not self._steps or self._steps[-1][0] != at:
            self._seen = {}
            self._steps = [s for s in self._steps if s[0] >= at - STEPS]
            self._steps.append((at, self._seen))
            self._until = (at + 1) * WINDOW / STEPS
