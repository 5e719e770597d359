"""HTTP below the application: what a connection may send, and how long it may take.

uvicorn's protocol reads whatever comes. This one reads a head of bounded size within a bounded
time, a body only as fast as it is wanted and only until it is answered, and one request at a time:
what a client sends behind a request stays unread until that is answered. Nothing here needs a
token; nothing here is seen by the application, which gets whole heads alone.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.connections import MAX_REFUSED, Connections, TooManyConnections, plain
from app.errors import AddressTooLong, GatewayError, InvalidRequest, PayloadTooLarge
from app.http_heads import (
    MAX_HANDSHAKE_LINE,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_TARGET_BYTES,
    Head,
    HeadersTooLarge,
    answer,
)
from app.http_turn import HeldFlow, Turn

BODY_RATE = 1024  # bytes/s
MAX_CHUNKED_BYTES = 2 * 1024 * 1024  # 256 KB of a body in chunks of one byte are 1.5 MB
MAX_FRAMING_BYTES = 16 * 1024  # between two pieces of a body: a chunk's extension, and trailers
MAX_HELD_BYTES = 64 * 1024  # of requests that were sent before their turn
MAX_DRAINED_BYTES = 1024 * 1024  # of a body that nobody wants, read so that the answer arrives
HEAD_END = b"\r\n\r\n"

log = logging.getLogger(__name__)


class RequestTimeout(GatewayError):
    """The request did not arrive in time; the connection is closed."""

    status, code = 408, "REQUEST_TIMEOUT"


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """How long a client may take, in seconds."""

    head: float = 10.0  # from connecting, or from its first byte, to a whole head
    body: float = 5.0  # after which a body has to have come with `BODY_RATE`
    linger: float = 3.0  # to read the answer that ends the connection


class Phase(Enum):
    """What a connection does. All but the last two read."""

    HEAD = "head"
    BODY = "body"
    DRAINING = "draining"  # what comes is thrown away until the client has read its answer
    ANSWER = "answer"  # the request is whole; what comes is held
    UPGRADED = "upgraded"  # another protocol has the connection


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    _held_flow: HeldFlow

    def __init__(
        self,
        *args: Any,
        connections: Connections,
        timeouts: HttpTimeouts | None = None,
        **given: Any,
    ) -> None:
        super().__init__(*args, **given)
        self._connections, self._timeouts = connections, timeouts or HttpTimeouts()
        self._phase = Phase.HEAD
        self._entered = self._refused = False
        self._held = b""
        self._drained = 0  # bytes
        self._timer: asyncio.TimerHandle | None = None
        self._timed: Phase | None = None  # the phase whose timer runs
        self._refusal: GatewayError | None = None  # why a callback stopped the parser
        self._begin()

    def _begin(self) -> None:
        """Nothing of a request has come yet."""
        self._phase, self.url = Phase.HEAD, b""
        self._begun = False
        self._head_bytes, self._tail = 0, b""
        self._length: int | None = 0  # bytes of the body; None: in chunks
        self._body_bytes = self._chunked_bytes = self._framing_bytes = 0
        self._body_since = 0.0  # the event loop's time
        self._unread = False  # by us, when the body was looked at last

    # -- connection
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = plain(self.client)
        self.flow = self._held_flow = HeldFlow(transport)
        try:
            self._connections.enter(self.client)
        except TooManyConnections as refusal:
            self._turn_away(refusal)
        else:
            self._entered = True
            self._arm(Phase.HEAD, self._timeouts.head)

    def _turn_away(self, refusal: TooManyConnections) -> None:
        if self._connections.refused < MAX_REFUSED:
            self._connections.refused += 1
            self._refused = True
            self._refuse(refusal)
        else:
            self._phase = Phase.DRAINING
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._disarm()
        self._held = b""
        if self._entered:
            self._connections.leave(self.client)
        elif self._refused:
            self._connections.refused -= 1

    # -- bytes
    def data_received(self, data: bytes) -> None:
        if self._phase is Phase.DRAINING:
            self._drain(len(data))
            return
        self._unset_keepalive_if_required()
        while data:
            if self._phase is Phase.HEAD:
                data = self._feed_head(data)
            elif self._phase is Phase.BODY:
                data = self._feed_body(data)
            else:
                self._surplus(data)
                break
        self._watch()

    def _feed_head(self, data: bytes) -> bytes:
        """Returns what stands behind the head."""
        if self._tail:  # the head's end may stand across two segments
            at = (self._tail + data).find(HEAD_END)
            end = at + len(HEAD_END) - len(self._tail) if at >= 0 else len(data)
        else:
            at = data.find(HEAD_END)
            end = at + len(HEAD_END) if at >= 0 else len(data)
        head, rest = (data, b"") if end == len(data) else (data[:end], data[end:])
        room = MAX_HEAD_BYTES - self._head_bytes
        self._head_bytes += len(head)
        self._parse(head[:room])  # what is too long is read so far: a long target is a 414
        if len(head) > room and self._phase is Phase.HEAD:
            self._refuse(HeadersTooLarge())
        elif self._phase is Phase.HEAD:
            self._tail = (self._tail + head)[-len(HEAD_END) + 1 :] if at < 0 else b""
        return rest

    def _feed_body(self, data: bytes) -> bytes:
        """Returns what stands behind the body."""
        if self._length is not None:
            left = self._length - self._body_bytes
            if len(data) <= left:
                self._parse(data)
                return b""
            self._parse(data[:left])
            return data[left:]
        before = self._body_bytes
        self._parse(data)
        self._chunked_bytes += len(data)
        self._framing_bytes = 0 if self._body_bytes > before else self._framing_bytes + len(data)
        if self._phase is Phase.BODY and (
            self._chunked_bytes > MAX_CHUNKED_BYTES or self._framing_bytes > MAX_FRAMING_BYTES
        ):
            self._refuse(PayloadTooLarge("The body's chunks take more than what is in them"))
        return b""

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._phase is Phase.BODY:
                self._read_on_without_upgrade()
            elif self._should_upgrade():
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            if self._phase is Phase.ANSWER:  # the next request, begun in the same bytes
                self._leave_the_rest()
            else:
                self._refuse(self._refusal or InvalidRequest.at((), "this is no HTTP/1.1"))

    def _surplus(self, data: bytes) -> None:
        """What was sent behind a whole request."""
        if self._phase is Phase.UPGRADED:
            cast(asyncio.Protocol, self.transport.get_protocol()).data_received(data)
        elif self._phase is Phase.ANSWER:
            self._held += data
            if len(self._held) > MAX_HELD_BYTES:
                self._leave_the_rest()
            self._held_flow.pause_reading()
            self._held_flow.holding = True

    def _leave_the_rest(self) -> None:
        """Answer what was asked and close: a client asks the rest again (RFC 9112, 9.3.2)."""
        self.cycle.keep_alive, self._held = False, b""

    def _drain(self, count: int) -> None:
        self._drained += count
        if self._drained > MAX_DRAINED_BYTES:
            self.transport.abort()

    # -- what the parser finds
    def on_message_begin(self) -> None:
        if self._begun:
            raise ValueError("one request at a time")
        self._begun = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._stop(AddressTooLong(MAX_TARGET_BYTES))

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._phase is not Phase.HEAD:
            return  # a trailer, which must not be taken for a header (RFC 9110, 6.5.1)
        if len(self.headers) >= MAX_HEADERS:
            self._stop(HeadersTooLarge())
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version()
        head = Head(method, self.url, version, self.headers)
        if wrong := head.wrong():
            self._stop(InvalidRequest.at((), wrong))
        self._length = head.body_length
        if self.parser.should_upgrade() and self._should_upgrade():
            if self._length != 0 or version != "1.1":
                self._stop(InvalidRequest.at((), "a handshake is HTTP/1.1 and has no body"))
        else:
            self._phase = Phase.BODY
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._phase is Phase.BODY:
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._phase is not Phase.BODY:
            return
        if self.parser.should_upgrade() and self._body_bytes == 0 and self._length != 0:
            return  # the parser takes the body for the other protocol's
        self._phase = Phase.ANSWER
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def _stop(self, refusal: GatewayError) -> None:
        self._refusal = refusal
        raise refusal

    # -- other protocols
    def handle_websocket_upgrade(self) -> None:
        self._disarm()
        if any(len(n) + len(v) + 2 > MAX_HANDSHAKE_LINE for n, v in self.headers):
            self._refuse(HeadersTooLarge())
            return
        self._phase, self._entered = Phase.UPGRADED, False  # the other one counts it from here
        super().handle_websocket_upgrade()

    def _read_on_without_upgrade(self) -> None:
        """An Upgrade that is not followed: its body is HTTP's (Java's client asks for h2c with
        every first request), and never a request of its own."""
        self.cycle.keep_alive = False
        framing = b"transfer-encoding: chunked"
        if self._length is not None:
            framing = b"content-length: %d" % self._length
        body = SimpleNamespace(on_body=self.on_body, on_message_complete=self.on_message_complete)
        self.parser = httptools.HttpRequestParser(body)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n\r\n" % framing)

    # -- answers
    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = Turn  # uvicorn makes its own kind
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self.cycle.early:  # type: ignore[attr-defined]
            self.server_state.total_requests += 1
            self._linger()
            return
        super().on_response_complete()
        if self.transport.is_closing():
            return
        self._begin()
        if self._held_flow.holding:
            held, self._held, self._held_flow.holding = self._held, b"", False
            self._held_flow.resume_reading()
            self.data_received(held)

    def _refuse(self, refusal: GatewayError) -> None:
        """Answer below the application, and close."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._phase = Phase.DRAINING
                self.transport.close()
                return
        log.debug("refused below the application: %s", refusal.code)
        self.transport.write(answer(refusal, self.url))
        self._linger()

    def _linger(self) -> None:
        """Close, and not at once: what is unread then resets the connection, which takes the answer
        from the client (RFC 9112, 9.6)."""
        self._phase, self._held = Phase.DRAINING, b""
        self._held_flow.holding = False
        self._held_flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._arm(Phase.DRAINING, self._timeouts.linger)

    # -- time
    def _watch(self) -> None:
        """Have a timer run for as long as something is awaited of the client."""
        phase = self._phase
        if phase is self._timed or phase is Phase.DRAINING:
            return
        if phase is Phase.HEAD and self._head_bytes:
            self._arm(phase, self._timeouts.head)
        elif phase is Phase.BODY:
            self._body_since = self.loop.time()
            self._arm(phase, self._timeouts.body)
        elif self._timer is not None:
            self._disarm()

    def _arm(self, phase: Phase, seconds: float) -> None:
        self._disarm()
        self._timed = phase
        self._timer = self.loop.call_later(seconds, self._late, phase)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._timed = None

    def _late(self, phase: Phase) -> None:
        self._timer = self._timed = None
        if self.transport.is_closing() or phase is not self._phase:
            return
        if phase is Phase.BODY:
            self._look_at_body()
        elif phase is Phase.HEAD and self._head_bytes:
            self._refuse(RequestTimeout("The request's head did not arrive in time"))
        else:
            self.transport.close()

    def _look_at_body(self) -> None:
        now = self.loop.time()
        ours = self.flow.read_paused or self.cycle.waiting_for_100_continue
        if ours or self._unread:  # it is we who did not read, until now or a moment ago
            self._body_since = now - self._body_bytes / BODY_RATE
        self._unread = ours
        deadline = self._body_since + self._timeouts.body + self._body_bytes / BODY_RATE
        if now < deadline:
            self._arm(Phase.BODY, deadline - now)
        else:
            self._refuse(RequestTimeout("The request's body did not arrive in time"))
