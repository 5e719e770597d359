"""What tests of sockets share: a subscription, and how to wait for what is not announced."""

from __future__ import annotations

import asyncio
from types import CoroutineType
from typing import Any

from resolvers import websocket_connection
from tests.support.service import Service
from tests.support.waiting import until

CODE = websocket_connection.__file__
EVENTS = """subscription ($after: String) {
  contentGenerated(after: $after) {
    id type cursor contentId contentType userId requestId source occurredAt
    metadata { modelUsed tokenUsage { totalTokens } }
    content { contentId createdAt ... on GeneratedContent { text } }
  }
}"""


def socket_url(loregate: Service) -> str:
    return loregate.url.replace("http", "ws", 1) + "/graphql"


def connection_tasks() -> set[str]:
    """The tasks of connections, by what they run (the tests' own client has such names too)."""
    found = [task.get_coro() for task in asyncio.all_tasks()]
    mine = [c for c in found if isinstance(c, CoroutineType) and c.cr_code.co_filename == CODE]
    return {c.__qualname__ for c in mine}


async def until_no_socket_is_left(loregate: Service) -> None:
    await until(lambda: not connection_tasks() and not loregate.parts.fanout.readers)


async def until_subscribed(loregate: Service, count: int = 1) -> None:
    """Until so many subscribers have joined, which has no message of its own in the protocol."""
    users = loregate.parts.fanout.readers
    await until(lambda: sum(s.waiting for group in users.values() for s in group) == count)


def subscribe(name: Any = "1", query: Any = "{ __typename }", **more: Any) -> dict[str, Any]:
    return {"type": "subscribe", "id": name, "payload": {"query": query, **more}}
