"""A collector, and a service that exports its spans to it at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import service
from tests.support.collector import Collector
from tests.support.service import Service
from tests.support.upstream import Upstream


@pytest.fixture
async def collected(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Collector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")  # ms until what was ended is exported
    async with Collector().listening() as found:
        yield found


@pytest.fixture
async def traced(
    tmp_path: Path, redis_url: str, provider: Upstream, collected: Collector
) -> AsyncIterator[Service]:
    """The service with models behind the fake OpenAI server, and with traces."""
    given = service.settings(
        tmp_path, redis_url, openai_base_url=provider.url, otlp_endpoint=collected.url
    )
    async with service.running(given) as found:
        yield found
