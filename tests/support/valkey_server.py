"""Servers that tests share: one real Valkey for a test process, emptied for each test."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

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
def valkey_url(valkey: EmbeddedValkey) -> str:
    """The shared server's URL; the server is empty."""
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()
    return valkey.url


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server that this test may stop."""
    server = start_valkey(tmp_path / "valkey", persist=False)
    yield server
    with contextlib.suppress(ProcessLookupError):  # it may have ended
        os.kill(server.pid, signal.SIGCONT)
    server.stop()
