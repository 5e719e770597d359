"""Bulkhead: how many calls one model gets at once, and how many may wait for their turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType

from app.llm.base import Failed, Outcome

MARGIN = 1.0  # s that must be left for the call itself, or it is not worth a place
WEIGHT = 1 / 8  # of the newest call in the moving average (RFC 6298 smooths round trips so)


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
        self._waiters: deque[asyncio.Future[bool]] = deque()
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

    def slot(self, until: float) -> Slot:
        """`async with bulkhead.slot(until):` holds a place; `until` ends the call, by the clock.

        Raises:
            Failed: BUSY; the queue is full, or there would not be a second left for the call.
        """
        return Slot(self, until)

    def now(self) -> float:
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time
        return self._clock()

    async def queued(self, until: float) -> None:
        """Wait for a place, and have it."""
        room = until - self.now() - MARGIN
        if len(self._waiters) >= self.queue or self.wait > room:
            raise self._busy()
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._waiters.append(waiter)
        timer = loop.call_later(room, self._run_out, waiter)
        try:
            granted = await waiter
        except BaseException:  # cancelled
            self._leave(waiter)
            raise
        finally:
            timer.cancel()
        if not granted:
            raise self._busy()

    def _busy(self) -> Failed:
        said = "has as many calls running and waiting as it may have"
        return Failed(Outcome.BUSY, said, retry_after=max(1.0, self.wait))

    def _run_out(self, waiter: asyncio.Future[bool]) -> None:
        if not waiter.done():
            self._waiters.remove(waiter)
            waiter.set_result(False)

    def _leave(self, waiter: asyncio.Future[bool]) -> None:
        """A waiter was cancelled; the place may have been given to it in the same turn."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif not waiter.cancelled() and waiter.result():
            self._pass_on()

    def left(self, held: float) -> None:
        """A call ended after `held` seconds: the next one has its place."""
        before = held if self._held is None else self._held
        self._held = before + WEIGHT * (held - before)
        self._pass_on()

    def _pass_on(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():  # cancelled in this very turn, and not yet gone
                waiter.set_result(True)
                return
        self.running -= 1


class Slot:
    """One call's place."""

    __slots__ = ("_began", "_bulkhead", "_until")

    def __init__(self, bulkhead: Bulkhead, until: float) -> None:
        self._bulkhead, self._until = bulkhead, until

    async def __aenter__(self) -> None:
        bulkhead = self._bulkhead
        if bulkhead.running < bulkhead.concurrency:
            bulkhead.running += 1
        else:
            await bulkhead.queued(self._until)
        self._began = bulkhead.now()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bulkhead.left(self._bulkhead.now() - self._began)
