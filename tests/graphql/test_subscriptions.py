"""Subscriptions over WebSocket: events without gaps, and endings that leave nothing behind."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson
import pytest
from redis import Redis

from app import open_streams
from app.caller import Caller
from app.errors import DependencyUnavailable
from tests.support.replaced import replaced
from tests.support.service import CHARACTER_INPUT, GENERATE, Service
from tests.support.sockets import (
    EVENTS,
    connection_tasks,
    subscribe,
    until_no_socket_is_left,
    until_subscribed,
)
from tests.support.waiting import until

pytestmark = pytest.mark.also_on("postgresql")


# -- operations
async def test_an_event_comes_with_its_cursor_and_its_content(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(EVENTS)
        await until_subscribed(loregate)
        made = await loregate.generate()
        event = await socket.next("contentGenerated")
    assert event["cursor"]
    assert event["contentId"] == made["contentId"]
    assert event["content"]["text"] == made["text"]
    assert event["type"] == "CONTENT_GENERATED"
    assert event["contentType"] == made["contentType"]
    assert event["userId"] == "alice"
    assert event["requestId"] == made["metadata"]["requestId"]
    assert event["source"] == "llm-service"
    assert event["metadata"]["tokenUsage"] == made["metadata"]["tokenUsage"]
    content = "query ($id: ID!) { content(id: $id) { contentId } }"
    asked = {"id": event["contentId"]}
    assert (await loregate.data(content, asked))["content"] == {"contentId": made["contentId"]}
    assert (await loregate.data(content, asked, sub="bob"))["content"] is None


async def test_behind_a_cursor_nothing_is_missed_or_repeated(loregate: Service) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    made = [(await loregate.generate())["contentId"] for _ in range(6)]
    seen: list[str] = []
    for count in (1, 2, 3):  # a socket each, the last one live at its end
        async with loregate.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(EVENTS, {"after": cursor})
            for _ in range(count):
                event = await socket.next("contentGenerated")
                seen.append(event["contentId"])
                cursor = event["cursor"]
    assert seen == made


async def test_who_subscribes_behind_the_end_misses_nothing_of_what_follows(
    loregate: Service,
) -> None:
    await loregate.generate()
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.send(subscribe("end", "{ eventCursor }"))
        cursor = await socket.next("eventCursor")
        assert (await socket.receive())["type"] == "complete"
        early = await loregate.generate()
        await socket.subscribe(EVENTS, {"after": cursor})
        late = await loregate.generate()
        seen = [(await socket.next("contentGenerated"))["contentId"] for _ in range(2)]
    assert seen == [early["contentId"], late["contentId"]]


async def test_a_users_events_are_their_own(loregate: Service) -> None:
    everything = "subscription { events(all: true) { userId } }"
    async with loregate.socket(sub="bob") as bob, loregate.socket(sub="root") as root:
        await bob.acknowledged()
        await root.acknowledged()
        await bob.subscribe(EVENTS)
        await root.subscribe(everything)
        await until_subscribed(loregate, 2)
        await loregate.generate(sub="alice")
        made = await loregate.generate(sub="bob")
        assert (await bob.next("contentGenerated"))["contentId"] == made["contentId"]
        assert [(await root.next("events"))["userId"] for _ in range(2)] == ["alice", "bob"]


@pytest.mark.parametrize("after", ["", "x", "é", "AAAA", "x" * 10_000])
async def test_a_wrong_cursor_is_the_clients_mistake(loregate: Service, after: str) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(EVENTS, {"after": after})
        message = await socket.receive()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert message["payload"][0]["extensions"]["field"] == "after"


async def test_an_operation_that_cannot_begin_ends_with_an_error_message(
    loregate: Service,
) -> None:
    bad = {
        "{": "GRAPHQL_PARSE_FAILED",
        "{ nothing }": "GRAPHQL_VALIDATION_FAILED",
        "{" + "a{" * 50 + "b" + "}" * 51: "QUERY_TOO_COMPLEX",
        "query a { __typename } query b { __typename }": "BAD_USER_INPUT",
        "query ($id: ID!) { content(id: $id) { contentId } }": "BAD_USER_INPUT",
        "subscription ($t: [EventType!]!) { events(types: $t) { id } }": "BAD_USER_INPUT",
    }
    async with loregate.socket() as socket:
        await socket.acknowledged()
        for query, code in bad.items():
            name = await socket.subscribe(query)
            message = await socket.receive()
            assert (message["id"], message["type"]) == (name, "error")
            assert {e["extensions"]["code"] for e in message["payload"]} == {code}
            assert all(e["extensions"]["requestId"] for e in message["payload"])
    assert await loregate.counted() == len(bad)


async def test_operations_of_one_socket_run_beside_each_other(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        watching = await socket.subscribe(EVENTS)
        await until_subscribed(loregate)
        asking = await socket.subscribe(GENERATE, {"input": CHARACTER_INPUT})
        found = [await socket.receive() for _ in range(3)]
    kinds = {(m["id"], m["type"]) for m in found}
    assert kinds == {(watching, "next"), (asking, "next"), (asking, "complete")}


# -- endings
async def test_complete_ends_an_operation_and_leaves_no_task(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        name = await socket.subscribe(EVENTS)
        await until_subscribed(loregate)
        assert connection_tasks() >= {"Connection._traced"}
        await socket.send({"type": "complete", "id": name})
        await socket.send({"type": "complete", "id": "never was"})
        await until(lambda: connection_tasks() == set())
        assert not loregate.parts.fanout.readers
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
    await until_no_socket_is_left(loregate)


@pytest.mark.parametrize("how", ["close", "abort"])
async def test_a_client_that_leaves_leaves_nothing_behind(loregate: Service, how: str) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        for _ in range(3):
            await socket.subscribe(EVENTS)
        await until_subscribed(loregate, 3)
        if how == "abort":
            socket.ws.transport.abort()
    await until_no_socket_is_left(loregate)


async def test_at_the_tokens_end_the_socket_closes(loregate: Service) -> None:
    ends = int(time.time()) + 1
    async with loregate.socket(exp=ends) as socket:
        await socket.acknowledged()
        await socket.subscribe(EVENTS)
        assert await socket.closed() == (4403, "Token expired")
        assert time.time() >= ends
    await until_no_socket_is_left(loregate)


async def test_a_revoked_token_closes_its_sockets_and_no_other(
    loregate: Service, redis_url: str
) -> None:
    async with loregate.socket(jti="gone") as gone, loregate.socket(jti="here") as here:
        await gone.acknowledged()
        await here.acknowledged()
        await gone.subscribe(EVENTS)
        await here.subscribe(EVENTS)
        await until_subscribed(loregate, 2)
        with Redis.from_url(redis_url) as redis:
            redis.set("loregate:revoked:gone", "1")
        await loregate.gateway.open_streams.end_revoked()
        assert await gone.closed() == (4403, "Token expired")
        await loregate.generate()
        assert await here.next("contentGenerated")


def test_revocation_is_looked_for_every_five_seconds() -> None:
    assert open_streams.REVOCATION_INTERVAL == 5


async def test_an_operation_of_a_socket_that_ends_is_cancelled(loregate: Service) -> None:
    """The token's end ends what runs, even when the client never answers the close."""
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def endless(*_: Any, **__: Any) -> Any:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with replaced(loregate.parts.store, page=endless):
        async with loregate.socket(exp=int(time.time()) + 1) as socket:
            await socket.acknowledged()
            await socket.subscribe("{ contents { edges { cursor } } }")
            await asyncio.wait_for(started.wait(), 10)
            socket.ws.transport.pause_reading()
            await asyncio.wait_for(cancelled.wait(), 10)
            socket.ws.transport.abort()
        await until_no_socket_is_left(loregate)


async def test_a_bug_is_told_as_internal_and_the_socket_goes_on(
    loregate: Service, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("the secret inside")

    with replaced(loregate.parts.fanout, subscribe=broken):
        async with loregate.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(EVENTS)
            message = await socket.receive()
            await socket.send(subscribe("next"))
            assert (await socket.receive())["payload"]["data"] == {"__typename": "Query"}
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "INTERNAL_ERROR"
    assert b"secret" not in orjson.dumps(message)
    [record] = [r for r in caplog.records if r.message == "unexpected error"]
    assert record.__dict__["request_id"] == message["payload"][0]["extensions"]["requestId"]


async def test_a_socket_says_try_again_later_when_keys_cannot_be_had(loregate: Service) -> None:
    class Away:
        async def authenticate(self, *_: Any) -> Caller:
            raise DependencyUnavailable("keys")

    gateway: Any = loregate.gateway
    gateway.identity = Away()
    async with loregate.socket() as socket:
        assert (await socket.closed())[0] == 1013
