"""Fanout: one reader a process follows the log for all its subscribers (`reader.py`).

It keeps the newest entries of each partition in a ring, and wakes whom a new one concerns.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from weakref import WeakValueDictionary

from app.errors import DependencyUnavailable
from app.events.cursor import Cursor, Position
from app.events.log import Entry, EventLog, entries, stream_key
from app.events.reader import RETRY_DELAYS, EventReader
from app.events.tail import Tail
from app.events.types import Event

READ_BATCH = 500  # entries of one XREAD
# Subscribers handed an event, or woken, before the loop has its turn: what they wrote is sent then,
# 5 µs each. All at once, 5,000 would hold it for 60 ms.
WAKE_BATCH = 64
WAKE_TIME = 0.002  # s of the same: where each makes its own result first, 64 take longer
# s; at the default 10,000 requests a minute the log outgrows its bytes by 2 MB until then.
TRIM_INTERVAL = 15.0

log = logging.getLogger(__name__)


class Fanout:
    """Follows the log from `start()` to `stop()`; `follow()` is one subscriber's events."""

    def __init__(self, events: EventLog, on_slow: Callable[[], None] = lambda: None) -> None:
        """`on_slow` hears of each subscriber that falls behind what is remembered here."""
        self.log, self.on_slow = events, on_slow
        self.tails: dict[int, Tail] = {}
        self.ready = asyncio.Event()
        # In a cluster a part may be away; who reads the others does not wait for it.
        self.known = {p: asyncio.Event() for p in range(events.partitions)}
        self.readers: dict[str | None, set[EventReader]] = {}
        self.scans: WeakValueDictionary[str | None, asyncio.Lock] = WeakValueDictionary()
        self._erasures: dict[int, bytes] = {}  # the last that was heard of, by partition
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        partitions = range(self.log.partitions)
        # In a cluster partitions live on different servers: a reader each; else one for all.
        groups = [[p] for p in partitions] if self.log.redis.clustered else [list(partitions)]
        self._tasks = [
            asyncio.create_task(self._read(group), name=f"events-{group[0]}") for group in groups
        ]
        self._tasks.append(asyncio.create_task(self._trim(), name="events-trim"))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- the reader
    async def _read(self, partitions: Sequence[int]) -> None:
        reader = self.log.redis.reader()
        names = {stream_key(p): p for p in partitions}
        failed = 0
        try:
            while True:
                try:
                    await self._find_end(partitions)
                    failed = 0
                    while True:
                        entry_ids = {k: str(self.tails[p].head) for k, p in names.items()}
                        found = await reader.read(entry_ids, READ_BATCH)
                        if not found:
                            break  # quiet: a moment to see whether this is still the same log
                        for name, rows in found:
                            await self.wake(self.append(names[name], entries(rows)))
                except DependencyUnavailable:
                    await asyncio.sleep(RETRY_DELAYS[min(failed, len(RETRY_DELAYS) - 1)])
                    failed += 1
        finally:
            await reader.close()

    async def _find_end(self, partitions: Sequence[int]) -> None:
        """Find the log's end, and begin a new tail where its epoch is another."""
        for partition, position in (await self.log.end(partitions)).items():
            tail = self.tails.get(partition)
            if tail is None or tail.epoch != position.epoch or tail.head > position.entry_id:
                if tail is not None:  # what was lost may have held the cursors' key
                    await self.log.seal.agree()
                self._begin_epoch(partition, position)
            self.known[partition].set()
        if len(self.tails) == self.log.partitions:
            self.ready.set()

    def _begin_epoch(self, partition: int, position: Position) -> None:
        if partition in self.tails:
            log.warning("the event log began a new epoch", extra={"partition": partition})
        self.tails[partition] = Tail(position)
        for group in self.readers.values():
            for reader in group:
                reader.restart()

    def append(self, partition: int, found: Sequence[Entry]) -> list[EventReader]:
        """Who waits for something of these; each knows already from where it is to go on."""
        firsts: dict[str | None, Position] = {}
        for entry in found:
            before = Position(entry.position.epoch, entry.position.entry_id.before())
            if entry.position.epoch != self.tails[partition].epoch:
                self._begin_epoch(partition, before)
            self.tails[partition].append([entry])
            firsts.setdefault(entry.event.user_id, before)
            firsts.setdefault(None, before)
        return [
            reader
            for user, before in firsts.items()
            for reader in self.readers.get(user, ())
            if reader.notify(partition, before)
        ]

    async def wake(self, waiting: Sequence[EventReader]) -> None:
        """Hand on to each what it waits for, or wake it, in slices."""
        now, left = time.perf_counter, deque(waiting)
        while left:
            until = now() + WAKE_TIME
            for _ in range(min(WAKE_BATCH, len(left))):
                reader = left.popleft()
                if reader.wake():
                    left.append(reader)
                if now() > until:
                    break
            if left:
                await asyncio.sleep(0)

    async def _trim(self) -> None:
        while True:
            await self.log.trim()
            await self.drop_erased()
            await asyncio.sleep(TRIM_INTERVAL)

    async def drop_erased(self) -> None:
        """Where somebody was erased, nothing is told from memory: the log is read again."""
        for partition, tail in list(self.tails.items()):
            with suppress(DependencyUnavailable):  # the next round does it
                erasure = await self.log.last_erasure(partition)
                if erasure is not None and self._erasures.get(partition) != erasure:
                    self._erasures[partition] = erasure
                    if self.tails[partition] is tail:
                        tail.clear()

    # -- the subscribers
    def subscribe(
        self,
        user_id: str | None,
        after: Cursor | None,
        wanted: Callable[[Event], bool],
        taken: Callable[[Event], None] = lambda _: None,
    ) -> EventReader:
        """A reading of a user's events, or of everybody's (None), from behind `after`."""
        return EventReader(self, user_id, after, wanted, taken)

    def join(self, reader: EventReader) -> None:
        self.readers.setdefault(reader.user_id, set()).add(reader)

    def leave(self, reader: EventReader) -> None:
        group = self.readers[reader.user_id]
        group.discard(reader)
        if not group:
            del self.readers[reader.user_id]
