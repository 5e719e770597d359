"""The limits while Redis is away: this process's share of each, kept in memory, as exact a log."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from app.errors import RateLimited
from app.policies.limits import Limit, Standing

KEYS = 50_000  # logs kept at once; past it the one that was quiet for longest goes


_Name = tuple[str, float, str]


class _Log:
    """What was admitted in the last window: (time, cost), oldest first."""

    __slots__ = ("entries", "total")

    def __init__(self) -> None:
        self.entries: deque[tuple[float, int]] = deque()
        self.total = 0

    def trim(self, now: float, window: float) -> None:
        if self.entries and self.entries[-1][0] > now + window:
            self.entries.clear()  # the clock was set back by more than a window
            self.total = 0
        while self.entries and self.entries[0][0] <= now - window:
            self.total -= self.entries.popleft()[1]

    def wait(self, over: int, window: float, now: float) -> float:
        """Seconds until `over` of what stands here has left the window."""
        for at, cost in self.entries:
            over -= cost
            if over <= 0:
                return at + window - now
        return window

    def add(self, now: float, cost: int) -> None:
        # A clock that was set back a little must not disorder the entries.
        self.entries.append((max(now, self.entries[-1][0]) if self.entries else now, cost))
        self.total += cost


class LocalLimiter:
    """`max(1, limit / processes)` of every limit, so that all processes together keep it.

    Its logs outlive a return of Redis: an outage that flaps grants no second share.
    """

    def __init__(self, *, processes: int = 1, now: Callable[[], float] = time.time) -> None:
        self._processes = max(1, processes)
        self._wall = now
        self._logs: OrderedDict[_Name, _Log] = OrderedDict()

    def share(self, limit: Limit) -> int:
        return max(1, limit.max // self._processes)

    def spend(
        self, user: str, limits: Sequence[Limit], costs: Sequence[int]
    ) -> tuple[Standing, ...]:
        """As `RateLimiter.spend`: all or nothing. Raises `RateLimited`."""
        now = self._wall()
        logs = [self._log(user, limit, now) for limit in limits]
        refusals = [
            (log.wait(over, limit.window, now), limit)
            for log, limit, cost in zip(logs, limits, costs, strict=True)
            if cost and (over := log.total + cost - self.share(limit)) > 0
        ]
        if refusals:
            wait, limit = max(refusals, key=lambda r: r[0])
            raise RateLimited(limit.scope, self.share(limit), limit.window, wait, now + wait)
        for log, cost in zip(logs, costs, strict=True):
            if cost:
                log.add(now, cost)
        return tuple(
            self._standing(log, limit, now) for log, limit in zip(logs, limits, strict=True)
        )

    def held(self, user: str, limit: Limit) -> int:
        """What this process admitted of the limit by itself in the last window."""
        log = self._logs.get(_name(user, limit)) if self._logs else None
        if log is None:
            return 0
        log.trim(self._wall(), limit.window)
        if not log.entries:
            del self._logs[_name(user, limit)]
        return log.total

    def _log(self, user: str, limit: Limit, now: float) -> _Log:
        name = _name(user, limit)
        log = self._logs.get(name)
        if log is None:
            log = self._logs[name] = _Log()
            if len(self._logs) > KEYS:
                self._logs.popitem(last=False)
        else:
            self._logs.move_to_end(name)
        log.trim(now, limit.window)
        return log

    def _standing(self, log: _Log, limit: Limit, now: float) -> Standing:
        share = self.share(limit)
        reset = now + log.wait(max(1, log.total - share + 1), limit.window, now)
        return Standing(limit.scope, share, max(0, share - log.total), reset, limit.window)


def _name(user: str, limit: Limit) -> _Name:
    return limit.scope, limit.window, "" if limit.per == "global" else user
