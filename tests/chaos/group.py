"""Group: services that read the stream itself, two consumers of which one dies now and then."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from app.events.log import stream_key
from tests.chaos.ledger import Ledger

STREAM, GROUP = stream_key(0), "campaign-service"
IDLE = 1_500  # ms after which another one takes what was read and not acknowledged
BLOCK = 500  # ms
TOGETHER = 20  # events that one reads at once, and may die with
DEATHS = (3.0, 9.0)  # s between two deaths
AWAY = 0.2  # s between tries while Redis is away


class Group:
    """Runs two consumers until it is cancelled."""

    def __init__(self, url: str, ledger: Ledger, rng: random.Random) -> None:
        self._url, self._ledger, self._random = url, ledger, rng

    async def run(self) -> None:
        dying = [asyncio.Event() for _ in range(2)]
        async with asyncio.TaskGroup() as tasks:
            for number, death in enumerate(dying):
                tasks.create_task(self._consume(f"consumer-{number}", death))
            while True:
                await asyncio.sleep(self._random.uniform(*DEATHS))
                self._random.choice(dying).set()

    async def _consume(self, name: str, death: asyncio.Event) -> None:
        """Again and again a consumer of this name, each with a connection of its own."""
        while True:
            # No time-out: a pause ends, and in Python 3.11 one that fires as the task is cancelled
            # swallows the cancelling: a run would never end.
            async with Redis.from_url(self._url, socket_timeout=None) as redis:
                with contextlib.suppress(RedisError, OSError):
                    await self._live(redis, name, death)
                    self._ledger.counts["consumers died"] += 1
            await asyncio.sleep(AWAY)

    async def _live(self, redis: Redis, name: str, death: asyncio.Event) -> None:
        """Until it dies, with something in its hands."""
        with contextlib.suppress(ResponseError):  # the group is there
            await redis.xgroup_create(STREAM, GROUP, "0", mkstream=True)
        while True:
            rows = await self._next(redis, name)
            if rows and death.is_set():
                death.clear()
                return
            for entry_id, fields in rows:
                self._ledger.taken.add(json.loads(fields[b"event"])["id"])
                await redis.xack(STREAM, GROUP, entry_id)

    async def _next(self, redis: Redis, name: str) -> list[Any]:
        _, left, *_ = await redis.xautoclaim(STREAM, GROUP, name, IDLE, "0", count=100)
        if left:
            self._ledger.counts["events claimed"] += len(left)
            return list(left)
        found: Any = await redis.xreadgroup(GROUP, name, {STREAM: ">"}, count=TOGETHER, block=BLOCK)
        # RESP3 gives a dict, and wraps the rows in a list of their own.
        pairs = found.items() if isinstance(found, dict) else found or ()
        return [row for _, rows in pairs for row in _flat(rows)]


def _flat(rows: Any) -> list[Any]:
    wrapped = len(rows) == 1 and rows[0] and isinstance(rows[0][0], list | tuple)
    return list(rows[0] if wrapped else rows)
