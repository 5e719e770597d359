"""UnsupportedParameters: what one process learned of a model, the next one knows; for a day."""

from __future__ import annotations

import logging

import pytest

from app.llm.unsupported import MEMORY_TTL, UnsupportedParameters
from app.redis.client import Redis

URL = "https://models.example/v1"


async def test_what_one_process_learned_the_next_one_knows(redis_url: str) -> None:
    redis = Redis(redis_url)
    try:
        await UnsupportedParameters(redis, URL, "luna").add("temperature")
        same, other = (
            UnsupportedParameters(redis, URL, "luna"),
            UnsupportedParameters(redis, URL, "sol"),
        )
        elsewhere = UnsupportedParameters(redis, "https://other.example/v1", "luna")
        for found in (same, other, elsewhere):
            await found.load()
        assert same.names == ["temperature"]
        assert not other
        assert not elsewhere
    finally:
        await redis.close()


async def test_it_is_forgotten_after_a_day() -> None:
    now = 1_000.0
    found = UnsupportedParameters(None, URL, "luna", now=lambda: now)
    await found.add("seed")
    now += MEMORY_TTL - 1
    assert "seed" in found
    now += 1
    assert "seed" not in found
    assert found.names == []


async def test_it_is_logged_by_the_process_that_was_first(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    redis = Redis(redis_url)
    try:
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                await UnsupportedParameters(redis, URL, "luna").add("seed")
        assert len([r for r in caplog.records if "parameter" in r.message]) == 1
    finally:
        await redis.close()


async def test_without_redis_a_process_learns_by_itself() -> None:
    redis = Redis("unix:///nobody.sock")
    try:
        found = UnsupportedParameters(redis, URL, "luna")
        await found.load()
        await found.add("seed")
        assert found.names == ["seed"]
    finally:
        await redis.close()
