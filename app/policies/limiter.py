"""How often: limits per model, operation, user and service.

The algorithm is the exact sliding log. A limit's log is a Redis list of the times, in Redis's own
microseconds, of everything it admitted in the last window, oldest first; a Lua script cuts off
what has left the window, compares the length with the limit, and appends, for all limits of a
request at once and for none of them when any refuses. So in no window, wherever it starts, are
more than `max` admitted (any window that ends with an admission was counted at that very
admission), and none is refused while fewer than `max` stand in the log (the log holds nothing
else). Redis runs one script at a time: it stays true for any number of processes. An admission
takes 11 bytes, and the limit bounds their number. Limits over 20,000 a window, and limits that
count tokens, are counted in tenths of the window instead: never too many, and at most a tenth of
a window late in admitting again.

The script is `app/pipeline/admission_call.lua`, which is asked for more than limits; here stands
what a request counts for, how that is put to the script, and what its numbers mean.

While Redis is away each process keeps its own share (`local.py`), which grows from nothing in one
that never reached Redis. What it admitted then still counts for a window after Redis's return, so
that one that comes back empty grants no third limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from app.caller import Caller
from app.errors import RateLimited
from app.limit_standing import Standing
from app.policies.limits import DEFAULT_LIMITS, DEFAULT_TIERS, Charge, Limit
from app.policies.local_limiter import LocalLimiter, owner_of, process_age
from app.redis.client import Call, Script, user_slot

REFUND = Script(resources.files("app.policies").joinpath("refund.lua").read_text())


def key(limit: Limit, user_id: str) -> str:
    """The limit's key; all keys of one user stand in one slot of a cluster."""
    kind = "steps" if limit.stepped else "log"
    owner = "loregate:{global}" if limit.per == "global" else user_slot(user_id)
    # Logs of unlike windows would cut each other short when a setting changes; hence the window.
    return f"{owner}:limit:{limit.scope}:{limit.window:g}:{kind}"


@dataclass(frozen=True, slots=True)
class Counts:
    """What the script found of a charge; times in microseconds of Redis's clock.

    refused: which limit refused, from 1; 0: none. wait: until a lone caller gets in. pairs: of each
    limit how many stand in its window, and when it has room again. called: a model is called.
    """

    refused: int
    now: int
    wait: int
    pairs: Sequence[int]
    called: bool


class RateLimiter:
    """`charge` what a request counts for, `ask` and `read` Redis's script, or `spend_locally`."""

    def __init__(
        self,
        limits: Sequence[Limit] = DEFAULT_LIMITS,
        tiers: Mapping[str, float] = DEFAULT_TIERS,
        *,
        processes: int = 1,
        now: Callable[[], float] = time.time,
        age: float | None = None,
    ) -> None:
        """`processes` is how many share the limits while Redis is away: replicas times workers.

        `age` is for how many seconds this process has lived; None: as the system says.
        """
        self._tiers = dict(tiers)
        self._standard = self._tiers.get("standard", 1.0)
        self._limits = tuple(limits)
        lived = process_age() if age is None else age
        self._local = LocalLimiter(processes=processes, now=now, age=lived)
        self._plan = lru_cache(1000)(self._planned)
        self.targets = tuple(dict.fromkeys(limit.target for limit in limits))

    @property
    def count(self) -> int:
        """How many limits there are."""
        return len(self._limits)

    def _planned(self, tier: str, targets: tuple[str, ...]) -> tuple[Limit, ...]:
        factor = self._tiers.get(tier, self._standard)
        return tuple(
            limit.for_tier(factor)
            for target in targets
            for limit in self._limits
            if limit.target == target
        )

    def tier(self, caller: Caller) -> str:
        """The caller's tier; one that is not configured is `standard`."""
        return caller.tier if caller.tier in self._tiers else "standard"

    def charge(
        self, caller: Caller, targets: tuple[str, ...], *, requests: int = 1, tokens: int = 0
    ) -> Charge:
        """`requests` (and `tokens`) of every limit on `targets`."""
        limits = self._plan(self.tier(caller), targets)
        costs = tuple(tokens if limit.counts == "tokens" else requests for limit in limits)
        return Charge(caller.id, limits, costs)

    def ask(self, charge: Charge) -> tuple[list[str], list[Any], list[int]]:
        """The script's keys and arguments, four a limit; and how much of each Redis may admit."""
        limits, slot = charge.limits, user_slot(charge.user_id)
        room = [limit.max - self._local.held(slot, limit) for limit in limits]
        args: list[Any] = []
        for limit, most, cost in zip(limits, room, charge.costs, strict=True):
            args += (most, _microseconds(limit), cost, int(limit.of_model))
        return [key(limit, charge.user_id) for limit in limits], args, room

    def read(
        self, charge: Charge, room: Sequence[int], counts: Counts, *, one_slot: bool
    ) -> tuple[Standing, ...]:
        """How the limits stand now; `one_slot`: another master of the cluster may be away.

        Raises:
            RateLimited: a limit is full; the one with the longest wait is named.
        """
        if counts.refused:
            limit, wait = charge.limits[counts.refused - 1], counts.wait / 1e6
            reset_at = (counts.now + counts.wait) / 1e6
            raise RateLimited(limit.scope, limit.max, limit.window, wait, reset_at=reset_at)
        if any(charge.costs):  # a server that takes no writes can be looked at all the same
            owner = owner_of(user_slot(charge.user_id), charge.limits[0]) if one_slot else None
            self._local.reached(owner)
        pairs = zip(counts.pairs[::2], counts.pairs[1::2], strict=True)
        return tuple(
            Standing(limit.scope, limit.max, max(0, most - count), reset / 1e6, limit.window)
            for limit, most, (count, reset) in zip(charge.limits, room, pairs, strict=True)
            if counts.called or not limit.of_model  # what was not touched is not shown
        )

    def spend_locally(self, charge: Charge) -> tuple[Standing, ...]:
        """The same of this process's own share. Raises `RateLimited`."""
        return self._local.spend(user_slot(charge.user_id), charge.limits, charge.costs)


def refund(
    user_id: str, amounts: Iterable[tuple[Limit, int]], at: str | None, shared_at: str | None
) -> list[Call]:
    """What gives back so much of each limit, taken at these times (see `Decision`)."""
    found = []
    priced = [(limit, amount) for limit, amount in amounts if amount > 0]
    for per, when in (("user", at), ("global", shared_at)):
        own = [(limit, amount) for limit, amount in priced if limit.per == per]
        if own and when is not None:
            args: list[Any] = [when]
            for limit, amount in own:
                args += (_microseconds(limit), amount)
            found.append(Call(REFUND, [key(limit, user_id) for limit, _ in own], args))
    return found


def _microseconds(limit: Limit) -> int:
    window = round(limit.window * 1_000_000)
    return -window if limit.stepped else window
