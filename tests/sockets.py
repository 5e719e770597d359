"""What tests of sockets share: a subscription, and how to wait for what is not announced."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import Any

from resolvers import connection
from tests.service import Service

CODE = connection.__file__
EVENTS = """subscription ($after: String) {
  contentGenerated(after: $after) {
    id type cursor contentId contentType userId requestId source occurredAt
    metadata { modelUsed tokenUsage { totalTokens } }
    content { contentId createdAt ... on GeneratedContent { text } }
  }
}"""


def address(loregate: Service) -> str:
    return loregate.url.replace("http", "ws", 1) + "/graphql"


def ours() -> set[str]:
    """The tasks of connections, by what they run (the tests' own client has such names too)."""
    found = [task.get_coro() for task in asyncio.all_tasks()]
    mine = [c for c in found if isinstance(c, CoroutineType) and c.cr_code.co_filename == CODE]
    return {c.__qualname__ for c in mine}


async def until(holds: Any) -> None:
    """Wait for what nobody announces; the test's own time-out is its end."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


async def at_rest(loregate: Service) -> None:
    await until(lambda: not ours() and not loregate.gateway.fanout._by_user)


async def listening(loregate: Service, count: int = 1) -> None:
    """Until so many subscribers have joined, which has no message of its own in the protocol."""
    users = loregate.gateway.fanout._by_user
    await until(lambda: sum(s.waiting for group in users.values() for s in group) == count)


def subscribe(name: Any = "1", query: Any = "{ __typename }", **more: Any) -> dict[str, Any]:
    return {"type": "subscribe", "id": name, "payload": {"query": query, **more}}
