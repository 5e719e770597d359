"""A provider that answers each request with the request's own words, and does as a test says."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import cast

OTHERS = b"another caller's answer"


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


class ProviderConnection(asyncio.Protocol):
    """One connection to the provider. `asked` counts its requests."""

    transport: asyncio.Transport

    def __init__(self, provider: EchoProvider) -> None:
        self.provider, self.asked, self._received = provider, 0, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by descent
        self.provider.accepted += 1
        self.provider.callers.append(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.provider.callers.remove(self)
        if not self.provider.callers:
            self.provider.left.set()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        if len(body) >= length:
            self._received = body[length:]
            self.asked += 1
            self.provider.heads.append(head.lower())
            self.provider.behave(self, body[:length])

    def say(self, data: bytes) -> None:
        self.transport.write(data)


Behaviour = Callable[[ProviderConnection, bytes], None]


class EchoProvider:
    """What the provider saw, and the connections that are open."""

    def __init__(self, behave: Behaviour) -> None:
        self.behave, self.accepted = behave, 0
        self.callers: list[ProviderConnection] = []
        self.heads: list[bytes] = []
        self.left = asyncio.Event()
        self.url = ""

    @property
    def requests(self) -> int:
        return len(self.heads)


def echo(caller: ProviderConnection, asked: bytes) -> None:
    caller.say(answer(asked))


@contextlib.asynccontextmanager
async def echo_provider_running(
    behave: Behaviour = echo, tls: ssl.SSLContext | None = None
) -> AsyncIterator[EchoProvider]:
    """Until the block ends; the client must be closed by then."""
    provider, loop = EchoProvider(behave), asyncio.get_running_loop()
    server = await loop.create_server(lambda: ProviderConnection(provider), "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    provider.url = f"https://localhost:{port}/v1" if tls else f"http://127.0.0.1:{port}/v1"
    try:
        yield provider
    finally:
        server.close()
        for caller in list(provider.callers):
            caller.transport.abort()
