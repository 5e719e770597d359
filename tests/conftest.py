"""Fixtures: a fake provider, and the service with and without it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.main import GC_THRESHOLDS
from tests.support import service, upstream
from tests.support.service import Service
from tests.support.upstream import Upstream

pytest_plugins = [
    "tests.support.starvation",
    "tests.support.backends",
    "tests.support.valkey_server",
    "tests.support.postgres",
    "tests.support.cluster",
    "tests.support.generation_processes",
    "tests.support.raw_provider",
    "tests.support.openai_writers",
    "tests.support.local_limits",
    "tests.support.npm_clients",
    "tests.support.javascript_client",
    "tests.support.python_clients",
    "tests.support.generators",
    "tests.support.browser",
]


@pytest.fixture(scope="session", autouse=True)
def collector() -> None:
    """As the service sets it: what was imported is not looked at again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


@pytest.fixture
async def provider() -> AsyncIterator[Upstream]:
    """A fake OpenAI server."""
    async with upstream.running() as server:
        yield server


@pytest.fixture
async def loregate(
    tmp_path: Path, redis_url: str, service_database: str | None
) -> AsyncIterator[Service]:
    """The service with nobody but the storyteller to write."""
    given = service.settings(tmp_path, redis_url, database_url=service_database)
    async with service.running(given) as found:
        yield found


@pytest.fixture
async def with_models(
    tmp_path: Path, redis_url: str, service_database: str | None, provider: Upstream
) -> AsyncIterator[Service]:
    """The service with models behind the fake OpenAI server."""
    given = service.settings(
        tmp_path, redis_url, database_url=service_database, openai_base_url=provider.url
    )
    async with service.running(given) as found:
        yield found
