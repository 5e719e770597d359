"""EventReader: one subscriber's reading of the log. It is a position, and owns no queue.

It takes the next entries from the ring of the newest ones while it is near the end, and from the
log itself when it has fallen behind. A slow one therefore neither grows the process nor holds up
the others. While it waits, its position is the log's end: what belongs to others passes it by.
What comes while it waits need not wake it: `push_to` names who takes it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from app.errors import CursorExpired, DependencyUnavailable
from app.events.cursor import Cursor, Position
from app.events.log import PAGE_SIZE, Entry
from app.events.types import Event

if TYPE_CHECKING:
    from app.events.fanout import Fanout

# s between two looks through others' events that found none of the user's own: 50,000 entries a
# second, about 25 MB, which take an eighth of Redis's time.
SCAN_INTERVAL = 0.005
RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0)  # s between tries while Redis is away
MAX_PUSHED = 64  # events handed on to one subscriber before others have their turn

# Whether it took the event, whose cursor stands before it. Must not block nor raise.
Push = Callable[[str, Event], bool]


class EventReader:
    """The events with their cursors, a user's or everybody's (None): what stands behind `after`,
    then live. Redis being away is waited out.

    `cursor` is the position behind which reading would go on. `join()` and the iteration raise
    `CursorExpired` when the log no longer holds what follows it. To be closed in any case.
    """

    __slots__ = (
        "_after",
        "_events",
        "_fanout",
        "_joined",
        "_near",
        "_positions",
        "_push",
        "_resume",
        "_taken",
        "_waiter",
        "_wanted",
        "_woken",
        "user_id",
        "waiting",
    )  # fmt: skip

    def __init__(
        self,
        fanout: Fanout,
        user_id: str | None,
        after: Cursor | None,
        wanted: Callable[[Event], bool],
        taken: Callable[[Event], None] = lambda _: None,
    ) -> None:
        """`taken` hears of each event that was given, when the next one is asked for."""
        self._fanout, self.user_id = fanout, user_id
        self._after, self._wanted, self._taken = after, wanted, taken
        self._woken = self._joined = False
        self._near = False  # whether it read what the process remembers
        self._waiter: asyncio.Future[None] | None = None
        self._push: Push | None = None
        self.waiting = False
        self._positions: dict[int, Position] = {}
        self._resume: dict[int, Position] = {}
        self._events = self._read()

    def __aiter__(self) -> EventReader:
        return self

    def __anext__(self) -> Awaitable[tuple[str, Event]]:
        return self._events.__anext__()

    async def aclose(self) -> None:
        await self._events.aclose()
        self._leave()

    async def join(self) -> None:
        """Returns when `cursor` is known; what is published from then on is not missed."""
        if self._joined:
            return
        self._joined = True
        self._fanout.join(self)
        for partition in self._partitions():
            await self._fanout.known[partition].wait()
        self._positions = await self._start(self._partitions())

    def _partitions(self) -> Sequence[int]:
        log = self._fanout.log
        return range(log.partitions) if self.user_id is None else [log.partition(self.user_id)]

    def _leave(self) -> None:
        """Who leaves while waiting is woken no more: its position stays where it is now."""
        if self.waiting:
            self._positions = {p: self._resume.get(p) or self._passed(p) for p in self._positions}
            self.waiting = False
        if self._joined:
            self._joined = False
            self._fanout.leave(self)

    @property
    def cursor(self) -> str | None:
        """The position behind which this one would go on; None before it has joined."""
        if not self._positions:
            return self._after.text if self._after else None
        positions = self._positions
        if self.waiting:
            positions = {p: self._resume.get(p) or self._passed(p) for p in positions}
        return self._fanout.log.cursor(positions)

    def _passed(self, partition: int) -> Position:
        """A position up to which nothing of this subscriber's own stands."""
        position, tail = self._positions[partition], self._fanout.tails[partition]
        if tail.epoch != position.epoch:
            return position
        return max(position, Position(tail.epoch, tail.head))

    # -- for the fan-out
    def notify(self, partition: int, before: Position) -> bool:
        """Something came right behind `before`; whether this one waits, and is to be woken.

        The first that ends a wait is where reading goes on.
        """
        if self.waiting and partition not in self._resume:
            self._resume[partition] = before
        self._woken = True
        return self.waiting

    def wake(self) -> bool:
        """Hand on what came, or have the subscriber read it; whether more is to be handed on."""
        if not self.waiting or self._waiter is None or self._waiter.done():
            return False
        if self._push is not None:
            for partition in list(self._resume):
                if (more := self._push_on(self._push, partition)) is None:
                    break  # it is slow: it reads by itself from here on
                if more:
                    return True
            else:
                return False
        self._go_on()
        return False

    def _go_on(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _push_on(self, push: Push, partition: int) -> bool | None:
        """Hand on what stands behind where reading was to go on; whether there is more of it.

        None: it was not taken, or is remembered no more. Reading then goes on before it.
        """
        log, tail = self._fanout.log, self._fanout.tails[partition]
        positions, user_id, wanted, taken = self._positions, self.user_id, self._wanted, self._taken
        position = positions[partition] = self._ahead(partition)
        if not tail.covers(position):
            return None
        batch = tail.behind(position.entry_id, MAX_PUSHED)
        for entry in batch:
            event, before = entry.event, positions[partition]
            positions[partition] = entry.position
            if (user_id is None or event.user_id == user_id) and wanted(event):
                if not push(log.cursor(positions), event):
                    positions[partition] = self._resume[partition] = before
                    return None
                taken(event)
        if len(batch) == MAX_PUSHED:
            self._resume[partition] = positions[partition]
            return True
        del self._resume[partition]
        return False

    def restart(self) -> None:
        """The log began a new epoch: the position that was kept is no longer its end."""
        self.waiting, self._woken = False, True
        self._go_on()

    # -- for the subscriber
    def push_to(self, push: Push) -> None:
        """Have what comes while this one waits given to `push`, and not to the iteration.

        What `push` does not take, and all behind it, is the iteration's: so long until it waits
        again, nothing is pushed. Each event goes one way, once, in the log's order.
        """
        self._push = push

    async def _read(self) -> AsyncGenerator[tuple[str, Event], None]:
        user_id, wanted, taken = self.user_id, self._wanted, self._taken
        log, partitions = self._fanout.log, self._partitions()
        try:
            await self.join()
            positions = self._positions
            while True:
                self._woken = False
                for partition in partitions:
                    while batch := await self._next(partition, positions):
                        for entry in batch:
                            positions[partition] = entry.position
                            event = entry.event
                            if (user_id is None or event.user_id == user_id) and wanted(event):
                                yield log.cursor(positions), event
                                taken(event)
                        if len(batch) == PAGE_SIZE:
                            await asyncio.sleep(0)  # who takes it all at once holds up nobody
                await self._wait(positions)
        finally:
            self._leave()

    async def _start(self, partitions: Sequence[int]) -> dict[int, Position]:
        after, fanout = self._after, self._fanout
        if after is None:
            return {p: Position(fanout.tails[p].epoch, fanout.tails[p].head) for p in partitions}
        if not self._usable(after, partitions):
            oldest = {p: await fanout.log.oldest(p) for p in partitions}
            raise CursorExpired(fanout.log.cursor(oldest))
        return {p: after.positions[p] for p in partitions}

    def _usable(self, after: Cursor, partitions: Sequence[int]) -> bool:
        """Whether it was given out, by a log that had as many partitions as this one."""
        log = self._fanout.log
        return (
            after.genuine(log.seal)
            and after.partitions == log.partitions
            and after.positions.keys() >= set(partitions)
        )

    async def _next(self, partition: int, positions: dict[int, Position]) -> Sequence[Entry]:
        fanout, failed = self._fanout, 0
        while True:
            position, tail = positions[partition], fanout.tails[partition]
            if tail.covers(position):
                self._near = True
                return tail.behind(position.entry_id, PAGE_SIZE)
            if self._near:
                self._near = False
                fanout.on_slow()
            try:
                found = await fanout.log.read_behind(partition, position, self.user_id)
                if found is None:
                    oldest = {partition: await fanout.log.oldest(partition)}
                    raise CursorExpired(fanout.log.cursor(positions | oldest))
            except DependencyUnavailable:
                await asyncio.sleep(RETRY_DELAYS[min(failed, len(RETRY_DELAYS) - 1)])
                failed += 1
            else:
                if found.entries or found.reached == position.entry_id:
                    return found.entries
                positions[partition] = Position(position.epoch, found.reached)
                await self._pace()

    async def _pace(self) -> None:
        """A user's readings that look through others' events take turns, however many there are."""
        async with self._fanout.scans.setdefault(self.user_id, asyncio.Lock()):
            await asyncio.sleep(SCAN_INTERVAL)

    async def _wait(self, positions: dict[int, Position]) -> None:
        """Until something of the subscriber's own came; nothing awaits before it is `waiting`."""
        if self._woken:
            return
        for partition in positions:
            positions[partition] = self._passed(partition)
        # Not an asyncio.Event: its wait() asks the system for the process's id each time (3.11).
        self._waiter = self._fanout.loop.create_future()
        self.waiting = True
        await self._waiter
        self.waiting = False
        for partition in self._resume:
            positions[partition] = self._ahead(partition)
        self._resume.clear()

    def _ahead(self, partition: int) -> Position:
        """From where to go on: whoever read the log itself may be ahead of the process's reader."""
        there, told = self._positions[partition], self._resume[partition]
        return max(there, told) if there.epoch == told.epoch else told
