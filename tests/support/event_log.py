"""The event log and its fan-out on a real Redis, without the service around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from app.errors import DependencyUnavailable
from app.events.cursor import Cursor
from app.events.fanout import Fanout
from app.events.log import EventLog
from app.events.types import Event
from app.redis.client import Redis
from tests.support.waiting import tasks_named


def numbered_event(user: str, number: int, kind: str = "content.generated") -> Event:
    return Event({"type": kind, "id": f"{user}-{number}", "user_id": user, "n": number})


@contextlib.asynccontextmanager
async def event_log_running(url: str, **options: Any) -> AsyncIterator[tuple[EventLog, Fanout]]:
    redis = Redis(url)
    log = EventLog(redis, **options)
    fanout = Fanout(log)
    fanout.start()
    try:
        yield log, fanout
    finally:
        await fanout.stop()
        await redis.close()


class Subscriber:
    """A subscriber that keeps what it got."""

    def __init__(self, fanout: Fanout, user: str | None, after: str | None = None) -> None:
        cursor = Cursor.decode(after) if after else None
        self._stream: Any = fanout.subscribe(user, cursor, lambda _: True)
        self.got: list[str] = []
        self.cursor = after

    async def take(self, count: int) -> list[str]:
        async with asyncio.timeout(20):
            while len(self.got) < count:
                self.cursor, found = await anext(self._stream)
                self.got.append(found.id)
        return self.got

    async def close(self) -> None:
        await self._stream.aclose()


async def cursor_now(log: EventLog, user: str) -> str:
    return log.cursor(await log.end([log.partition(user)]))


async def publish_when_up(log: EventLog, events: Sequence[Event]) -> None:
    """Publish once Redis takes it."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await log.publish(events)
            except DependencyUnavailable:
                await asyncio.sleep(0.05)


class Outbox:
    """Stored events, in memory, as the store gives them."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.waiting = list(events)

    async def unpublished(self, *, older_than: datetime, limit: int) -> list[Event]:
        assert older_than < datetime.now(UTC)
        return self.waiting[:limit]

    def published(self, event_ids: Iterable[str]) -> None:
        gone = set(event_ids)
        self.waiting = [e for e in self.waiting if e.id not in gone]

    async def prune(self, *, published_before: datetime) -> None:
        raise AssertionError("the relay prunes in its own loop only")


async def reading_stopped() -> None:
    """The one fan-out's reader of the log reads no more."""
    [reader] = tasks_named("events-0")
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
