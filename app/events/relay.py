"""Relay: publishes the stored events that could not be published when they happened.

One process relays at a time, by a lease in Redis (where nobody could publish without it); the
events go out in stored order. A process that dies between publishing and marking repeats them,
under their same ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from app import spans
from app.errors import DependencyUnavailable
from app.events.log import EventLog
from app.events.types import Event
from app.redis.client import Redis

POLL_INTERVAL = 1.0  # s
MAX_RETRY_INTERVAL = 5.0  # s between tries while the database or Redis is away
FLUSH_TIMEOUT = 2.0  # s for a last try before the process ends
LEASE_MS = 10_000  # ms; a relay that died is followed after it
MIN_AGE = timedelta(seconds=3)  # younger ones are still their own request's to publish
MAX_BATCH = 200
PRUNE_INTERVAL = timedelta(minutes=1)
LOOK_INTERVAL = timedelta(seconds=5)

log = logging.getLogger(__name__)


class Outbox(Protocol):
    async def unpublished(self, *, older_than: datetime, limit: int) -> list[Event]: ...

    def published(self, event_ids: Iterable[str]) -> None: ...

    async def prune(self, *, published_before: datetime) -> None: ...


class Relay:
    """Runs from `start()` to `stop()`."""

    def __init__(
        self,
        outbox: Outbox,
        events: EventLog,
        redis: Redis,
        *,
        retention: float = 86_400.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        backlog: Callable[[], Awaitable[tuple[int, datetime | None]]] | None = None,
        on_backlog: Callable[[int, float], None] = lambda _count, _age: None,
    ) -> None:
        """backlog: how many events wait, and since when; on_backlog is told that every few
        seconds, the age in seconds, whether Redis is there or not."""
        self._outbox, self._log, self._redis, self._now = outbox, events, redis, now
        self._retention, self._prune_at = timedelta(seconds=retention), now() + PRUNE_INTERVAL
        self._me = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None
        self._backlog, self._on_backlog = backlog, on_backlog
        self._look_at = now()
        self._done: dict[str, None] = {}  # published, and not yet seen as marked

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="events-relay")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            with contextlib.suppress(DependencyUnavailable, TimeoutError):  # another does it
                async with asyncio.timeout(FLUSH_TIMEOUT):
                    await self.relay(older_than=timedelta(0))

    async def _run(self) -> None:
        wait = POLL_INTERVAL
        while True:
            try:
                await self.look()
                await self._log.confirm()
                while await self.relay():
                    pass
                await self.prune()
                wait = POLL_INTERVAL
            except DependencyUnavailable as error:
                log.debug("the relay waits", extra={"for": error.details["dependency"]})
                wait = min(2 * wait, MAX_RETRY_INTERVAL)
            await asyncio.sleep(wait)

    async def look(self) -> None:
        """Once in a while tell how many events wait. Raises `DependencyUnavailable`."""
        now = self._now()
        if self._backlog is not None and now >= self._look_at:
            self._look_at = now + LOOK_INTERVAL
            count, oldest = await self._backlog()
            age = (now - oldest).total_seconds() if oldest is not None else 0.0
            self._on_backlog(count, max(0.0, age))

    async def relay(self, *, older_than: timedelta = MIN_AGE) -> int:
        """Publish one batch of what was left behind; how many events it held.

        Raises:
            DependencyUnavailable: the database or Redis is away; the next round goes on.
        """
        if not self._redis.up or not await self._take_lease():
            return 0
        found = await self._outbox.unpublished(older_than=self._now() - older_than, limit=MAX_BATCH)
        self._done = {e.id: None for e in found if e.id in self._done}
        fresh: Sequence[Event] = [e for e in found if e.id not in self._done]
        failed: DependencyUnavailable | None = None
        for some in self._log.by_partition(fresh):
            try:
                await self._publish(some)
            except DependencyUnavailable as error:  # in a cluster the others may be there
                failed = error
        if failed is not None:
            raise failed
        return len(fresh)

    async def _publish(self, events: Sequence[Event]) -> None:
        """Some of one partition: what of it went out is never said again for another's sake."""
        with spans.later("publish", map(_trace, events), spans.Kind.PRODUCER):
            await self._log.publish(events)
        self._done |= {e.id: None for e in events}
        self._outbox.published([e.id for e in events])
        log.info("published events that were left behind", extra={"count": len(events)})

    async def prune(self) -> None:
        """Once in a while forget the stored copies of what was published long enough ago."""
        now = self._now()
        if now >= self._prune_at and self._redis.up and await self._take_lease():
            self._prune_at = now + PRUNE_INTERVAL
            await self._outbox.prune(published_before=now - self._retention)

    async def _take_lease(self) -> bool:
        key = "loregate:relay"
        if await self._redis.call("SET", key, self._me, "NX", "PX", LEASE_MS):
            return True
        return bool(await self._redis.call("GET", key) == self._me.encode())


def _trace(event: Event) -> str | None:
    """The span that the event came from, where traces were on."""
    found: str | None = event.payload.get("metadata", {}).get("traceparent")
    return found
