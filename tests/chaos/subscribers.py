"""Subscribers: one user's events over WebSocket or server-sent events, resumed where they broke."""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from typing import Any

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from app.events.cursor import Cursor, Position
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Heard, Ledger
from tests.chaos.stream import Frame, cut, frames
from tests.chaos.writers import bearer
from tests.support.service import PROTOCOL

QUERY = "subscription ($after: String) { events(after: $after) { id cursor contentId } }"
CURSOR = "{ eventCursor }"
PAUSE = 0.5  # s before a subscriber comes back; about every second one misses an event meanwhile
SILENCE = 30.0  # s; a heartbeat comes every 12 over WebSocket, every 15 over SSE
EXPIRED = "CURSOR_EXPIRED"


async def event_cursor(fleet: Fleet, user: str) -> str:
    """The log's end now, for a user; asked again for as long as Redis is away."""
    headers = {"Authorization": bearer(user)}
    while True:
        url = f"{fleet.balancer.pick()}/graphql"
        async with fleet.http.post(url, json={"query": CURSOR}, headers=headers) as response:
            body = await response.json()
        if "errors" not in body:
            found: str = body["data"]["eventCursor"]
            return found
        if body["errors"][0]["extensions"]["code"] != "DEPENDENCY_UNAVAILABLE":
            raise RuntimeError(body["errors"][0]["extensions"]["code"])
        await asyncio.sleep(PAUSE)


def mark_of(cursor: str) -> Position:
    """The place that a cursor of one user's events names."""
    [position] = Cursor.decode(cursor).positions.values()
    return position


class Subscriber(ABC):
    """What both kinds share: where they are, what they heard, and that they come back."""

    kind = ""

    def __init__(self, user: str, fleet: Fleet, ledger: Ledger, cursor: str) -> None:
        self.user, self._fleet, self._ledger = user, fleet, ledger
        self.cursor = cursor
        self.heard: list[Heard] = []
        self.expired = 0
        self._at: str | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._at = self._fleet.balancer.pick(self._at)
            with contextlib.suppress(
                OSError, aiohttp.ClientError, WebSocketException, TimeoutError
            ):
                await self._connected(self._at)
            self._ledger.counts[f"{self.kind} reconnects"] += 1
            await asyncio.sleep(PAUSE)

    @abstractmethod
    async def _connected(self, at: str) -> None:
        """Subscribe there, and hear events until the connection ends."""

    @abstractmethod
    def drop(self) -> bool:
        """Break its connection; whether it had one."""

    def _hear(self, event_id: str, content_id: str, cursor: str) -> None:
        self.heard.append(Heard(event_id, content_id, mark_of(cursor)))
        self.cursor = cursor

    def _refused(self, code: str, cursor: str | None) -> None:
        """Go on where the gateway says that something is left."""
        if code == EXPIRED and cursor is not None:
            self.expired += 1
            self._ledger.counts["cursors expired"] += 1
            self.cursor = cursor
        elif code not in ("DEPENDENCY_UNAVAILABLE", "SHUTTING_DOWN"):
            self._ledger.unexpected[f"{self.kind} {code}"] += 1


class OverWebSocket(Subscriber):
    """`graphql-transport-ws`, as the stock client speaks it."""

    kind = "WebSocket"

    def __init__(self, user: str, fleet: Fleet, ledger: Ledger, cursor: str) -> None:
        super().__init__(user, fleet, ledger, cursor)
        self._ws: ClientConnection | None = None

    def drop(self) -> bool:
        if self._ws is None:
            return False
        self._ws.transport.abort()
        return True

    async def _connected(self, at: str) -> None:
        url = at.replace("http", "ws", 1) + "/graphql"
        async with connect(url, subprotocols=[PROTOCOL], open_timeout=5, close_timeout=1) as ws:
            self._ws = ws
            try:
                payload = {"authorization": bearer(self.user)}
                await self._send({"type": "connection_init", "payload": payload})
                while await self._answer(await self._receive()):
                    pass
            finally:
                self._ws = None
                if ws.close_code is not None:
                    self._ledger.counts[f"WebSocket closes {ws.close_code}"] += 1

    async def _receive(self) -> Any:
        async with asyncio.timeout(SILENCE):
            return json.loads(await self._open.recv())

    async def _send(self, message: Any) -> None:
        await self._open.send(json.dumps(message))

    @property
    def _open(self) -> ClientConnection:
        if self._ws is None:
            raise ConnectionError
        return self._ws

    async def _answer(self, message: Any) -> bool:
        """Whether the subscription goes on."""
        kind, payload = message["type"], message.get("payload")
        if kind == "connection_ack":
            asked = {"query": QUERY, "variables": {"after": self.cursor}}
            await self._send({"type": "subscribe", "id": "1", "payload": asked})
        elif kind == "next":
            event = payload["data"]["events"]
            self._hear(event["id"], event["contentId"], event["cursor"])
        elif kind == "ping":
            self.cursor = ((payload or {}).get("cursors") or {}).get("1", self.cursor)
            await self._send({"type": "pong"})
        elif kind == "error":
            found = payload[0]["extensions"]
            self._refused(found["code"], found.get("cursor"))
            return False
        return True


class OverSSE(Subscriber):
    """`GET /api/v2/events` with `Last-Event-ID`."""

    kind = "SSE"

    def __init__(self, user: str, fleet: Fleet, ledger: Ledger, cursor: str) -> None:
        super().__init__(user, fleet, ledger, cursor)
        self._response: aiohttp.ClientResponse | None = None

    def drop(self) -> bool:
        if self._response is None:
            return False
        cut(self._response)
        return True

    async def _connected(self, at: str) -> None:
        headers = {"Authorization": bearer(self.user), "Last-Event-ID": self.cursor}
        patience = aiohttp.ClientTimeout(total=None, connect=5, sock_read=SILENCE)
        url = f"{at}/api/v2/events"
        async with self._fleet.http.get(url, headers=headers, timeout=patience) as response:
            if response.status != 200:
                self._refused((await response.json())["code"], None)
                return
            self._response = response
            try:
                async for frame in frames(response):
                    self._take(frame)
            finally:
                self._response = None

    def _take(self, frame: Frame) -> None:
        if frame.event == "error":
            self._refused(json.loads(frame.data)["code"], frame.id)
        elif frame.event == "position":
            self.cursor = frame.id or self.cursor
        elif frame.data:
            event = json.loads(frame.data)
            self._hear(event["id"], event["content_id"], frame.id or "")
