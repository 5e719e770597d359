"""Fixtures: a raw server that says what a test scripted, byte by byte, and who asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.llm.openai import OpenAIWriter
from tests.test_sse import Wire, listening, writing


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    async with listening() as found:
        yield found


@pytest.fixture
async def writer(wire: Wire) -> AsyncIterator[OpenAIWriter]:
    async with writing(wire.url) as found:
        yield found
