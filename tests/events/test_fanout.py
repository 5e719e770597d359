"""The fan-out wakes its subscribers a few at a time, and none loses its place meanwhile."""

from __future__ import annotations

import asyncio

from app.events.cursor import Cursor
from app.events.fanout import WAKE_BATCH, Fanout
from app.events.reader import EventReader
from tests.support.event_log import (
    Subscriber,
    cursor_now,
    event_log_running,
    numbered_event,
    reading_stopped,
)


async def waiting(fanout: Fanout, count: int) -> list[EventReader]:
    async with asyncio.timeout(20):
        while len(found := [f for g in fanout.readers.values() for f in g if f.waiting]) < count:
            await asyncio.sleep(0)
    return found


async def test_more_than_are_woken_at_once_get_everything_in_order(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        readers = [Subscriber(fanout, "alice", await cursor_now(log, "alice")) for _ in range(150)]
        assert len(readers) > 2 * WAKE_BATCH
        taking = [asyncio.create_task(reader.take(6)) for reader in readers]
        await waiting(fanout, len(readers))
        await log.publish(
            [numbered_event("alice", 0), numbered_event("bob", 0), numbered_event("alice", 1)]
        )
        for n in range(2, 6):
            await log.publish([numbered_event("alice", n)])
        for got in await asyncio.gather(*taking):
            assert got == [f"alice-{n}" for n in range(6)]
        for reader in readers:
            await reader.close()


async def test_others_have_their_turn_between_those_that_are_woken(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        readers = [Subscriber(fanout, "alice") for _ in range(3 * WAKE_BATCH)]
        taking = [asyncio.create_task(reader.take(1)) for reader in readers]
        followers = await waiting(fanout, len(readers))
        seen = set[int]()
        stop = asyncio.Event()

        async def other() -> None:
            while not stop.is_set():
                seen.add(sum(f.waiting for f in followers))
                await asyncio.sleep(0)

        beside = asyncio.create_task(other())
        await log.publish([numbered_event("alice", 1)])
        await asyncio.gather(*taking)
        stop.set()
        await beside
        assert {2 * WAKE_BATCH, WAKE_BATCH} <= seen, "all were woken in one turn"
        for reader in readers:
            await reader.close()


async def test_who_leaves_before_being_woken_stands_before_what_came(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        readers = [Subscriber(fanout, "alice", await cursor_now(log, "alice")) for _ in range(3)]
        taking = [asyncio.create_task(reader.take(1)) for reader in readers]
        followers = await waiting(fanout, len(readers))
        await reading_stopped()  # its work is done by hand below
        await log.publish(
            [numbered_event("bob", 1), numbered_event("alice", 1), numbered_event("alice", 2)]
        )
        page = await log.read(0, fanout.tails[0].head)
        assert set(fanout.append(0, page.entries)) == set(followers)
        told = followers[0].cursor  # a farewell, in this very moment
        taking[0].cancel()
        await asyncio.gather(taking[0], return_exceptions=True)
        for cursor in (told, followers[0].cursor):
            assert cursor is not None
            place = Cursor.decode(cursor).positions[0].entry_id
            assert page.entries[0].position.entry_id <= place < page.entries[1].position.entry_id
            again = Subscriber(fanout, "alice", cursor)
            assert await again.take(2) == ["alice-1", "alice-2"]
            await again.close()
        await fanout.wake(followers)
        assert await asyncio.gather(*taking[1:]) == [["alice-1"]] * 2
