"""Exchange: one request's answer over HTTP/1.1, read without an object for each of its chunks.

llhttp (`httptools`) finds the chunks and puts their bytes into one list, from which they are taken
joined. aiohttp's own reader has two calls and a turn of its parser for each chunk: 200 of them, as
a stream has, took 60 % of a call. Connecting, TLS and keeping connections stay aiohttp's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

import aiohttp
import httptools
import httpx2

from app.llm.malformed import MalformedAnswer

if TYPE_CHECKING:
    from app.llm.connections import PooledConnection

MAX_LINE_BYTES = 8190  # bytes of a status line, or of one header
MAX_HEADERS = 100  # of an answer, its trailers among them; OpenAI sends about 30
MAX_INFORMATIONAL = 8  # answers of status 1xx before the real one
MAX_UNREAD_BYTES = 256 * 1024  # bytes; more stay in the kernel until somebody reads
MAX_FRAMING_BYTES = 64 * 1024  # bytes in a row that are neither a head's lines nor a body
# What aiohttp lets pass of an answer as well.
LENIENT = {
    "lenient_headers": True,
    "lenient_optional_cr_before_lf": True,
    "lenient_spaces_after_chunk_size": True,
}
NO_END = "its framing is broken"


class Exchange:
    """`head()`, then as `response_body.AnswerBody`. One task reads.

    status, reason and headers are known once `head()` has returned.
    """

    __slots__ = (
        *("_chunks", "_complete", "_connection", "_counted", "_error", "_framing", "_informed"),
        *("_keeps", "_line", "_loop", "_parser", "_paused", "_unread", "_used", "_waiter"),
        *("answered", "headers", "on_body", "reason", "status"),
    )

    def __init__(self, connection: aiohttp.connector.Connection, used: PooledConnection) -> None:
        self._loop = asyncio.get_running_loop()
        self._connection, self._used = connection, used
        self.status, self.reason = 0, b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.answered = False  # whether its head is whole
        self._complete = self._keeps = self._paused = False
        self._error: Exception | None = None
        self._chunks: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self._chunks.append
        self._counted = self._informed = self._line = self._framing = self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(**LENIENT)

    # -- what the connection gives
    def feed(self, data: bytes) -> None:
        if self._complete or self._error is not None:
            self._used.spoil()  # nobody had asked
            return
        chunks = len(self._chunks)
        try:
            self._parser.feed_data(data)
            if not self._complete:
                self._bound(data, len(self._chunks) == chunks)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, MalformedAnswer):
            self._used.spoil()  # also where the answer is whole: more came than that
            if not self._complete:
                self._fail(MalformedAnswer(NO_END))
        self._unread += len(data)
        if self._unread > MAX_UNREAD_BYTES and not self._complete:
            self._pause()
        if len(self._chunks) > chunks or self._complete:
            self._wake()

    def _bound(self, data: bytes, bare: bool) -> None:
        """Of what no callback has said yet: a line of the head, or a trailer's."""
        if not self.answered:
            at = data.rfind(b"\n")
            self._line = self._line + len(data) if at < 0 else len(data) - at - 1
            if self._line > MAX_LINE_BYTES:
                raise MalformedAnswer(NO_END)
        elif bare:
            self._framing += len(data)
            if self._framing > MAX_FRAMING_BYTES:
                raise MalformedAnswer(NO_END)
        else:
            self._framing = 0

    def lost(self, error: BaseException | None) -> None:
        """The connection has ended."""
        if self._complete or self._error is not None:
            return
        if error is None and self.answered and self._ends_with_connection():
            self._complete = True
            self._wake()
        elif self.answered:
            self._fail(httpx2.ReadError(str(error or "the connection was closed")))
        else:
            self._fail(aiohttp.ServerDisconnectedError())

    def _ends_with_connection(self) -> bool:
        named = {name.lower(): value.lower() for name, value in self.headers}
        framed = b"content-length" in named or b"chunked" in named.get(b"transfer-encoding", b"")
        return not framed

    def _fail(self, error: Exception) -> None:
        self._error = error
        self._wake()

    # -- what the parser finds
    def on_message_begin(self) -> None:
        if self._complete:
            raise MalformedAnswer("a second answer")

    def on_status(self, reason: bytes) -> None:
        self.reason += reason
        if len(self.reason) > MAX_LINE_BYTES:
            raise MalformedAnswer(NO_END)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._counted += 1
        if self._counted > MAX_HEADERS or len(name) + len(value) + 2 > MAX_LINE_BYTES:
            raise MalformedAnswer(NO_END)
        if not self.answered:
            self.headers.append((name, value or b""))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.status, self.answered = status, True
            self._wake()
            return
        self._informed += 1
        if status == 101 or self._informed > MAX_INFORMATIONAL:
            raise MalformedAnswer("no answer, but status 1xx")

    def on_message_complete(self) -> None:
        if self.answered:
            self._complete, self._keeps = True, self._parser.should_keep_alive()
        else:  # an informational one
            self.headers.clear()
            self._counted, self.reason = 0, b""

    # -- who waits
    async def head(self) -> None:
        """Wait for status and headers.

        Raises:
            aiohttp.ServerDisconnectedError: the connection ended before they were whole.
            MalformedAnswer: what came is no HTTP.
        """
        while not self.answered:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        """All that has come; none at the end.

        Raises:
            httpx2.ReadError: the connection ended within the answer.
            MalformedAnswer: its framing is broken.
        """
        while not self._chunks:
            if self._complete:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait()
        found = b"".join(self._chunks)
        self._chunks.clear()
        self._unread = 0
        if self._paused:
            self._resume()
        return found

    async def gather(self, seconds: float) -> None:
        """Leave what comes in this time to the kernel, so that it is read in one turn."""
        if self._complete or self._error is not None or self._used.transport is None:
            return
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._wake)
        self._pause()
        try:
            await self._waiter
        finally:
            self._waiter = None
            timer.cancel()
        self._resume()

    def _pause(self) -> None:
        if self._used.transport is not None:
            self._paused = True
            with contextlib.suppress(RuntimeError):  # it is lost: reading will say so
                self._used.transport.pause_reading()

    def _resume(self) -> None:
        self._paused = False
        if self._used.transport is not None:
            with contextlib.suppress(RuntimeError):
                self._used.transport.resume_reading()

    def header(self, name: bytes) -> str:
        """The first of that name, in small letters; empty where there is none."""
        for key, value in self.headers:
            if key.lower() == name:
                return value.decode("latin-1").strip().lower()
        return ""

    @property
    def content_type(self) -> str:
        return self.header(b"content-type")

    @property
    def coding(self) -> str:
        return self.header(b"content-encoding") or "identity"

    def close(self) -> None:
        """Give the connection back, or close it where the answer is not whole."""
        if not self._complete and self._error is None:
            self._error = httpx2.ReadError("it was closed")
        if hasattr(self, "_parser"):
            del self._parser  # which refers to this
        if self._complete and self._keeps and self._error is None and not self._paused:
            self._connection.release()
        else:
            self._connection.close()

    async def __aenter__(self) -> Exchange:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
