"""Refusals: what a limit refused is refused again from memory, while it surely would be.

Why none is refused that Redis would admit: the log of a limit that counts requests of a user, of an
operation or of everybody only grows, but for what leaves its window. So a charge that was refused
stays refused until the moment that Redis named, counted here from before Redis was asked, which is
never late. Where more can free room, nothing is remembered: limits of a model (a request of which
may turn out to be cached) and of tokens (which are given back). A cluster gives back what another
slot refused, and a server may be replaced by an empty one; so nothing is believed for longer than
`BELIEVED`, which is also how late a revoked token may learn that it is, instead of hearing 429.

Why the wait that is told is right: what is remembered is the refusal of a whole charge, with all
its limits, of which Redis named the one with the longest wait; no other charge is refused by it,
for another limit of that one may be full for longer. So may another limit of the same charge once
something else was admitted: that makes the process forget. The wait is counted from after Redis
answered: it is never early.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from app.errors import RateLimited
from app.limit_standing import Standing
from app.policies.limits import Charge, Limit

BELIEVED = 1.0  # s
ROUNDING = 1e-6  # s; by less a sum of floats is off, and who waits as told is let in
MAX_USERS = 10_000
MAX_EACH = 32  # of a user; one takes about 300 bytes
NEARLY_FULL = 50  # requests: more than most documents count


@dataclass(frozen=True, slots=True)
class Refusal:
    """until: refused from memory before it. room_at: when there is room. Both by our own clock."""

    until: float
    room_at: float
    scope: str
    limit: int
    window: float
    reset_at: float

    def raised(self, now: float) -> RateLimited:
        wait = max(0.0, self.room_at - now)
        return RateLimited(self.scope, self.limit, self.window, wait, reset_at=self.reset_at)


class Refusals:
    """Of one process. Names are charges' own, or whatever else is asked as a whole."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._users: OrderedDict[str, dict[Hashable, Refusal]] = OrderedDict()

    def __len__(self) -> int:
        """How many users were refused of late."""
        return len(self._users)

    def knows(self, user_id: str) -> bool:
        """Whether something of the user's was refused of late."""
        return user_id in self._users

    def of(self, user_id: str, name: Hashable) -> RateLimited | None:
        """The refusal of what has this name, with the wait that is left; None: it must be asked."""
        found = self._users.get(user_id)
        if found is None or (known := found.get(name)) is None:
            return None
        now = self.now()
        if now < known.until:
            return known.raised(now)
        del found[name]
        if not found:
            del self._users[user_id]
        return None

    def of_charge(self, charge: Charge) -> RateLimited | None:
        if charge.user_id not in self._users:
            return None
        return self.of(charge.user_id, (charge.limits, charge.costs))

    def note(self, charge: Charge, error: RateLimited, asked_at: float) -> None:
        """Redis refused the charge; it was asked at `asked_at`."""
        refusing = next(x for x in charge.limits if x.scope == error.scope)
        if not remembered(refusing) or charge.costs[charge.limits.index(refusing)] > refusing.max:
            return  # what takes more than there ever is waits for as long whenever it asks
        self.remember(charge.user_id, (charge.limits, charge.costs), [error], asked_at)
        # Of the limits that every request counts for, it has the longest wait too.
        every = [(x, cost) for x, cost in charge.priced if x.target in ("user", "global")]
        if refusing.target in ("user", "global") and len(every) < len(charge.limits):
            part = charge.only(every)
            self.remember(charge.user_id, (part.limits, part.costs), [error], asked_at)

    def remember(
        self, user_id: str, name: Hashable, errors: Sequence[RateLimited], asked_at: float
    ) -> None:
        """All parts of something were refused, since `asked_at`: it is until one has room."""
        longest = max(errors, key=lambda error: error.retry_after or 0.0)
        soonest = min(error.retry_after or 0.0 for error in errors)
        self._users.setdefault(user_id, {})[name] = Refusal(
            asked_at + min(soonest, BELIEVED) - ROUNDING,
            self.now() + (longest.retry_after or 0.0),
            longest.scope,
            longest.limit,
            longest.window,
            longest.reset_at,
        )
        self._users.move_to_end(user_id)
        if len(self._users[user_id]) > MAX_EACH:
            self._users[user_id].pop(next(iter(self._users[user_id])))
        if len(self._users) > MAX_USERS:
            self._users.popitem(last=False)

    def forget(self, charge: Charge, standings: Sequence[Standing]) -> None:
        """The charge was taken: what else its user was refused may have to wait for longer now.

        So may everybody's, where a limit that all share was nearly filled by it.
        """
        self._users.pop(charge.user_id, None)
        shared = {limit.scope for limit in charge.limits if limit.per == "global"}
        if any(s.scope in shared and s.remaining < NEARLY_FULL for s in standings):
            self._users.clear()


def remembered(limit: Limit) -> bool:
    """Whether nothing but time frees room in it."""
    return limit.counts == "requests" and not limit.of_model
