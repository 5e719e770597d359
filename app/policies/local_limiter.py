"""LocalLimiter: the limits while Redis is away, this process's share of each, as exact a log.

A process that dies takes its logs with it, and the next one cannot know what they held. So in a
process that has not reached Redis since it began, a share grows: from nothing, evenly, to be whole
when the process is one window old. Processes that follow each other without Redis then admit
together, in any window, what one share grows by in the time that they lived, beside the one share
of whoever lived as the window began: a crash loop gains nothing by crashing.

The price is paid by a first start without Redis. A share of 100 a minute admits its first request
0.6 s after the process began, which is before it listens; one of 20 after 3 s. So that a small
share locks nobody out, the first request of an empty log waits for a tenth of the window at the
most, and for `MAX_FIRST_WAIT` where that is shorter. That is all a crash loop can gain: ten
requests a window where a share is smaller than ten, and in windows of more than a minute one
request, of whatever cost, for each minute that one of its processes lived.
"""

from __future__ import annotations

import os
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path

from app.errors import RateLimited
from app.limit_standing import Standing
from app.policies.limits import Limit

MAX_LOGS = 50_000  # logs kept at once; past it the one that was quiet for longest goes
MAX_FIRST_WAIT = (
    60.0  # s, the default window: nobody's first request of a longer one waits for more
)

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

    def __init__(
        self, *, processes: int = 1, now: Callable[[], float] = time.time, age: float = 0.0
    ) -> None:
        """`age` is for how many seconds this process has lived."""
        self._processes = max(1, processes)
        self._wall = now
        self._logs: OrderedDict[_Name, _Log] = OrderedDict()
        self._grows: float | None = now() - age  # since then; None: all shares are whole
        self._reached: set[str] = set()

    def share(self, limit: Limit) -> int:
        return max(1, limit.max // self._processes)

    def reached(self, owner: str | None = None) -> None:
        """Redis took something from this owner's limits (None: everybody's): shares are whole.

        In a cluster one master's answer says nothing of what was admitted while another was away.
        """
        if owner is None:
            self._grows = None
        elif len(self._reached) < MAX_LOGS:  # past it shares grow, as if Redis had not been reached
            self._reached.add(owner)

    def spend(
        self, user: str, limits: Sequence[Limit], costs: Sequence[int]
    ) -> tuple[Standing, ...]:
        """As `RateLimiter.spend`: all or nothing. Raises `RateLimited`."""
        now = self._now()
        logs = [self._log(user, limit, now) for limit in limits]
        refusals = [
            (wait, limit)
            for log, limit, cost in zip(logs, limits, costs, strict=True)
            if cost and (wait := self._wait(log, user, limit, cost, now)) is not None
        ]
        if refusals:
            wait, limit = max(refusals, key=lambda r: r[0])
            raise RateLimited(limit.scope, self.share(limit), limit.window, wait, now + wait)
        for log, cost in zip(logs, costs, strict=True):
            if cost:
                log.add(now, cost)
        return tuple(
            self._standing(log, user, limit, now) for log, limit in zip(logs, limits, strict=True)
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
            if len(self._logs) > MAX_LOGS:
                self._logs.popitem(last=False)
        else:
            self._logs.move_to_end(name)
        log.trim(now, limit.window)
        return log

    def _now(self) -> float:
        now = self._wall()
        if self._grows is not None and now < self._grows:
            self._grows = now  # the clock was set back: nobody waits for where it was
        return now

    def _since(self, user: str, limit: Limit) -> float | None:
        """Since when the share grows; None where it is whole."""
        if self._grows is None or owner_of(user, limit) in self._reached:
            return None
        return self._grows

    def _wait(self, log: _Log, user: str, limit: Limit, cost: int, now: float) -> float | None:
        """Seconds until so much more is free; None: it is now."""
        over = log.total + cost - self.share(limit)
        if over > 0:
            return log.wait(over, limit.window, now)
        since = self._since(user, limit)
        free = now if since is None else since + self._growth(log, limit, cost)
        return free - now if free > now else None

    def _growth(self, log: _Log, limit: Limit, cost: int) -> float:
        """Seconds in which a share grows to what stands here and so much more."""
        grown = (log.total + cost) * limit.window / self.share(limit)
        if log.total:
            return grown
        return min(grown, _first(limit) if cost == 1 else MAX_FIRST_WAIT)

    def _left(self, log: _Log, limit: Limit, age: float) -> int:
        """How much of a share that grows since `age` seconds is free."""
        left = int(self.share(limit) * min(1.0, age / limit.window)) - log.total
        return max(1, left) if not log.total and age >= _first(limit) else left

    def _standing(self, log: _Log, user: str, limit: Limit, now: float) -> Standing:
        share, since = self.share(limit), self._since(user, limit)
        left = share - log.total
        reset = now + log.wait(max(1, log.total - share + 1), limit.window, now)
        if since is not None and left > 0:
            left = self._left(log, limit, now - since)
            reset = reset if left > 0 else since + self._growth(log, limit, 1)
        return Standing(limit.scope, share, max(0, left), reset, limit.window)


def process_age() -> float:
    """Seconds since this process began; 0 where the system does not tell (proc(5), stat)."""
    if sys.platform != "linux":
        return 0.0
    try:
        # The second field is the program's name, which may hold anything; the 22nd is the start.
        began = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    ticks = began + 1  # it was rounded down
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"))


def _first(limit: Limit) -> float:
    """Seconds for which one request waits at the most where nothing was admitted."""
    return min(MAX_FIRST_WAIT, limit.window / 10)


def owner_of(user: str, limit: Limit) -> str:
    """Whose count it is: empty where all share one."""
    return "" if limit.per == "global" else user


def _name(user: str, limit: Limit) -> _Name:
    return limit.scope, limit.window, owner_of(user, limit)
