"""The limits by brute force: everything ever admitted is kept, and every question counts it all.

It shares no idea with the scripts: no list is cut, nothing is indexed, a wait is found by trying
each moment at which something leaves a window. Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field

from app.caller import Caller
from app.errors import RateLimited
from app.pipeline.admission_call import AdmissionCall, Decision
from app.policies.limits import Limit
from app.redis.client import Redis, Script


@dataclass
class History:
    """What one count admitted: (time, cost)."""

    entries: list[tuple[int, int]] = field(default_factory=list)

    def count(self, now: int, window: int) -> int:
        """In the window that ends now; what is exactly one window old has left it."""
        return sum(cost for at, cost in self.entries if now - window < at)

    def free(self, now: int, window: int, most: int) -> int:
        """The first moment, from now on, with at most `most` in the window."""
        moments = [now, *sorted(at + window for at, _ in self.entries if at + window > now)]
        return next(t for t in moments if self.count(t, window) <= most)

    def fullest(self, window: int) -> int:
        """The largest count in any window; one that begins with an admission is the fullest."""
        return max((self._from(start, window) for start, _ in self.entries), default=0)

    def _from(self, start: int, window: int) -> int:
        return sum(cost for at, cost in self.entries if start <= at < start + window)


class Model:
    """All histories, by limit and by whom it counts."""

    def __init__(self) -> None:
        self.histories: dict[tuple[str, str], History] = {}

    def history(self, user: str, limit: Limit) -> History:
        owner = "" if limit.per == "global" else user
        return self.histories.setdefault((limit.scope, owner), History())

    def refusals(self, user: str, limits: Sequence[Limit], cost: int, now: int) -> dict[str, int]:
        """Which limits refuse, and for how long."""
        found = {}
        for limit in limits:
            history, window = self.history(user, limit), microseconds(limit)
            if cost and history.count(now, window) + cost > limit.max:
                never = cost > limit.max
                free = window if never else history.free(now, window, limit.max - cost) - now
                found[limit.scope] = free
        return found

    def admit(self, user: str, limits: Sequence[Limit], cost: int, now: int) -> None:
        for limit in limits:
            if cost:
                self.history(user, limit).entries.append((now, cost))

    def standing(self, user: str, limit: Limit, now: int) -> tuple[int, int]:
        """What remains, and when the count next falls or, when it is full, has room again."""
        history, window = self.history(user, limit), microseconds(limit)
        count = history.count(now, window)
        if count == 0:
            return limit.max, now + window
        return max(0, limit.max - count), history.free(now, window, min(count, limit.max) - 1)


def microseconds(limit: Limit) -> int:
    return round(limit.window * 1_000_000)


class ClockedRedis(Redis):
    """A real server whose scripts read `now`, in microseconds, in place of the server's clock."""

    began = now = 1_700_000_000_000_000
    asked = 0  # how many scripts were run

    def clock(self) -> float:
        """Seconds, of the same clock."""
        return (self.now - self.began) / 1e6

    async def run(self, script: Script, keys, args, budget=None):  # type: ignore[no-untyped-def]  # as its base
        self.asked += 1
        clocked = script.source.replace("call('TIME')", "{ 0, tonumber(table.remove(ARGV)) }")
        # The busiest test machine is no silent Redis: these tests are about the scripts.
        return await super().run(Script(clocked), keys, [*args, self.now], budget=5.0)


async def outcome(asked: Awaitable[Decision]) -> Decision | RateLimited:
    try:
        return await asked
    except RateLimited as refused:
        return refused


async def fill(limiter: AdmissionCall, caller: Caller, targets: tuple[str, ...]) -> int:
    """How many are admitted until one is refused."""
    for admitted in range(1000):
        if isinstance(await outcome(limiter.spend(caller, targets)), RateLimited):
            return admitted
    raise AssertionError("never refused")
