"""Servers that tests share: one real Valkey for a test process, emptied for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from app.embedded.valkey import EmbeddedValkey, start_valkey


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """The process's own server. A test that pauses or kills one starts another for itself."""
    server = start_valkey(tmp_path_factory.mktemp("valkey"), persist=False)
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    """The shared server's URL; the server is empty."""
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()
    return valkey.url
