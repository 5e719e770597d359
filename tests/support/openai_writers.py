"""A writer at a test's own provider, with a profile of the test's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.llm.completion import Completion, CompletionRequest
from app.llm.failure import AttemptFailed
from app.llm.openai import OpenAIProvider, OpenAIWriter
from app.llm.profiles import profile
from app.llm.providers import Account
from app.llm.unsupported import UnsupportedParameters
from app.operations import Operation
from tests.support.operations import CHARACTER
from tests.support.raw_provider import RawProvider
from tests.support.rest_bodies import GOOD

KEY = "sk-never-to-be-seen"
QUICK = {"first_token": 10.0, "stall": 10.0, "timeout": 60.0}


def writer_at(
    url: str,
    *,
    upstream: str = "tenant/gpt-4",
    provider: str | None = None,
    key: str = KEY,
    connect_timeout: float = 3.0,
    reuse_connections: bool = True,
    **over: Any,
) -> OpenAIWriter:
    """As the settings would make it; `over` sets fields of its profile."""
    account = Account(url, key, reuse_connections, connect_timeout)
    # The rules for a model that nobody knows: `max_tokens`, a temperature, schemas as they are.
    over = {"cap": "max_tokens", "schemas": "json_schema", **QUICK, **over}
    found = profile(url, upstream, provider=provider, **over)
    return OpenAIProvider(account).writer(
        upstream, found, UnsupportedParameters(None, url, upstream)
    )


SECRET_WORDS = "Vexis of the Hollow Reed"


class RecordingListener:
    """Notes what a listener hears."""

    def __init__(self) -> None:
        self.heard_of: list[str] = []

    def on_text(self, text: str) -> None:
        assert text
        self.heard_of.append(text)

    def on_reset(self, reason: str) -> None:
        raise AssertionError("it is not the writer's to forget")

    @property
    def text(self) -> str:
        return "".join(self.heard_of)


def work_for(operation: Operation[Any, Any] = CHARACTER, **model: Any) -> CompletionRequest:
    body = GOOD[operation.path] | {"model": model}
    if operation is CHARACTER:
        body |= {"character_context": {"name": SECRET_WORDS}}
    request = operation.read(body)
    return CompletionRequest(operation, request, operation.prompt(request))


@contextlib.asynccontextmanager
async def open_writer(url: str, **over: Any) -> AsyncIterator[OpenAIWriter]:
    writer = writer_at(url, **over)
    try:
        yield writer
    finally:
        await writer.close()


async def write(
    writer: OpenAIWriter,
    asked: CompletionRequest | None = None,
    seconds: float = 5.0,
    ear: RecordingListener | None = None,
) -> Completion:
    until = asyncio.get_running_loop().time() + seconds
    return await writer.write(asked or work_for(), deadline=until, listener=ear)


async def failure_of(
    writer: OpenAIWriter, seconds: float = 5.0, ear: RecordingListener | None = None
) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as failed:
        await write(writer, seconds=seconds, ear=ear)
    return failed.value


@pytest.fixture
async def writer(raw_provider: RawProvider) -> AsyncIterator[OpenAIWriter]:
    """One that asks the scripted provider."""
    async with open_writer(raw_provider.url) as found:
        yield found
