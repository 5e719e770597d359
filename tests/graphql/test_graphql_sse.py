"""GraphQL over server-sent events: subscriptions by GET and POST, each a response of its own.

https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md, distinct connections.
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from tests.support import service
from tests.support.event_streams import (
    IDS,
    Block,
    Stream,
    open_stream,
    publish,
    stream_tasks,
    until_nothing_is_open,
)
from tests.support.generation_clients import CHARACTER, start
from tests.support.service import CHARACTER_INPUT, Service
from tests.support.sockets import until_subscribed
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until

COMPLETE = Block("complete", None, "")


async def end(found: Service) -> str:
    cursor: str = (await found.data("{ eventCursor }"))["eventCursor"]
    return cursor


def watching(found: Service, by: str = "POST", variables: Any = None, **more: Any) -> Any:
    """A subscription to all events."""
    if by == "POST":
        asked = {"query": IDS, "variables": variables}
        return open_stream(found, "/graphql", json=asked, **more)
    query = {"query": IDS, "variables": orjson.dumps(variables).decode()}
    return open_stream(found, f"/graphql?{urlencode(query)}", **more)


async def names(stream: Stream, count: int) -> list[str]:
    return [(await stream.next()).json["data"]["events"]["id"] for _ in range(count)]


@pytest.mark.parametrize("by", ["GET", "POST"])
async def test_each_event_is_a_next_with_its_cursor_as_its_id(loregate: Service, by: str) -> None:
    async with watching(loregate, by) as stream:
        assert stream.response.headers["content-type"].startswith("text/event-stream")
        await until_subscribed(loregate)
        await publish(loregate, "one")
        block = await stream.next()
    assert block.event == "next"
    assert block.json == {
        "data": {"events": {"id": "one", "cursor": block.id}},
        "extensions": {"cursor": block.id},
    }


async def test_the_position_comes_right_after_joining(loregate: Service) -> None:
    """As an id alone; a client that is cut before its first event goes on from there."""
    async with watching(loregate) as stream:
        joined = await stream.block()
        assert (joined.event, joined.data) == (None, None)
    await publish(loregate, "meanwhile")
    async with watching(loregate, last=joined.id) as stream:
        assert await names(stream, 1) == ["meanwhile"]


async def test_no_empty_line_stands_alone(loregate: Service) -> None:
    """Some clients take one for a message without data. Heartbeats: test_event_stream.py."""
    for query in ("{ viewer { id } }", IDS):
        async with open_stream(loregate, "/graphql", json={"query": query}) as stream:
            raw = b""
            async for chunk in stream.response.aiter_raw():
                raw += chunk
                if b"id: " in raw:
                    break
        assert raw.startswith((b":\nevent: next\n", b":\nid: "))
        assert b"\n\n\n" not in raw


@pytest.mark.parametrize("by", ["GET", "POST"])
async def test_last_event_id_replaces_where_the_document_began(loregate: Service, by: str) -> None:
    """A client that comes back by itself sends the variables it was given first."""
    begin = {"after": await end(loregate)}
    await publish(loregate, *range(6))
    async with watching(loregate, by, begin) as stream:
        got = await names(stream, 2)
        place = stream.last_id
    async with watching(loregate, by, begin, last=place) as stream:
        got += await names(stream, 3)
        place = stream.last_id
    async with watching(loregate, by, last=place) as stream:
        got += await names(stream, 1)
    assert got == [str(n) for n in range(6)]
    assert await loregate.counted() == 1  # the cursor's query; who resumes counts nothing


async def test_a_generation_is_told_to_its_end_and_completes(loregate: Service) -> None:
    name = await start(loregate, CHARACTER)
    query = """subscription ($id: ID!, $after: String) { generation(id: $id, after: $after) {
      __typename ... on GenerationDelta { text } } }"""
    asked = {"query": query, "variables": {"id": name}}
    async with open_stream(loregate, "/graphql", json=asked) as stream:
        blocks = await stream.rest()
    assert blocks.pop() == COMPLETE
    kinds = [b.json["data"]["generation"]["__typename"] for b in blocks]
    assert (kinds[0], kinds[-1]) == ("GenerationStarted", "GenerationCompleted")
    async with open_stream(loregate, "/graphql", json=asked, last=blocks[1].id) as stream:
        assert await stream.rest() == [*blocks[2:], COMPLETE]
    await until_nothing_is_open(loregate)


async def test_without_its_media_type_a_subscription_is_406(loregate: Service) -> None:
    for accept in ("application/json", "application/graphql-response+json", "*/*"):
        headers = {**loregate.headers(), "Accept": accept}
        answer = await loregate.http.post("/graphql", json={"query": IDS}, headers=headers)
        assert answer.status_code == 406, accept
        assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_ACCEPTABLE"
    assert not stream_tasks()


@pytest.mark.parametrize("accept", ["text/event-stream", "text/event-stream, application/json"])
@pytest.mark.parametrize(
    "query",
    [
        "{ viewer { id } }",
        'mutation { analyzeTheme(input: {content: "a tale"}) { analysis { contentType } } }',
    ],
)
async def test_queries_and_mutations_are_one_next_and_complete(
    loregate: Service, accept: str, query: str
) -> None:
    headers = {**loregate.headers(), "Accept": "application/json"}
    as_json = await loregate.http.post("/graphql", json={"query": query}, headers=headers)
    asked = {"query": query}
    async with open_stream(loregate, "/graphql", json=asked, accept=accept) as stream:
        assert stream.response.status_code == 200
        assert int(stream.response.headers["X-RateLimit-Remaining"]) >= 0
        first, last = await stream.rest()
    assert (first.event, first.json) == ("next", as_json.json())
    assert last == COMPLETE
    await until_nothing_is_open(loregate)


BAD: dict[str, Any] = {
    "GRAPHQL_PARSE_FAILED": {"query": "subscription {"},
    "GRAPHQL_VALIDATION_FAILED": {"query": "{ nothing }"},
    "QUERY_TOO_COMPLEX": {"query": "{ a" * 60 + "}" * 60},
    "PERSISTED_QUERY_NOT_SUPPORTED": {"documentId": "sha256:00"},
}


@pytest.mark.parametrize("code", BAD)
async def test_a_document_that_is_refused_is_told_in_the_stream(
    loregate: Service, code: str
) -> None:
    """A status other than 200 would hide the reason from a browser's client."""
    async with open_stream(loregate, "/graphql", json=BAD[code]) as stream:
        assert stream.response.status_code == 200
        first, last = await stream.rest()
    assert first.event == "next"
    assert first.json["errors"][0]["extensions"]["code"] == code
    assert last == COMPLETE


@pytest.mark.parametrize(
    ("body", "claims", "status", "code"),
    [
        ({"query": ""}, {}, 400, "BAD_USER_INPUT"),
        ({"query": IDS}, {"exp": 1}, 401, "UNAUTHENTICATED"),
        ({"query": " " * 300_000}, {}, 413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_what_is_no_request_of_graphql_has_its_status_and_its_reason_in_the_stream(
    loregate: Service, body: Any, claims: Any, status: int, code: str
) -> None:
    async with open_stream(loregate, "/graphql", json=body, claims=claims) as stream:
        assert stream.response.status_code == status
        first, last = await stream.rest()
    assert first.json["errors"][0]["extensions"]["code"] == code
    assert last == COMPLETE


async def test_who_prefers_json_gets_it_also_for_a_subscription_that_is_refused(
    loregate: Service,
) -> None:
    for accept, status in (("application/json", 200), ("application/graphql-response+json", 422)):
        headers = {**loregate.headers(), "Accept": f"{accept}, text/event-stream"}
        body = {"query": "subscription { nothing }"}
        answer = await loregate.http.post("/graphql", json=body, headers=headers)
        assert answer.status_code == status
        assert answer.json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


LITERAL = 'subscription { events(after: "PLACE") { id } }'


@pytest.mark.parametrize("query", ["subscription { events { id } }", LITERAL])
async def test_last_event_id_resumes_also_without_a_variable(loregate: Service, query: str) -> None:
    begin = await end(loregate)
    asked = {"query": query.replace("PLACE", begin)}
    await publish(loregate, "first")
    place = await end(loregate)
    await publish(loregate, "second")
    async with open_stream(loregate, "/graphql", json=asked, last=place) as stream:
        assert await names(stream, 1) == ["second"]


async def test_a_last_event_id_that_cannot_be_used_is_refused(loregate: Service) -> None:
    for query in ("subscription { events { id } }", IDS):
        async with open_stream(loregate, "/graphql", json={"query": query}, last="x") as stream:
            [first, _] = await stream.rest()
        assert first.json["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    async with open_stream(loregate, "/graphql", json={"query": "{ viewer { id } }"}, last="x") as (
        stream
    ):
        assert stream.response.status_code == 400
        [first, _] = await stream.rest()
    assert first.json["errors"][0]["extensions"]["field"] == "Last-Event-ID"


@pytest.mark.parametrize(
    ("query", "variables", "code"),
    [
        (IDS, {"after": "x"}, "BAD_USER_INPUT"),
        (IDS, {"after": 5}, "BAD_USER_INPUT"),
        ("subscription { events(all: true) { id } }", None, "FORBIDDEN"),
    ],
)
async def test_what_cannot_begin_says_so_and_completes(
    loregate: Service, query: str, variables: Any, code: str
) -> None:
    claims = {"permissions": ["events:subscribe"]}
    asked = {"query": query, "variables": variables}
    async with open_stream(loregate, "/graphql", json=asked, claims=claims) as stream:
        first, last = await stream.rest()
    assert first.event == "next"
    assert first.json["errors"][0]["extensions"]["code"] == code
    assert "requestId" in first.json["errors"][0]["extensions"]
    assert last == COMPLETE
    assert await loregate.counted() == 1
    await until_nothing_is_open(loregate)


async def test_it_needs_a_token(loregate: Service) -> None:
    headers = {"Accept": "text/event-stream"}
    answer = await loregate.http.post("/graphql", json={"query": IDS}, headers=headers)
    assert answer.status_code == 401


# -- endings
async def test_an_expired_cursor_ends_with_the_place_to_go_on_from(loregate: Service) -> None:
    place = await end(loregate)
    await loregate.parts.event_log.redis.call("FLUSHALL")
    await publish(loregate, "new")
    async with watching(loregate, last=place) as stream:
        first, last = await stream.rest()
    assert last == COMPLETE
    [error] = first.json["errors"]
    assert error["extensions"]["code"] == "CURSOR_EXPIRED"
    assert error["extensions"]["cursor"] == first.id
    async with watching(loregate, last=first.id) as stream:
        assert await names(stream, 1) == ["new"]


async def test_the_tokens_end_and_the_process_end_are_told_with_the_place(
    loregate: Service,
) -> None:
    place: str | None = None
    for code in ("TOKEN_EXPIRED", "SHUTTING_DOWN"):
        claims = {"exp": int(time.time()) + 1} if code == "TOKEN_EXPIRED" else {}
        async with watching(loregate, last=place, claims=claims) as stream:
            await until_subscribed(loregate)
            await publish(loregate, code)
            assert await names(stream, 1) == [code]
            if code == "SHUTTING_DOWN":
                loregate.gateway.open_streams.end_all()
            block = await stream.next()
            place = stream.last_id
        assert block.json["errors"][0]["extensions"]["code"] == code
        assert block.id == place
    await until_nothing_is_open(loregate)


async def test_one_that_ends_before_its_first_event_leaves_as_any_other(
    with_models: Service, provider: Upstream
) -> None:
    """The process stops right when it begins: nothing was asked of its events yet."""
    provider.then(Behaviour(silent=True))
    told = {"onDisconnect": "CANCEL"}
    generation = await start(with_models, {"characterContent": {**CHARACTER_INPUT, **told}})
    watched = "subscription ($id: ID!) { generation(id: $id) { cursor } }"
    with_models.gateway.open_streams.end_all()
    for asked in ({"query": IDS}, {"query": watched, "variables": {"id": generation}}):
        async with open_stream(with_models, "/graphql", json=asked) as stream:
            block = await stream.next()
        assert block.json["errors"][0]["extensions"]["code"] == "SHUTTING_DOWN"
    await until(lambda: not with_models.gateway.subscriptions.users)
    await until(lambda: provider.aborted)


async def test_a_users_subscriptions_are_bounded_and_free_again(
    tmp_path: Any, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url)
    given = given.model_copy(update={"file": given.file.model_copy(update={"subscriptions": 1})})
    async with service.running(given) as found:
        async with watching(found, variables={"after": "x"}) as stream:
            assert len(await stream.rest()) == 2  # what did not begin takes no room
        async with watching(found) as stream:
            await until_subscribed(found)
            async with watching(found) as over:
                assert over.response.status_code == 429
                [said, _] = await over.rest()
            assert said.json["errors"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
            async with watching(found, claims={"sub": "bob"}):
                await until_subscribed(found, 2)
            await publish(found, "still")
            assert await names(stream, 1) == ["still"]
        await until_nothing_is_open(found)
        async with watching(found):
            await until_subscribed(found)
