"""Bulkhead: how many calls one model gets at once, how many may wait, and whose turn is next.

The places are shared among users. A place that frees goes to the waiting user who holds the
fewest, among equals by turns (max-min fairness, round robin). And no user may hold more than three
times what is free: alone one gets three quarters of the places, two get 43 % each, ten 9.7 % each,
so that a newcomer enters at once and does not wait for the end of somebody's call of 60 s. The
queue is shared by the same rule.

A. K. Choudhury, E. L. Hahne, "Dynamic queue length thresholds for shared-memory packet switches",
IEEE/ACM Transactions on Networking 6 (2), 1998.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType

from app.llm.breaker import Breaker
from app.llm.failure import AttemptFailed
from app.operations.metadata import AttemptOutcome
from app.stages import Stage, stage

MIN_CALL_TIME = 1.0  # s that must be left for the call itself, or it is not worth a place
AVERAGE_WEIGHT = 1 / 8  # of the newest call in the moving average (RFC 6298 smooths round trips so)
# What one user may hold for each place that is free. One would leave half of the places to a lone
# user, three leaves three quarters; of three places or fewer nothing is held back.
USER_FACTOR = 3

Waiter = asyncio.Future[None]


class Bulkhead:
    """At most `concurrency` calls run; at most `queue` wait; both are shared among users.

    `running` and `waiting` say how many, `held` and `waiters` whose. `clock` is the event loop's
    unless given.
    """

    def __init__(
        self, concurrency: int, queue: int, *, clock: Callable[[], float] | None = None
    ) -> None:
        if concurrency < 1 or queue < 0:
            raise ValueError("a bulkhead has at least one place, and no negative queue")
        self.concurrency, self.queue = concurrency, queue
        self.running = self.waiting = 0
        self.held: Counter[str] = Counter()  # places, by user; who holds none is not in it
        self.waiters: dict[str, deque[Waiter]] = {}  # by user, who was served last comes last
        self._clock = clock
        self._seconds: float | None = None  # for which a call holds its place, on average

    def expected_wait(self, user: str = "") -> float:
        """Seconds that the user's call would wait if it came now; 0 before any call has ended.

        By turns, at most one call of each user that waits goes before each of the user's own.
        """
        if self._admits(user):
            return 0.0
        own = len(self.waiters.get(user, ()))
        users = len(self.waiters.keys() | {user})
        turns = min(self.waiting + 1, (own + 1) * users)
        return turns * (self._seconds or 0.0) / self.running

    def slot(self, deadline: float, breaker: Breaker | None = None, user: str = "") -> Slot:
        """`async with bulkhead.slot(deadline):` holds a slot; the call ends by then, by the clock.

        Raises:
            AttemptFailed: BUSY; the queue has no room for the user, or not a second would be left
                for the call. OPEN; the breaker opened while it waited.
        """
        return Slot(self, deadline, breaker, user)

    def now(self) -> float:
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time
        return self._clock()

    def _admits(self, user: str) -> bool:
        """Whether a place is free for this user."""
        return self.held[user] < USER_FACTOR * (self.concurrency - self.running)

    def enter(self, user: str) -> bool:
        """Take a place if there is one; nobody waits who holds fewer, or it would be theirs."""
        if not self._admits(user):
            return False
        self.running += 1
        self.held[user] += 1
        return True

    async def acquire(self, deadline: float, breaker: Breaker | None, user: str) -> None:
        """Wait for a place, and have it."""
        room = deadline - self.now() - MIN_CALL_TIME
        queued = len(self.waiters.get(user, ()))
        if queued >= USER_FACTOR * (self.queue - self.waiting) or self.expected_wait(user) > room:
            raise self._busy(user)
        waiter: Waiter = asyncio.get_running_loop().create_future()
        ends = {waiter} if breaker is None else {waiter, breaker.opening}
        self.waiters.setdefault(user, deque()).append(waiter)
        self.waiting += 1
        try:
            with stage(Stage.WAITING):
                await asyncio.wait(ends, timeout=room, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:  # cancelled; the place may have been given to it in the same turn
            if waiter.done():
                self._free(user)
            else:
                self._leave(user, waiter)
            raise
        if not waiter.done():
            self._leave(user, waiter)
            opened = breaker is not None and breaker.opening.done()
            raise breaker.refusal() if breaker is not None and opened else self._busy(user)

    def _busy(self, user: str) -> AttemptFailed:
        said = "has as many calls running and waiting as it may have"
        return AttemptFailed(
            AttemptOutcome.BUSY, said, retry_after=max(1.0, self.expected_wait(user))
        )

    def _leave(self, user: str, waiter: Waiter) -> None:
        """One leaves the queue, with a place or without."""
        self.waiting -= 1
        queue = self.waiters[user]
        queue.remove(waiter)
        if not queue:
            del self.waiters[user]

    def release(self, seconds: float, user: str) -> None:
        """A user's call ended after so long: whose turn it is has its place."""
        before = seconds if self._seconds is None else self._seconds
        self._seconds = before + AVERAGE_WEIGHT * (seconds - before)
        self._free(user)

    def _free(self, user: str) -> None:
        self.running -= 1
        self.held[user] -= 1
        if not self.held[user]:
            del self.held[user]
        while self.waiters:
            # A look over all users who wait: 400 at the most, 30 µs.
            user = min(self.waiters, key=self.held.__getitem__)
            if not self.enter(user):
                return
            queue = self.waiters[user]
            waiter = queue[0]
            self._leave(user, waiter)
            if queue:
                self.waiters[user] = self.waiters.pop(user)
            waiter.set_result(None)


class Slot:
    """One call's place."""

    __slots__ = ("_began", "_breaker", "_bulkhead", "_deadline", "_user")

    def __init__(
        self, bulkhead: Bulkhead, deadline: float, breaker: Breaker | None, user: str
    ) -> None:
        self._bulkhead, self._deadline, self._breaker = bulkhead, deadline, breaker
        self._user = user

    async def __aenter__(self) -> None:
        bulkhead = self._bulkhead
        if not bulkhead.enter(self._user):
            await bulkhead.acquire(self._deadline, self._breaker, self._user)
        self._began = bulkhead.now()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bulkhead.release(self._bulkhead.now() - self._began, self._user)
