"""FakeOpenAI: an OpenAI server on a real socket. It answers chat completions, well or badly.

HTTP/1.1 with keep-alive on asyncio streams, by hand: a server made to answer well could not be
made to answer as badly as `Behaviour` orders.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
from dataclasses import dataclass, field, replace
from typing import Any

from app.fake_openai.behaviour import GOOD, Behaviour, redirect, refusal
from app.fake_openai.bodies import Body, Cut, Ended, Unframed, body
from app.fake_openai.catalogue import listing, living
from app.fake_openai.request import ELSEWHERE, LOOP, Reader, Request, read
from app.fake_openai.request_rules import Refusal, RequestRules

RESET_DELAY = 0.05  # s from what is sent to a reset: a client's buffers may lose what it overtakes
NOT_HERE = refusal(404, "unknown_url")
NO_REQUEST = refusal(400, "invalid_request")
TOO_LONG = refusal(413, "request_too_large")


class FakeOpenAI:
    """The server. What it does is decided by `behaviour`, which answers well unless overridden.

    rules: what it refuses before that; OpenAI's of today unless others are given.
    """

    def __init__(self, rules: RequestRules | None = None) -> None:
        self.rules = RequestRules() if rules is None else rules
        self.listed = living()  # by `/models`: shutdown dates by id
        self.followed = 0  # requests that came by a redirection
        self._server: asyncio.Server | None = None
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()
        self._left = asyncio.Event()
        self._left.set()

    def on_request(self, asked: dict[str, Any], headers: dict[str, str]) -> None:
        """Called once for each request for a completion, before anything is decided."""

    def on_refusal(self, asked: dict[str, Any], refusal: Refusal) -> None:
        """Called when the rules refuse a request, of which `behaviour` is not asked then."""

    def behaviour(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        """How this request is answered; called once for each."""
        return GOOD

    def listing(self) -> Behaviour:
        """How a request for the list of models is answered; called once for each."""
        return GOOD

    def on_disconnect(self, asked: dict[str, Any]) -> None:
        """Called at once when a client goes away before its answer is whole."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

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
            lambda: asyncio.StreamReaderProtocol(Reader(loop), self._serve, loop=loop),
            "127.0.0.1",
            port,
        )
        self.port = self._server.sockets[0].getsockname()[1]

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
        connection = _Connection(reader, writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, Cut):
                while not await self._one(connection):
                    pass
        finally:
            writer.close()
            self._open.discard(writer)
            if not self._open:
                self._left.set()

    async def _one(self, connection: _Connection) -> bool:
        """One request and its answer; whether it was the connection's last."""
        request = await connection.next()
        behaviour = self._decide(request)
        try:
            if behaviour.stale and connection.answered:
                raise Cut
            await self._answer(connection, behaviour, request.asked or {})
        except ConnectionError:
            if request.wants_completion:
                self.on_disconnect(request.asked or {})
            raise
        except Cut:
            if behaviour.abort or behaviour.reset:
                await asyncio.sleep(RESET_DELAY)
                _reset(connection.writer)
            raise
        connection.answered = behaviour
        return request.last

    async def _answer(
        self, connection: _Connection, behaviour: Behaviour, asked: dict[str, Any]
    ) -> None:
        """Raises `Cut` where the connection is to end, `ConnectionError` when the client left."""
        sending = _ResponseWriter(connection.writer, behaviour, self.rules.effort(asked))
        task = asyncio.create_task(sending.run(asked))
        try:
            await self._watched(task, connection.reader.gone, behaviour.lasts)
        except TimeoutError:
            _reset(connection.writer)
            raise Cut from None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _decide(self, request: Request) -> Behaviour:
        if not request.whole:
            return TOO_LONG
        if request.wants_models:
            return self._list()
        if not request.wants_completion:
            return NOT_HERE
        if request.asked is None:
            return NO_REQUEST
        if request.path in (ELSEWHERE, LOOP):
            self.followed += 1
            return GOOD if request.path == ELSEWHERE else redirect(LOOP)
        return self._answered(request.asked, request.headers)

    def _answered(self, asked: dict[str, Any], headers: dict[str, str]) -> Behaviour:
        self.on_request(asked, headers)
        refusal = self.rules.refusal(asked)
        if refusal is None:
            return self.behaviour(asked, headers)
        self.on_refusal(asked, refusal)
        return Behaviour(status=refusal.status, body=refusal.body)

    def _list(self) -> Behaviour:
        found = self.listing()
        ordered = found.status != 200 or found.body is not None or found.raw is not None
        return found if ordered else replace(found, body=listing(self.listed))

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


@dataclass(slots=True)
class _Connection:
    """A client's connection; `answered` is how its last request was, None before the first."""

    reader: Any
    writer: asyncio.StreamWriter
    answered: Behaviour | None = None

    async def next(self) -> Request:
        """The next request. Until it comes, what was ordered for an idle connection happens."""
        last = self.answered
        if last is None or (not last.after and last.close_after is None):
            return await read(self.reader)
        reading = asyncio.ensure_future(read(self.reader))
        try:
            await self._idle(reading, last)
            found = await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        if last.after_next:
            self.writer.write(last.after)
        return found

    async def _idle(self, reading: asyncio.Future[Request], last: Behaviour) -> None:
        """Raises `Cut` where the connection ends."""
        if last.after_idle is not None:
            await asyncio.wait({reading}, timeout=last.after_idle)
            if not reading.done():
                self.writer.write(last.after)
        if last.close_after is not None:
            await asyncio.wait({reading}, timeout=last.close_after)
            if not reading.done():
                if last.abort:
                    _reset(self.writer)
                raise Cut


@dataclass(slots=True)
class _ResponseWriter:
    """An answer on its way."""

    writer: asyncio.StreamWriter
    behaviour: Behaviour
    effort: str
    _held: bytes = field(default=b"", init=False)  # the last bytes, which may go with others
    _chunked: bool = field(default=False, init=False)
    _sent: int = field(default=0, init=False)  # bytes of the body

    async def run(self, asked: dict[str, Any]) -> None:
        """Raises `Cut` where the connection is to end, `ConnectionError` when the client left."""
        await asyncio.sleep(self.behaviour.delay)
        if self.behaviour.reset:
            raise Cut
        if self.behaviour.silent:
            await _wait(math.inf)
        found = body(asked, self.behaviour, self.effort)
        self._chunked = found.length is None
        await self._head(_head(found, self.behaviour))
        try:
            await self._send_body(found)
        except Ended:
            """It has said enough."""
        except Cut:
            await self._flush()
            raise
        self._hold(self._ending())
        await self._flush()

    def _ending(self) -> bytes:
        """The end of the chunks, and in the same write what nobody asked for."""
        later = self.behaviour.after_idle is not None or self.behaviour.after_next
        end = b"0\r\n\r\n" if self._chunked else b""
        return self._take() + end + (b"" if later else self.behaviour.after)

    async def _head(self, head: bytes) -> None:
        if not self.behaviour.drip:
            self.writer.write(head)
            return
        for byte in head:
            self.writer.write(bytes([byte]))
            await asyncio.sleep(self.behaviour.drip)

    async def _send_body(self, found: Body) -> None:
        for step in found.steps:
            if isinstance(step, Unframed):
                self._hold(step)
            elif isinstance(step, bytes):
                await self._put(step)
            else:
                await self._flush()
                await _wait(step)

    async def _put(self, content: bytes) -> None:
        cut = self.behaviour.cut
        kept = content if cut is None else content[: cut - self._sent]
        size = self.behaviour.split or max(1, len(kept))
        for at in range(0, len(kept), size):
            await self._send(kept[at : at + size])
        if cut is not None and self._sent >= cut:
            await self._flush()
            raise Cut

    async def _send(self, content: bytes) -> None:
        self._sent += len(content)
        framed = b"%x\r\n%s\r\n" % (len(content), content) if self._chunked else content
        self._hold(framed)
        if self.behaviour.split:
            await self._flush()
            await asyncio.sleep(0)

    def _hold(self, content: bytes) -> None:
        self.writer.write(self._take())
        self._held = content

    def _take(self) -> bytes:
        held, self._held = self._held, b""
        return held

    async def _flush(self) -> None:
        self.writer.write(self._take())
        await self.writer.drain()


def _head(found: Body, behaviour: Behaviour) -> bytes:
    length = found.length
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    headers = {"content-type": found.type, "x-request-id": "req_fake"}
    headers |= {"content-encoding": "gzip"} if behaviour.gzip else {}
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
