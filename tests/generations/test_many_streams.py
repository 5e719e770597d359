"""Many streams: a thousand disconnects lose nothing and leave nothing; nor do 64 at once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from app.generations.log import generation_key
from app.generations.transcript import Transcript
from tests.support.generation_clients import (
    HeardGeneration,
    follow,
    frames,
    gateways_on_one_database,
    generation_now,
    read_to_end,
    start,
    streamed,
)
from tests.support.service import CHARACTER_INPUT, Service
from tests.support.sockets import connection_tasks
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import tasks_named, until

pytestmark = pytest.mark.long

DROPS = 1_000
AT_ONCE = 6  # generations
CLIENTS = 6  # of each
LONGEST = 0.06  # s that a client stays once it has heard something
SERVICE: Any = {"tier": "service"}  # limits that a thousand requests do not reach
CHARACTER = {"characterContent": CHARACTER_INPUT}


def different(tokens: int, pace: float) -> Any:
    """Answers of so many tokens, no two of them alike."""
    made = 0

    def order() -> Behaviour:
        nonlocal made
        made += 1
        return Behaviour(text=" ".join(f"{made}.{n}" for n in range(tokens)), pace=pace)

    return order


def at_rest(found: Service) -> bool:
    """Whether nothing is left of any generation."""
    generations = found.gateway.generations
    return not (
        generations.running
        or generations.running_here
        or generations.copies
        or not generations.log.idle
        or tasks_named("generations-copies")
    )


class Crowd:
    """Clients of two gateways that come, drop at random moments, and come again."""

    def __init__(self, services: list[Service], seed: int) -> None:
        self.services, self.rng = services, random.Random(seed)
        self.drops = 0
        self.started: list[str] = []
        self.transcripts: set[Transcript] = set()

    async def start(self) -> str:
        at = self.rng.choice(self.services)
        found = await start(at, CHARACTER, **SERVICE)
        self.started.append(found)
        running = at.gateway.generations.running_here[generation_key("alice", found)]
        self.transcripts.add(running.transcript)
        return found

    def runs(self, generation_id: str) -> bool:
        key = generation_key("alice", generation_id)
        return any(key in found.gateway.generations.running_here for found in self.services)

    def events(
        self, generation_id: str, told: HeardGeneration
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What comes behind a place, over WebSocket or REST, from either gateway."""
        at = self.rng.choice(self.services)
        if self.rng.random() < 0.5:
            return follow(at, generation_id, told.cursor, **SERVICE)
        return self._over_rest(at, generation_id, told.cursor)

    async def _over_rest(
        self, at: Service, generation_id: str, after: str | None
    ) -> AsyncGenerator[dict[str, Any], None]:
        headers = {**at.headers(**SERVICE), **({"Last-Event-ID": after} if after else {})}
        path = f"/api/v2/generations/{generation_id}"
        async with streamed(at, path, **headers) as response:
            assert response.status_code == 200, await response.aread()
            async for event in frames(response):
                yield event

    async def client(self, generation_id: str) -> HeardGeneration:
        """Reads to the end, with many interruptions."""
        told = HeardGeneration()
        while not told.ended:
            if self.rng.random() < 0.2:
                told = HeardGeneration()  # this one kept nothing
            async with aclosing(self.events(generation_id, told)) as events:
                told.hear(await anext(events))
                stay = self.rng.uniform(0, LONGEST) if self.runs(generation_id) else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(stay):
                        async for event in events:
                            assert not told.ended, event
                            told.hear(event)
                self.drops += not told.ended
            for found in self.services:
                self.transcripts |= {t for t, _ in found.gateway.generations.copies.values()}
        return told

    async def wave(self) -> None:
        """Several generations at once, each with several clients."""
        ids = [await self.start() for _ in range(AT_ONCE)]
        told = await asyncio.gather(*(self.client(i) for i in ids * CLIENTS))
        for generation_id, heard in zip(ids * CLIENTS, told, strict=True):
            stored = (await generation_now(self.services[0], generation_id, **SERVICE))["content"][
                "text"
            ]
            assert heard.text == stored, generation_id
            assert heard.last["__typename"] == "GenerationCompleted"


def tasks() -> int:
    """How many there are, but for the provider's: a connection that is kept is one of them."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return sum(getattr(c, "__qualname__", "") != "FakeOpenAI._serve" for c in coroutines)


async def test_a_thousand_random_disconnects_lose_nothing_and_leave_nothing(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    seed = time.time_ns() % 10**6
    print(f"seed {seed}")
    provider.always = different(80, 0.05)
    async with gateways_on_one_database(tmp_path, redis_url, provider) as services:
        before = tasks()
        crowd = Crowd(services, seed)
        while crowd.drops < DROPS:
            await crowd.wave()
        print(f"{crowd.drops} drops of {len(crowd.started)} generations")
        assert sum(provider.calls.values()) == len(crowd.started)
        await until(lambda: all(map(at_rest, services)) and not connection_tasks())
        assert {t.readers for t in crowd.transcripts} == {0}
        assert not any(t.waiting for t in crowd.transcripts)
        assert len(crowd.transcripts) > len(crowd.started)  # copies too
        await until(lambda: tasks() <= before)
        assert provider.aborted == []
    await provider.all_left()


async def test_of_64_streams_at_once_each_is_whole_and_in_order(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    provider.always = different(200, 0.005)
    async with gateways_on_one_database(tmp_path, redis_url, provider) as [one, other]:
        ids = await asyncio.gather(*(start(one, CHARACTER, **SERVICE) for _ in range(64)))
        live = await asyncio.gather(*(read_to_end(one, i, **SERVICE) for i in ids))
        assert other.gateway.generations.running == 0
        kept = await asyncio.gather(*(read_to_end(other, i, **SERVICE) for i in ids))
        assert {tuple(t.kinds) for t in (*live, *kept)} == {
            ("GenerationStarted", "GenerationDelta", "GenerationCompleted")
        }
        found = await asyncio.gather(*(generation_now(other, i, **SERVICE) for i in ids))
        stored = [f["content"]["text"] for f in found]
        assert [t.text for t in live] == [t.text for t in kept] == stored
        assert [(t.seq, t.cursor) for t in live] == [(t.seq, t.cursor) for t in kept]
        assert len(set(stored)) == 64
        assert min(t.seq for t in live) > 10
        await until(lambda: at_rest(one) and at_rest(other))
