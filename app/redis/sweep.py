"""Sweep: finds and removes keys by how they begin, on every server, a bounded piece at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from redis import exceptions

from app.errors import DependencyUnavailable
from app.redis.address import connect
from app.redis.away import AWAY
from app.redis.client import Redis
from app.redis.cluster import Cluster

SCANNED = 500  # keys that a server looks at for one reply: about 0.2 ms
REWRITE_INTERVAL = 0.05  # s between looks at a file that is written
REPLY_TIMEOUT = 2.0  # s; nobody's request waits for it, and a busy server is no silent one


class Sweep:
    """On connections of its own, in an `async with` block."""

    def __init__(self, redis: Redis) -> None:
        self._client = connect(redis.url, max_connections=4, socket_timeout=None)

    async def __aenter__(self) -> Sweep:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def keys(self, prefix: str) -> AsyncIterator[list[str]]:
        """The keys that begin so, some at a time; one may come twice.

        Raises:
            DependencyUnavailable: a server is away.
        """
        for server in await self._servers():
            cursor = 0
            while True:
                asked = "SCAN", cursor, "MATCH", f"{prefix}*", "COUNT", SCANNED
                cursor, found = await _bounded(server.execute_command(*asked))
                if found:
                    yield [key.decode() for key in found]
                if not (cursor := int(cursor)):
                    break

    async def remove(self, prefix: str, *, but: str) -> int:
        """How many keys that begin so were removed, all but one.

        Raises:
            DependencyUnavailable: a server is away; some may be removed.
        """
        count = 0
        async for found in self.keys(prefix):
            if names := [key for key in found if key != but]:
                count += await _bounded(self._client.execute_command("UNLINK", *names))
        return count

    async def rewrite(self) -> None:
        """Have each server write its append-only file anew, without what is gone.

        Raises:
            DependencyUnavailable: a server is away, or will not.
        """
        for server in await self._servers():
            await _bounded(server.execute_command("BGREWRITEAOF"))
            while await self._rewriting(server):  # noqa: ASYNC110  # Redis announces no end
                await asyncio.sleep(REWRITE_INTERVAL)

    async def _rewriting(self, server: Any) -> bool:
        told = await _bounded(server.execute_command("INFO", "persistence"))
        names = "aof_rewrite_in_progress", "aof_rewrite_scheduled"
        return any(int(told[name]) for name in names)

    async def _servers(self) -> list[Any]:
        if not isinstance(self._client, Cluster):
            return [self._client]
        await _bounded(self._client.initialize())
        return list(self._client.get_primaries())


async def _bounded(reply: Any) -> Any:
    try:
        async with asyncio.timeout(REPLY_TIMEOUT):
            return await reply
    except (*AWAY, exceptions.RedisError):
        raise DependencyUnavailable("redis") from None
