"""Provider: a fake OpenAI server on a real socket. It answers chat completions, well or badly.

HTTP/1.1 with keep-alive on asyncio streams, by hand: a server made to answer well could not be
made to answer as badly as `Behaviour` orders.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.embedded.bodies import Body, Cut, Ended, body
from app.embedded.faults import GOOD, Behaviour, refusal

PATH = "/chat/completions"
MOST = 8 * 1024 * 1024  # bytes of a request's body; a prompt has a few thousand
GRACE = 0.01  # s from what is sent to a reset: a client's buffers may lose what it overtakes
NOT_HERE = refusal(404, "unknown_url")
NO_REQUEST = refusal(400, "invalid_request")
TOO_LONG = refusal(413, "request_too_large")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; `asked` is None when it is no request for a completion."""

    headers: dict[str, str]
    asked: dict[str, Any] | None
    wrong: Behaviour | None = None

    @property
    def last(self) -> bool:
        """Whether nothing can follow on its connection."""
        return self.wrong is TOO_LONG or self.headers.get("connection", "").lower() == "close"


class _Reader(asyncio.StreamReader):
    """A reader that knows at once when its client has gone, also while nobody reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.gone: asyncio.Future[None] = loop.create_future()

    def feed_eof(self) -> None:
        self._tell()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self._tell()
        super().set_exception(exc)

    def _tell(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


class Provider:
    """The server. What it does is decided by `behaviour`, which answers well unless overridden."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._left = asyncio.Event()
        self._left.set()

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        """How this request is answered; called once for each."""
        return GOOD

    def abandoned(self, asked: dict[str, Any]) -> None:
        """Called at once when a client goes away before its answer is whole."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def connections(self) -> int:
        return len(self._open)

    async def all_left(self) -> None:
        """Returns when no connection is open; a server hears of an end after its client."""
        async with asyncio.timeout(5):
            await self._left.wait()

    async def start(self, port: int = 0) -> None:
        """Listen on the loopback interface alone; port 0 is any free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(_Reader(loop), self._serve, loop=loop),
            "127.0.0.1",
            port,
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every connection, answered or not. May be called again."""
        if self._server is None:
            return
        self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await self.all_left()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        self._left.clear()
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, Cut):
                while not await self._one(reader, writer):
                    pass
        finally:
            writer.close()
            self._open.discard(writer)
            if not self._open:
                self._left.set()

    async def _one(self, reader: Any, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether it was the connection's last."""
        request = await _read(reader)
        asked = request.asked
        if asked is None:
            await _Sending(writer, request.wrong or NOT_HERE).run({})
            return request.last
        behaviour = self.behaviour(asked, request.headers)
        sending = asyncio.create_task(_Sending(writer, behaviour).run(asked))
        try:
            await self._watched(sending, reader.gone, behaviour.lasts)
        except ConnectionError:
            self.abandoned(asked)
            raise
        except TimeoutError:
            _reset(writer)
            raise Cut from None
        except Cut:
            if behaviour.abort or behaviour.reset:
                await asyncio.sleep(GRACE)
                _reset(writer)
            raise
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return request.last

    async def _watched(
        self, sending: asyncio.Task[None], gone: asyncio.Future[None], lasts: float | None
    ) -> None:
        """Raises `ConnectionError` when the client goes, `TimeoutError` when its time is over."""
        await asyncio.wait({sending, gone}, timeout=lasts, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
        elif gone.done():
            raise ConnectionResetError
        else:
            raise TimeoutError


async def _read(reader: asyncio.StreamReader) -> Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise ConnectionResetError from None
    first, *lines = head.split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MOST:
        return Request(headers, None, TOO_LONG)
    content = await reader.readexactly(int(length))
    method, _, rest = first.partition(" ")
    if method != "POST" or not rest.partition(" ")[0].partition("?")[0].endswith(PATH):
        return Request(headers, None)
    with contextlib.suppress(orjson.JSONDecodeError):
        if isinstance(asked := orjson.loads(content), dict):
            return Request(headers, asked)
    return Request(headers, None, NO_REQUEST)


@dataclass(slots=True)
class _Sending:
    """An answer on its way."""

    writer: asyncio.StreamWriter
    behaviour: Behaviour
    _chunked: bool = field(default=False, init=False)
    _sent: int = field(default=0, init=False)  # bytes of the body

    async def run(self, asked: dict[str, Any]) -> None:
        """Raises `Cut` where the connection is to end, `ConnectionError` when the client left."""
        await asyncio.sleep(self.behaviour.delay)
        if self.behaviour.reset:
            raise Cut
        if self.behaviour.silent:
            await _wait(math.inf)
        found = body(asked, self.behaviour)
        self._chunked = found.length is None
        await self._head(_head(found, self.behaviour))
        with contextlib.suppress(Ended):
            await self._tell(found)
        if self._chunked:
            self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()

    async def _head(self, head: bytes) -> None:
        if not self.behaviour.drip:
            self.writer.write(head)
            return
        for byte in head:
            self.writer.write(bytes([byte]))
            await asyncio.sleep(self.behaviour.drip)

    async def _tell(self, found: Body) -> None:
        for step in found.steps:
            if isinstance(step, bytes):
                await self._put(step)
            else:
                await self.writer.drain()
                await _wait(step)

    async def _put(self, content: bytes) -> None:
        cut = self.behaviour.cut
        kept = content if cut is None else content[: cut - self._sent]
        size = self.behaviour.split or max(1, len(kept))
        for at in range(0, len(kept), size):
            await self._send(kept[at : at + size])
        if cut is not None and self._sent >= cut:
            await self.writer.drain()
            raise Cut

    async def _send(self, content: bytes) -> None:
        self._sent += len(content)
        framed = b"%x\r\n%s\r\n" % (len(content), content) if self._chunked else content
        self.writer.write(framed)
        if self.behaviour.split:
            await self.writer.drain()
            await asyncio.sleep(0)


def _head(found: Body, behaviour: Behaviour) -> bytes:
    length = found.length
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    headers = {"content-type": found.type, "x-request-id": "req_fake"}
    headers |= {k.replace("_", "-"): v for k, v in behaviour.headers.items()}
    lines = [f"HTTP/1.1 {behaviour.status} Status", size]
    lines += [f"{k}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _wait(seconds: float) -> None:
    if math.isinf(seconds):
        await asyncio.get_running_loop().create_future()  # until cancelled
    await asyncio.sleep(seconds)


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a RST, as a crashed peer or a firewall does: `close` sends a FIN."""
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
