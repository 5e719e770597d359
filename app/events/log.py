"""EventLog: the message hub on Redis Streams: ordered, replayable, shared by every process.

A partition is the stream `loregate:events:{n}`; each entry has the fields `event` (the event's
JSON) and `epoch`. All events of a user stand in one partition, in the order of publishing. Beside
each stream, `loregate:events:{n}:meta` keeps its epoch (a server that lost its data begins a new
one) and how far retention has cut it.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from time import time
from typing import Any

from app.errors import DependencyUnavailable
from app.events.cursor import Cursor, Mark, Place
from app.events.recent import Recent
from app.events.types import Event
from app.redis import Call, Redis, Script

MOST_ENTRIES = 1_000_000  # a partition; about 600 MB of events of 500 bytes
log = logging.getLogger(__name__)

PAGE = 100  # entries of one back-fill read

_source = resources.files("app.events")
PUBLISH = Script(_source.joinpath("publish.lua").read_text())
READ = Script(_source.joinpath("read.lua").read_text())
TRIM = Script(_source.joinpath("trim.lua").read_text())
CONFIRM = Script(_source.joinpath("confirm.lua").read_text())

START = Place(0, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event at its place in the log."""

    mark: Mark
    event: Event


@dataclass(frozen=True, slots=True)
class Page:
    """What a read found: the log's state, and the entries behind the place that was asked for."""

    epoch: int
    trimmed: Place
    end: Place
    entries: list[Entry]


def stream_key(partition: int) -> str:
    return f"loregate:events:{{{partition}}}"


def _keys(partition: int) -> list[str]:
    return [stream_key(partition), f"{stream_key(partition)}:meta"]


def _new_epoch() -> int:
    return secrets.randbits(32)


class EventLog:
    """Publishes and reads; `fanout.py` follows it for subscribers."""

    def __init__(
        self,
        redis: Redis,
        *,
        partitions: int = 1,
        retention: float = 86_400.0,
        most: int = MOST_ENTRIES,
        now: Callable[[], float] = time,
    ) -> None:
        """`retention` is in seconds; `partitions` between 1 and 64."""
        self.redis = redis
        self.partitions = partitions
        self._retention, self._most, self._now = retention, most, now
        self._recent = Recent()

    def partition(self, user_id: str) -> int:
        """Where all events of this user stand."""
        return zlib.crc32(user_id.encode()) % self.partitions

    async def publish(self, events: Sequence[Event], also: Sequence[Call] = ()) -> None:
        """Append the events, in their order for each user; `also` goes in the same round trip.

        Raises:
            DependencyUnavailable: Redis is away; some may have been appended all the same, so
                whoever tries again repeats events, under their same ids.
        """
        parts = self.by_partition(events)
        if parts or also:
            replies = await self.redis.run_all([*map(self._publishing, parts), *also])
            for some, reply in zip(parts, replies, strict=False):
                self._recent.note(self.partition(some[0].user_id), some, reply)

    async def confirm(self) -> None:
        """Publish again what went lost behind its acknowledgement, where Redis is there."""
        for partition, some in self._recent.due().items():
            with contextlib.suppress(DependencyUnavailable):  # the next round does it
                places = [one.place for one in some]
                epoch, trimmed, *there = await self.redis.run(CONFIRM, _keys(partition), places)
                found = zip(some, there, strict=True)
                lost = [one.event for one, n in found if one.missing(epoch, trimmed, n)]
                if lost:
                    await self.publish(lost)
                    log.warning("published lost events again", extra={"count": len(lost)})
                self._recent.forget(partition, some)

    def by_partition(self, events: Sequence[Event]) -> list[list[Event]]:
        """The events apart, by where they stand; each part in their order."""
        grouped: dict[int, list[Event]] = {}
        for event in events:
            grouped.setdefault(self.partition(event.user_id), []).append(event)
        return list(grouped.values())

    def _publishing(self, events: Sequence[Event]) -> Call:
        keys = _keys(self.partition(events[0].user_id))
        return Call(PUBLISH, keys, [_new_epoch(), *(event.encode() for event in events)])

    async def read(self, partition: int, after: Place, count: int = PAGE) -> Page:
        """Up to `count` entries behind a place. Raises `DependencyUnavailable`."""
        args = [_new_epoch(), str(after), count]
        epoch, trimmed, end, rows = await self.redis.run(READ, _keys(partition), args)
        return Page(int(epoch), Place.parse(trimmed), Place.parse(end), entries(rows))

    async def read_behind(self, partition: int, mark: Mark) -> list[Entry] | None:
        """The entries behind a mark; None when its epoch has ended or retention passed it by.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        page = await self.read(partition, mark.place)
        if page.epoch != mark.epoch or mark.place < page.trimmed:
            return None
        return page.entries

    async def oldest(self, partition: int) -> Mark:
        """The place right before the oldest event that the log still has."""
        page = await self.read(partition, START, 0)
        return Mark(page.epoch, page.trimmed)

    async def end(self, partitions: Sequence[int]) -> dict[int, Mark]:
        """The log's end now. Raises `DependencyUnavailable`."""
        found = {}
        for partition in partitions:
            page = await self.read(partition, START, 0)
            found[partition] = Mark(page.epoch, page.end)
        return found

    def cursor(self, marks: dict[int, Mark]) -> str:
        if len(marks) == 1:  # a user's events stand in one partition
            return _cursor(self.partitions, *next(iter(marks.items())))
        return Cursor(self.partitions, marks).encode()

    async def trim(self) -> None:
        """Apply the retention by time and by size, where Redis is there."""
        oldest = int((self._now() - self._retention) * 1000)
        for partition in range(self.partitions):
            args = [f"{oldest}-0", self._most]
            with contextlib.suppress(DependencyUnavailable):  # the next round does it
                await self.redis.run(TRIM, _keys(partition), args, budget=2.0)


@lru_cache(4096)
def _cursor(partitions: int, partition: int, mark: Mark) -> str:
    """Many subscribers are told of the same place."""
    return Cursor(partitions, {partition: mark}).encode()


def _entry(place: Any, fields: Any) -> Entry:
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    mark = Mark(int(fields.get(b"epoch", 0)), Place.parse(place))
    return Entry(mark, Event.decode(fields[b"event"]))


def entries(rows: Any) -> list[Entry]:
    """Entries from a stream's rows as XREAD gives them; what is no event of ours is left out."""
    found = []
    for place, fields in rows:
        try:
            found.append(_entry(place, fields))
        except (KeyError, ValueError):
            continue  # somebody else wrote into the stream; nobody could use it
    return found
