"""Fixtures: a fake provider, and the service with and without it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.main import GC_THRESHOLD
from tests import service, upstream
from tests.service import Service
from tests.upstream import Upstream

pytest_plugins = [
    "tests.servers",
    "tests.postgres",
    "tests.cluster",
    "tests.generating",
    "tests.wires",
    "tests.browser",
]


@pytest.fixture(scope="session", autouse=True)
def collector() -> None:
    """As the service sets it: what was imported is not looked at again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)


@pytest.fixture
async def provider() -> AsyncIterator[Upstream]:
    """A fake OpenAI server."""
    async with upstream.running() as server:
        yield server


@pytest.fixture
async def loregate(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    """The service with nobody but the storyteller to write."""
    async with service.running(service.settings(tmp_path, redis_url)) as found:
        yield found


@pytest.fixture
async def with_models(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Service]:
    """The service with models behind the fake OpenAI server."""
    given = service.settings(tmp_path, redis_url, openai_base_url=provider.url)
    async with service.running(given) as found:
        yield found
