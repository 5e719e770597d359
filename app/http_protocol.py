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
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.connections import MAX_REFUSED, Connections, TooManyConnections, count_refusal, plain
from app.errors import AddressTooLong, GatewayError, InvalidRequest, PayloadTooLarge
from app.http_heads import (
    MAX_HANDSHAKE_LINE,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    MAX_TARGET_BYTES,
    HeadersTooLarge,
    answer,
    body_length,
    what_is_wrong,
)
from app.http_turn import ANSWER, BODY, DRAINING, HEAD, UPGRADED, HeldFlow, Phase, Turn

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


class HttpProtocol(HttpToolsProtocol):
    """One connection."""

    cycle: Turn
    # Beyond 30 attributes CPython 3.11 looks all of an instance's up more slowly.
    __slots__ = (
        "_begun", "_body_bytes", "_body_since", "_chunked_bytes", "_connections", "_drained",
        "_entered", "_framing_bytes", "_head_bytes", "_held", "_held_flow", "_length", "_phase",
        "_refusal", "_refused", "_tail", "_timed", "_timeouts", "_timer", "_unread",
    )  # fmt: skip
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
        self._phase = HEAD
        self._entered = self._refused = False
        self._held = b""
        self._drained = 0  # bytes
        self._timer: asyncio.TimerHandle | None = None
        self._timed: Phase | None = None  # the phase whose timer runs
        self._refusal: GatewayError | None = None  # why a callback stopped the parser
        self._begin()

    def _begin(self) -> None:
        """Nothing of a request has come yet."""
        self._phase, self.url = HEAD, b""
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
            self._arm(HEAD, self._timeouts.head)

    def _turn_away(self, refusal: TooManyConnections) -> None:
        if self._connections.refused < MAX_REFUSED:
            self._connections.refused += 1
            self._refused = True
            self._refuse(refusal)
        else:
            count_refusal(self.app_state, None)
            self._phase = DRAINING
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
        if self._phase is DRAINING:
            self._drain(len(data))
            return
        self._unset_keepalive_if_required()
        while data:
            if self._phase is HEAD:
                data = self._feed_head(data)
            elif self._phase is BODY:
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
        if len(head) > room and self._phase is HEAD:
            self._refuse(HeadersTooLarge())
        elif self._phase is HEAD:
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
        # A segment of 256 KB may be 60,000 trailers, which hold the loop for 26 ms.
        data, rest = data[:MAX_FRAMING_BYTES], data[MAX_FRAMING_BYTES:]
        self._parse(data)
        self._chunked_bytes += len(data)
        self._framing_bytes = 0 if self._body_bytes > before else self._framing_bytes + len(data)
        if self._phase is BODY and (
            self._chunked_bytes > MAX_CHUNKED_BYTES or self._framing_bytes > MAX_FRAMING_BYTES
        ):
            self._refuse(PayloadTooLarge("The body's chunks take more than what is in them"))
        return rest

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._phase is BODY:
                self._read_on_without_upgrade()
            elif self._should_upgrade():
                self.handle_websocket_upgrade()
        except httptools.HttpParserError:
            if self._phase is ANSWER:  # the next request, begun in the same bytes
                self._leave_the_rest()
            else:
                self._refuse(self._refusal or InvalidRequest.at((), "this is no HTTP/1.1"))

    def _surplus(self, data: bytes) -> None:
        """What was sent behind a whole request."""
        if self._phase is UPGRADED:
            cast(asyncio.Protocol, self.transport.get_protocol()).data_received(data)
        elif self._phase is ANSWER:
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

    def on_headers_complete(self) -> None:
        """In the place of uvicorn's, whose kind of turn is another."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        headers = self.headers
        if len(headers) > MAX_HEADERS:
            self._stop(HeadersTooLarge())
        found = dict(headers)
        if wrong := what_is_wrong(method, self.url, version, headers, found):
            self._stop(InvalidRequest.at((), wrong))
        self._length = body_length(found)
        self.scope["method"], self.scope["http_version"] = method.decode("ascii"), version
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            self._start_turn()
        elif self._length != 0 or version != "1.1":
            self._stop(InvalidRequest.at((), "a handshake is HTTP/1.1 and has no body"))

    def _start_turn(self) -> None:
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope = self.scope
        scope["path"], scope["raw_path"] = unquote(path) if "%" in path else path, url.path
        scope["query_string"] = url.query or b""
        self.cycle = Turn(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=scope["http_version"] != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self._phase = BODY
        # What else the parser finds are trailers, which become no headers (RFC 9110, 6.5.1).
        self.headers = []
        self._start_asgi_task(self.cycle, self.app)

    def on_body(self, body: bytes) -> None:
        if self._phase is BODY:
            self._body_bytes += len(body)
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._phase is not BODY:
            return
        if self.parser.should_upgrade() and self._body_bytes == 0 and self._length != 0:
            return  # the parser takes the body for the other protocol's
        self._phase = ANSWER
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
        self._phase, self._entered = UPGRADED, False  # the other one counts it from here
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
    def on_response_complete(self) -> None:
        if self.cycle.early:
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
                self._phase = DRAINING
                self.transport.close()
                return
        log.debug("refused below the application: %s", refusal.code)
        count_refusal(self.app_state, refusal.status)
        self.transport.write(answer(refusal, self.url))
        self._linger()

    def _linger(self) -> None:
        """Close, and not at once: what is unread then resets the connection, which takes the answer
        from the client (RFC 9112, 9.6)."""
        self._phase, self._held = DRAINING, b""
        self._held_flow.holding = False
        self._held_flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._arm(DRAINING, self._timeouts.linger)

    # -- time
    def _watch(self) -> None:
        """Have a timer run for as long as something is awaited of the client."""
        phase = self._phase
        if phase is self._timed or phase is DRAINING:
            return
        if phase is HEAD and self._head_bytes:
            self._arm(phase, self._timeouts.head)
        elif phase is BODY:
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
        if phase is BODY:
            self._look_at_body()
        elif phase is HEAD and self._head_bytes:
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
            self._arm(BODY, deadline - now)
        else:
            self._refuse(RequestTimeout("The request's body did not arrive in time"))
