"""What a server acknowledged and then lost, as in a takeover, is published again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.embedded.valkey import start_valkey
from app.events import unconfirmed
from app.events.log import START, EventLog, stream_key
from app.redis.client import Redis
from tests.support.event_streams import named_event

STREAM = stream_key(0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unconfirmed, "CONFIRM_DELAY", 0.0)


@asynccontextmanager
async def logs(url: str) -> AsyncIterator[EventLog]:
    redis = Redis(url)
    yield EventLog(redis)
    await redis.close()


@pytest.fixture
async def log(redis_url: str) -> AsyncIterator[EventLog]:
    async with logs(redis_url) as found:
        yield found


async def published_ids(log: EventLog) -> list[str]:
    return [entry.event.id for entry in (await log.read(0, START)).entries]


async def lose(log: EventLog, *names: str) -> None:
    for entry in (await log.read(0, START)).entries:
        if entry.event.id in names:
            await log.redis.call("XDEL", STREAM, str(entry.position.entry_id))


async def test_what_was_lost_is_published_again_under_its_id_and_once(log: EventLog) -> None:
    await log.publish([named_event(n) for n in "abcd"])
    await lose(log, "b", "d")
    for _ in range(3):
        await log.confirm()
        assert await published_ids(log) == ["a", "c", "b", "d"]


async def test_what_is_lost_again_is_published_again(log: EventLog) -> None:
    await log.publish([named_event("a")])
    for _ in range(3):
        await lose(log, "a")
        await log.confirm()
        assert await published_ids(log) == ["a"]


async def test_what_retention_removed_stays_away(redis_url: str) -> None:
    redis = Redis(redis_url)
    log = EventLog(redis, max_entries=1)
    await log.publish([named_event(n) for n in "abc"])
    await log.trim()
    await log.confirm()
    assert await published_ids(log) == ["c"]
    await redis.close()


async def test_a_new_epoch_begins_without_what_was_before_it(log: EventLog) -> None:
    """Whoever reads is told that the log has a new beginning, and asks the database."""
    await log.publish([named_event("a")])
    await log.redis.call("FLUSHALL")
    await log.publish([named_event("b")])
    await log.confirm()
    assert await published_ids(log) == ["b"]


async def test_while_redis_is_away_nothing_is_taken_as_kept(tmp_path: Path) -> None:
    server = start_valkey(tmp_path / "valkey", persist=True)
    try:
        async with logs(server.url) as log:
            await log.publish([named_event(n) for n in "ab"])
            await lose(log, "a")
            # On a busy disk the server answers before it has written: the kill would undo the loss.
            assert (await log.redis.call("WAITAOF", 1, 0, 5000, budget=6.0))[0] == 1
            server.kill()
            await log.confirm()
            server = start_valkey(tmp_path / "valkey", persist=True)
            await log.confirm()
            assert await published_ids(log) == ["b", "a"]
    finally:
        server.stop()


async def test_the_newest_are_held_and_no_more(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "MAX_UNCONFIRMED", 3)
    monkeypatch.setattr(unconfirmed, "PAGE_SIZE", 2)
    await log.publish([named_event(n) for n in "abcde"])
    await lose(log, "b", "c", "e")
    await log.confirm()
    assert await published_ids(log) == ["a", "d", "c"]
    await log.confirm()
    await log.confirm()
    assert await published_ids(log) == ["a", "d", "c", "e"]


async def test_who_was_told_lately_is_not_asked_for_at_once(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replica that is a little behind is no loss."""
    monkeypatch.setattr(unconfirmed, "CONFIRM_DELAY", 60.0)
    await log.publish([named_event("a")])
    await lose(log, "a")
    await log.confirm()
    assert await published_ids(log) == []
