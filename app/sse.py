"""EventStream: a response of server-sent events.

By https://html.spec.whatwg.org/multipage/server-sent-events.html, sections 9.2.5 and 9.2.6.
Why it is our own stands in docs/decisions/0004-own-event-stream.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.caller import Caller
from app.errors import GatewayError
from app.http import disconnected
from app.open_streams import OpenStreams

HEARTBEAT_INTERVAL = 15.0  # s; proxies cut what is silent for 30 to 60
WRITE_TIMEOUT = 20.0  # s for a client to take what was written
FAREWELL_TIMEOUT = 2.0  # s for the last words; a process that stops waits for them
COMMENT = b":\n"  # no empty line: some clients take one that stands alone for a message
LINE_END = re.compile(rb"\r\n|\r|\n")
UNFIT = re.compile("[\r\n\0]")  # a line break would begin another field; an id with NUL is ignored

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frame:
    """One event as it is sent. `data` is UTF-8; each kind of line break arrives as LF.

    Without data nothing is dispatched; a browser only keeps the id as its `Last-Event-ID`.

    Raises:
        ValueError: `event` or `id` holds a line break or NUL.
    """

    data: bytes | None = None
    event: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        if UNFIT.search(f"{self.event}{self.id}"):
            raise ValueError("an event's name and id are one line")

    def encode(self) -> bytes:
        lines = []
        if self.event is not None:
            lines.append(b"event: " + self.event.encode())
        if self.id is not None:
            lines.append(b"id: " + self.id.encode())
        if self.data is not None:
            lines += [b"data: " + line for line in _lines(self.data)]
        return b"\n".join((*lines, b"\n"))


class EventStream(Response):
    """Sends what an iterator gives, each event at once, until it ends or the client is gone.

    The iterator is closed however the response ends, also while it waits. It is asked for the
    next event when the client has taken the last one, or a buffer has. What it raises breaks the
    response off and is raised on; an error that the client shall read is a frame of its own.

    `frame` makes a frame of what the iterator gives, where that is none yet. After `heartbeat`
    seconds without an event the client gets `position()`: a frame with the id behind which it would
    go on, that of the last frame the iterator gave, never of one it will give. A client that takes
    nothing for `write_timeout` seconds is cut off: the response ends unfinished. ASGI cannot abort
    a connection; uvicorn closes it when its last 64 KB are taken, or the kernel gives the client up
    (`TCP_USER_TIMEOUT`).
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[Any],
        *,
        frame: Callable[[Any], Frame] | None = None,
        headers: Mapping[str, str] | None = None,
        heartbeat: float = HEARTBEAT_INTERVAL,
        position: Callable[[], Frame | None] = lambda: None,
        write_timeout: float = WRITE_TIMEOUT,
    ) -> None:
        # Not the base's own: it would promise a length.
        self.status_code, self.background = 200, None
        self.init_headers(headers)
        self.headers["Content-Type"] = "text/event-stream; charset=utf-8"
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"  # nginx would collect events
        self._events, self._frame, self._position = events, frame, position
        self._heartbeat, self._write_timeout = heartbeat, write_timeout
        self._lock = asyncio.Lock()  # a heartbeat never comes between an event and its id
        self._pumping: asyncio.Task[None] | None = None
        self._farewell: Frame | None = None
        self._begun = self._ended = False  # whether the client has the headers, and the whole
        self._since: float | None = None  # when the write that goes on began
        self._last = 0.0  # when the last one ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":  # nobody would read it, so it would never end
            await _close(self._events)
            await send(self._start())
            await send({"type": "http.response.body"})
            return
        pump = self._pumping = asyncio.create_task(self._pump(send), name="event-stream")
        gone = asyncio.create_task(disconnected(receive), name="event-stream-client")
        with contextlib.suppress(ClientDisconnect):
            try:
                await self._watch(send, {pump, gone})
            finally:
                pump.cancel()
                gone.cancel()
                await asyncio.wait((pump, gone))
            if not pump.cancelled():
                pump.result()
            if self._farewell is not None and not self._ended and not _is_over(gone):
                await self._send_farewell(send, self._farewell)

    def finish(self, farewell: Frame) -> None:
        """End it with this frame, whatever the iterator waits for.

        An event that is being written may never arrive: the client then goes on from its own last
        id, not from the frame's.
        """
        self._farewell = farewell if self._since is None else replace(farewell, id=None)
        if self._begun and self._pumping is not None:
            self._pumping.cancel()

    async def _send_farewell(self, send: Send, farewell: Frame) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_TIMEOUT):
                await self._write(send, _body(farewell.encode()))
                await self._write(send, {"type": "http.response.body"})

    def _start(self) -> Message:
        return {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }

    async def _pump(self, send: Send) -> None:
        """From the iterator to the client."""
        try:
            await self._write(send, self._start())
            await self._write(send, _body(COMMENT))  # some proxies hold headers until a body
            self._begun = True
            if self._farewell is not None:
                return
            async for event in self._events:
                frame = event if self._frame is None else self._frame(event)
                await self._write(send, _body(frame.encode()))
            await self._write(send, {"type": "http.response.body"})
            self._ended = True
        finally:
            await _close(self._events)

    async def _write(self, send: Send, message: Message) -> None:
        """Raises `ClientDisconnect`, where the server says so."""
        time = asyncio.get_running_loop().time
        async with self._lock:
            self._since = time()
            try:
                await send(message)
            except OSError:
                raise ClientDisconnect from None
            self._since, self._last = None, time()

    async def _watch(self, send: Send, tasks: set[asyncio.Task[None]]) -> None:
        """Returns when a task has ended, or the client takes nothing; until then beats."""
        time = asyncio.get_running_loop().time
        self._last = time()
        while True:
            wait = min(self._due() - time(), self._write_timeout)
            done, _ = await asyncio.wait(tasks, timeout=wait, return_when="FIRST_COMPLETED")
            if done:
                return
            if time() < self._due():
                continue
            if self._since is not None or not await self._beat(send):
                log.info("a client that took nothing for %g s was cut off", self._write_timeout)
                return

    def _due(self) -> float:
        """When the client must have taken a write, or the next heartbeat is to be sent."""
        if self._since is not None:
            return self._since + self._write_timeout
        return self._last + self._heartbeat

    async def _beat(self, send: Send) -> bool:
        """Whether the client took a heartbeat."""
        position = self._position()
        beat = COMMENT if position is None else position.encode()
        try:
            async with asyncio.timeout(self._write_timeout):
                await self._write(send, _body(beat))
        except TimeoutError:
            return False
        return True


def _lines(data: bytes) -> list[bytes]:
    if b"\n" in data or b"\r" in data:  # the pattern takes 3 µs for 500 bytes without
        return LINE_END.split(data)
    return [data]


def _is_over(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled()


def _body(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}


async def _close(events: Any) -> None:
    """Close an iterator that can be closed, as a generator can."""
    if close := getattr(events, "aclose", None):
        await close()


class HeldStream(EventStream):
    """A stream that ends with its caller's token, and with the process."""

    def __init__(
        self,
        events: AsyncIterator[Any],
        caller: Caller,
        open_streams: OpenStreams,
        farewell: Callable[[GatewayError], Frame],
        *,
        on_end: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> None:
        """`farewell` is the last frame, for the reason of the end; `on_end` hears of any end."""
        super().__init__(events, **options)
        self.caller = caller
        self._open_streams, self._last_frame, self._on_end = open_streams, farewell, on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._open_streams.hold(self)
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._open_streams.release(self)
            self._on_end()

    def end(self, reason: GatewayError) -> None:
        self.finish(self._last_frame(reason))

    def look(self, now: float) -> None:
        """Its heartbeat and its deadline are its own."""
