"""A user's events leave the log for good, and nobody who reads it notices."""

from __future__ import annotations

import asyncio
import time

import pytest
from redis.asyncio import Redis as Client
from uuid_utils import uuid7

from app.embedded.valkey import EmbeddedValkey
from app.erasure import before
from app.events import unconfirmed
from app.events.erasing import EventErasure
from app.events.log import START, EventLog, stream_key
from app.events.types import Event
from tests.support.event_log import Subscriber, cursor_now, event_log_running

GROUP = "campaign-service"


def event(user: str, word: str = "said") -> Event:
    fields = {"type": "content.generated", "id": str(uuid7()), "user_id": user, "word": word}
    return Event(fields)


async def erased(log: EventLog, user: str) -> int:
    erasure = EventErasure(log)
    await erasure.mark(user, before(time.time()))
    return await erasure.erase(user)


async def until_another_millisecond() -> None:
    now = time.time()
    while before(time.time()) == before(now):
        await asyncio.sleep(0)


async def published(log: EventLog, *users: str) -> list[Event]:
    found = [event(user) for user in users]
    await log.publish(found)
    return found


async def test_who_reads_goes_on_before_behind_and_in_the_midst_of_what_was_erased(
    redis_url: str,
) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        begin = await cursor_now(log, "bob")
        first = await published(log, "mira", "bob", "mira", "bob", "mira")
        live = Subscriber(fanout, "bob", begin)
        await live.take(1)
        assert await erased(log, "mira") == 3
        second = await published(log, "bob")
        wanted = [e.id for e in (*first, *second) if e.user_id == "bob"]
        assert await live.take(3) == wanted
        late = Subscriber(fanout, "bob", begin)
        assert await late.take(3) == wanted
        assert await Subscriber(fanout, "bob", live.cursor).take(0) == []
        await log.trim()
        again = Subscriber(fanout, "bob", begin)
        assert await again.take(3) == wanted
        for reader in (live, late, again):
            await reader.close()


async def test_nothing_from_before_is_published_afterwards(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by a request under way, not by the relay, nor where an entry is looked for again."""
    monkeypatch.setattr(unconfirmed, "CONFIRM_DELAY", 0.0)
    async with event_log_running(redis_url) as (log, _):
        gone = await published(log, "mira")
        under_way = event("mira")
        await erased(log, "mira")
        await log.publish([under_way, *gone, event("bob")])
        assert [e.event.user_id for e in (await log.read(0, START)).entries] == ["bob"]
        await until_another_millisecond()
        await log.publish([back := event("mira")])
        assert (await log.read(0, START)).entries[-1].event.id == back.id
        await log.confirm()
        assert len((await log.read(0, START)).entries) == 2


async def test_its_bytes_leave_the_servers_memory(own_valkey: EmbeddedValkey) -> None:
    async with event_log_running(own_valkey.url) as (log, _), Client.from_url(own_valkey.url) as r:
        await r.config_set("rdbcompression", "no")
        for _ in range(3):
            await log.publish([event("bob"), event("mira", "kanarienvogel"), event("bob")])
        assert b"kanarienvogel" in await r.dump(stream_key(0))
        await erased(log, "mira")
        assert b"kanarienvogel" not in await r.dump(stream_key(0))
        assert await r.keys("*copy*") == await r.keys("*lock*") == []


@pytest.mark.parametrize("count", [3, 1_000])
async def test_groups_of_consumers_keep_their_place_and_what_they_took(
    redis_url: str, count: int
) -> None:
    client = Client.from_url(redis_url, protocol=2)
    async with event_log_running(redis_url) as (log, _), client as redis:
        await log.publish([event("bob" if n % 2 else "mira") for n in range(count)])
        await redis.xgroup_create(stream_key(0), GROUP, "0")
        taken = await redis.xreadgroup(GROUP, "one", {stream_key(0): ">"}, count=2)
        end = (await log.read(0, START, 0)).end
        await erased(log, "mira")
        assert (await log.read(0, START, 0)).end == end
        assert await redis.xlen(stream_key(0)) == count // 2
        mine = taken[0][1][1][0]
        pending = await redis.xpending_range(stream_key(0), GROUP, "-", "+", 10)
        assert [(p["message_id"], p["consumer"]) for p in pending] == [(mine, b"one")]
        rest = await redis.xreadgroup(GROUP, "two", {stream_key(0): ">"}, count=count)
        assert len(rest[0][1] if rest else []) == count // 2 - 1


async def test_an_erasure_that_died_between_two_steps_is_finished_by_the_next(
    own_valkey: EmbeddedValkey,
) -> None:
    async with event_log_running(own_valkey.url) as (log, _), Client.from_url(own_valkey.url) as r:
        await r.config_set("rdbcompression", "no")
        await log.publish([event("bob"), event("mira", "kanarienvogel"), event("bob")])
        entry = (await log.read(0, START, user_id="mira")).entries[0].position.entry_id
        await r.set(f"{stream_key(0)}:unfinished", "1")
        await r.xdel(stream_key(0), str(entry))
        assert b"kanarienvogel" in await r.dump(stream_key(0))
        assert await erased(log, "mira") == 0
        assert b"kanarienvogel" not in await r.dump(stream_key(0))


async def test_no_process_tells_it_from_its_memory(redis_url: str) -> None:
    async with event_log_running(redis_url) as (log, fanout):
        begin = await cursor_now(log, "mira")
        everything = Subscriber(fanout, None, begin)
        await published(log, "mira", "bob")
        assert len(await everything.take(2)) == 2  # the ring has them now
        await everything.close()
        await erased(log, "mira")
        await fanout.drop_erased()
        everybody = Subscriber(fanout, None, begin)
        assert len(await everybody.take(1)) == 1
        assert (await log.read(0, START)).entries[0].event.id == everybody.got[0]
        await everybody.close()
