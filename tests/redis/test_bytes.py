"""What Redis has to hold is bounded: the log of events, what is cached, and what has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.embedded.valkey import EmbeddedValkey
from app.errors import CursorExpired, SettingsError
from app.events.log import EventLog
from app.generations.log import BRIEF_RETENTION
from app.redis.client import user_slot
from app.settings import Settings
from tests.support import service
from tests.support.event_log import Subscriber, cursor_now, event_log_running, numbered_event
from tests.support.outages import RedisOutage
from tests.support.replaced import replaced
from tests.support.rest_bodies import GOOD, TEXT, THEME
from tests.support.rest_requests import ask, cache_and_id, redis_of
from tests.support.service import Service

LEAST = 1_000_000  # bytes, of the settings


@pytest.fixture
async def small(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    """A service that may keep 1 MB, of which one user comes to a fifth."""
    given = service.settings(tmp_path, redis_url, cache_bytes=LEAST, event_bytes=LEAST)
    async with service.running(given) as found:
        yield found


@pytest.fixture
async def alone(tmp_path: Path, own_valkey: EmbeddedValkey) -> AsyncIterator[Service]:
    """The service on a Redis that nobody else uses."""
    async with service.running(service.settings(tmp_path, own_valkey.url)) as found:
        yield found


def budget(found: Service) -> Any:
    return found.gateway.keeping._budget  # private: of the running service


@pytest.mark.parametrize(
    ("variable", "field"),
    [("LOREGATE_EVENT_BYTES", "event_bytes"), ("LOREGATE_CACHE_BYTES", "cache_bytes")],
)
def test_both_are_settings(variable: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "64000000")
    assert getattr(Settings.load(), field) == 64_000_000
    monkeypatch.setenv(variable, "1")
    with pytest.raises(SettingsError, match=f"{variable}.*greater than or equal to 1000000"):
        Settings.load()


# -- the event log
async def filled(log: EventLog) -> None:
    """4,000 events, by parts that are soon published."""
    for part in range(40):
        await log.publish([numbered_event("alice", part * 100 + n) for n in range(100)])


async def test_the_log_is_cut_to_its_bytes_and_who_is_behind_is_told(redis_url: str) -> None:
    async with event_log_running(redis_url, max_bytes=200_000) as (log, fanout):
        start = await cursor_now(log, "alice")
        await filled(log)
        await log.trim()
        bytes_used = await log.redis.call("MEMORY", "USAGE", "loregate:events:{0}", "SAMPLES", 0)
        assert 150_000 < bytes_used < 220_000
    async with event_log_running(redis_url) as (_, fanout):  # one that has nothing in memory
        with pytest.raises(CursorExpired) as told:
            await Subscriber(fanout, "alice", start).take(1)
        after = Subscriber(fanout, "alice", told.value.details["cursor"])
        assert (await after.take(1))[0] != "alice-0"


async def test_partitions_share_the_bytes(redis_url: str) -> None:
    async with event_log_running(redis_url, max_bytes=400_000, partitions=4) as (log, _):
        await filled(log)
        await log.trim()
        key = f"loregate:events:{{{log.partition('alice')}}}"
        assert await log.redis.call("MEMORY", "USAGE", key, "SAMPLES", 0) < 120_000


async def test_a_full_server_is_given_room_by_cutting_the_log(
    own_valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    async with event_log_running(own_valkey.url) as (log, _):
        await filled(log)
        RedisOutage(own_valkey, tmp_path / "valkey").out_of_memory()
        with contextlib.suppress(Exception):
            await log.publish([numbered_event("alice", 0)])
        assert not log.redis.up
        with replaced(log, _max_bytes=50_000):  # private: as if another limit were set
            await log.trim()
        reader = log.redis.reader()
        [(_, rows)] = await reader.read({"loregate:events:{0}": "0"}, 10_000)
        await reader.close()
        assert 100 < len(rows) < 2_000


# -- what is kept for a while
async def test_who_has_as_much_cached_as_they_may_is_answered_uncached(small: Service) -> None:
    assert [cache_and_id(await ask(small, THEME))[0] for _ in range(2)] == ["MISS", "HIT"]
    while budget(small).take(owner_of("alice"), 1_000, 3_600):
        pass
    other = {**GOOD[THEME], "content": "A lamp, a tide, and a debt."}
    assert [cache_and_id(await ask(small, THEME, other))[0] for _ in range(2)] == ["MISS", "MISS"]
    assert cache_and_id(await ask(small, THEME))[0] == "HIT", "what is there stays"
    assert [cache_and_id(await ask(small, THEME, other, sub="ava"))[0] for _ in range(2)] == [
        "MISS", "HIT",
    ]  # fmt: skip


async def test_an_idempotency_key_that_redis_may_not_keep_is_known_to_the_database(
    small: Service,
) -> None:
    while budget(small).take(owner_of("alice"), 1_000, 3_600):
        pass
    made, again = [await ask(small, TEXT, key="once") for _ in range(2)]
    assert again.json()["content_id"] == made.json()["content_id"]
    assert (await ask(small, THEME, key="once")).status_code == 409
    async with redis_of(small) as redis:
        assert [k async for k in redis.scan_iter("*:once:*")] == []


async def test_a_transcript_without_room_lives_briefly_and_is_told_by_its_content(
    small: Service,
) -> None:
    async def life() -> tuple[str, int]:
        headers = {**small.headers(), "Accept": "text/event-stream"}
        answer = await small.http.post(TEXT, json=GOOD[TEXT], headers=headers)
        async with redis_of(small) as redis:
            [key] = [k async for k in redis.scan_iter("*:generation:*") if b":readers" not in k]
            left = await redis.pttl(key)
            await redis.delete(key)
        return answer.headers["x-generation-id"], left

    _, long = await life()
    assert long > 500_000
    log = small.gateway.generations.log
    while log._budget.take(owner_of("alice"), 1_000, 600):  # type: ignore[union-attr]  # private: it has one
        pass
    generation, brief = await life()
    assert 0 < brief <= BRIEF_RETENTION * 1_000
    found = await small.http.get(f"/api/v2/generations/{generation}", headers=small.headers())
    assert (found.status_code, found.json()["state"]) == (200, "completed")


def owner_of(user: str) -> str:
    """Whose bytes the copies count for."""
    return user_slot(user)


async def test_what_is_counted_is_no_less_than_what_redis_takes(alone: Service) -> None:
    """Of cached answers with everything that belongs to them."""
    async with redis_of(alone) as redis:
        await ask(alone, THEME, key="first")
        before, counted = (await redis.info("memory"))["used_memory"], budget(alone).used
        bodies = [{**GOOD[THEME], "content": f"The tide took lamp {n}."} for n in range(40)]
        await asyncio.gather(
            *(ask(alone, THEME, body, key=f"key-{n}") for n, body in enumerate(bodies))
        )
        kept = [k async for k in redis.scan_iter("*") if own_family(k)]
        taken = sum([await redis.memory_usage(k, samples=0) for k in kept])
        assert before < (await redis.info("memory"))["used_memory"]
        assert taken <= budget(alone).used
        assert budget(alone).used - counted > 40 * 500


def own_family(key: bytes) -> bool:
    return any(f":{name}:".encode() in key for name in ("cache", "made", "once", "similar"))
