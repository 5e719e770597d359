"""BlockingReader: reads streams as they grow, on connections of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from redis import exceptions
from redis.asyncio import Redis as Client

from app.errors import DependencyUnavailable
from app.redis.away import AWAY
from app.redis.cluster import Cluster
from app.redis.streams import Rows, by_stream

MAX_READERS = 64  # as many as the log may have partitions, and all may be on one master
READ_TIMEOUT = 5.0  # s; blocking reads ask for less, so that a dead connection is noticed
BLOCK_MS = 2_000  # ms

log = logging.getLogger(__name__)


class BlockingReader:
    """Reads streams as they grow, apart from the requests' connections and their budget."""

    def __init__(self, client: Client | Cluster, *, shared: bool = False) -> None:
        """`client` has no socket time-out; one that is shared is closed by whoever shares it."""
        # redis-py's time-out is a `wait_for`, which on Python 3.11 can lose a cancellation, and a
        # reader that cannot be cancelled cannot be stopped.
        self._client, self._shared = client, shared

    async def read(self, streams: Mapping[str, str], count: int) -> list[tuple[str, Rows]]:
        """Entries behind the given ids, by stream; empty when none came within two seconds.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        ids = streams.values()
        command: list[Any] = ["XREAD", "COUNT", count, "BLOCK", BLOCK_MS, "STREAMS", *streams, *ids]
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                reply = await self._client.execute_command(*command)
        except (*AWAY, exceptions.RedisError) as error:
            log.debug("stream reader lost redis", extra={"kind": type(error).__name__})
            if isinstance(self._client, Cluster):
                self._client.look_again()
            raise DependencyUnavailable("redis") from None
        return by_stream(reply)

    async def close(self) -> None:
        if not self._shared:
            await self._client.aclose()
