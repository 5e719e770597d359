"""Who is charged what: each kind of request, whatever becomes of it, over every edge."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from app.pipeline.charges import CHARGES, Kind
from tests.support.event_streams import open_stream
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import Service, running, settings
from tests.support.waiting import until

NOBODY = f"/api/v2/content/{UUID(int=7)}"
EVENTS = "/api/v2/events"
SUBSCRIPTION = "subscription { events { id } }"
GET_SUBSCRIPTION = "/graphql?query=subscription%20%7B%20events%20%7B%20id%20%7D%20%7D"

# method, path, headers beside the token, body -> status, what kind it counts as
Asked = tuple[str, str, dict[str, str], bytes | None, int, Kind]
REQUESTS: dict[str, Asked] = {
    "a read": ("GET", NOBODY, {}, None, 404, Kind.READ),
    "HEAD": ("HEAD", NOBODY, {}, None, 404, Kind.HEAD),
    "HEAD of a page for all": ("HEAD", "/api/v2/openapi.json", {}, None, 200, Kind.PAGE),
    "HEAD of a document": ("HEAD", "/graphql?query={__typename}", {}, None, 200, Kind.FIELD),
    "HEAD of a stream": ("HEAD", EVENTS, {}, None, 200, Kind.HEAD),
    "no route of the API": ("GET", "/api/v2/nothing", {}, None, 404, Kind.REFUSED),
    "no route at all": ("GET", "/nothing", {}, None, 404, Kind.REFUSED),
    "no route at all, by HEAD": ("HEAD", "/nothing", {}, None, 404, Kind.REFUSED),
    "no file of the pages": ("GET", "/static/nothing", {}, None, 404, Kind.REFUSED),
    "no error of that code": ("GET", "/api/v2/errors/NOBODY", {}, None, 404, Kind.PAGE),
    "a wrong method": ("PUT", TEXT, {}, b"{}", 405, Kind.REFUSED),
    "a wrong method of a page": ("POST", "/health", {}, b"", 405, Kind.REFUSED),
    "an unheard-of method": ("PROPFIND", "/api/v2/nothing", {}, None, 405, Kind.REFUSED),
    "a wrong method of GraphQL": ("PUT", "/graphql", {}, b"{}", 405, Kind.REFUSED),
    "nothing acceptable": ("POST", "/graphql", {"Accept": "text/csv"}, b"{}", 406, Kind.REFUSED),
    "a subscription not acceptable": ("GET", GET_SUBSCRIPTION, {}, None, 406, Kind.REFUSED),
    "no JSON": ("POST", TEXT, {"Content-Type": "text/csv"}, b"a,b", 415, Kind.REFUSED),
    "no JSON for GraphQL": (
        "POST",
        "/graphql",
        {"Content-Type": "text/csv"},
        b"a",
        415,
        Kind.REFUSED,
    ),
    "an empty body": ("POST", TEXT, {}, b"", 400, Kind.REFUSED),
    "a batch of nothing": ("POST", "/api/v2/batch", {}, b"[]", 400, Kind.REFUSED),
    "no cursor": ("GET", EVENTS, {"Last-Event-ID": "x"}, None, 400, Kind.REFUSED),
    "no generation's cursor": (
        "GET",
        f"/api/v2/generations/{UUID(int=7)}/events",
        {"Last-Event-ID": "x"},
        None,
        400,
        Kind.REFUSED,
    ),
    "a health probe": ("GET", "/health", {}, None, 200, Kind.PAGE),
    "the REST reference": ("GET", "/api/v2/docs", {}, None, 200, Kind.PAGE),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_an_authenticated_request_counts_whatever_becomes_of_it(
    loregate: Service, name: str
) -> None:
    method, path, headers, body, status, counts_as = REQUESTS[name]
    count = CHARGES[counts_as]
    kind = {"Content-Type": "application/json"} if body is not None else {}
    sent = {**loregate.headers(), **kind, **headers}
    response = await loregate.http.request(method, path, content=body, headers=sent)
    assert response.status_code == status, response.text
    assert await loregate.counted("user") == count
    assert await loregate.counted("global") == count
    assert ("X-RateLimit-Remaining" in response.headers) == bool(count)


# -- streams
async def cursor(found: Service) -> str:
    told: str = (await found.data("{ eventCursor }"))["eventCursor"]
    return told


async def first_event(found: Service, path: str, **headers: str) -> str:
    """The name of a stream's first event."""
    sent = {**found.headers(), **headers}
    async with found.http.stream("GET", path, headers=sent) as response:
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                return line.removeprefix("event: ")
    raise AssertionError("the stream had no event")


async def test_head_of_a_stream_that_goes_on_counts_one(loregate: Service) -> None:
    sent = {**loregate.headers(), "Last-Event-ID": await cursor(loregate)}
    before = await loregate.counted()
    assert (await loregate.http.head(EVENTS, headers=sent)).status_code == 200
    assert await loregate.counted() == before + 1


async def test_a_resumed_stream_counts_nothing_until_it_comes_more_often_than_a_user_has_streams(
    tmp_path: Path, redis_url: str
) -> None:
    given = settings(tmp_path, redis_url)
    file = given.file.model_copy(update={"subscriptions": 3})
    async with running(given.model_copy(update={"file": file})) as found:
        after = await cursor(found)
        before = await found.counted()
        counts = []
        for _ in range(5):
            assert await first_event(found, EVENTS, **{"Last-Event-ID": after}) == "position"
            counts.append(await found.counted() - before)
        assert counts == [0, 0, 0, 1, 2]


async def forget_events(found: Service) -> None:
    """As if everything in the log had grown too old."""
    tail, redis = found.parts.fanout.tails[0], found.parts.event_log.redis
    begin = tail.head
    await found.generate()
    await until(lambda: tail.head > begin)
    await redis.call("XTRIM", "loregate:events:{0}", "MAXLEN", 0)
    await redis.call("HSET", "loregate:events:{0}:meta", "trimmed", str(tail.head))
    tail.floor = tail.head


async def test_a_stream_whose_cursor_has_expired_counts_one(loregate: Service) -> None:
    after = await cursor(loregate)
    await forget_events(loregate)
    before = await loregate.counted()
    async with open_stream(loregate, last=after) as stream:
        [block] = await stream.rest()
    assert block.json["code"] == "CURSOR_EXPIRED"
    assert await loregate.counted() == before + CHARGES[Kind.EXPIRED]


# -- over WebSocket
async def test_a_frame_that_holds_no_document_counts_one_before_the_socket_is_closed(
    loregate: Service,
) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.send({"type": "subscribe", "id": "1", "payload": {"query": 5}})
        assert (await socket.closed())[0] == 4400
    assert await loregate.counted() == 1


async def test_an_operation_too_many_on_a_socket_counts_one(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        for _ in range(101):
            await socket.subscribe(SUBSCRIPTION)
        refused = await socket.receive()
        assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        async with asyncio.timeout(5.0):  # who leaves before its turn is not counted
            while await loregate.counted() < 101:
                await asyncio.sleep(0.005)  # between two looks
    assert await loregate.counted() == 101


async def test_a_request_whose_client_leaves_before_it_was_counted_counts_one(
    loregate: Service,
) -> None:
    caller = await loregate.gateway.authenticate(loregate.headers()["Authorization"])

    async def asking() -> None:
        async with loregate.gateway.request(caller, "an id"):
            await asyncio.Event().wait()

    asked = asyncio.create_task(asking())
    await asyncio.sleep(0)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert await loregate.counted() == 1


# -- the bound on a user's streams
async def until_open(found: Service, count: int) -> None:
    await until(lambda: found.gateway.subscriptions.users["alice"] == count)


async def test_a_users_streams_are_bounded_over_all_edges_together(
    tmp_path: Path, redis_url: str
) -> None:
    given = settings(tmp_path, redis_url)
    file = given.file.model_copy(update={"subscriptions": 2})
    async with running(given.model_copy(update={"file": file})) as found, found.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(SUBSCRIPTION)
        await until_open(found, 1)
        async with open_stream(found):
            await until_open(found, 2)
            before = await found.counted()
            written = await found.post(f"{TEXT}/stream", GOOD[TEXT])
            refusals = [await found.get(EVENTS), written]
            await socket.subscribe(SUBSCRIPTION)
            told = (await socket.receive())["payload"][0]
            assert [r.status_code for r in refusals] == [429, 429]
            assert {r.json()["code"] for r in refusals} == {"TOO_MANY_OPERATIONS"}
            assert told["extensions"]["code"] == "TOO_MANY_OPERATIONS"
            assert await found.counted() == before + 3 * CHARGES[Kind.REFUSED]
        await until_open(found, 1)
        assert (await found.post(f"{TEXT}/stream", GOOD[TEXT])).status_code == 200
        await found.http.head(EVENTS, headers=found.headers())
        assert (await found.get(f"{EVENTS}?after=x")).status_code == 400
        await until_open(found, 1)
