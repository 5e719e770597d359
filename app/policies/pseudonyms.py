"""Pseudonyms: what a provider learns instead of a user's id, keyed by `LOREGATE_KEY`.

The key is set, or made once and shared through Redis, so that all processes name a user alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import secrets
from functools import lru_cache

from app.errors import DependencyUnavailable
from app.redis.client import Redis

KEY = "loregate:key"
RETRY_INTERVAL = 5.0  # s until Redis is asked once more
MAX_CACHED = 10_000  # users


class Pseudonyms:
    """`of(user)`; from `start()` to `stop()` a key that was not given is looked for."""

    def __init__(self, redis: Redis | None, key: str | None = None) -> None:
        self._redis, self._key = redis, key.encode() if key else None
        self._task: asyncio.Task[None] | None = None
        self._of = lru_cache(MAX_CACHED)(self._hashed)

    def of(self, user_id: str) -> str:
        """64 hexadecimal digits; empty while there is no key, so that nothing else is sent."""
        return self._of(user_id) if self._key is not None else ""

    def _hashed(self, user_id: str) -> str:
        return hmac.new(self._key or b"", b"provider\0" + user_id.encode(), "sha256").hexdigest()

    async def start(self) -> None:
        if self._key is None and not await self._shared():
            self._task = asyncio.create_task(self._look(), name="key")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(RETRY_INTERVAL)
            if await self._shared():
                return

    async def _shared(self) -> bool:
        """Whether all have a key now. The first process makes it."""
        if self._redis is None:
            return False
        with contextlib.suppress(DependencyUnavailable):
            await self._redis.call("SET", KEY, secrets.token_hex(32), "NX")
            found = await self._redis.call("GET", KEY)
            self._key = hashlib.sha256(found).digest()
        return self._key is not None

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
