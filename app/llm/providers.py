"""Providers: the kinds that there are. A new one is a module like `app.llm.openai` and a row here.

What a provider of one kind does otherwise than another of it stands in profiles.toml.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from app.llm.completion import Writer
from app.llm.profiles import Profile
from app.llm.unsupported import UnsupportedParameters


@dataclass(frozen=True, slots=True)
class Account:
    """Where models are asked, and as whom. url: None for OpenAI's own. connect_timeout: seconds."""

    url: str | None
    key: str | None = None
    reuse_connections: bool = True
    connect_timeout: float = 3.0


class Provider(Protocol):
    """The models of one account."""

    def writer(
        self, upstream: str, profile: Profile, unsupported: UnsupportedParameters
    ) -> Writer: ...

    async def listed(self) -> dict[str, str | None]:
        """The models that it has, each with the date (YYYY-MM-DD) of its shutdown or None.

        Raises:
            AttemptFailed: it tells none.
        """

    async def close(self) -> None: ...


# By a profile's `kind`: the class that speaks it.
KINDS = {"openai": ("app.llm.openai", "OpenAIProvider")}


async def open_provider(account: Account, kind: str) -> Provider:
    """Its SDK takes a second to import: beside the loop, and only where it is used."""
    module, name = KINDS[kind]
    found: Provider = getattr(await asyncio.to_thread(import_module, module), name)(account)
    return found
