"""An event is handed on to who waits for it; who does not take it reads it, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

from app.events.fanout import WAKE_BATCH, Fanout
from app.events.log import EventLog
from app.events.reader import MAX_PUSHED, EventReader
from app.events.types import Event
from tests.support.event_log import (
    Subscriber,
    event_log_running,
    numbered_event,
    reading_stopped,
)
from tests.support.waiting import until


class Taking:
    """One that takes pushed events while it can, and reads the others."""

    def __init__(self, fanout: Fanout, user: str | None) -> None:
        self.counted: list[str] = []
        self.reader = fanout.subscribe(
            user, None, lambda e: e.type != "unwanted", lambda e: self.counted.append(e.id)
        )
        self.pushed: list[str] = []
        self.read: list[str] = []
        self.cursors: list[str] = []
        self.room = 1_000_000
        self.hook: Callable[[], None] = lambda: None
        self.taken = asyncio.Event()  # what it reads by itself waits for this
        self.taken.set()
        self.reader.push_to(self.take)
        self.task = asyncio.create_task(self._read())

    @property
    def got(self) -> list[str]:
        return [*self.pushed, *self.read]

    def take(self, cursor: str, event: Event) -> bool:
        if not self.room:
            return False
        self.room -= 1
        self.pushed.append(event.id)
        self.cursors.append(cursor)
        self.hook()
        return True

    async def _read(self) -> None:
        async for cursor, event in self.reader:
            self.read.append(event.id)
            self.cursors.append(cursor)
            await self.taken.wait()

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.reader.aclose()


@asynccontextmanager
async def taking(
    fanout: Fanout, count: int, user: str | None = "alice"
) -> AsyncIterator[list[Taking]]:
    found = [Taking(fanout, user) for _ in range(count)]
    await until(lambda: all(one.reader.waiting for one in found))
    try:
        yield found
    finally:
        for one in found:
            await one.close()


async def appended(log: EventLog, fanout: Fanout, *events: Event) -> list[EventReader]:
    """Whom these concern, which by themselves reach nobody: the reader of the log has stopped."""
    await log.publish(events)
    page = await log.read(0, fanout.tails[0].head, 500)
    return fanout.append(0, page.entries)


def numbers(first: int, end: int) -> list[Event]:
    return [numbered_event("alice", n) for n in range(first, end)]


def names(first: int, end: int) -> list[str]:
    return [f"alice-{n}" for n in range(first, end)]


async def test_who_waits_is_handed_events_in_order_and_is_not_woken(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, 2) as both:
        await log.publish(
            [*numbers(0, 2), numbered_event("bob", 0), numbered_event("alice", 7, "unwanted")]
        )
        await log.publish(numbers(2, 3))
        await until(lambda: all(len(one.got) == 3 for one in both))
        for one in both:
            assert (one.pushed, one.read) == (names(0, 3), [])
            assert one.counted == names(0, 3)
            assert one.reader.waiting


async def test_each_event_goes_one_way_and_its_cursor_leads_behind_it(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, 1) as [one]:
        begin = one.reader.cursor
        one.room = 2
        await log.publish(numbers(0, 4))
        await until(lambda: len(one.got) == 4)
        await until(lambda: one.reader.waiting)
        one.room = 1
        await log.publish(numbers(4, 6))
        await until(lambda: len(one.got) == 6)
        assert one.pushed == [*names(0, 2), "alice-4"]
        assert one.read == [*names(2, 4), "alice-5"]
        assert one.counted[:5] == names(0, 5)
        for at, cursor in enumerate([begin, *one.cursors]):
            again = Subscriber(fanout, "alice", cursor)
            if at < 6:
                assert (await again.take(6 - at))[0] == f"alice-{at}"
            await again.close()


async def test_a_reader_of_everybodys_events_is_handed_those_of_each_partition(
    redis_url: str,
) -> None:
    users = [f"user-{n}" for n in range(12)]
    running = event_log_running(redis_url, partitions=4)
    async with running as (log, fanout), taking(fanout, 1, None) as [one]:
        for n in range(5):
            await log.publish([numbered_event(user, n) for user in users])
        await until(lambda: len(one.got) == 60)
        assert len(set(one.pushed)) == 60
        for user in users:
            mine = [name for name in one.pushed if name.startswith(f"{user}-")]
            assert mine == [f"{user}-{n}" for n in range(5)]
        assert one.reader.cursor == one.cursors[-1]


async def test_one_that_takes_nothing_delays_nobody_and_reads_all_of_it_later(
    redis_url: str,
) -> None:
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, 3) as readers:
        slow, *brisk = readers
        slow.room = 0
        slow.taken.clear()
        for n in range(5):
            await log.publish(numbers(n, n + 1))
        await until(lambda: all(one.pushed == names(0, 5) for one in brisk))
        assert slow.got == names(0, 1)
        slow.taken.set()
        await until(lambda: slow.reader.waiting)
        slow.room = 1
        await log.publish(numbers(5, 6))
        await until(lambda: len(slow.got) == 6)
        assert (slow.read, slow.pushed) == (names(0, 5), ["alice-5"])


async def test_who_leaves_in_the_middle_of_a_round_gets_nothing_more_of_it(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, 5) as readers:
        await reading_stopped()
        round_of = await appended(log, fanout, *numbers(0, 1))
        by_reader = {one.reader: one for one in readers}
        first, second, *others = (by_reader[reader] for reader in round_of)
        place = second.reader.cursor
        first.hook = second.task.cancel
        await fanout.wake(round_of)
        await asyncio.gather(second.task, return_exceptions=True)
        assert (first.pushed, second.got) == (["alice-0"], [])
        assert second.reader.cursor == place
        assert all(one.pushed == ["alice-0"] for one in others)


async def test_others_have_their_turn_between_those_that_are_handed_an_event(
    redis_url: str,
) -> None:
    count = 3 * WAKE_BATCH
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, count) as readers:
        seen = set[int]()
        beside = asyncio.create_task(_counting(readers, seen))
        await log.publish(numbers(0, 1))
        await until(lambda: all(one.got for one in readers))
        beside.cancel()
        assert max(b - a for a, b in pairwise(sorted({0, *seen, len(readers)}))) <= WAKE_BATCH


async def _counting(readers: list[Taking], seen: set[int]) -> None:
    while True:
        seen.add(sum(bool(one.pushed) for one in readers))
        await asyncio.sleep(0)


async def test_who_has_much_to_take_lets_others_begin(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, 2) as both:
        await reading_stopped()
        count = 2 * MAX_PUSHED + 5
        round_of = await appended(log, fanout, *numbers(0, count))
        most = 0

        def look() -> None:
            nonlocal most
            most = max(most, abs(len(both[0].pushed) - len(both[1].pushed)))

        for one in both:
            one.hook = look
        await fanout.wake(round_of)
        assert [one.pushed for one in both] == [names(0, count)] * 2
        assert most == MAX_PUSHED


async def test_a_place_told_in_the_middle_of_a_round_is_behind_what_was_handed_on(
    redis_url: str,
) -> None:
    """As a farewell is, when the process stops then."""
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, 1) as [one]:
        await reading_stopped()
        [reader] = await appended(log, fanout, *numbers(0, MAX_PUSHED + 10))
        assert reader.wake()
        assert len(one.pushed) == MAX_PUSHED
        again = Subscriber(fanout, "alice", reader.cursor)
        assert await again.take(10) == names(MAX_PUSHED, MAX_PUSHED + 10)
        await again.close()


async def test_what_is_remembered_no_more_is_read_from_the_log(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout), taking(fanout, 1) as [one]:
        await reading_stopped()
        round_of = await appended(log, fanout, *numbers(0, 3))
        fanout.tails[0].clear()
        await fanout.wake(round_of)
        await until(lambda: one.read == names(0, 3))
        assert one.pushed == []
