"""Clients of streamed answers: each has one answer after another written to it, and checks it."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.provider import TOKENS
from tests.support.service import PROTOCOL

TEXT = "".join(TOKENS).strip()  # the gateway's prose ends without white space
FIRST = re.compile(rb'"(?:content|text)":"[^"]')  # the first text, on each edge
END = b"\r\n0\r\n\r\n"  # of a chunked body
START = """
mutation ($input: StartGenerationInput!) { startGeneration(input: $input) { generation { id } } }
"""
FOLLOW = """
subscription ($id: ID!) { generation(id: $id) {
  __typename cursor ... on GenerationDelta { seq text } ... on GenerationCompleted { contentId }
} }
"""


class Wrong(Exception):
    """An answer that is not what was asked for; the run is worth nothing."""


@dataclass
class Stream:
    """One answer as its client got it; times are of `time.perf_counter()`."""

    began: float = field(default_factory=time.perf_counter)
    first: float = 0.0  # when the first text was there
    ended: float = 0.0
    got: bytearray = field(default_factory=bytearray)

    def hear(self, data: bytes) -> None:
        self.got += data
        if not self.first and FIRST.search(self.got):
            self.first = time.perf_counter()

    def end(self) -> Stream:
        self.ended = time.perf_counter()
        return self

    def within(self, opened: float, closed: float) -> float:
        """Which part of the stream's life fell into this time, 0 to 1."""
        shared = min(self.ended, closed) - max(self.began, opened)
        return max(0.0, shared) / (self.ended - self.began)

    def check(self) -> int:
        """How many of its events had text. Raises `Wrong` unless it is whole."""
        # Each event is written at once, so that none is cut by the lines of the chunked coding.
        lines = (line.removeprefix(b"data: ") for line in self.got.split(b"\n"))
        pieces = [_piece(orjson.loads(line)) for line in lines if line.startswith(b"{")]
        if "".join(pieces).strip() != TEXT:
            raise Wrong(f"not the whole text: {bytes(self.got[-600:])!r}")
        return sum(map(bool, pieces))


def _piece(event: dict[str, Any]) -> str:
    """The text of a chunk of the model's, of an event over REST, or of one over GraphQL."""
    if "choices" in event:
        return "".join(c["delta"].get("content") or "" for c in event["choices"])
    if "payload" in event:
        event = event["payload"]["data"]["generation"]
    return event.get("text") or ""


# -- clients: each gives a function that lets one answer be written


class Http:
    """A connection that is kept open."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def stream(self, request: bytes) -> Stream:
        found = Stream()
        self._writer.write(request)
        while not found.got.endswith(END):
            found.hear(data := await self._reader.read(65_536))
            if not data or not found.got.startswith(b"HTTP/1.1 200 "):
                raise Wrong(f"refused or broken off: {bytes(found.got[:600])!r}")
        return found.end()

    async def answer(self, request: bytes) -> Any:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r")[0])
        body = await self._reader.readexactly(length)
        if b'"errors"' in body:
            raise Wrong(f"refused: {body[:600]!r}")
        return orjson.loads(body)


@asynccontextmanager
async def http(port: int) -> AsyncIterator[Http]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Http(reader, writer)
    finally:
        writer.close()


def post(path: str, body: Any, bearer: str, accept: str) -> bytes:
    encoded = orjson.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {bearer}\r\n"
        f"accept: {accept}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(encoded)}\r\n\r\n"
    ).encode() + encoded


Ask = Callable[[], Awaitable[Stream]]


@asynccontextmanager
async def events(port: int, path: str, body: Any, bearer: str) -> AsyncIterator[Ask]:
    """A client of server-sent events."""
    request = post(path, body, bearer, "text/event-stream")
    async with http(port) as connection:
        yield lambda: connection.stream(request)


async def heard(ws: ClientConnection) -> bytes:
    """The next message; pings, which a busy machine lets the gateway send, are answered."""
    while (said := await ws.recv(decode=False)).startswith(b'{"type":"ping"'):
        await ws.send('{"type":"pong"}')
    return said


@asynccontextmanager
async def whole(port: int, path: str, body: Any, bearer: str) -> AsyncIterator[Ask]:
    """A client that waits for the whole answer: nobody hears the provider's stream."""
    request = post(path, body, bearer, "application/json")
    async with http(port) as connection:

        async def ask() -> Stream:
            found = Stream()
            body = await connection.answer(request)
            found.hear(orjson.dumps({"text": body["content"]}))
            return found.end()

        yield ask


@asynccontextmanager
async def generations(port: int, path: str, body: Any, bearer: str) -> AsyncIterator[Ask]:
    """A GraphQL client: generations are started over HTTP and followed over one WebSocket."""
    request = post(path, {"query": START, "variables": body}, bearer, "application/json")
    names = itertools.count(1)
    url = f"ws://127.0.0.1:{port}{path}"
    async with (
        http(port) as connection,
        connect(url, subprotocols=[PROTOCOL], compression=None, ping_interval=None) as ws,
    ):
        init = {"type": "connection_init", "payload": {"authorization": bearer}}
        await ws.send(orjson.dumps(init), text=True)
        if b"connection_ack" not in (said := await ws.recv(decode=False)):
            raise Wrong(f"no acknowledgement: {said!r}")

        async def ask() -> Stream:
            found = Stream()
            started = (await connection.answer(request))["data"]["startGeneration"]
            asked = {"query": FOLLOW, "variables": started["generation"]}
            message = {"type": "subscribe", "id": str(next(names)), "payload": asked}
            await ws.send(orjson.dumps(message), text=True)
            while b'"type":"next"' in (said := await heard(ws))[:60]:
                found.hear(said + b"\n")
            if b'"type":"complete"' not in said[:60]:
                raise Wrong(f"ended in an error: {said[:600]!r}")
            return found.end()

        yield ask
