"""Processes that die or stand still: each generation of theirs has one end, for every reader."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect

from app.generations.log import LEASE_TTL, RUNNING
from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.generation_clients import CHARACTER, FOLLOW, START, HeardGeneration
from tests.support.service import PROTOCOL, SECRET, Socket, token
from tests.support.upstream import Behaviour, Upstream, prose
from tests.support.waiting import until

pytestmark = pytest.mark.long

TOGETHER = 15.0  # s from a process's death to the news of it


@asynccontextmanager
async def processes(
    directory: Path, redis_url: str, provider: Upstream, count: int
) -> AsyncIterator[list[CliProcess]]:
    given: dict[str, Any] = {
        "LOREGATE_JWT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "OPENAI_BASE_URL": provider.url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'shared.db'}",
    }
    assert (await cli_process.run(directory, "migrate", **given))[0] == 0
    async with AsyncExitStack() as stack:
        yield await asyncio.gather(
            *(
                stack.enter_async_context(cli_process.serving(directory, "serve", **given))
                for _ in range(count)
            )
        )


async def started_at(http: httpx2.AsyncClient, at: CliProcess) -> str:
    answer = await http.post(
        f"{at.url}/graphql",
        json={"query": START, "variables": {"input": CHARACTER}},
        headers={"Authorization": f"Bearer {token()}"},
    )
    found: str = answer.json()["data"]["startGeneration"]["generation"]["id"]
    return found


@asynccontextmanager
async def reading(at: CliProcess, generation_id: str) -> AsyncIterator[Callable[[], Any]]:
    """A reader on a process: a call for its next event, None where there is none any more."""
    async with connect(at.url.replace("http", "ws", 1) + "/graphql", subprotocols=[PROTOCOL]) as ws:
        socket = Socket(ws)
        payload = {"authorization": token()}
        await socket.send({"type": "connection_init", "payload": payload})
        await socket.acknowledged()
        await socket.subscribe(FOLLOW, {"id": generation_id})

        async def following_event() -> Any:
            message = await socket.receive(TOGETHER)
            return message["payload"]["data"]["generation"] if "payload" in message else None

        yield following_event


async def to_the_end(event: Callable[[], Any], told: HeardGeneration) -> HeardGeneration:
    async with asyncio.timeout(TOGETHER):
        while (found := await event()) is not None:
            assert not told.ended, found
            told.hear(found)
    return told


async def test_of_a_killed_and_of_a_stopped_process_each_reader_hears_one_end(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    """A killed process, and one that stands still for longer than its lease and then goes on."""
    provider.always = Behaviour(text=prose(5000), pace=0.02)
    async with (
        processes(tmp_path, redis_url, provider, 3) as [killed, stopped, other],
        httpx2.AsyncClient(timeout=20) as http,
        AsyncExitStack() as stack,
    ):
        ids = [await started_at(http, at) for at in (killed, stopped)]
        there = [await stack.enter_async_context(reading(other, i)) for i in ids]
        here = await stack.enter_async_context(reading(stopped, ids[1]))
        told = [await _begun(event) for event in (*there, here)]
        began = time.monotonic()
        await killed.kill()
        stopped.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.gather(*map(to_the_end, there, told))
        finally:
            stopped.process.send_signal(signal.SIGCONT)
        assert LEASE_TTL / 2 < time.monotonic() - began < TOGETHER
        await to_the_end(here, told[2])
        told.append(await _read_again(stopped, ids[1]))
        told.append(await _read_again(other, ids[1]))
        assert [t.last["__typename"] for t in told] == ["GenerationFailed"] * 5
        assert {(t.last["code"], t.last["retryable"]) for t in told} == {("INTERRUPTED", True)}
        assert len({t.cursor for t in told[1:]}) == 1
        await until(lambda: len(provider.aborted) == 2)  # the one that went on gave up, too
        async with Redis.from_url(redis_url) as redis, asyncio.timeout(LEASE_TTL / 2):
            while await redis.zcard(RUNNING):  # released, and not only lapsed
                await asyncio.sleep(0.02)


async def _begun(event: Callable[[], Any]) -> HeardGeneration:
    """What a reader has that has heard a piece of the text."""
    told = HeardGeneration()
    while not told.text:
        told.hear(await event())
    return told


async def _read_again(at: CliProcess, generation_id: str) -> HeardGeneration:
    async with reading(at, generation_id) as event:
        return await to_the_end(event, HeardGeneration())
