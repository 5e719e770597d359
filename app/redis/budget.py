"""ByteBudget: how many bytes may be kept in Redis for a while, shared fairly among their owners.

It counts what this process keeps, until it lapses; Redis is not asked. Processes share a total by
having a part of it each. One that restarts begins anew, and what its predecessor kept lapses
meanwhile: until then both may be there.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from time import monotonic

OWNER_SHARE = 0.25  # of what is free, for one owner: alone one comes to a fifth of all
KEY_BYTES = 250  # a key of ours of 90 bytes, its entry and its time to live, as Valkey 8 has them
NOTE_BYTES = 300  # the set beside it that leads to it, with one key in it
STEPS = 16  # parts of a life by which its end is rounded up, so that few ends need be known


class ByteBudget:
    """At most `size` bytes at once, and of one owner at most a quarter of what is free then."""

    def __init__(self, size: float, *, now: Callable[[], float] = monotonic) -> None:
        self.size, self._now = size, now
        self.used = 0
        self.held: dict[str, int] = {}  # by owner; who holds nothing is not in it
        self._ends: list[float] = []  # a heap
        self._ending: dict[float, dict[str, int]] = {}  # what lapses then, by owner

    def take(self, owner: str, size: int, ttl: float) -> bool:
        """Whether `owner` may keep so many bytes for `ttl` seconds; they are counted if so."""
        self._lapse()
        size += KEY_BYTES
        held = self.held.get(owner, 0)
        if held + size > OWNER_SHARE * (self.size - self.used):
            return False
        self.used += size
        self.held[owner] = held + size
        step = ttl / STEPS
        end = math.ceil((self._now() + ttl) / step) * step
        if end not in self._ending:
            heapq.heappush(self._ends, end)
            self._ending[end] = {}
        ending = self._ending[end]
        ending[owner] = ending.get(owner, 0) + size
        return True

    def _lapse(self) -> None:
        now = self._now()
        while self._ends and self._ends[0] <= now:
            for owner, size in self._ending.pop(heapq.heappop(self._ends)).items():
                self.used -= size
                self.held[owner] -= size
                if not self.held[owner]:
                    del self.held[owner]
