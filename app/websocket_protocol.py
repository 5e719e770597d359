"""WebSocket below the application: what a peer may send, and how far ahead of its reader.

uvicorn's protocol parses and answers all that came in one piece: 256 KB of pings are 40,000 objects
and as many pongs, also to a peer that reads none. This one parses a little at a time, and nothing
while a message waits for the application or what was written waits for the peer.
"""

from __future__ import annotations

import contextlib
from asyncio import BaseTransport
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from app.connections import Connections, plain
from app.direct_socket import EXTENSION, text_frame
from app.errors import InvalidRequest
from app.http_heads import answer
from app.mailbox import Gate, Mailbox

PIECE = 4 * 1024  # bytes that are parsed at once: at most 680 frames, 7 ms
MAX_FRAGMENTS = 256  # of one message; browsers and proxies send 256 KB in 4 to 64
CONTROL_RATE = 10.0  # pings and pongs a second; keep-alive sends one in 10 to 30 s
CONTROL_BURST = 100  # of them at once
LINGER = 1.0  # s for the peer to read why it was closed
MAX_AFTER_CLOSE = 16 * 1024  # bytes in which the peer's own close is looked for
MAX_DRAINED_BYTES = 1024 * 1024  # of what it sends meanwhile


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One socket, from its handshake on; its connection was counted before."""

    def __init__(self, *args: Any, connections: Connections, **given: Any) -> None:
        super().__init__(*args, **given)
        self.queue = Mailbox()  # type: ignore[assignment]  # all of a queue that is used
        self.writable = Gate()  # type: ignore[assignment]  # all of an event that is used
        self._application, self.app = self.app, self._serve
        self._after: Callable[[], Awaitable[None]] | None = None
        self._connections = connections
        self._held = bytearray()  # not parsed yet
        self._fragments = 0
        self._controls = 0.0  # a bucket that leaks at `CONTROL_RATE`
        self._controlled = 0.0  # when it was looked at, in the event loop's time
        self._after_close = 0  # bytes since the application closed it
        self._drained: int | None = None  # bytes since nothing is parsed any more

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.client = plain(self.client)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._held.clear()
        self._connections.leave(self.client)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            offered: dict[str, Any] = self.scope["extensions"] or {}
            offered[EXTENSION] = self

    # -- past ASGI: `app/direct_socket.py`
    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        await self._application(scope, receive, send)
        if self._after is not None:
            # The scope is the application's no more, and of what was sent nothing is needed.
            self.request.headers.clear()
            self.response.headers.clear()
            scope.clear()
            await self._after()

    def serve_after(self, serve: Callable[[], Awaitable[None]]) -> None:
        self._after = serve

    def write_text(self, *parts: bytes) -> bool:
        if (  # its state is another before the handshake is answered, and behind a close
            self._drained is not None
            or not self.writable.is_set()
            or self.conn.state is not State.OPEN
            or self.transport.is_closing()
        ):
            return False
        self.transport.write(text_frame(*parts))
        return True

    # -- flow
    def data_received(self, data: bytes) -> None:
        if self._drained is not None:
            self._drain(len(data))
            return
        self._held += data
        self._go_on()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._go_on()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._go_on()

    async def receive(self) -> Any:
        message = await super().receive()
        self._go_on()
        return message

    async def send(self, message: Any) -> None:
        """Raises `ClientDisconnected` where the socket was closed below the application."""
        if self._drained is not None:
            if message["type"] == "websocket.send":
                raise ClientDisconnected
            return
        await super().send(message)
        if self._held:  # what came before the handshake was answered
            self._go_on()

    def _go_on(self) -> None:
        """Parse what may be parsed; read more only when nothing is left."""
        while self._held and not self._blocked:
            piece = bytes(self._held[:PIECE])
            del self._held[:PIECE]
            super().data_received(piece)
            self._after_close += len(piece) if self.close_sent else 0
            if self._after_close > MAX_AFTER_CLOSE:
                self._part()
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self.handle_parser_exception()  # which uvicorn does not look for
        if self.transport.is_closing() or self._drained is not None:
            self._held.clear()
        elif self._held or self.read_paused or not self.writable.is_set():
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    @property
    def _blocked(self) -> bool:
        """Whether the application, the peer or the handshake's answer is waited for."""
        return (
            self.read_paused
            or not self.writable.is_set()
            or self.handshake_initiated is not self.handshake_complete
            or self._drained is not None
            or self.transport.is_closing()
        )

    # -- frames
    def handle_ping(self) -> None:
        if self._controls_are_few():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._controls_are_few():
            super().handle_pong(event)

    def handle_text(self, event: Frame) -> None:
        self._fragments = 1
        super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        self._fragments = 1
        super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        self._fragments += 1
        if self._fragments > MAX_FRAGMENTS:
            self._fail(f"A message has at most {MAX_FRAGMENTS} fragments")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        with contextlib.suppress(InvalidState):  # bad UTF-8, and the peer's own close behind it
            super().send_receive_event_to_app()

    def _controls_are_few(self) -> bool:
        now = self.loop.time()
        leaked = (now - self._controlled) * CONTROL_RATE
        self._controls, self._controlled = max(0.0, self._controls - leaked) + 1, now
        if self._controls > CONTROL_BURST:
            self._fail("Too many pings or pongs")
        return self._drained is None

    # -- the end
    def _fail(self, reason: str) -> None:
        if self._drained is None:
            self.conn.fail(CloseCode.POLICY_VIOLATION, reason)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Say why, and close; not at once, or what it still sends would reset the connection."""
        if self.transport.is_closing() or self._drained is not None:
            return
        if not self.handshake_initiated:
            self.transport.write(answer(InvalidRequest.at((), "this is no WebSocket handshake")))
            self.handshake_initiated = self.handshake_complete = self.close_sent = True
        elif close := self.conn.close_sent:
            gone = {"type": "websocket.disconnect", "code": close.code, "reason": close.reason}
            self.queue.put_nowait(gone)  # type: ignore[arg-type]
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self._part()

    def _part(self) -> None:
        """Parse nothing more, and close when the peer has had the time to read what was written."""
        self.stop_keepalive()
        self._drained, self.frames = 0, []
        self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(LINGER, self.transport.close)

    def _drain(self, count: int) -> None:
        self._drained = (self._drained or 0) + count
        if self._drained > MAX_DRAINED_BYTES:
            self.transport.abort()
