"""Fanout: one reader a process follows the log for all its subscribers, which are positions.

A subscriber is (epoch, partition, place) and owns no queue: it takes the next entries from the
ring of the newest ones while it is near the end, and from the log itself when it has fallen
behind. A slow one therefore neither grows the process nor holds up the others. While it waits,
its place is the log's end: what belongs to others passes it by at no cost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence

from app.errors import CursorExpired, DependencyUnavailable
from app.events.cursor import Cursor, Mark
from app.events.log import PAGE, Entry, EventLog, entries, stream_key
from app.events.tail import Tail
from app.events.types import Event

BATCH = 500  # entries of one XREAD
PATIENCE = (0.1, 0.2, 0.5, 1.0, 2.0)  # s between tries while Redis is away
TRIM_EVERY = 60.0  # s

log = logging.getLogger(__name__)


class Subscriber:
    """Who waits, and for whose events: a user's, or everybody's (None)."""

    __slots__ = ("resume", "user_id", "waiting", "woken")

    def __init__(self, user_id: str | None) -> None:
        self.user_id = user_id
        self.woken = asyncio.Event()
        self.waiting = False
        self.resume: dict[int, Mark] = {}

    def wake(self, partition: int, entry: Entry) -> None:
        """The first entry that ends a wait is where reading goes on."""
        if self.waiting and partition not in self.resume:
            self.resume[partition] = Mark(entry.mark.epoch, entry.mark.place.before())
        self.woken.set()


class Fanout:
    """Follows the log from `start()` to `stop()`; `follow()` is one subscriber's events."""

    def __init__(self, events: EventLog) -> None:
        self._log = events
        self._tails: dict[int, Tail] = {}
        self._ready = asyncio.Event()
        self._by_user: dict[str | None, set[Subscriber]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        partitions = range(self._log.partitions)
        # In a cluster partitions live on different servers: a reader each; else one for all.
        groups = [[p] for p in partitions] if self._log.redis.clustered else [list(partitions)]
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
        reader = self._log.redis.reader()
        names = {stream_key(p): p for p in partitions}
        failed = 0
        try:
            while True:
                try:
                    await self._look(partitions)
                    failed = 0
                    while True:
                        places = {k: str(self._tails[p].head) for k, p in names.items()}
                        found = await reader.read(places, BATCH)
                        if not found:
                            break  # quiet: a moment to see whether this is still the same log
                        for name, rows in found:
                            self._append(names[name], entries(rows))
                except DependencyUnavailable:
                    await asyncio.sleep(PATIENCE[min(failed, len(PATIENCE) - 1)])
                    failed += 1
        finally:
            await reader.close()

    async def _look(self, partitions: Sequence[int]) -> None:
        """Find the log's end, and begin a new tail where its epoch is another."""
        for partition, mark in (await self._log.end(partitions)).items():
            tail = self._tails.get(partition)
            if tail is None or tail.epoch != mark.epoch or tail.head > mark.place:
                self._renew(partition, mark)
        if len(self._tails) == self._log.partitions:
            self._ready.set()

    def _renew(self, partition: int, mark: Mark) -> None:
        if partition in self._tails:
            log.warning("the event log began a new epoch", extra={"partition": partition})
        self._tails[partition] = Tail(mark)
        for group in self._by_user.values():
            for subscriber in group:
                subscriber.waiting = False  # its place is no longer this log's end
                subscriber.woken.set()

    def _append(self, partition: int, found: Sequence[Entry]) -> None:
        for entry in found:
            if entry.mark.epoch != self._tails[partition].epoch:
                start = Mark(entry.mark.epoch, entry.mark.place.before())
                self._renew(partition, start)
            self._tails[partition].append([entry])
            for user in (entry.event.user_id, None):
                for subscriber in self._by_user.get(user, ()):
                    subscriber.wake(partition, entry)

    async def _trim(self) -> None:
        while True:
            with contextlib.suppress(DependencyUnavailable):  # the next round does it
                await self._log.trim()
            await asyncio.sleep(TRIM_EVERY)

    # -- the subscribers
    async def follow(
        self, user_id: str | None, after: Cursor | None, wanted: Callable[[Event], bool]
    ) -> AsyncIterator[tuple[str, Event]]:
        """One subscriber's events with their cursors: what stands behind `after`, then live.

        `user_id` None follows everybody's. Redis being away is waited out.

        Raises:
            CursorExpired: the log no longer holds what follows the subscriber's place.
        """
        partitions = (
            range(self._log.partitions) if user_id is None else [self._log.partition(user_id)]
        )
        subscriber = Subscriber(user_id)
        self._by_user.setdefault(user_id, set()).add(subscriber)
        try:
            await self._ready.wait()
            marks = await self._start(partitions, after)
            while True:
                subscriber.woken.clear()
                for partition in partitions:
                    while batch := await self._next(partition, marks):
                        for entry in batch:
                            marks[partition] = entry.mark
                            if self._belongs(entry.event, user_id) and wanted(entry.event):
                                yield self._log.cursor(marks), entry.event
                await self._wait(subscriber, marks)
        finally:
            group = self._by_user[user_id]
            group.discard(subscriber)
            if not group:
                del self._by_user[user_id]

    @staticmethod
    def _belongs(event: Event, user_id: str | None) -> bool:
        return user_id is None or event.user_id == user_id

    async def _start(self, partitions: Sequence[int], after: Cursor | None) -> dict[int, Mark]:
        if after is None:
            tails = self._tails
            return {p: Mark(tails[p].epoch, tails[p].head) for p in partitions}
        if after.partitions != self._log.partitions or not after.marks.keys() >= set(partitions):
            oldest = {p: await self._log.oldest(p) for p in partitions}
            raise CursorExpired(self._log.cursor(oldest))
        return {p: after.marks[p] for p in partitions}

    async def _next(self, partition: int, marks: dict[int, Mark]) -> Sequence[Entry]:
        failed = 0
        while True:
            mark, tail = marks[partition], self._tails[partition]
            if tail.covers(mark):
                return tail.behind(mark.place, PAGE)
            try:
                found = await self._log.read_behind(partition, mark)
                if found is None:
                    oldest = {partition: await self._log.oldest(partition)}
                    raise CursorExpired(self._log.cursor(marks | oldest))
            except DependencyUnavailable:
                await asyncio.sleep(PATIENCE[min(failed, len(PATIENCE) - 1)])
                failed += 1
            else:
                return found

    async def _wait(self, subscriber: Subscriber, marks: dict[int, Mark]) -> None:
        """Until something of the subscriber's own came; nothing awaits before it is `waiting`."""
        if subscriber.woken.is_set():
            return
        for partition in marks:
            tail = self._tails[partition]
            if tail.epoch == marks[partition].epoch:
                marks[partition] = max(marks[partition], Mark(tail.epoch, tail.head))
        subscriber.waiting = True
        await subscriber.woken.wait()
        subscriber.waiting = False
        for partition, mark in subscriber.resume.items():
            # Whoever read the log itself may be ahead of this process's reader: never go back.
            if mark.epoch != marks[partition].epoch or mark.place > marks[partition].place:
                marks[partition] = mark
        subscriber.resume.clear()
