"""Fanout: one reader a process follows the log for all its subscribers (`follower.py`).

It keeps the newest entries of each partition in a ring, and wakes whom a new one concerns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from app.errors import DependencyUnavailable
from app.events.cursor import Cursor, Mark
from app.events.follower import PATIENCE, Follower
from app.events.log import Entry, EventLog, entries, stream_key
from app.events.tail import Tail
from app.events.types import Event

BATCH = 500  # entries of one XREAD
# Subscribers woken before those have had their turn: 2 ms of work, which others need not wait for
# and in which less is allocated than starts the collector. All at once, 5,000 cost a third more.
TOGETHER = 64
TRIM_EVERY = 60.0  # s

log = logging.getLogger(__name__)


class Fanout:
    """Follows the log from `start()` to `stop()`; `follow()` is one subscriber's events."""

    def __init__(self, events: EventLog) -> None:
        self.log = events
        self.tails: dict[int, Tail] = {}
        self.ready = asyncio.Event()
        # In a cluster a part may be away; who reads the others does not wait for it.
        self.known = {p: asyncio.Event() for p in range(events.partitions)}
        self._by_user: dict[str | None, set[Follower]] = {}
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
                    await self._look(partitions)
                    failed = 0
                    while True:
                        places = {k: str(self.tails[p].head) for k, p in names.items()}
                        found = await reader.read(places, BATCH)
                        if not found:
                            break  # quiet: a moment to see whether this is still the same log
                        for name, rows in found:
                            await self._wake(self._append(names[name], entries(rows)))
                except DependencyUnavailable:
                    await asyncio.sleep(PATIENCE[min(failed, len(PATIENCE) - 1)])
                    failed += 1
        finally:
            await reader.close()

    async def _look(self, partitions: Sequence[int]) -> None:
        """Find the log's end, and begin a new tail where its epoch is another."""
        for partition, mark in (await self.log.end(partitions)).items():
            tail = self.tails.get(partition)
            if tail is None or tail.epoch != mark.epoch or tail.head > mark.place:
                self._renew(partition, mark)
            self.known[partition].set()
        if len(self.tails) == self.log.partitions:
            self.ready.set()

    def _renew(self, partition: int, mark: Mark) -> None:
        if partition in self.tails:
            log.warning("the event log began a new epoch", extra={"partition": partition})
        self.tails[partition] = Tail(mark)
        for group in self._by_user.values():
            for follower in group:
                follower.renewed()

    def _append(self, partition: int, found: Sequence[Entry]) -> list[Follower]:
        """Who waits for something of these; each knows already from where it is to go on."""
        firsts: dict[str | None, Mark] = {}
        for entry in found:
            before = Mark(entry.mark.epoch, entry.mark.place.before())
            if entry.mark.epoch != self.tails[partition].epoch:
                self._renew(partition, before)
            self.tails[partition].append([entry])
            firsts.setdefault(entry.event.user_id, before)
            firsts.setdefault(None, before)
        return [
            follower
            for user, before in firsts.items()
            for follower in self._by_user.get(user, ())
            if follower.heard(partition, before)
        ]

    async def _wake(self, waiting: Sequence[Follower]) -> None:
        for begin in range(0, len(waiting), TOGETHER):
            if begin:
                await asyncio.sleep(0)
            for follower in waiting[begin : begin + TOGETHER]:
                follower.wake()

    async def _trim(self) -> None:
        while True:
            await self.log.trim()
            await asyncio.sleep(TRIM_EVERY)

    # -- the subscribers
    def follow(
        self, user_id: str | None, after: Cursor | None, wanted: Callable[[Event], bool]
    ) -> Follower:
        """A reading of a user's events, or of everybody's (None), from behind `after`."""
        return Follower(self, user_id, after, wanted)

    def join(self, follower: Follower) -> None:
        self._by_user.setdefault(follower.user_id, set()).add(follower)

    def leave(self, follower: Follower) -> None:
        group = self._by_user[follower.user_id]
        group.discard(follower)
        if not group:
            del self._by_user[follower.user_id]
