"""A small application on our own protocols, and what its clients see: for tests of what is below
the gateway's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn

from app.connections import Connections
from app.direct_socket import direct_socket
from app.http_protocol import HttpTimeouts
from app.server import uvicorn_options
from app.settings import Settings

HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
NEVER = 60.0  # s


@dataclass
class Application:
    """Answers each request with its method and its body; what it was asked is kept.

    A request to /early is answered before its body is read, one to /held when it is let go, and one
    to /reader reads until its client has left.
    """

    scopes: list[Any] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    let: asyncio.Event = field(default_factory=asyncio.Event)
    sockets: list[Any] = field(default_factory=list)
    closes: bool = False  # each socket at its first message
    after: Any = None  # what serves each socket from its opening on, past ASGI

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["path"] == "/held":
            await self.let.wait()
        body = b"" if scope["path"] == "/early" else await self._body(receive)
        if scope["path"] == "/reader":
            await self._body(receive)
        if body is None:
            self.left.set()
            return
        said = scope["method"].encode() + b" " + body
        length = (b"content-length", b"%d" % len(said))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": said})

    async def _body(self, receive: Any) -> bytes | None:
        """None when the client has left."""
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message["body"]
            if not message["more_body"]:
                return body

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        if self.after is not None:
            direct = direct_socket(scope)
            assert direct is not None
            direct.serve_after(partial(self.after, direct))
            return
        while True:
            self.sockets.append(message := await receive())
            if message["type"] == "websocket.disconnect":
                self.left.set()
                return
            if self.closes:
                await send({"type": "websocket.close", "code": 4400})
                return
            await self.let.wait()


@dataclass
class Below:
    """A running server."""

    application: Application
    connections: Connections
    port: int
    server: uvicorn.Server

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        try:
            yield Client(reader, writer)
        finally:
            writer.transport.abort()

    async def ask(self, *segments: bytes) -> bytes:
        """All that is answered until the server closes."""
        async with self.connected() as client:
            return await client.rest(*segments)

    @property
    def paths(self) -> list[str]:
        return [scope["path"] for scope in self.application.scopes]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, *segments: bytes) -> None:
        """Each in a segment of its own, as far as that can be had."""
        for segment in segments:
            self.writer.write(segment)
            await self.writer.drain()
            await asyncio.sleep(0.01 if len(segments) > 1 else 0)

    async def answer(self) -> bytes:
        """One answer with a length, head and body."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            return head + await self.reader.readexactly(length)

    async def rest(self, *segments: bytes) -> bytes:
        """What comes until the end of the connection, which the server has to bring."""
        with contextlib.suppress(ConnectionError):
            await self.send(*segments)
        found = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while got := await self.reader.read(65_536):
                    found += got
        return found


@contextlib.asynccontextmanager
async def serving(timeouts: HttpTimeouts | None = None, **given: Any) -> AsyncIterator[Below]:
    """With the server's own options; `given` are settings."""
    options = uvicorn_options(Settings(**given))
    connections: Connections = options["http"].keywords["connections"]
    options["http"] = partial(options["http"], timeouts=timeouts)
    options |= {"port": 0, "lifespan": "off", "timeout_graceful_shutdown": 1}
    application = Application()
    server = uvicorn.Server(uvicorn.Config(application, **options))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Below(application, connections, port, server)
    finally:
        application.let.set()
        server.should_exit = True
        await task
