"""Pseudonyms: what a provider learns instead of a user's id, keyed by `LOREGATE_KEY`; and the keys
by which cursors are checked.

The key is set, or made once and shared through Redis, so that all processes name a user alike and
take each other's cursors.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from functools import lru_cache

from app.errors import DependencyUnavailable
from app.redis.client import Redis
from app.seal import Seal

KEY = "loregate:key"
RETRY_INTERVAL = 5.0  # s until Redis is asked once more
MAX_CACHED = 10_000  # users


class Pseudonyms:
    """`of(user)`; from `start()` to `stop()` a key that was not given is looked for."""

    def __init__(self, redis: Redis | None, key: str | None = None) -> None:
        self._redis, self._key = redis, key.encode() if key else None
        self._given = key is not None
        self._text = secrets.token_hex(32).encode()  # what is shared where nothing is yet
        # Until Redis was asked a generation's cursors are this process's own.
        self._own = secrets.token_bytes(32)
        self._task: asyncio.Task[None] | None = None
        self._of = lru_cache(MAX_CACHED)(self._hashed)

    def of(self, user_id: str) -> str:
        """64 hexadecimal digits; empty while there is no key, so that nothing else is sent."""
        return self._of(user_id) if self._key is not None else ""

    def _hashed(self, user_id: str) -> str:
        return hmac.new(self._key or b"", b"provider\0" + user_id.encode(), "sha256").hexdigest()

    # -- what cursors are checked by
    def seal(self, purpose: str) -> Seal:
        return Seal(purpose, self)

    @property
    def keys(self) -> Sequence[bytes]:
        """Those that what comes back may be checked by; what goes out is by the first."""
        return (self._own,) if self._key is None else (self._derived(self._key), self._own)

    @staticmethod
    @lru_cache(16)
    def _derived(key: bytes) -> bytes:
        return hmac.new(key, b"cursors", "sha256").digest()

    async def known(self) -> None:
        """Returns when there is a key that all processes share. Raises `DependencyUnavailable`."""
        if self._key is None:
            await self.agree()

    async def agree(self) -> None:
        """Take the key that all share, or share one: the one this process had, if it had one.

        Raises:
            DependencyUnavailable: Redis is away, or not to be had.
        """
        if self._given:
            return
        if self._redis is None:
            raise DependencyUnavailable("redis")
        await self._redis.call("SET", KEY, self._text, "NX")
        self._text = await self._redis.call("GET", KEY)
        key = hashlib.sha256(self._text).digest()
        if key != self._key:
            self._key = key
            self._of.cache_clear()

    async def start(self) -> None:
        if not await self._shared():
            self._task = asyncio.create_task(self._look(), name="key")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(RETRY_INTERVAL)
            if await self._shared():
                return

    async def _shared(self) -> bool:
        """Whether all have a key now. The first process makes it."""
        if self._redis is not None or self._given:
            with contextlib.suppress(DependencyUnavailable):
                await self.known()
        return self._key is not None

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
