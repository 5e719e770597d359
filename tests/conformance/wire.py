"""Wire: a client's side of one socket, and what holds for every message that a server sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from cases import Target, mismatch
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.frames import Frame, Opcode

PROTOCOL = "graphql-transport-ws"
TERMINAL = ("error", "complete")
FROM_SERVER = ("connection_ack", "ping", "pong", "next", *TERMINAL)


class Failed(Exception):
    """The server did what it must not, or did not what it must."""


class Monitor:
    """What holds for every message of a server, whatever the case; per socket."""

    def __init__(self) -> None:
        self.due: dict[str, int] = {}  # ends that the server may still send, by operations' ids
        self.left: set[str] = set()  # ids whose operation the client has completed
        self.acknowledged = False

    def sent(self, message: Any) -> None:
        if isinstance(message, dict) and isinstance(name := message.get("id"), str):
            if message.get("type") == "subscribe":
                # One that is sent again may find the first ended, which nobody has heard yet.
                self.due[name] = self.due.get(name, 0) + 1
                self.left.discard(name)
            elif message.get("type") == "complete" and self.due.get(name):
                self.left.add(name)

    def received(self, data: str | bytes) -> dict[str, Any]:
        """The message. Raises `Failed` unless a server may send it now."""
        if isinstance(data, bytes):
            raise Failed("the server sent a binary frame")
        try:
            message = json.loads(data)
        except ValueError:
            raise Failed(f"the server sent no JSON: {data[:80]!r}") from None
        kind = message.get("type") if isinstance(message, dict) else None
        if kind not in FROM_SERVER:
            raise Failed(f"a server sends no such message: {data[:120]}")
        if kind in ("next", *TERMINAL):
            self._operations_message(message, data)
        elif not isinstance(message.get("payload"), dict | None):
            raise Failed(f"its payload is no object: {data[:120]}")
        elif kind == "connection_ack" and self.acknowledged:
            raise Failed("a second connection_ack")
        self.acknowledged = self.acknowledged or kind == "connection_ack"
        return message

    def _operations_message(self, message: dict[str, Any], data: str) -> None:
        name, kind, payload = message.get("id"), message["type"], message.get("payload")
        if not isinstance(name, str) or name not in self.due:
            raise Failed(f"it belongs to no operation of ours: {data[:120]}")
        if not self.due[name]:
            raise Failed(f"after the operation's end: {data[:120]}")
        result = isinstance(payload, dict) and (payload.keys() & {"data", "errors"})
        errors = (
            isinstance(payload, list)
            and payload
            and not any(mismatch({"message": "$filled"}, error) for error in payload)
        )
        if not {"next": result, "error": errors, "complete": True}[kind]:
            raise Failed(f"its payload is none of a {kind}: {data[:120]}")
        self.due[name] -= kind in TERMINAL


class Socket:
    """A client's side of one socket, which answers the server's pings at any time."""

    def __init__(self, target: Target) -> None:
        self.target, self.monitor = target, Monitor()
        self.ws: ClientConnection | None = None
        self.refused: str | None = None  # why there was no handshake
        self.begun = 0.0  # when the handshake began

    @property
    def open(self) -> ClientConnection:
        if self.ws is None:
            raise Failed(f"the handshake was refused: {self.refused}")
        return self.ws

    async def begin(self, state: str) -> None:
        if state == "none":
            return
        await self.connect([PROTOCOL])
        if state == "acknowledged":
            await self.send(
                {"type": "connection_init", "payload": self.target.values["init-payload"]}
            )
            await self.expect({"type": "connection_ack"})

    async def connect(self, offered: list[Any]) -> None:
        self.begun = time.monotonic()
        try:
            self.ws = await connect(
                self.target.url,
                subprotocols=offered or None,
                additional_headers=self.target.headers,
                open_timeout=self.target.timeout,
                ping_interval=None,
                close_timeout=self.target.timeout,
            )
        except InvalidHandshake as error:
            self.refused = str(error)

    async def send(
        self, message: Any, binary: bool = False, fragments: int = 1, ping: bool = False
    ) -> None:
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        self.monitor.sent(message)
        with contextlib.suppress(ConnectionClosed):  # what was received before tells why
            if fragments == 1:
                await self.open.send(text.encode() if binary else text)
            else:
                await self.open.send(self._fragments(text, fragments, ping))

    async def _fragments(self, text: str, count: int, ping: bool) -> AsyncIterator[str]:
        size = -(-len(text) // count)
        for begin in range(0, len(text), size):
            if ping and begin:
                await self.ping_frame()
            yield text[begin : begin + size]

    async def ping_frame(self) -> None:
        answered = await self.open.ping()
        try:
            await asyncio.wait_for(answered, self.target.timeout)
        except TimeoutError:
            raise Failed("a ping frame was not answered") from None

    async def frame(self, data: bytes) -> None:
        """A text frame of any bytes."""
        ws = self.open
        ws.protocol.send_frame(Frame(Opcode.TEXT, data))
        ws.transport.write(b"".join(ws.protocol.data_to_send()))

    async def receive(self, seconds: float, *, left: bool = False) -> dict[str, Any]:
        """The next message but pings. `left`: also of operations that the client completed.

        Raises:
            TimeoutError, ConnectionClosed, Failed
        """
        async with asyncio.timeout(seconds):
            while True:
                data = await self.open.recv()
                message = self.monitor.received(data)
                if message["type"] == "ping":
                    await self.send({**message, "type": "pong"})
                elif left or message.get("id") not in self.monitor.left:
                    return message

    async def expect(self, pattern: dict[str, Any]) -> dict[str, Any]:
        """The next message, which fits; pongs that do not were sent without being asked for."""
        end, wrong = asyncio.get_running_loop().time() + self.target.timeout, ""
        while True:
            try:
                message = await self.receive(end - asyncio.get_running_loop().time())
            except TimeoutError:
                unfit = f"no {pattern['type']} in {self.target.timeout:g} s"
                raise Failed(wrong or unfit) from None
            except ConnectionClosed as closed:
                raise Failed(f"closed with {shown(closed)} instead of {pattern['type']}") from None
            found = mismatch(pattern, message)
            if not found:
                return message
            wrong = f"{found}: {json.dumps(message)[:200]}"
            if message["type"] != "pong":
                raise Failed(wrong)


def shown(closed: ConnectionClosed) -> str:
    return f"{closed.rcvd.code} {closed.rcvd.reason}".strip() if closed.rcvd else "no close frame"
