"""Leases: what stays open for a caller stays open for as long as the caller's token holds.

One task a process looks after all open sockets and streams: once a second for tokens that have
ended, every five for those that were revoked, all of them in one call; and it ends them all when
the process is to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Protocol

from app.caller import Caller
from app.errors import DependencyUnavailable, GatewayError

LOOK_EVERY = 1.0  # s
REVOKED_EVERY = 5.0  # s
TOGETHER = 200  # looked at in one turn of the loop: up to 2 ms, when all are due for a ping

log = logging.getLogger(__name__)


class TokenExpired(GatewayError):
    """The token that a socket or a stream was opened with has ended, or was revoked."""

    status, code = 401, "TOKEN_EXPIRED"

    def __init__(self) -> None:
        super().__init__("Token expired")


class ShuttingDown(GatewayError):
    """The process stops; another one serves whoever comes back with the cursor."""

    status, code = 503, "SHUTTING_DOWN"

    def __init__(self) -> None:
        super().__init__("The server restarts; connect again with your cursor", retry_after=1.0)


class Holder(Protocol):
    """What is open for a caller."""

    @property
    def caller(self) -> Caller: ...

    def end(self, reason: GatewayError) -> None:
        """The lease has ended, and why. Must not block nor raise."""

    def look(self, now: float) -> None:
        """Once a second; `now` is the event loop's time. Must not block nor raise."""


class Leases:
    """From `start()` to `stop()`."""

    def __init__(
        self,
        revoked: Callable[[Collection[str]], Awaitable[Collection[str]]],
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`revoked` tells which of some tokens' ids are."""
        self._revoked, self._now = revoked, now
        self._holders: set[Holder] = set()
        self._task: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self.stopping = False

    def __len__(self) -> int:
        return len(self._holders)

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="leases")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hold(self, holder: Holder) -> None:
        self._holders.add(holder)
        if self.stopping:
            holder.end(ShuttingDown())

    def release(self, holder: Holder) -> None:
        self._holders.discard(holder)
        if not self._holders:
            self._empty.set()

    async def emptied(self, seconds: float) -> None:
        """Returns when nothing is held any more, or when the time is up."""
        self._empty.clear()
        if self._holders:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty.wait()

    def end_all(self) -> None:
        """The process is to stop: everything that is open ends, and what comes ends at once."""
        self.stopping = True
        for holder in list(self._holders):
            holder.end(ShuttingDown())

    async def _run(self) -> None:
        loop, looked = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._look_at_all()
                if loop.time() - looked >= REVOKED_EVERY:
                    looked = loop.time()
                    await self.end_revoked()
            except Exception:  # one holder's fault must not let all other tokens hold for ever
                log.exception("a lease could not be looked at")

    async def _look_at_all(self) -> None:
        holders, time = list(self._holders), asyncio.get_running_loop().time
        for begin in range(0, len(holders), TOGETHER):
            here = self._holders.intersection(holders[begin : begin + TOGETHER])
            self._look(time(), here)
            await asyncio.sleep(0)

    def _look(self, now: float, holders: Iterable[Holder]) -> None:
        wall = self._now()
        for holder in holders:
            if holder.caller.expires_at <= wall:
                holder.end(TokenExpired())
            else:
                holder.look(now)

    async def end_revoked(self) -> None:
        """End what is held with a revoked token; while Redis is away, what was last known holds."""
        ids = {h.caller.token_id for h in self._holders if h.caller.token_id}
        if not ids:
            return
        try:
            gone = set(await self._revoked(ids))
        except DependencyUnavailable:
            return
        for holder in [h for h in self._holders if h.caller.token_id in gone]:
            holder.end(TokenExpired())
