"""A wire between a client and a service, to be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Wire:
    """Connections that can be cut: bytes go through until then."""

    def __init__(self, to: str) -> None:
        self.lead(to)
        self._open: set[asyncio.StreamWriter] = set()
        self._whole = asyncio.Event()
        self._whole.set()
        self.url = ""
        self._passed = bytearray()  # what came from the service since it was cut
        self._came = asyncio.Condition()

    def lead(self, to: str) -> None:
        """Where whoever connects from now on gets."""
        self._port = urlsplit(to).port

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Wire]:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            self.cut()
            server.close()

    def cut(self) -> None:
        self._passed.clear()
        for writer in list(self._open):
            writer.transport.abort()

    @asynccontextmanager
    async def broken(self) -> AsyncIterator[None]:
        """Cut, and whoever connects anew waits until the block ends."""
        self._whole.clear()
        self.cut()
        try:
            yield
        finally:
            self._whole.set()

    async def told(self, what: bytes) -> None:
        """Until the service has said this since the last cut."""
        async with asyncio.timeout(30), self._came:
            await self._came.wait_for(lambda: what in self._passed)

    async def _hear(self, data: bytes) -> None:
        async with self._came:
            self._passed += data
            self._came.notify_all()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._whole.wait()
        inner, outer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, outer}
        ways = [_pass(reader, outer), _pass(inner, writer, self._hear)]
        await asyncio.wait(map(asyncio.ensure_future, ways), return_when="FIRST_COMPLETED")
        for one in (writer, outer):
            one.close()
            self._open.discard(one)


class FailingProxy(Wire):
    """A wire that answers so many times itself, as a proxy does that does not reach the service."""

    def __init__(self, to: str, *, failing: int) -> None:
        super().__init__(to)
        self._failing = failing

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._failing:
            return await super()._connect(reader, writer)
        self._failing -= 1
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\nconnection: close\r\n"
        writer.write(head + b"content-length: 16\r\n\r\n<h1>nothing</h1>")
        await writer.drain()
        writer.close()
        return None


async def _pass(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    hear: Callable[[bytes], Awaitable[None]] | None = None,
) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
            if hear is not None:
                await hear(data)
    except ConnectionError:  # it was cut
        return
