"""MetricsServer: what Prometheus reads, at an address of its own that no caller need reach."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.errors import SettingsError

HEAD_TIMEOUT = 5.0  # s for a request's head
MAX_HEAD = 8 * 1024  # bytes of it
MAX_OPEN = 16  # connections at once; a Prometheus has one

Scrape = Callable[[], Awaitable[tuple[bytes, str]]]

log = logging.getLogger(__name__)


@asynccontextmanager
async def serving(address: str, scrape: Scrape) -> AsyncIterator[int]:
    """Answer `GET /metrics` at `host:port` until the block ends; the port.

    Every process of a service listens, and the kernel chooses: each answers for all.
    """
    server = _Server(scrape)
    listening = await asyncio.start_server(server.answer, sock=_listen(address), limit=MAX_HEAD)
    try:
        yield int(listening.sockets[0].getsockname()[1])
    finally:
        listening.close()
        server.ending = True
        for task in list(server.open):
            task.cancel()
        await asyncio.gather(*server.open, return_exceptions=True)


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # see `server.listen`
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        found.bind((host, int(port)))
    except OSError as error:
        found.close()
        said = f"LOREGATE_METRICS_ADDRESS: {address} cannot be had: {error.strerror}"
        raise SettingsError(said) from None
    return found


class _Server:
    def __init__(self, scrape: Scrape) -> None:
        self._scrape, self.open = scrape, set[asyncio.Task[None]]()
        self.ending = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self.open) >= MAX_OPEN:
            writer.close()
            return
        self.open.add(task)
        try:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(HEAD_TIMEOUT):
                    await self._exchange(reader, writer)
        except asyncio.LimitOverrunError:
            log.debug("a head was too long for who reads metrics")
        except asyncio.CancelledError:
            if not self.ending:
                raise  # else asyncio of 3.11 would log an error for each that is cut
        finally:
            self.open.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.partition(b" ")
        found = (
            method in (b"GET", b"HEAD") and rest.split(b" ")[0].partition(b"?")[0] == b"/metrics"
        )
        status, kind, body = b"404 Not Found", "text/plain", b"only /metrics is here\n"
        if found:
            body, kind = await self._scrape()
            status = b"200 OK"
        length = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n".encode()
        writer.write(b"HTTP/1.1 " + status + b"\r\n" + length + b"Connection: close\r\n\r\n")
        writer.write(b"" if method == b"HEAD" else body)
        await writer.drain()
