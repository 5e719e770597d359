"""Asking over REST with wishes about the cache and keys, and looking behind the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from redis.asyncio import Redis

from tests.support.rest_bodies import GOOD
from tests.support.service import Service


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


def cache_and_id(answer: httpx2.Response) -> tuple[str, str]:
    """What the cache did, and the answer's id."""
    assert answer.status_code == 200, answer.text
    return answer.headers["x-cache"], answer.json()["content_id"]


@asynccontextmanager
async def redis_of(found: Service) -> AsyncIterator[Redis]:
    """A client of the service's Redis, to look with and to spoil things."""
    async with Redis.from_url(found.parts.redis.url) as redis:
        yield redis


async def count_events(found: Service) -> int:
    """How many events have been published."""
    async with redis_of(found) as redis:
        return int(await redis.xlen("loregate:events:{0}"))


def says_unavailable(answer: httpx2.Response) -> None:
    """It says which kind of thing is away, when to come again, and no more."""
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    body = answer.json()
    assert body["code"] == "DEPENDENCY_UNAVAILABLE"
    assert set(body["details"]) == {"request_id", "dependency"}
    assert body["details"]["dependency"] == "database"
    for secret in ("sqlite", "postgres", "disk", "full", "INSERT", "warlock", "/"):
        assert secret not in answer.text


async def count_stored(found: Service) -> int:
    return len(await found.parts.store.page("alice", first=1000, after=None))


async def draft_keys(found: Service) -> list[bytes]:
    async with redis_of(found) as redis:
        names: list[bytes] = await redis.keys("*:draft:*")
        return names
