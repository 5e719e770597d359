"""Open streams: what stays open for a caller stays open for as long as the caller's token holds.

One task a process looks after all open sockets and streams: once a second for tokens that have
ended, every five for those that were revoked, all of them in one call; and it ends them all when
the process is to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from typing import Protocol

from app.caller import Caller
from app.errors import DependencyUnavailable, GatewayError

CHECK_INTERVAL = 1.0  # s
REVOCATION_INTERVAL = 5.0  # s
MAX_SOCKETS = 100  # of one user; a subscription more costs a socket nothing
CHECK_BATCH = 200  # looked at in one turn of the loop: up to 2 ms, when all are due for a ping

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


class OpenStream(Protocol):
    """A socket or a response that is open for a caller."""

    @property
    def caller(self) -> Caller: ...

    def end(self, reason: GatewayError) -> None:
        """It must end, and why. Must not block nor raise."""

    def look(self, now: float) -> None:
        """Once a second; `now` is the event loop's time. Must not block nor raise."""


class OpenSockets:
    """How many WebSockets each user has open in this process."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: Counter[str] = Counter()

    def enter(self, user_id: str) -> bool:
        """Whether one more may be open; it then is, until `leave`."""
        if self._open[user_id] >= self.most:
            return False
        self._open[user_id] += 1
        return True

    def leave(self, user_id: str) -> None:
        self._open[user_id] -= 1
        if self._open[user_id] <= 0:
            del self._open[user_id]


class OpenStreams:
    """From `start()` to `stop()`."""

    def __init__(
        self,
        revoked: Callable[[Collection[str]], Awaitable[Collection[str]]],
        *,
        most_sockets: int = MAX_SOCKETS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`revoked` tells which of some tokens' ids are; `most_sockets` is for each user."""
        self.sockets = OpenSockets(most_sockets)
        self._revoked, self._now = revoked, now
        self._streams: set[OpenStream] = set()
        self._task: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()
        self.stopping = False

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[OpenStream]:
        """Those of now; any may end meanwhile."""
        return iter(list(self._streams))

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="open streams")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hold(self, stream: OpenStream) -> None:
        self._streams.add(stream)
        if self.stopping:
            stream.end(ShuttingDown())

    def release(self, stream: OpenStream) -> None:
        self._streams.discard(stream)
        if not self._streams:
            self._empty.set()

    async def emptied(self, seconds: float) -> None:
        """Returns when nothing is held any more, or when the time is up."""
        self._empty.clear()
        if self._streams:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._empty.wait()

    def end_all(self) -> None:
        """The process is to stop: everything that is open ends, and what comes ends at once."""
        self.stopping = True
        for stream in list(self._streams):
            stream.end(ShuttingDown())

    async def _run(self) -> None:
        loop, looked = asyncio.get_running_loop(), 0.0
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            try:
                await self.look_at_all()
                if loop.time() - looked >= REVOCATION_INTERVAL:
                    looked = loop.time()
                    await self.end_revoked()
            except Exception:  # one stream's fault must not let all other tokens hold for ever
                log.exception("an open stream could not be looked at")

    async def look_at_all(self) -> None:
        """One look at each, as it is taken every second."""
        streams, time = list(self._streams), asyncio.get_running_loop().time
        for begin in range(0, len(streams), CHECK_BATCH):
            here = self._streams.intersection(streams[begin : begin + CHECK_BATCH])
            self.look(time(), here)
            await asyncio.sleep(0)

    def look(self, now: float, streams: Iterable[OpenStream]) -> None:
        wall = self._now()
        for stream in streams:
            if stream.caller.expires_at <= wall:
                stream.end(TokenExpired())
            else:
                stream.look(now)

    async def end_revoked(self) -> None:
        """End what is held with a revoked token; while Redis is away, what was last known holds."""
        ids = {h.caller.token_id for h in self._streams if h.caller.token_id}
        if not ids:
            return
        try:
            gone = set(await self._revoked(ids))
        except DependencyUnavailable:
            return
        for stream in [h for h in self._streams if h.caller.token_id in gone]:
            stream.end(TokenExpired())
