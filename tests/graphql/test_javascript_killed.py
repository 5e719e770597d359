"""The JavaScript client against gateways that are stopped, killed and started while it runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support import cli_process
from tests.support.cli_process import CliProcess, free_port
from tests.support.generation_clients import LONG
from tests.support.javascript_client import JavaScriptClient
from tests.support.service import CHARACTER, CHARACTER_INPUT
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until

pytestmark = pytest.mark.clients
ways = pytest.mark.parametrize("way", ["socket", "stream"])

WRITE: dict[str, Any] = {"operation": "character", "input": CHARACTER_INPUT}
RESTARTED = 60.0  # s from a kill until the client has all: a start takes 3 on an idle core
IDS = "{ contents(first: 50) { edges { node { contentId } } } }"


class Writer:
    """Somebody who goes on writing, whether or not anybody answers."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx2.AsyncClient(base_url=url, headers=headers, timeout=20)
        self.written = 0

    async def _write(self) -> None:
        while True:
            with contextlib.suppress(httpx2.TransportError):
                answer = await self._http.post("/api/v2/text/character", json=CHARACTER)
                self.written += answer.status_code == 200
            await asyncio.sleep(0.2)

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._write())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def some(self, count: int = 3) -> None:
        """Until so many more were written."""
        enough = self.written + count
        async with asyncio.timeout(RESTARTED):
            while self.written < enough:
                await asyncio.sleep(0.05)

    async def stored(self) -> set[str]:
        answer = await self._http.post("/graphql", json={"query": IDS})
        edges = answer.json()["data"]["contents"]["edges"]
        return {edge["node"]["contentId"] for edge in edges}

    async def close(self) -> None:
        await self._http.aclose()


async def stop(running: CliProcess) -> None:
    running.process.terminate()
    await running.process.wait()


@ways
async def test_through_a_kill_and_a_restart_each_event_comes_once(
    tmp_path: Path, javascript_client: JavaScriptClient, way: str
) -> None:
    """What was written while a gateway went down has its event, too."""
    port = free_port()
    async with AsyncExitStack() as stack:

        async def start() -> CliProcess:
            serving = cli_process.serving(tmp_path, "dev", port=port)
            return await stack.enter_async_context(serving)

        first = await start()
        writer = Writer(first.url, first.token)
        stack.push_async_callback(writer.close)
        driven = javascript_client.driven(url=first.url, way=way, token=first.token)
        client = await stack.enter_async_context(driven)
        await client.say(events={})
        await client.first("position")
        async with writer.writing():
            await writer.some()
            await first.kill()
            second = await start()
            await writer.some()
            await stop(second)
            await start()
            await writer.some()
        stored = await writer.stored()
        assert len(stored) >= writer.written

        def told() -> list[str]:
            return [value["contentId"] for value in client.told("value")]

        await client.until(lambda: set(told()) >= stored, RESTARTED)
        assert sorted(told()) == sorted(stored)
        assert client.told("failed") == []


async def test_what_a_killed_gateway_was_writing_the_next_one_writes_once(
    tmp_path: Path, provider: Upstream, javascript_client: JavaScriptClient
) -> None:
    provider.always = Behaviour(text=LONG, pace=0.02)
    given = {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "any"}
    port = free_port()
    async with AsyncExitStack() as stack:
        serving = cli_process.serving(tmp_path, "dev", port=port, **given)
        first = await stack.enter_async_context(serving)
        writer = Writer(first.url, first.token)
        stack.push_async_callback(writer.close)
        driven = javascript_client.driven(url=first.url, way="stream", token=first.token)
        client = await stack.enter_async_context(driven)
        await client.say(write=WRITE)
        await until(lambda: provider.requests)
        await first.kill()
        serving = cli_process.serving(tmp_path, "dev", port=port, **given)
        await stack.enter_async_context(serving)
        await client.until(lambda: client.told("payload"), RESTARTED)
        [payload] = client.told("payload")
        assert payload["content"]["text"] == LONG
        assert await writer.stored() == {payload["content"]["contentId"]}


@ways
async def test_a_generation_that_died_with_its_gateway_is_told_to_be_started_again(
    tmp_path: Path, provider: Upstream, javascript_client: JavaScriptClient, way: str
) -> None:
    provider.always = Behaviour(text=LONG, pace=0.05)
    given = {"OPENAI_BASE_URL": provider.url, "OPENAI_API_KEY": "any"}
    port = free_port()
    async with AsyncExitStack() as stack:
        serving = cli_process.serving(tmp_path, "dev", port=port, **given)
        first = await stack.enter_async_context(serving)
        driven = javascript_client.driven(url=first.url, way=way, token=first.token)
        client = await stack.enter_async_context(driven)
        await client.say(start=WRITE)
        generation = await client.first("started")
        await client.say(generation={"id": generation["id"]})
        await client.first("value", 40)  # for longer than the log of a killed Valkey may forget
        await first.kill()
        serving = cli_process.serving(tmp_path, "dev", port=port, **given)
        await stack.enter_async_context(serving)
        await client.until(lambda: client.told("ended") or client.told("failed"), RESTARTED)
        last = client.told("value")[-1]
        assert (last["type"], last["code"], last["retryable"]) == ("failed", "INTERRUPTED", True)
