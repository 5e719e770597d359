"""The stock graphql-ws client, with the README's snippet, goes on by itself wherever it was cut."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from tests.support import service
from tests.support.cli_process import free_port
from tests.support.event_streams import publish
from tests.support.npm_clients import NpmClients
from tests.support.service import Service, token
from tests.support.sockets import until_subscribed
from tests.support.wire import Wire

COUNT = 120


class Page:
    """The client in its own process, and what it told."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.ids: list[str] = []
        self.closed: list[int] = []
        self.tokens = 0
        self._heard = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        stdout: Any = self._process.stdout
        while line := await stdout.readline():
            await self._hear(json.loads(line))
            async with self._heard:
                self._heard.notify_all()

    async def _hear(self, found: Any) -> None:
        if found == "token":
            stdin: Any = self._process.stdin
            stdin.write(token(jti=f"t{self.tokens}").encode() + b"\n")
            self.tokens += 1
        elif "id" in found:
            self.ids.append(found["id"])
        else:
            self.closed.append(found["closed"])

    async def until(self, holds: Any) -> None:
        async with asyncio.timeout(30), self._heard:
            await self._heard.wait_for(holds)

    async def ended(self) -> None:
        async with asyncio.timeout(30):
            assert await self._process.wait() == 0
            await self._listening


@asynccontextmanager
async def opened(folder: Path, *arguments: str) -> AsyncIterator[Page]:
    command = ("node", "resume.mjs", *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdin=PIPE, stdout=PIPE)
    page = Page(process)
    try:
        yield page
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        page._listening.cancel()


def graphql(url: str) -> str:
    return url.replace("http", "ws", 1) + "/graphql"


async def revoke(gateway: Service, redis_url: str, number: int) -> None:
    async with Redis.from_url(redis_url) as redis:
        await redis.set(f"loregate:revoked:t{number}", "1")
    await gateway.gateway.open_streams.end_revoked()


async def test_through_cuts_restarts_and_renewals_no_event_is_lost_or_told_twice(
    tmp_path: Path,
    redis_url: str,
    npm_clients: NpmClients,
) -> None:
    """It goes from one gateway to the other at each end of a connection."""
    given = service.settings(tmp_path, redis_url)
    fixed = given.model_copy(update={"port": free_port()})
    async with service.running(given) as one, AsyncExitStack() as others:
        other = await others.enter_async_context(service.running(fixed))
        wire = await others.enter_async_context(Wire(one.url).laid())
        begin = (await one.data("{ eventCursor }"))["eventCursor"]
        urls = (graphql(wire.url), graphql(other.url))
        numbers = iter(range(COUNT))
        async with opened(npm_clients.folder, *urls, str(COUNT), begin) as page:

            async def some(count: int = COUNT // 6) -> None:
                for _, number in zip(range(count), numbers, strict=False):
                    await publish(one, number)

            async def seen(most: int) -> None:
                await page.until(lambda: len(page.ids) >= most)

            await some()
            await seen(5)
            wire.cut()  # on the first gateway, in the midst of what comes
            await some()
            await until_subscribed(other)
            await some(10)
            await revoke(other, redis_url, page.tokens - 1)
            await some(10)
            await page.until(lambda: 4403 in page.closed)
            await until_subscribed(one)
            one.gateway.open_streams.end_all()
            one.gateway.open_streams.stopping = False  # as if it had been restarted
            await some()
            await page.until(lambda: 1012 in page.closed)
            await until_subscribed(other)
            await others.aclose()  # stopped without a word, and the way to the first one cut
            await some()
            again = await others.enter_async_context(service.running(fixed))
            await until_subscribed(again)
            await some()
            await page.ended()
            assert page.ids == [str(n) for n in range(COUNT)]
            assert page.closed[:3] == [1006, 4403, 1012]
            assert page.tokens > 4
