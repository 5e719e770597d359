"""Follower: one subscriber's reading of the log. It is a position, and owns no queue.

It takes the next entries from the ring of the newest ones while it is near the end, and from the
log itself when it has fallen behind. A slow one therefore neither grows the process nor holds up
the others. While it waits, its place is the log's end: what belongs to others passes it by.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Protocol

from app.errors import CursorExpired, DependencyUnavailable
from app.events.cursor import Cursor, Mark
from app.events.log import PAGE, Entry, EventLog
from app.events.tail import Tail
from app.events.types import Event

PATIENCE = (0.1, 0.2, 0.5, 1.0, 2.0)  # s between tries while Redis is away


class House(Protocol):
    """What a follower needs of the fan-out that it belongs to."""

    @property
    def log(self) -> EventLog: ...

    @property
    def tails(self) -> Mapping[int, Tail]: ...

    @property
    def loop(self) -> asyncio.AbstractEventLoop: ...

    @property
    def known(self) -> Mapping[int, asyncio.Event]: ...

    def join(self, follower: Follower) -> None: ...

    def leave(self, follower: Follower) -> None: ...


class Follower:
    """Whose events are followed: a user's, or everybody's (None); and which of them."""

    __slots__ = (
        "_after",
        "_house",
        "_marks",
        "_resume",
        "_waiter",
        "_wanted",
        "_woken",
        "user_id",
        "waiting",
    )  # fmt: skip

    def __init__(
        self,
        house: House,
        user_id: str | None,
        after: Cursor | None,
        wanted: Callable[[Event], bool],
    ) -> None:
        self._house, self.user_id = house, user_id
        self._after, self._wanted = after, wanted
        self._woken = False
        self._waiter: asyncio.Future[None] | None = None
        self.waiting = False
        self._marks: dict[int, Mark] = {}
        self._resume: dict[int, Mark] = {}

    @property
    def cursor(self) -> str | None:
        """The place behind which this one would go on; None before it has joined."""
        if not self._marks:
            return self._after.encode() if self._after else None
        marks = self._marks
        if self.waiting:
            marks = {p: self._resume.get(p) or self._passed(p) for p in marks}
        return self._house.log.cursor(marks)

    def _passed(self, partition: int) -> Mark:
        """A place up to which nothing of this subscriber's own stands."""
        mark, tail = self._marks[partition], self._house.tails[partition]
        if tail.epoch != mark.epoch:
            return mark
        return max(mark, Mark(tail.epoch, tail.head))

    # -- for the fan-out
    def heard(self, partition: int, before: Mark) -> bool:
        """Something came right behind `before`; whether this one waits, and is to be woken.

        The first that ends a wait is where reading goes on.
        """
        if self.waiting and partition not in self._resume:
            self._resume[partition] = before
        self._woken = True
        return self.waiting

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def renewed(self) -> None:
        """The log began a new epoch: the place that was kept is no longer its end."""
        self.waiting, self._woken = False, True
        self.wake()

    # -- for the subscriber
    async def events(self) -> AsyncGenerator[tuple[str, Event], None]:
        """The events with their cursors: what stands behind `after`, then live.

        Redis being away is waited out.

        Raises:
            CursorExpired: the log no longer holds what follows the subscriber's place.
        """
        house, user_id, wanted = self._house, self.user_id, self._wanted
        log = house.log
        partitions = range(log.partitions) if user_id is None else [log.partition(user_id)]
        house.join(self)
        try:
            for partition in partitions:
                await house.known[partition].wait()
            marks = self._marks = await self._start(partitions)
            while True:
                self._woken = False
                for partition in partitions:
                    while batch := await self._next(partition, marks):
                        for entry in batch:
                            marks[partition] = entry.mark
                            event = entry.event
                            if (user_id is None or event.user_id == user_id) and wanted(event):
                                yield log.cursor(marks), event
                await self._wait(marks)
        finally:
            self._settle()
            house.leave(self)

    def _settle(self) -> None:
        """Who leaves while waiting is woken no more: its place stays where it is now."""
        if self.waiting:
            self._marks = {p: self._resume.get(p) or self._passed(p) for p in self._marks}
            self.waiting = False

    async def _start(self, partitions: Sequence[int]) -> dict[int, Mark]:
        after, house = self._after, self._house
        if after is None:
            return {p: Mark(house.tails[p].epoch, house.tails[p].head) for p in partitions}
        if after.partitions != house.log.partitions or not after.marks.keys() >= set(partitions):
            oldest = {p: await house.log.oldest(p) for p in partitions}
            raise CursorExpired(house.log.cursor(oldest))
        return {p: after.marks[p] for p in partitions}

    async def _next(self, partition: int, marks: dict[int, Mark]) -> Sequence[Entry]:
        house, failed = self._house, 0
        while True:
            mark, tail = marks[partition], house.tails[partition]
            if tail.covers(mark):
                return tail.behind(mark.place, PAGE)
            try:
                found = await house.log.read_behind(partition, mark)
                if found is None:
                    oldest = {partition: await house.log.oldest(partition)}
                    raise CursorExpired(house.log.cursor(marks | oldest))
            except DependencyUnavailable:
                await asyncio.sleep(PATIENCE[min(failed, len(PATIENCE) - 1)])
                failed += 1
            else:
                return found

    async def _wait(self, marks: dict[int, Mark]) -> None:
        """Until something of the subscriber's own came; nothing awaits before it is `waiting`."""
        if self._woken:
            return
        for partition in marks:
            marks[partition] = self._passed(partition)
        # Not an asyncio.Event: its wait() asks the system for the process's id each time (3.11).
        self._waiter = self._house.loop.create_future()
        self.waiting = True
        await self._waiter
        self.waiting = False
        for partition, mark in self._resume.items():
            # Whoever read the log itself may be ahead of this process's reader: never go back.
            if mark.epoch != marks[partition].epoch or mark.place > marks[partition].place:
                marks[partition] = mark
        self._resume.clear()
