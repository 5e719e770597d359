"""CallDeadline: the deadlines of one model's call, of which one moves while its answer comes."""

from __future__ import annotations

import asyncio
from types import TracebackType

READ_GRACE = 0.01  # s; what had arrived by a deadline is read within it, however busy the loop was


class CallDeadline:
    """`async with CallDeadline(end, 10.0) as watch:` raises `TimeoutError` at `end`, or 10 s on.

    `watch.expect(seconds)` moves the second deadline. That is an addition: the one timer looks
    again when it fires. A timer that fires late may find that the loop was busy, not the model
    silent: so it gives what has arrived `READ_GRACE` seconds to be read.
    """

    __slots__ = ("_armed", "_due", "_handle", "_loop", "_missed", "_timeout", "deadline")

    def __init__(self, deadline: float, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self.deadline, self._due = deadline, self._loop.time() + seconds
        self._missed: float | None = None  # the deadline that has passed once
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> CallDeadline:
        await self._timeout.__aenter__()
        self._arm(min(self.deadline, self._due))
        return self

    def expect(self, seconds: float) -> None:
        self._due = self._loop.time() + seconds
        if self._due < self._armed:
            self._handle.cancel()
            self._arm(self._due)

    def grant(self, seconds: float) -> None:
        """At least so many seconds from now: what came meanwhile is still to be read."""
        self._due = max(self._due, self._loop.time() + seconds)

    def leaves(self, seconds: float) -> bool:
        """Whether no deadline falls into the next seconds."""
        return self._loop.time() + seconds < min(self.deadline, self._due)

    def _arm(self, when: float) -> None:
        self._armed = when
        self._handle = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if now < min(self.deadline, self._due):
            self._arm(min(self.deadline, self._due))
        elif now < self.deadline and self._missed != self._due:
            self._missed = self._due
            self._arm(min(self.deadline, now + READ_GRACE))
        else:
            self._timeout.reschedule(now)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        await self._timeout.__aexit__(kind, error, trace)
