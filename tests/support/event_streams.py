"""What tests of live events share: events to publish, and a reader of server-sent ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson

from app.events.types import Event
from tests.support.service import Service
from tests.support.waiting import until

PATH = "/api/v2/events"
SOON = 10.0  # s in which what must happen happens
IDS = "subscription ($after: String) { events(after: $after) { id cursor } }"
EPOCH = "2026-11-01T12:00:00.000+00:00"


def named_event(
    name: Any, user: str = "alice", kind: str = "content.generated", **more: Any
) -> Event:
    """An event with a name that a test knows it by."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    own = {"theme_category": "heroic", "confidence": 0.5} if kind == "theme.analyzed" else {}
    return Event(
        {
            "type": kind,
            "content_id": "01930000-0000-7000-8000-000000000000",
            "content_type": "character",
            "metadata": {"model_used": "storyteller", "token_usage": usage},
            "id": str(name),
            "user_id": user,
            "request_id": "r",
            "source": "llm-service",
            "occurred_at": EPOCH,
            **own,
            **more,
        }
    )


async def publish(found: Service, *names: Any, **more: Any) -> None:
    await found.parts.event_log.publish([named_event(n, **more) for n in names])


@dataclass(frozen=True)
class Block:
    """What stands between two empty lines: a comment has nothing but itself."""

    event: str | None = None
    id: str | None = None
    data: str | None = None

    @property
    def json(self) -> Any:
        return orjson.loads(self.data or "null")


class Stream:
    """A response of server-sent events, block by block."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response, self.last_id = response, ""
        self._lines = response.aiter_lines()

    async def block(self) -> Block:
        """The next block; raises `StopAsyncIteration` at the end."""
        found: dict[str, str] = {}
        async with asyncio.timeout(SOON):
            async for line in self._lines:
                if not line:
                    break
                name, _, value = line.partition(":")
                found[name or "comment"] = value.removeprefix(" ")
            else:
                raise StopAsyncIteration
        found.pop("comment", None)
        self.last_id = found.get("id", self.last_id)
        return Block(**found)

    async def next(self) -> Block:
        """The next block with data, other than a position."""
        while (found := await self.block()).data is None or found.event == "position":
            pass
        return found

    async def names(self, count: int) -> list[str]:
        """The ids of so many events."""
        return [(await self.next()).json["id"] for _ in range(count)]

    async def rest(self) -> list[Block]:
        """What comes until the end, without comments and heartbeats."""
        found = []
        try:
            while True:
                found.append(await self.next())
        except StopAsyncIteration:
            return found


@asynccontextmanager
async def open_stream(
    found: Service,
    path: str = PATH,
    *,
    last: str | None = None,
    claims: Any = None,
    accept: str = "text/event-stream",
    **given: Any,
) -> AsyncIterator[Stream]:
    """A GET, or with `json` a POST, that takes events."""
    headers = {**found.headers(**(claims or {})), "Accept": accept}
    if last is not None:
        headers["Last-Event-ID"] = last
    method = "POST" if "json" in given else "GET"
    async with found.http.stream(method, path, headers=headers, **given) as response:
        yield Stream(response)


def stream_tasks() -> set[str]:
    """The names of the tasks of open streams."""
    names = {task.get_name() for task in asyncio.all_tasks()}
    return {n for n in names if n.startswith("event-stream")}


async def until_nothing_is_open(found: Service) -> None:
    """Until no stream or socket has left anything."""
    gateway = found.gateway
    await until(
        lambda: not gateway.open_streams and not found.parts.fanout.readers and not stream_tasks()
    )
