"""Fixtures: a fake provider, and the service with and without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import service, upstream
from tests.service import Service
from tests.upstream import Upstream

pytest_plugins = ["tests.servers", "tests.postgres", "tests.cluster", "tests.generating"]


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
