"""EventLog: the message hub on Redis Streams: ordered, replayable, shared by every process.

A partition is the stream `loregate:events:{n}`; each entry has the fields `event` (the event's
JSON), `epoch` and `owner` (a hash of the user's id, by which what is another's is passed over
unread). All events of a user stand in one partition, in the order of publishing. Beside each
stream, `loregate:events:{n}:meta` keeps its epoch (a server that lost its data begins a new one)
and how far retention has cut it.
"""

from __future__ import annotations

import contextlib
import hashlib
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
from app.events.cursor import Cursor, EntryId, Position
from app.events.types import Event
from app.events.unconfirmed import Unconfirmed
from app.redis.client import Call, Redis, Script
from app.redis.streams import fields_of
from app.seal import Seal

MAX_ENTRIES = 1_000_000  # a partition
MAX_BYTES = 128_000_000  # of all partitions in Redis; 250,000 events of 500 bytes
log = logging.getLogger(__name__)

PAGE_SIZE = 100  # entries of one back-fill read
SCAN_SIZE = 250  # entries among which one user's are looked for: Redis is held for 0.6 ms

_source = resources.files("app.events")
PUBLISH = Script(_source.joinpath("publish.lua").read_text())
READ = Script(_source.joinpath("read.lua").read_text())
TRIM = Script(_source.joinpath("trim.lua").read_text())
CONFIRM = Script(_source.joinpath("confirm.lua").read_text())

START = EntryId(0, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event at its position in the log."""

    position: Position
    event: Event


@dataclass(frozen=True, slots=True)
class Page:
    """What a read found: the log's state, and the entries behind the id that was asked for.

    `reached` is how far it looked: whatever stands before it is among the entries, or another's.
    """

    epoch: int
    trimmed: EntryId
    end: EntryId
    entries: list[Entry]
    reached: EntryId


def stream_key(partition: int) -> str:
    return f"loregate:events:{{{partition}}}"


def erased_key(partition: int) -> str:
    """The marks of erasures by owner, and under `last` what tells each erasure from the one before.
    It lapses a day after the last one."""
    return f"{stream_key(partition)}:erased"


def _keys(partition: int) -> list[str]:
    return [stream_key(partition), f"{stream_key(partition)}:meta"]


@lru_cache(10_000)
def owner_of(user_id: str) -> str:
    """How an entry names its user; the event itself tells apart whoever has the same."""
    return hashlib.blake2b(user_id.encode(), digest_size=8).hexdigest()


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
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        now: Callable[[], float] = time,
        seal: Seal | None = None,
    ) -> None:
        """`retention` is in seconds; `partitions` between 1 and 64; `seal` checks the cursors."""
        self.redis, self.seal = redis, seal or Seal("events")
        self._cursor = lru_cache(4096)(self._encoded)
        self.partitions = partitions
        self._retention, self._max_entries, self._now = retention, max_entries, now
        self._max_bytes = max_bytes // partitions
        self._unconfirmed = Unconfirmed()

    def partition(self, user_id: str) -> int:
        """Where all events of this user stand."""
        return zlib.crc32(user_id.encode()) % self.partitions

    async def publish(self, events: Sequence[Event], also: Sequence[Call] = ()) -> list[Any]:
        """Append the events, in their order for each user; `also` goes in the same round trip, and
        its replies come back.

        Raises:
            DependencyUnavailable: Redis is away; some may have been appended all the same, so
                whoever tries again repeats events, under their same ids.
        """
        parts = self.by_partition(events)
        if not parts and not also:
            return []
        replies = await self.redis.run_all([*map(self._publishing, parts), *also])
        for some, reply in zip(parts, replies, strict=False):
            self._unconfirmed.note(self.partition(some[0].user_id), some, reply)
        return replies[len(parts) :]

    async def confirm(self) -> None:
        """Publish again what went lost behind its acknowledgement, where Redis is there."""
        for partition, some in self._unconfirmed.due().items():
            with contextlib.suppress(DependencyUnavailable):  # the next round does it
                entry_ids = [one.entry_id for one in some]
                epoch, trimmed, *there = await self.redis.run(CONFIRM, _keys(partition), entry_ids)
                found = zip(some, there, strict=True)
                lost = [one.event for one, n in found if one.missing(epoch, trimmed, n)]
                if lost:
                    await self.publish(lost)
                    log.warning("published lost events again", extra={"count": len(lost)})
                self._unconfirmed.forget(partition, some)

    def by_partition(self, events: Sequence[Event]) -> list[list[Event]]:
        """The events apart, by where they stand; each part in their order."""
        grouped: dict[int, list[Event]] = {}
        for event in events:
            grouped.setdefault(self.partition(event.user_id), []).append(event)
        return list(grouped.values())

    def _publishing(self, events: Sequence[Event]) -> Call:
        partition = self.partition(events[0].user_id)
        args: list[Any] = [_new_epoch()]
        for event in events:
            args += (event.encode(), owner_of(event.user_id), event.id)
        return Call(PUBLISH, [*_keys(partition), erased_key(partition)], args)

    async def read(
        self,
        partition: int,
        after: EntryId,
        count: int = PAGE_SIZE,
        user_id: str | None = None,
    ) -> Page:
        """Up to `count` entries behind a position; of one user, those among the next `SCAN_SIZE`.

        Raises `DependencyUnavailable`.
        """
        args = [_new_epoch(), str(after), count]
        if user_id is not None:
            args += (owner_of(user_id), SCAN_SIZE)
        epoch, trimmed, end, rows, to = await self.redis.run(READ, _keys(partition), args)
        ids = (EntryId.parse(trimmed), EntryId.parse(end))
        return Page(int(epoch), *ids, entries(rows), EntryId.parse(to))

    async def read_behind(
        self, partition: int, position: Position, user_id: str | None = None
    ) -> Page | None:
        """What stands behind a mark; None when its epoch has ended or retention passed it by.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        page = await self.read(partition, position.entry_id, user_id=user_id)
        if page.epoch != position.epoch or position.entry_id < page.trimmed:
            return None
        return page

    async def oldest(self, partition: int) -> Position:
        """The position right before the oldest event that the log still has."""
        page = await self.read(partition, START, 0)
        return Position(page.epoch, page.trimmed)

    async def last_erasure(self, partition: int) -> bytes | None:
        """What tells the last erasure from the one before. Raises `DependencyUnavailable`."""
        found: bytes | None = await self.redis.call("HGET", erased_key(partition), "last")
        return found

    async def end(self, partitions: Sequence[int]) -> dict[int, Position]:
        """The log's end now, which can be told as a cursor. Raises `DependencyUnavailable`."""
        await self.seal.known()
        found = {}
        for partition in partitions:
            page = await self.read(partition, START, 0)
            found[partition] = Position(page.epoch, page.end)
        return found

    def cursor(self, positions: dict[int, Position]) -> str:
        if len(positions) == 1:  # a user's events stand in one partition
            return self._cursor(*next(iter(positions.items())))
        return Cursor(self.partitions, positions).encode(self.seal)

    def _encoded(self, partition: int, position: Position) -> str:
        """Kept: many subscribers are told of the same position."""
        return Cursor(self.partitions, {partition: position}).encode(self.seal)

    async def trim(self) -> None:
        """Apply the retention by time and by size, where Redis is there."""
        oldest = int((self._now() - self._retention) * 1000)
        for partition in range(self.partitions):
            args = [f"{oldest}-0", self._max_entries, self._max_bytes]
            with contextlib.suppress(DependencyUnavailable):  # the next round does it
                await self.redis.make_room(TRIM, _keys(partition), args)


def _entry(entry_id: Any, fields: Any) -> Entry:
    fields = fields_of(fields)
    position = Position(int(fields.get(b"epoch", 0)), EntryId.parse(entry_id))
    return Entry(position, Event.decode(fields[b"event"]))


def entries(rows: Any) -> list[Entry]:
    """Entries from a stream's rows as XREAD gives them; what is no event of ours is left out."""
    found = []
    for entry_id, fields in rows:
        try:
            found.append(_entry(entry_id, fields))
        except (KeyError, ValueError):
            continue  # somebody else wrote into the stream; nobody could use it
    return found
