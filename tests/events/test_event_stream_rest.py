"""GET /api/v2/events: the caller's events as server-sent events, from any place to any ending."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest
from redis.asyncio import Redis
from starlette.routing import Route

from app.caller import PERMISSIONS
from app.events.cursor import Cursor
from app.rest import events as edge
from app.rest import v2
from tests.support import raw_http_client
from tests.support.event_streams import (
    PATH,
    Stream,
    open_stream,
    publish,
    stream_tasks,
    until_nothing_is_open,
)
from tests.support.service import Service, token
from tests.support.sockets import until_subscribed

PLAIN = [p for p in PERMISSIONS if p != "events:read-all"]


async def now(found: Service) -> str:
    cursor: str = (await found.data("{ eventCursor }"))["eventCursor"]
    return cursor


async def own(found: Service, user: str = "alice") -> str:
    """The log's end in the user's own partition."""
    log = found.parts.event_log
    return log.cursor(await log.end([log.partition(user)]))


# -- what comes
async def test_an_event_is_its_type_its_cursor_and_its_json(loregate: Service) -> None:
    async with open_stream(loregate) as stream:
        await until_subscribed(loregate)
        made = await loregate.generate()
        block = await stream.next()
        assert block.event == "content.generated"
        assert (block.json["type"], block.json["content_id"]) == (block.event, made["contentId"])
        assert Cursor.decode(block.id or "").positions
        assert block.json["user_id"] == "alice"


async def test_the_head_comes_at_once_and_keeps_proxies_from_waiting(loregate: Service) -> None:
    """Nothing is published: a response whose head waited for an event would never begin."""
    async with asyncio.timeout(5), open_stream(loregate) as stream:
        headers = stream.response.headers
        assert stream.response.status_code == 200
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-accel-buffering"] == "no"
        assert headers["x-ratelimit-limit"]


async def test_only_the_wanted_types_come(loregate: Service) -> None:
    start = await own(loregate)
    for number, kind in enumerate(("theme.analyzed", "content.generated") * 2):
        await publish(loregate, number, kind=kind)
    asked = f"{PATH}?types=theme.analyzed,validation.completed&after={start}"
    async with open_stream(loregate, asked) as stream:
        assert await stream.names(2) == ["0", "2"]


async def test_everybodys_events_need_their_permission_and_the_wish(loregate: Service) -> None:
    start = await now(loregate)
    await publish(loregate, "hers", user="alice")
    await publish(loregate, "his", user="bob")
    async with open_stream(loregate, f"{PATH}?all=true&after={start}") as stream:
        assert await stream.names(2) == ["hers", "his"]
    async with open_stream(loregate, f"{PATH}?after={start}", claims={"sub": "bob"}) as stream:
        assert await stream.names(1) == ["his"]
    refused = await loregate.get(f"{PATH}?all=true", permissions=PLAIN)
    assert refused.status_code == 403
    assert refused.json()["details"]["required_permission"] == "events:read-all"


# -- where it begins
@pytest.mark.parametrize("by", ["header", "parameter", "both"])
async def test_it_goes_on_behind_a_cursor(loregate: Service, by: str) -> None:
    start = await own(loregate)
    await publish(loregate, *range(4))
    async with open_stream(loregate, f"{PATH}?after={start}") as stream:
        assert await stream.names(2) == ["0", "1"]
        place = stream.last_id
    # A browser that comes back by itself repeats the address that it was given first.
    path = {"header": PATH, "parameter": f"{PATH}?after={place}"}.get(by, f"{PATH}?after={start}")
    async with open_stream(loregate, path, last=None if by == "parameter" else place) as stream:
        assert await stream.names(2) == ["2", "3"]
        await publish(loregate, "live")
        assert await stream.names(1) == ["live"]


async def test_leaving_at_every_place_misses_and_repeats_nothing(loregate: Service) -> None:
    last, got = await own(loregate), []
    await publish(loregate, *range(12))
    for count in (1, 2, 3, 6):
        async with open_stream(loregate, last=last) as stream:
            got += await stream.names(count)
            last = stream.last_id
    assert got == [str(n) for n in range(12)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("after=x", "after"),
        ("after=", "after"),
        ("types=content.generated,nothing", "types"),
        ("all=yes", "all"),
    ],
)
async def test_a_wrong_parameter_is_400_in_json(loregate: Service, query: str, field: str) -> None:
    answer = await loregate.get(f"{PATH}?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert answer.json()["details"]["field"] == field


async def test_it_needs_a_token_and_its_permission(loregate: Service) -> None:
    assert (await loregate.http.get(PATH)).status_code == 401
    assert (await loregate.get(PATH, permissions=["content:read"])).status_code == 403
    assert await loregate.counted() == 1
    assert not stream_tasks()


async def test_a_place_behind_retention_ends_with_the_place_to_go_on_from(
    loregate: Service,
) -> None:
    log = loregate.parts.event_log
    old = await own(loregate)
    await publish(loregate, "gone", "kept")
    kept = (await log.read(0, Cursor.decode(old).positions[0].entry_id)).entries[1]
    await log.redis.call("XTRIM", "loregate:events:{0}", "MINID", str(kept.position.entry_id))
    await log.redis.call(
        "HSET", "loregate:events:{0}:meta", "trimmed", str(kept.position.entry_id.before())
    )
    loregate.parts.fanout.tails[
        0
    ].floor = kept.position.entry_id.before()  # its ring knows them still
    async with open_stream(loregate, last=old) as stream:
        [block] = await stream.rest()
    assert block.event == "error"
    assert block.json["code"] == "CURSOR_EXPIRED"
    assert block.json["details"]["cursor"] == block.id
    async with open_stream(loregate, last=block.id) as stream:
        assert await stream.names(1) == ["kept"]


# -- while nothing comes
async def test_the_position_comes_right_after_joining(loregate: Service) -> None:
    """A client whose server is killed before its first event goes on from there."""
    async with open_stream(loregate) as stream:
        joined = await stream.block()
    assert (joined.event, joined.json) == ("position", {"cursor": joined.id})
    await publish(loregate, "meanwhile")
    async with open_stream(loregate, last=joined.id) as stream:
        assert await stream.names(1) == ["meanwhile"]


async def test_a_heartbeat_carries_the_place_and_no_event(loregate: Service) -> None:
    handler = edge.handler(loregate.gateway, heartbeat=0.05)
    route = Route("/beating", v2.authenticated(loregate.gateway, handler))
    loregate.app.router.routes.insert(0, route)
    async with open_stream(loregate, "/beating") as stream:
        await until_subscribed(loregate)
        await publish(loregate, "others", user="bob")
        await publish(loregate, "mine")
        assert await stream.names(1) == ["mine"]
        place = stream.last_id
        while (beat := await stream.block()).id == place:
            assert (beat.event, beat.json) == ("position", {"cursor": place})
            await publish(loregate, "more of others", user="bob")
        assert (beat.event, beat.json) == ("position", {"cursor": beat.id})
    await publish(loregate, "next")
    async with open_stream(loregate, last=beat.id) as stream:
        assert await stream.names(1) == ["next"]


# -- endings
async def ending(stream: Stream) -> tuple[str, str | None]:
    """The code of the last event, and its id."""
    [block] = await stream.rest()
    assert block.event == "error"
    return block.json["code"], block.id


async def test_at_the_tokens_end_it_ends_and_a_renewed_one_goes_on(loregate: Service) -> None:
    ends = int(time.time()) + 1
    async with open_stream(loregate, claims={"exp": ends}) as stream:
        await until_subscribed(loregate)
        code, place = await ending(stream)
        late = time.time() - ends
    assert code == "TOKEN_EXPIRED"
    assert late >= 0
    await publish(loregate, "later")
    async with open_stream(loregate, last=place) as stream:
        assert await stream.names(1) == ["later"]


async def test_a_revoked_token_ends_its_streams_and_no_other(
    loregate: Service, redis_url: str
) -> None:
    gone, here = {"jti": "gone"}, {"jti": "here"}
    async with open_stream(loregate, claims=gone) as a, open_stream(loregate, claims=here) as b:
        await until_subscribed(loregate, 2)
        async with Redis.from_url(redis_url) as redis:
            await redis.set("loregate:revoked:gone", "1")
        await loregate.gateway.open_streams.end_revoked()
        assert (await ending(a))[0] == "TOKEN_EXPIRED"
        await publish(loregate, "still")
        assert await b.names(1) == ["still"]
    await until_nothing_is_open(loregate)


async def test_at_shutdown_it_ends_with_its_place(loregate: Service) -> None:
    async with open_stream(loregate) as stream:
        await until_subscribed(loregate)
        loregate.gateway.open_streams.end_all()
        code, place = await ending(stream)
        assert code == "SHUTTING_DOWN"
        assert Cursor.decode(place or "").positions
    await until_nothing_is_open(loregate)


async def test_who_comes_while_it_stops_is_told_so_at_once(loregate: Service) -> None:
    loregate.gateway.open_streams.end_all()
    async with open_stream(loregate) as stream:
        assert (await ending(stream))[0] == "SHUTTING_DOWN"
    await until_nothing_is_open(loregate)


async def test_the_last_words_skip_no_event_that_was_still_to_be_written(
    loregate: Service,
) -> None:
    """A client that had stopped reading when the end came goes on from what it really got."""
    start = await own(loregate)
    head = [f"GET {PATH}?after={start} HTTP/1.1", "host: x", "connection: close"]
    request = "\r\n".join([*head, f"authorization: Bearer {token()}", "", ""]).encode()
    async with asyncio.timeout(20), raw_http_client.connected(loregate.url) as client:
        client.writer.write(request)
        await client.reader.readuntil(b"event: position")
        await until_subscribed(loregate)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a socket's has it
        count = await stalled(loregate)
        loregate.gateway.open_streams.end_all()
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        lines = [line.strip() for line in (await client.reader.read(-1)).decode().split("\n")]
    told = [orjson.loads(x.removeprefix("data: ")) for x in lines if x.startswith("data: ")]
    last = [x.removeprefix("id: ") for x in lines if x.startswith("id: ")][-1]
    assert told.pop()["code"] == "SHUTTING_DOWN"
    names = [t["id"] for t in told if "id" in t]  # the rest of the position comes first
    assert 0 < len(names) < count
    loregate.gateway.open_streams.stopping = False  # as the process that serves it next
    async with open_stream(loregate, last=last) as stream:
        names += await stream.names(count - len(names))
    assert names == [str(n) for n in range(count)]


async def stalled(loregate: Service) -> int:
    """Publish until the one subscriber takes no more; how many events that were."""
    count = 0
    [follower] = loregate.parts.fanout.readers["alice"]
    place, same = follower.cursor, 0
    while same < 10:
        await publish(loregate, *range(count, count + 20), padding="x" * 60_000)
        count += 20
        await asyncio.sleep(0.01)  # what can still be written, is
        same = same + 1 if follower.cursor == place and not follower.waiting else 0
        place = follower.cursor
        assert count < 2_000
    return count


# -- what it costs and leaves
async def test_it_counts_one_and_a_resumed_one_nothing(loregate: Service) -> None:
    start = await own(loregate)
    async with open_stream(loregate):
        await until_subscribed(loregate)
    assert await loregate.counted() == 1
    async with open_stream(loregate, last=start):
        await until_subscribed(loregate)
    assert await loregate.counted() == 1


async def test_a_client_that_leaves_leaves_nothing_behind(loregate: Service) -> None:
    for _ in range(3):
        async with open_stream(loregate):
            await until_subscribed(loregate)
            assert len(loregate.gateway.open_streams) == 1
            assert stream_tasks()
        await until_nothing_is_open(loregate)
