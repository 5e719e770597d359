"""GenerationErasure: ends the generations of one user, wherever they run.

What they write down is refused by `append.lua` from the mark on; their streams are keys of the user
like others, and go with them.
"""

from __future__ import annotations

import asyncio

from app.generations.log import CANCELLING, RUNNING, GenerationLog
from app.redis.client import Redis

CANCEL_TIMEOUT = 2.0  # s; a process hears of a wish to cancel within 0.4
POLL_INTERVAL = 0.05  # s


class GenerationErasure:
    """Of all processes."""

    def __init__(self, redis: Redis) -> None:
        self._redis, self._log = redis, GenerationLog(redis)

    async def cancel(self, slot: str) -> int:
        """Cancel what runs of the user whose keys begin so, and forget it; how many there were.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        found = await self._running(slot)
        for key in found:
            await self._log.cancel(key)
        for key in {*found, *await self._left(slot)}:
            await self._redis.call("ZREM", RUNNING, key)
            await self._redis.call("ZREM", CANCELLING, key)
        return len(found)

    async def _left(self, slot: str) -> list[str]:
        """What still runs when all were given time to end: of processes that hang, or died."""
        now = asyncio.get_running_loop().time
        end = now() + CANCEL_TIMEOUT
        while True:
            left = await self._running(slot)
            if not left or now() >= end:
                return left
            await asyncio.sleep(POLL_INTERVAL)

    async def _running(self, slot: str) -> list[str]:
        """A model's places bound how many run at all: one reply has some 100 KB at the most."""
        keys = await self._redis.call("ZRANGE", RUNNING, 0, -1)
        return [key.decode() for key in keys if key.startswith(f"{slot}:".encode())]
