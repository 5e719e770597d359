"""graphql-ws, as examples/graphql_ws.mjs has it, where a server ends without a word."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from tests.support import cli_process, examples
from tests.support.cli_process import CliProcess, free_port
from tests.support.event_streams import publish
from tests.support.npm_clients import NpmClients
from tests.support.service import CHARACTER, Service, token
from tests.support.snippets import EMBEDDED, Pasted, pasted
from tests.support.wire import Wire

pytestmark = pytest.mark.long

MINUTE = 60.0  # s


def source(url: str) -> str:
    return examples.source("graphql_ws.mjs").replace(EMBEDDED, url.removeprefix("http://"))


async def write(running: CliProcess) -> str:
    headers = {"Authorization": f"Bearer {running.token}"}
    async with httpx2.AsyncClient(base_url=running.url, headers=headers, timeout=20) as http:
        answer = await http.post("/api/v2/text/character", json=CHARACTER)
    found: str = answer.json()["content_id"]
    return found


def names(page: Pasted) -> set[str]:
    return set(re.findall(r"id: '(.+?)'", page.out))


async def test_killed_before_its_first_event_it_misses_none(
    tmp_path: Path, npm_clients: NpmClients
) -> None:
    """What is written while it is away comes first, though it had nothing but a position."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(cli_process.serving(tmp_path, "dev"))
        wire = await stack.enter_async_context(Wire(first.url).laid())
        page = await stack.enter_async_context(
            pasted(["node"], source(wire.url), npm_clients.folder, TOKEN=first.token)
        )
        await wire.told(b'"cursors"')
        async with wire.broken():
            await first.kill()
            second = await stack.enter_async_context(cli_process.serving(tmp_path, "dev"))
            wire.lead(second.url)
            await write(second)
        await page.until("CONTENT_GENERATED")
        await write(second)
        await page.until(r"(?s)CONTENT_GENERATED.*CONTENT_GENERATED")
        assert len(names(page)) == 2


@pytest.mark.clients
async def test_a_server_that_is_away_for_a_minute_is_waited_for(
    tmp_path: Path, npm_clients: NpmClients
) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(cli_process.serving(tmp_path, "dev", port=port))
        page = await stack.enter_async_context(
            pasted(["node"], source(first.url), npm_clients.folder, TOKEN=first.token)
        )
        async with asyncio.timeout(MINUTE):
            while "CONTENT_GENERATED" not in page.out:
                await write(first)  # nothing says when it listens
        before = len(names(page))
        await first.kill()
        await asyncio.sleep(MINUTE)
        second = await stack.enter_async_context(cli_process.serving(tmp_path, "dev", port=port))
        await write(second)
        for _ in range(3):  # it looks every half a minute to a minute by then
            if len(names(page)) > before:
                break
            await asyncio.sleep(MINUTE / 2)
        assert len(names(page)) > before
        assert "ECONNREFUSED" in page.err


async def test_a_page_of_elsewhere_is_told_so_and_ends(
    loregate: Service, npm_clients: NpmClients
) -> None:
    foreign = """class Foreign extends WebSocket {
      constructor(url, protocols) { super(url, protocols, { origin: 'https://evil.example' }); }
    }
    """
    made = source(loregate.url).replace("webSocketImpl: WebSocket", "webSocketImpl: Foreign")
    made = made.replace("const newToken", foreign + "const newToken")
    async with pasted(["node"], made, npm_clients.folder, TOKEN=token()) as page:
        assert await page.ended() == 1
        assert re.fullmatch(r"ended: 4403 Pages of this origin may not ask.*\n", page.err), page.err


async def test_a_cursor_that_expired_is_told_and_ends(
    loregate: Service, npm_clients: NpmClients
) -> None:
    place = (await loregate.data("{ eventCursor }"))["eventCursor"]
    await loregate.parts.event_log.redis.call("FLUSHALL")
    await publish(loregate, "new")
    made = source(loregate.url).replace("variables: {}", f"variables: {{ after: '{place}' }}")
    async with pasted(["node"], made, npm_clients.folder, TOKEN=token()) as page:
        assert await page.ended() == 1
        assert "CURSOR_EXPIRED" in page.err
