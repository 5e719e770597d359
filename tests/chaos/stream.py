"""Server-sent events as a client reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass
class Frame:
    """A dispatched event, or an id alone, which a heartbeat carries."""

    event: str = ""
    id: str | None = None
    data: str = ""


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[Frame]:
    """Raises aiohttp's errors when the connection breaks."""
    frame = Frame()
    async for line in response.content:
        name, _, value = line.decode().rstrip("\n").partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            frame.event = value
        elif name == "id":
            frame.id = value
        elif name == "data":
            frame.data += value
        elif not name and not value:
            if frame != Frame():
                yield frame
            frame = Frame()


def cut(response: Any) -> None:
    """End the connection under a reader, as a network does."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
