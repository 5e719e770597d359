"""Generations of several processes that share a real Valkey, without the service around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from app.generations.generation import Generation
from app.generations.generations import Generations
from app.generations.log import GenerationLog, generation_key
from app.generations.transcript import Event, Transcript
from app.redis import Redis

STARTED: Event = {"type": "started", "operation": "character", "on_disconnect": "continue"}
END: Event = {"type": "completed", "content_id": "1"}
KEY = generation_key("alice", "one")


@dataclass
class Desk:
    """One process's part of it."""

    redis: Redis
    log: GenerationLog
    generations: Generations

    async def begin(self, work: Any, generation_id: str = "one", **started: Any) -> Generation:
        event = {**STARTED, **started}
        return await self.generations.begin(
            "alice", generation_id, event, streams=True, field=None, work=work
        )

    async def copy(self, key: str = KEY) -> Transcript:
        found = Transcript(key)
        await self.log.read(found)
        return found

    def die(self) -> None:
        """End everything at once, as a killed process does."""
        generations = self.generations
        tasks = [*generations._tasks, *generations._work, self.log._writing]
        for task in tasks:
            assert task is not None
            task.get_coro().close()
            task.cancel()


@contextlib.asynccontextmanager
async def desks(
    url: str, count: int = 1, *, life: float = 600.0, lease: float = 8.0, **given: Any
) -> AsyncIterator[list[Desk]]:
    found = []
    for _ in range(count):
        redis = Redis(url, budget=0.5)
        log = GenerationLog(redis, life=life, lease=lease)
        found.append(Desk(redis, log, Generations(log, grace=0.0, **given)))
        found[-1].generations.start()
    try:
        yield found
    finally:
        for desk in found:
            await desk.generations.stop()
            await desk.redis.close()


@pytest.fixture
async def desk(redis_url: str) -> AsyncIterator[Desk]:
    """One process on the shared server."""
    async with desks(redis_url) as [found]:
        yield found


def texts(transcript: Transcript) -> list[str]:
    return [str(e.get("text", e["type"])) for e in transcript.events]


def tell(desk: Desk, transcript: Transcript, *said: str) -> None:
    for text in said:
        transcript.append({"type": "delta", "seq": transcript.last, "text": text})
        desk.log.changed(transcript)


async def written(desk: Desk, transcript: Transcript) -> None:
    """Until all of it stands in Redis."""
    async with asyncio.timeout(10):
        while (await desk.copy(transcript.key)).events != transcript.events:
            await asyncio.sleep(0.01)


async def begun(desk: Desk, key: str = KEY) -> Transcript:
    transcript = Transcript(key)
    transcript.append(STARTED)
    await desk.log.begin(transcript)
    return transcript


async def forever(_: Generation) -> Event:
    await asyncio.get_running_loop().create_future()
    raise AssertionError
