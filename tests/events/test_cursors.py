"""Cursors of events: only what was given out is taken back, and others' events are not read."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import AsyncIterator, Callable

import pytest

from app.errors import CursorExpired, DependencyUnavailable
from app.events import log as event_log
from app.events.cursor import Cursor, Position
from app.events.fanout import Fanout
from app.events.log import EventLog, stream_key
from app.events.types import Event
from app.generations.cursor import Cursors
from app.policies.pseudonyms import Pseudonyms
from app.redis.client import Redis
from app.seal import ProcessKeys, Seal
from tests.support import generation_clients
from tests.support.event_log import Subscriber, cursor_now, event_log_running, numbered_event
from tests.support.service import Service


@pytest.fixture
async def running(redis_url: str) -> AsyncIterator[tuple[EventLog, Fanout]]:
    async with event_log_running(redis_url) as found:
        yield found


def unsealed(partitions: int, partition: int, position: Position) -> str:
    """As cursors were before they were sealed: under a checksum that anybody can make."""
    body = struct.pack(">BB", 1, partitions)
    body += struct.pack(">BIQI", partition, position.epoch, *position.entry_id)
    return base64.urlsafe_b64encode(body + struct.pack(">I", zlib.crc32(body))).decode().rstrip("=")


def forged(position: Position) -> str:
    return Cursor(1, {0: position}).encode(Seal("events", ProcessKeys()))


@pytest.mark.parametrize("make", [lambda at: unsealed(1, 0, at), forged], ids=["old", "forged"])
async def test_a_cursor_that_was_not_given_out_is_expired_and_tells_the_oldest_place(
    running: tuple[EventLog, Fanout], make: Callable[[Position], str]
) -> None:
    log, fanout = running
    await log.publish([numbered_event("alice", 1)])
    oldest = await log.oldest(0)
    with pytest.raises(CursorExpired) as expired:
        await Subscriber(fanout, "alice", make(oldest)).take(1)
    told = expired.value.details["cursor"]
    assert Cursor.decode(told).positions == {0: oldest}
    assert await Subscriber(fanout, "alice", told).take(1) == ["alice-1"]


async def test_no_event_of_another_is_decoded_for_who_resumes_from_far_back(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with event_log_running(redis_url) as (log, _):
        start = await cursor_now(log, "alice")
        await log.publish([numbered_event("alice", 1)])
        for batch in range(12):
            await log.publish([numbered_event("bob", 100 * batch + n) for n in range(100)])
        await log.publish([numbered_event("alice", 2)])
    decoded, decode = list[str](), Event.decode

    def noted(data: bytes | str) -> Event:
        found = decode(data)
        decoded.append(found.user_id)
        return found

    # Only now: who was there when they were published may be reading them still.
    monkeypatch.setattr(event_log, "Event", type("Noted", (), {"decode": staticmethod(noted)}))
    async with event_log_running(redis_url, seal=log.seal) as (_, other):  # its ring is empty
        assert await Subscriber(other, "alice", start).take(2) == ["alice-1", "alice-2"]
    assert set(decoded) == {"alice"}


async def test_events_of_before_entries_named_their_owner_are_found(
    running: tuple[EventLog, Fanout],
) -> None:
    log, _ = running
    start = await cursor_now(log, "alice")
    epoch = (await log.oldest(0)).epoch
    for event in (numbered_event("bob", 1), numbered_event("alice", 1)):
        await log.redis.call("XADD", stream_key(0), "*", "epoch", epoch, "event", event.encode())
    async with event_log_running(log.redis.url, seal=log.seal) as (_, other):
        assert await Subscriber(other, "alice", start).take(1) == ["alice-1"]


async def test_an_entry_that_lies_about_its_owner_is_nobodys(
    running: tuple[EventLog, Fanout],
) -> None:
    log, _ = running
    start = await cursor_now(log, "alice")
    epoch, event = (await log.oldest(0)).epoch, numbered_event("bob", 1).encode()
    fields = ("epoch", epoch, "event", event, "owner", event_log.owner_of("alice"))
    await log.redis.call("XADD", stream_key(0), "*", *fields)
    await log.publish([numbered_event("alice", 1)])
    async with event_log_running(log.redis.url, seal=log.seal) as (_, other):
        assert await Subscriber(other, "alice", start).take(1) == ["alice-1"]


async def test_no_cursor_is_told_before_processes_share_a_key(redis_url: str) -> None:
    away = Redis("unix:///nowhere/at.all")
    log = EventLog(away, seal=Pseudonyms(away).seal("events"))
    with pytest.raises(DependencyUnavailable):
        await log.end([0])
    await away.close()
    redis = Redis(redis_url)
    one, other = (EventLog(redis, seal=Pseudonyms(redis).seal("events")) for _ in range(2))
    text = one.cursor(await one.end([0]))
    await other.end([0])
    assert Cursor.decode(text).genuine(other.seal)
    await redis.close()


async def test_a_cursor_of_another_user_gives_only_ones_own(loregate: Service) -> None:
    bobs = (await loregate.data("{ eventCursor }", sub="bob"))["eventCursor"]
    await loregate.generate(sub="bob")
    made = await loregate.generate(sub="alice")
    headers = loregate.headers(sub="alice")
    path = f"/api/v2/events?after={bobs}"
    async with loregate.http.stream("GET", path, headers=headers) as response:
        async for line in response.aiter_lines():
            if line.startswith("data:") and "content_id" in line:
                assert made["contentId"] in line
                return


async def test_the_edges_say_expired_for_what_was_not_given_out(loregate: Service) -> None:
    log = loregate.parts.event_log
    await loregate.generate()
    text = unsealed(log.partitions, log.partition("alice"), await log.oldest(0))
    headers = {**loregate.headers(), "Accept": "text/event-stream"}
    path = f"/api/v2/events?after={text}"
    async with loregate.http.stream("GET", path, headers=headers) as response:
        async for line in response.aiter_lines():
            if line.startswith("data:"):
                assert "CURSOR_EXPIRED" in line
                return


async def test_a_generations_cursor_under_another_key_is_410_and_tells_its_begin(
    loregate: Service,
) -> None:
    generation = await generation_clients.start(loregate, generation_clients.CHARACTER)
    path = f"/api/v2/generations/{generation}/events?after="
    text = Cursors(Seal("generations", ProcessKeys())).encode(generation, 1)
    refused = await loregate.get(path + text)
    assert (refused.status_code, refused.json()["code"]) == (410, "CURSOR_EXPIRED")
    again = await loregate.get(path + refused.json()["details"]["cursor"])
    assert again.status_code == 200
    assert "event: started" in again.text
