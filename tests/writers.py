"""A writer at a test's own provider, with a profile of the test's."""

from __future__ import annotations

from typing import Any

from app.llm.openai import OpenAIProvider, OpenAIWriter
from app.llm.profiles import profile
from app.llm.providers import Account
from app.llm.refusals import Refusals

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
    return OpenAIProvider(account).writer(upstream, found, Refusals(None, url, upstream))
