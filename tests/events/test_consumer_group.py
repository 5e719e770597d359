"""Services that read the stream by consumer groups handle every event, whoever of them dies."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from redis.asyncio import Redis

from app.events.log import EventLog, stream_key
from app.redis.client import Redis as Door
from tests.support.event_streams import named_event

STREAM, GROUP = stream_key(0), "campaign-service"


@pytest.fixture
async def log(redis_url: str) -> AsyncIterator[EventLog]:
    door = Door(redis_url)
    yield EventLog(door)
    await door.close()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url, protocol=2) as found:
        yield found


async def publish(log: EventLog, *names: int) -> None:
    await log.publish([named_event(n) for n in names])


class Consumer:
    """One process of a service: what it handled, by the events' ids."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.redis, self.name = redis, name
        self.handled: list[str] = []

    async def take(self, count: int) -> list[bytes]:
        """Take so many new entries; nothing is handled yet."""
        read = await self.redis.xreadgroup(GROUP, self.name, {STREAM: ">"}, count=count)
        return self._noted(read[0][1] if read else [])

    async def take_over(self) -> list[bytes]:
        """Take what another took and never acknowledged."""
        _, rows, _ = await self.redis.xautoclaim(STREAM, GROUP, self.name, 0, "0-0")
        return self._noted(rows)

    def _noted(self, rows: list[tuple[bytes, dict[bytes, bytes]]]) -> list[bytes]:
        self.handled += [orjson.loads(fields[b"event"])["id"] for _, fields in rows]
        return [entry_id for entry_id, _ in rows]

    async def acknowledge(self, entry_ids: list[bytes]) -> None:
        if entry_ids:
            await self.redis.xack(STREAM, GROUP, *entry_ids)


async def test_what_a_dead_consumer_held_is_handled_by_another(log: EventLog, redis: Redis) -> None:
    await publish(log, *range(20))
    await redis.xgroup_create(STREAM, GROUP, id="0")
    dying, other = Consumer(redis, "one"), Consumer(redis, "two")
    await dying.acknowledge(await dying.take(4))
    await other.acknowledge(await other.take(4))
    await dying.take(5)  # it handles them, and dies before it says so
    await publish(log, *range(20, 30))
    await other.acknowledge(await other.take_over())
    while entry_ids := await other.take(7):
        await other.acknowledge(entry_ids)
    assert (await redis.xpending(STREAM, GROUP))["pending"] == 0
    everything = dying.handled + other.handled
    assert set(everything) == {str(n) for n in range(30)}
    assert sorted(everything) != sorted(set(everything))  # at least once: the ids tell repeats
    assert len(other.handled) == len(set(other.handled))


async def test_a_group_begins_with_what_is_there_or_with_what_comes(
    log: EventLog, redis: Redis
) -> None:
    await publish(log, 1, 2)
    handled = {}
    for begin in ("0", "$"):
        await redis.xgroup_create(STREAM, GROUP, id=begin)
        await publish(log, 3)
        consumer = Consumer(redis, "one")
        await consumer.take(10)
        handled[begin] = consumer.handled
        await redis.xgroup_destroy(STREAM, GROUP)
    assert handled == {"0": ["1", "2", "3"], "$": ["3"]}


async def test_a_group_may_come_before_the_first_event(log: EventLog, redis: Redis) -> None:
    await redis.xgroup_create(STREAM, GROUP, id="$", mkstream=True)
    await publish(log, 1)
    consumer = Consumer(redis, "one")
    await consumer.take(10)
    assert consumer.handled == ["1"]


async def test_two_consumers_share_and_each_entry_is_one_ones(log: EventLog, redis: Redis) -> None:
    await publish(log, *range(40))
    await redis.xgroup_create(STREAM, GROUP, id="0")
    both = [Consumer(redis, "one"), Consumer(redis, "two")]
    while entry_ids := [await c.take(3) for c in both]:
        for consumer, taken in zip(both, entry_ids, strict=True):
            await consumer.acknowledge(taken)
        if not any(entry_ids):
            break
    assert sorted(both[0].handled + both[1].handled, key=int) == [str(n) for n in range(40)]
    assert all(len(c.handled) > 10 for c in both)
