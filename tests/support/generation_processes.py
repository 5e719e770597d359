"""Generations of several processes that share a real Valkey, without the service around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from app.generations.generation import Generation
from app.generations.generations import Generations
from app.generations.log import GenerationLog, generation_key
from app.generations.transcript import Event, Transcript
from app.redis.client import Redis

STARTED: Event = {"type": "started", "operation": "character", "on_disconnect": "continue"}
END: Event = {"type": "completed", "content_id": "1"}
KEY = generation_key("alice", "one")


@dataclass
class Process:
    """One process's part of it."""

    redis: Redis
    log: GenerationLog
    generations: Generations

    async def begin(self, work: Any, generation_id: str = "one", **started: Any) -> Generation:
        event = {**STARTED, **started}
        given = {"streams": True, "field": None, "work": work, "owned": AsyncExitStack()}
        return await self.generations.begin("alice", generation_id, event, **given)

    async def copy(self, key: str = KEY) -> Transcript:
        found = Transcript(key)
        await self.log.read(found)
        return found

    def die(self) -> None:
        """End everything at once, as a killed process does."""
        generations = self.generations
        # private: a killed process ends everything, also what has no other name
        tasks = [*generations._tasks, *generations._work, self.log._writing]  # private
        for task in tasks:
            assert task is not None
            task.get_coro().close()
            task.cancel()


@contextlib.asynccontextmanager
async def processes(
    url: str, count: int = 1, *, retention: float = 600.0, lease: float = 8.0, **given: Any
) -> AsyncIterator[list[Process]]:
    found = []
    for _ in range(count):
        redis = Redis(url, budget=0.5)
        log = GenerationLog(redis, retention=retention, lease=lease)
        found.append(Process(redis, log, Generations(log, stop_timeout=0.0, **given)))
        found[-1].generations.start()
    try:
        yield found
    finally:
        for process in found:
            await process.generations.stop()
            await process.redis.close()


@pytest.fixture
async def process(redis_url: str) -> AsyncIterator[Process]:
    """One process on the shared server."""
    async with processes(redis_url) as [found]:
        yield found


def texts(transcript: Transcript) -> list[str]:
    return [str(e.get("text", e["type"])) for e in transcript.events]


def tell(process: Process, transcript: Transcript, *said: str) -> None:
    for text in said:
        transcript.append({"type": "delta", "seq": transcript.last_position, "text": text})
        process.log.changed(transcript)


async def written(process: Process, transcript: Transcript) -> None:
    """Until all of it stands in Redis."""
    async with asyncio.timeout(10):
        while (await process.copy(transcript.key)).events != transcript.events:
            await asyncio.sleep(0.01)


async def begun(process: Process, key: str = KEY) -> Transcript:
    transcript = Transcript(key)
    transcript.append(STARTED)
    await process.log.begin(transcript)
    return transcript


async def forever(_: Generation) -> Event:
    await asyncio.get_running_loop().create_future()
    raise AssertionError
