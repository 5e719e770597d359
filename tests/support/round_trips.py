"""Round trips to Redis, counted by the server: each is one read from a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from tests.support.rest_requests import redis_of
from tests.support.service import Service


@asynccontextmanager
async def reads_counted(service: Service) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """A function that gives the server's reads so far, its own among them, while nothing but
    requests asks it."""
    parts, gateway = service.parts, service.gateway
    beside = (parts.fanout.stop, parts.relay.stop, gateway.health.stop)
    for quiet in (*beside, parts.breakers.stop, gateway.generations.stop):
        await quiet()
    async with redis_of(service) as redis:
        await redis.ping()

        async def reads() -> int:
            return int((await redis.info("stats"))["total_reads_processed"])

        yield reads
