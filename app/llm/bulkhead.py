"""Bulkhead: how many calls one model gets at once, and how many may wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType

from app.llm.breaker import Breaker
from app.llm.failure import AttemptFailed
from app.operations.metadata import AttemptOutcome

MIN_CALL_TIME = 1.0  # s that must be left for the call itself, or it is not worth a place
AVERAGE_WEIGHT = 1 / 8  # of the newest call in the moving average (RFC 6298 smooths round trips so)


class Bulkhead:
    """At most `concurrency` calls run; at most `queue` wait, first come first served.

    `running` and `waiting` say how many. `clock` is the event loop's unless given.
    """

    def __init__(
        self, concurrency: int, queue: int, *, clock: Callable[[], float] | None = None
    ) -> None:
        if concurrency < 1 or queue < 0:
            raise ValueError("a bulkhead has at least one place, and no negative queue")
        self.concurrency, self.queue = concurrency, queue
        self.running = 0
        self._clock = clock
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._held: float | None = None  # s for which a call holds its place, on average

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    @property
    def wait(self) -> float:
        """Seconds that a call would wait if it came now; 0 before any call has ended."""
        if self.running < self.concurrency:
            return 0.0
        return (len(self._waiters) + 1) * (self._held or 0.0) / self.concurrency

    def slot(self, deadline: float, breaker: Breaker | None = None) -> Slot:
        """`async with bulkhead.slot(deadline):` holds a slot; the call ends by then, by the clock.

        Raises:
            AttemptFailed: BUSY; the queue is full, or not a second would be left for the call.
                OPEN; the breaker opened while it waited.
        """
        return Slot(self, deadline, breaker)

    def now(self) -> float:
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time
        return self._clock()

    async def acquire(self, deadline: float, breaker: Breaker | None) -> None:
        """Wait for a place, and have it."""
        room = deadline - self.now() - MIN_CALL_TIME
        if len(self._waiters) >= self.queue or self.wait > room:
            raise self._busy()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ends = {waiter} if breaker is None else {waiter, breaker.opening}
        self._waiters.append(waiter)
        try:
            await asyncio.wait(ends, timeout=room, return_when=asyncio.FIRST_COMPLETED)
        except BaseException:  # cancelled
            self._leave(waiter)
            raise
        if not waiter.done():
            self._waiters.remove(waiter)
            opened = breaker is not None and breaker.opening.done()
            raise breaker.refusal() if breaker is not None and opened else self._busy()

    def _busy(self) -> AttemptFailed:
        said = "has as many calls running and waiting as it may have"
        return AttemptFailed(AttemptOutcome.BUSY, said, retry_after=max(1.0, self.wait))

    def _leave(self, waiter: asyncio.Future[None]) -> None:
        """A waiter was cancelled; the place may have been given to it in the same turn."""
        if waiter.done():
            self._pass_on()
        else:
            self._waiters.remove(waiter)

    def release(self, held: float) -> None:
        """A call ended after `held` seconds: the next one has its place."""
        before = held if self._held is None else self._held
        self._held = before + AVERAGE_WEIGHT * (held - before)
        self._pass_on()

    def _pass_on(self) -> None:
        if self._waiters:
            self._waiters.popleft().set_result(None)
        else:
            self.running -= 1


class Slot:
    """One call's place."""

    __slots__ = ("_began", "_breaker", "_bulkhead", "_deadline")

    def __init__(self, bulkhead: Bulkhead, deadline: float, breaker: Breaker | None) -> None:
        self._bulkhead, self._deadline, self._breaker = bulkhead, deadline, breaker

    async def __aenter__(self) -> None:
        bulkhead = self._bulkhead
        if bulkhead.running < bulkhead.concurrency:
            bulkhead.running += 1
        else:
            await bulkhead.acquire(self._deadline, self._breaker)
        self._began = bulkhead.now()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bulkhead.release(self._bulkhead.now() - self._began)
