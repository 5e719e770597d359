"""graphql-sse and fetch-event-source as they come, through ends of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from starlette.routing import Route

from app.rest import events, v2
from tests.support.event_streams import PATH, publish
from tests.support.npm_clients import NpmClients, Script
from tests.support.service import Service, token
from tests.support.sockets import until_subscribed
from tests.support.wire import Wire

pytestmark = pytest.mark.clients

EVENTS = "subscription { events { id cursor } }"  # without $after: its users know nothing of it
EDGES = {"REST": (PATH, ()), "GraphQL": ("/graphql", (EVENTS,))}
edges = pytest.mark.parametrize(("path", "document"), EDGES.values(), ids=EDGES)


# -- graphql-sse
async def test_graphql_sse_gets_each_operation_as_a_stream_of_one_result(
    loregate: Service, sse_clients: NpmClients
) -> None:
    found: dict[str, Any] = {}
    for line in await sse_clients.run("operations.mjs", f"{loregate.url}/graphql", token()):
        found |= line
    assert found["query"] == [{"data": {"viewer": {"id": "alice"}}}]
    [analysed] = found["mutation"]
    assert analysed["data"]["analyzeTheme"]["analysis"]["contentId"]


async def test_graphql_sse_gets_errors_as_results_with_their_codes(
    loregate: Service, sse_clients: NpmClients
) -> None:
    found: dict[str, Any] = {}
    for line in await sse_clients.run("operations.mjs", f"{loregate.url}/graphql", token()):
        found |= line
    codes = [[e["extensions"]["code"] for e in found[n][0]["errors"]] for n in ("invalid", "bad")]
    assert codes == [["GRAPHQL_VALIDATION_FAILED"], ["BAD_USER_INPUT"]]
    assert found["refused"] == [{"failed": "NetworkError", "status": 401}]


async def test_graphql_sse_goes_on_behind_its_last_event_without_after_in_the_document(
    loregate: Service, sse_clients: NpmClients
) -> None:
    async with Wire(loregate.url).laid() as wire:
        url = f"{wire.url}/graphql"
        async with sse_clients.started("resume.mjs", url, token(), "3") as client:
            assert await client.line() == {"connected": False}
            await until_subscribed(loregate)
            await publish(loregate, "first")
            assert await client.line() == {"id": "first"}
            async with wire.broken():
                await publish(loregate, "while it was away")
            assert await client.line() == {"connected": True}
            assert await client.line() == {"id": "while it was away"}
            await publish(loregate, "live")
            assert await client.rest() == [{"id": "live"}]


# -- fetch-event-source
@asynccontextmanager
async def fetching(
    clients: NpmClients, url: str, count: int, *document: str
) -> AsyncIterator[Script]:
    arguments = (url, token(), str(count), *document)
    async with clients.started("fetch-event-source.mjs", *arguments) as client:
        assert await client.line() == {"connected": 200}
        yield client


async def message(client: Script) -> Any:
    """What `onmessage` was called with."""
    return (await client.line())["message"]


@edges
async def test_fetch_event_source_goes_on_though_it_had_no_event_before_it_was_cut(
    loregate: Service, sse_clients: NpmClients, path: str, document: Sequence[str]
) -> None:
    async with (
        Wire(loregate.url).laid() as wire,
        fetching(sse_clients, f"{wire.url}{path}", 1, *document) as client,
    ):
        async with asyncio.timeout(10):  # the first heartbeat comes after 15 s
            position = await message(client)
        async with wire.broken():
            await publish(loregate, "while it was away")
        told = await client.rest()
    assert position["id"]
    assert {"connected": 200} in told
    assert "while it was away" in told[-1]["message"]["data"]


async def test_fetch_event_source_gets_no_message_without_data_over_rest(
    loregate: Service, sse_clients: NpmClients
) -> None:
    """Its users parse the data of each: an empty one throws, and they connect again for ever."""
    handler = events.handler(loregate.gateway, heartbeat=0.05)
    route = Route("/beating", v2.authenticated(loregate.gateway, handler))
    loregate.app.router.routes.insert(0, route)
    async with fetching(sse_clients, f"{loregate.url}/beating", 1) as client:
        told = [await message(client) for _ in range(4)]
        assert {m["event"] for m in told} == {"position"}
        await publish(loregate, "mine")
        told += [line["message"] for line in await client.rest()]
    assert all(orjson.loads(m["data"]) for m in told)


async def test_fetch_event_source_gets_only_positions_without_data_over_graphql(
    loregate: Service, sse_clients: NpmClients
) -> None:
    async with fetching(sse_clients, f"{loregate.url}/graphql", 2, EVENTS) as client:
        await until_subscribed(loregate)
        await publish(loregate, "first", "second")
        told = [line["message"] for line in await client.rest()]
    empty = [m for m in told if not m["data"]]
    assert all(m["id"] and not m["event"] for m in empty)
    assert [m["event"] for m in told if m["data"]] == ["next", "next"]
