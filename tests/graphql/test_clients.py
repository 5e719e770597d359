"""Clients that others wrote work as they are: npm's graphql-http audits and graphql-ws."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.npm_clients import NpmClients
from tests.support.service import Service, token

pytestmark = pytest.mark.clients

# Of a document that is not valid, of variables that do not fit, and of a request without `query`:
# these ask for 400, where the release of September 2026 has 422.
CONTRADICTED = {"74FF", "86EE", "423L"}


async def test_every_audit_of_graphql_over_http_passes_that_the_release_allows(
    loregate: Service, npm_clients: NpmClients
) -> None:
    [found] = await npm_clients.run("audit.mjs", f"{loregate.url}/graphql", token())
    assert {audit["id"] for audit in found["failed"]} <= CONTRADICTED, found["failed"]
    assert found["total"] >= 61


async def test_the_stock_graphql_ws_client_resumes_and_then_follows(
    loregate: Service, npm_clients: NpmClients
) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    before = await loregate.generate()
    url = loregate.url.replace("http", "ws", 1) + "/graphql"
    receiving = asyncio.create_task(npm_clients.run("subscribe.mjs", url, token(), cursor))
    while not loregate.parts.fanout.readers:
        await asyncio.sleep(0.01)  # npm's client has no way to say that it listens
    after = await loregate.generate()
    events = [line["data"]["contentGenerated"] for line in await receiving]
    assert [e["contentId"] for e in events] == [before["contentId"], after["contentId"]]
    assert [e["content"]["text"] for e in events] == [before["text"], after["text"]]
    assert len({e["cursor"] for e in events} | {cursor}) == 3
