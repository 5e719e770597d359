"""Asking over REST with wishes about the cache and keys, and looking behind the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from redis.asyncio import Redis

from tests.service import Service
from tests.wishes import GOOD


async def ask(
    found: Service,
    path: str,
    body: Any = None,
    *,
    cache: str | None = None,
    key: str | None = None,
    **claims: Any,
) -> httpx2.Response:
    """POST with `Cache-Control` and `Idempotency-Key`; a good body where none is given."""
    headers = found.headers(**claims)
    if cache is not None:
        headers["Cache-Control"] = cache
    if key is not None:
        headers["Idempotency-Key"] = key
    return await found.http.post(path, json=GOOD[path] if body is None else body, headers=headers)


def told(answer: httpx2.Response) -> tuple[str, str]:
    """What the cache did, and the answer's id."""
    assert answer.status_code == 200, answer.text
    return answer.headers["x-cache"], answer.json()["content_id"]


@asynccontextmanager
async def looking(found: Service) -> AsyncIterator[Redis]:
    """A client of the service's Redis, to look with and to spoil things."""
    async with Redis.from_url(found.gateway.once._redis.url) as redis:
        yield redis


async def events(found: Service) -> int:
    """How many events have been published."""
    async with looking(found) as redis:
        return int(await redis.xlen("loregate:events:{0}"))
