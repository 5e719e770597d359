"""The log, cursors, the fan-out and the relay, on a real Valkey."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.embedded.valkey import EmbeddedValkey
from app.errors import CursorExpired, DependencyUnavailable, InvalidRequest
from app.events import tail
from app.events.cursor import Cursor, EntryId, Position
from app.events.fanout import Fanout
from app.events.log import stream_key
from app.events.relay import Relay
from app.events.types import EVENT_TYPES
from app.seal import Seal
from tests.support.event_log import (
    Outbox,
    Subscriber,
    cursor_now,
    event_log_running,
    numbered_event,
    publish_when_up,
    reading_stopped,
)

pytestmark = pytest.mark.also_on("cluster")

places = st.builds(EntryId, st.integers(0, 2**63), st.integers(0, 2**32 - 1))
marks = st.builds(Position, st.integers(0, 2**32 - 1), places)

SEAL = Seal("events")


# -- cursors


@given(st.integers(1, 64), st.dictionaries(st.integers(0, 63), marks, max_size=64))
def test_a_cursor_reads_as_it_was_written(partitions: int, found: dict[int, Position]) -> None:
    cursor = Cursor(partitions, found)
    text = cursor.encode(SEAL)
    assert Cursor.decode(text) == cursor
    assert Cursor.decode(text).genuine(SEAL)


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda b: b.hex()))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        Cursor.decode(text)


@given(st.data())
def test_a_changed_cursor_is_refused(data: st.DataObject) -> None:
    good = Cursor(1, {0: Position(7, EntryId(1_760_000_000_000, 3))}).encode(SEAL)
    at = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.sampled_from([c for c in "ABCxyz0189-_" if c != good[at]]))
    changed = good[:at] + other + good[at + 1 :]
    with contextlib.suppress(InvalidRequest):
        assert not Cursor.decode(changed).genuine(SEAL)


@given(places)
def test_the_place_before_a_place_is_lower(place: EntryId) -> None:
    assert place.before() < place or place == EntryId(0, 0)


# -- the log and its readers


async def test_events_come_live_in_order_and_only_to_their_owner(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        alice = Subscriber(fanout, "alice", await cursor_now(log, "alice"))
        bob = Subscriber(fanout, "bob", await cursor_now(log, "bob"))
        for n in range(5):
            await log.publish([numbered_event("alice", n), numbered_event("bob", n)])
        assert await alice.take(5) == [f"alice-{n}" for n in range(5)]
        assert await bob.take(5) == [f"bob-{n}" for n in range(5)]


async def test_a_reader_without_a_cursor_begins_at_the_end(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        await log.publish([numbered_event("alice", 1)])
        probe = Subscriber(fanout, "alice", log.cursor({0: await log.oldest(0)}))
        await probe.take(1)  # the fan-out has read the first event, so it is the past
        late = Subscriber(fanout, "alice")
        waiting = asyncio.create_task(late.take(1))
        await joined(fanout, 2)
        await log.publish([numbered_event("alice", 2)])
        assert await waiting == ["alice-2"]


async def joined(fanout: Fanout, count: int) -> None:
    """Until so many subscribers wait at the log's end."""
    async with asyncio.timeout(5):
        while sum(s.waiting for group in fanout.readers.values() for s in group) < count:
            if count > 1 and any(s.waiting for group in fanout.readers.values() for s in group):
                return
            await asyncio.sleep(0)


async def test_a_cursor_goes_on_behind_its_place_on_another_process(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        start = await cursor_now(log, "alice")
        await log.publish([numbered_event("alice", n) for n in range(10)])
        first = Subscriber(fanout, "alice", start)
        await first.take(4)
        cursor = first.cursor
    async with event_log_running(redis_url) as (_, fanout):
        second = Subscriber(fanout, "alice", cursor)
        assert await second.take(6) == [f"alice-{n}" for n in range(4, 10)]


@pytest.mark.parametrize("partitions", [1, 4])
async def test_no_gap_no_repeat_no_disorder_with_slow_and_returning_readers(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, partitions: int
) -> None:
    """Readers fall out of a tiny ring, leave and come back while events are published."""
    monkeypatch.setattr(tail, "RING_SIZE", 16)
    users, count = [f"user{n}" for n in range(6)], 150
    async with event_log_running(redis_url, partitions=partitions) as (log, fanout):
        starts = {u: await cursor_now(log, u) for u in users}

        async def publish() -> None:
            for n in range(count):
                await log.publish([numbered_event(u, n) for u in users])

        async def follow(user: str, seed: int) -> list[str]:
            chance = random.Random(seed)
            reader = Subscriber(fanout, user, starts[user])
            while len(reader.got) < count:
                await reader.take(min(count, len(reader.got) + chance.randint(1, 20)))
                if chance.random() < 0.5:
                    await reader.close()
                    again = Subscriber(fanout, user, reader.cursor)
                    again.got, reader = reader.got, again
                if chance.random() < 0.3:
                    await asyncio.sleep(0.01)  # a slow one: the ring passes it by
            await reader.close()
            return reader.got

        readers = [follow(u, seed) for u in users for seed in range(3)]
        *found, _ = await asyncio.gather(*readers, publish())
        for index, got in enumerate(found):
            assert got == [f"{users[index // 3]}-{n}" for n in range(count)]


async def test_a_reader_ahead_of_its_process_is_not_sent_back(redis_url: str) -> None:
    """A back-fill may read what the process's own reader has not seen yet."""
    async with event_log_running(redis_url) as (log, fanout):
        await fanout.ready.wait()
        await reading_stopped()  # the process's reader is late
        await log.publish([numbered_event("alice", 1), numbered_event("alice", 2)])
        fanout.tails[0].floor = EntryId(2**60, 0)  # too far behind for the ring: it reads the log
        reader = Subscriber(fanout, "alice", log.cursor({0: await log.oldest(0)}))
        await reader.take(2)
        fanout.tails[0].floor = fanout.tails[0].head
        waiting = asyncio.create_task(reader.take(3))
        await joined(fanout, 1)
        await log.publish([numbered_event("alice", 3)])
        page = await log.read(0, fanout.tails[0].head)
        await fanout.wake(fanout.append(0, page.entries))
        assert await waiting == ["alice-1", "alice-2", "alice-3"]


async def test_everybodys_events_come_from_all_partitions(redis_url: str) -> None:
    users = [f"user{n}" for n in range(12)]
    async with event_log_running(redis_url, partitions=4) as (log, fanout):
        start = log.cursor(await log.end(range(4)))
        await log.publish([numbered_event(u, n) for n in range(5) for u in users])
        reader = Subscriber(fanout, None, start)
        got = await reader.take(60)
        assert sorted(got) == sorted(f"{u}-{n}" for u in users for n in range(5))
        for user in users:
            own = [g for g in got if g.startswith(f"{user}-")]
            assert own == [f"{user}-{n}" for n in range(5)]
        again = Subscriber(fanout, None, reader.cursor)
        await log.publish([numbered_event("user3", 99)])
        assert await again.take(1) == ["user3-99"]


async def test_the_log_can_be_read_by_a_consumer_group(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, _):
        await log.publish([numbered_event("alice", 1)])
        await log.redis.call("XGROUP", "CREATE", stream_key(0), "billing", "0")
        command = ("XREADGROUP", "GROUP", "billing", "one", "STREAMS", stream_key(0), ">")
        assert b"alice-1" in repr(await log.redis.call(*command)).encode()


# -- endings


async def expires(fanout: Fanout, user: str, after: str) -> str:
    with pytest.raises(CursorExpired) as caught:
        await Subscriber(fanout, user, after).take(1)
    found: str = caught.value.details["cursor"]
    return found


async def test_a_place_that_retention_passed_by_is_expired(redis_url: str) -> None:
    clock = [0.0]
    async with event_log_running(redis_url, retention=60, now=lambda: clock[0]) as (log, fanout):
        start = await cursor_now(log, "alice")
        await log.publish([numbered_event("alice", n) for n in range(3)])
        kept = await cursor_now(log, "alice")
        clock[0] = kept_seconds(kept) + 61
        await log.publish([numbered_event("alice", 3)])
        clock[0] += 0.0
        await log.redis.call("XADD", stream_key(0), f"{int(clock[0] * 1000)}-0", "epoch", "0",
                             "event", numbered_event("alice", 4).encode())  # fmt: skip
        await log.trim()
        oldest = await expires(fanout, "alice", start)
        assert (await Subscriber(fanout, "alice", oldest).take(1))[0] == "alice-4"


def kept_seconds(cursor: str) -> float:
    return Cursor.decode(cursor).positions[0].entry_id.ms / 1000


async def test_a_log_that_is_too_long_loses_its_oldest(redis_url: str) -> None:
    async with event_log_running(redis_url, max_entries=10) as (log, fanout):
        start = await cursor_now(log, "alice")
        await log.publish([numbered_event("alice", n) for n in range(30)])
        await log.trim()
        oldest = await expires_on_fresh_ring(redis_url, start)
        reader = Subscriber(fanout, "alice", oldest)
        assert await reader.take(10) == [f"alice-{n}" for n in range(20, 30)]


async def expires_on_fresh_ring(redis_url: str, after: str) -> str:
    async with event_log_running(redis_url, max_entries=10) as (_, fanout):
        return await expires(fanout, "alice", after)


async def test_an_emptied_server_begins_a_new_epoch(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        await log.publish([numbered_event("alice", 1)])
        old = await cursor_now(log, "alice")
        await log.redis.call("FLUSHALL")
        await log.publish([numbered_event("alice", 2)])
        fresh = await expires(fanout, "alice", old)
        assert await Subscriber(fanout, "alice", fresh).take(1) == ["alice-2"]


async def test_a_waiting_reader_is_told_of_a_new_epoch(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        reader = Subscriber(fanout, "alice", await cursor_now(log, "alice"))
        waiting = asyncio.create_task(reader.take(1))
        await joined(fanout, 1)
        await log.redis.call("FLUSHALL")
        await log.publish([numbered_event("alice", 2)])
        with pytest.raises(CursorExpired):
            await waiting


async def test_another_number_of_partitions_expires_cursors(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, _):
        await log.publish([numbered_event("alice", 1)])
        old = await cursor_now(log, "alice")
    async with event_log_running(redis_url, partitions=2) as (_, fanout):
        await expires(fanout, "alice", old)


async def test_a_subscriber_that_leaves_is_forgotten(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        reader = Subscriber(fanout, "alice", await cursor_now(log, "alice"))
        task = asyncio.create_task(reader.take(1))
        await joined(fanout, 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await reader.close()
        assert fanout.readers == {}


async def test_a_restart_of_redis_loses_nothing_and_ends_no_subscription(tmp_path: Any) -> None:
    server = await EmbeddedValkey.start(tmp_path / "valkey")
    try:
        async with event_log_running(server.url) as (log, fanout):
            reader = Subscriber(fanout, "alice", await cursor_now(log, "alice"))
            await log.publish([numbered_event("alice", 1)])
            assert await reader.take(1) == ["alice-1"]
            server.stop()
            waiting = asyncio.create_task(reader.take(2))
            with pytest.raises(DependencyUnavailable):
                await log.publish([numbered_event("alice", 2)])
            server = await EmbeddedValkey.start(tmp_path / "valkey")
            await publish_when_up(log, [numbered_event("alice", 2)])
            assert await waiting == ["alice-1", "alice-2"]
    finally:
        server.stop()


# -- the relay


async def test_the_relay_publishes_what_was_left_behind_in_stored_order(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        start = await cursor_now(log, "alice")
        left = [numbered_event("alice", n, EVENT_TYPES[n % 4]) for n in range(450)]
        relay = Relay(Outbox(left), log, log.redis)
        assert [await relay.relay() for _ in range(4)] == [200, 200, 50, 0]
        assert await Subscriber(fanout, "alice", start).take(450) == [e.id for e in left]


async def test_one_relay_leads_and_the_others_wait(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, _):
        first = Relay(Outbox([numbered_event("alice", 1)]), log, log.redis)
        second = Relay(Outbox([numbered_event("alice", 2)]), log, log.redis)
        assert await first.relay() == 1
        assert await second.relay() == 0


async def test_the_relay_does_not_repeat_what_it_published_but_could_not_mark(
    redis_url: str,
) -> None:
    class Forgetful(Outbox):
        def published(self, event_ids: Iterable[str]) -> None:
            list(event_ids)

    async with event_log_running(redis_url) as (log, _):
        relay = Relay(Forgetful([numbered_event("alice", 1)]), log, log.redis)
        assert [await relay.relay(), await relay.relay()] == [1, 0]
        assert await log.redis.call("XLEN", stream_key(0)) == 1
