"""Connections to providers, kept for the next request only while nothing came unasked.

HTTP/1.1 pairs answers with requests by their order alone: bytes that a provider sends unasked on
a kept connection are read as the answer to the next request, which may be another user's. So a
connection that said more than its answer is closed, and looked at again when it is taken out.
docs/decisions/0007-connections-to-providers.md says what cannot be promised.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import select
import socket
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from app.llm.exchange import MAX_INFORMATIONAL, Exchange
from app.llm.malformed import MalformedAnswer

# s that an idle connection is kept. Load balancers and nginx close at 60 s or later, and a half of
# that leaves no race with them. Servers that close sooner (uvicorn and vLLM at 5 s, Node at 5)
# are seen to have closed when the connection is taken out; what crosses on the way is repeated.
KEEP_ALIVE_TIMEOUT = 30.0
MAX_CONNECTIONS = 1000  # at once, by one account of one process; further calls wait

log = logging.getLogger(__name__)


class PooledConnection(ResponseHandler):
    """One connection, as aiohttp's protocol, which knows whether it may be asked again.

    reused: whether it had answered another request before this one. heard: whether anything came
    since it was taken out.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.reused = self.heard = self._taken = False
        self._exchange: Exchange | None = None  # who reads instead of aiohttp
        self._answer: StreamReader | None = None  # the body of the last one; None until it begins
        self._informed = 0
        self._poll: select.poll | None = None

    def take(self) -> bool:
        """Make it ready for a request; False when it must be closed instead."""
        self.reused, self._taken = self._taken, True
        if self.reused and not self._is_silent():
            return False
        self.heard, self._answer, self._informed = False, None, 0
        self._exchange = None
        return True

    def serve(self, exchange: Exchange) -> None:
        """What comes is this one's, until the connection is taken again."""
        self._exchange = exchange

    def data_received(self, data: bytes) -> None:
        if self._exchange is not None:
            self.heard = True
            self._exchange.feed(data)
            return
        answer = self._answer
        if answer is not None and answer.is_eof() and data:
            self.spoil()  # nobody had asked
            return
        if data:  # empty when what was held back is parsed
            self.heard = True
        super().data_received(data)
        answer = self._answer
        if answer is not None and answer.is_eof() and self._parses_another():
            self.spoil()

    def feed_data(self, data: tuple[Any, StreamReader], size: int = 0) -> None:
        """Each answer's head, and the reader of its body, as the parser finds them."""
        message, body = data
        if self._answer is not None:
            self.spoil()  # behind the answer's end, in the same segment
        elif message.code >= 200:
            self._answer = body
            super().feed_data(data, size)
        elif message.code == 101 or self._informed >= MAX_INFORMATIONAL:
            self.spoil()
            self.set_exception(HttpProcessingError(message="no answer, but status 1xx"))
        else:
            self._informed += 1

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Also tell who reads the body, whom aiohttp leaves waiting when the framing breaks."""
        if exc_cause is None:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)
        answer = self._answer
        if isinstance(exc, HttpProcessingError) and answer is not None and not answer.is_eof():
            answer.set_exception(MalformedAnswer("its framing is broken"))

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._exchange is not None:
            self._exchange.lost(exc)
        super().connection_lost(exc)

    def spoil(self) -> None:
        """It cannot be asked again."""
        self.force_close()  # also when it has not been given back yet
        self.close()

    def _parses_another(self) -> bool:
        """Whether bytes of a further answer, still incomplete, are in the parser.

        An end of the connection is no news to a parser that has finished. Empty lines, which mean
        nothing before an answer either, it drops.
        """
        try:
            return self._parser is not None and self._parser.feed_eof() is not None
        except Exception:  # whatever a parser makes of it, it is more than was asked for
            return True

    def _is_silent(self) -> bool:
        """Whether nothing waits: neither here, nor in the kernel, be it data, an end or a reset."""
        if self.should_close or self.transport is None:
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)


# The connection of this task's last request, None before it has one.
USED: ContextVar[PooledConnection | None] = ContextVar("used", default=None)


class Pool(aiohttp.TCPConnector):
    """Connections to the providers of one account. It notes in `USED` which one it gave.

    connect_timeout: seconds for name, TCP and TLS together, whatever the number of addresses.
    Without `reuse` each request has a connection of its own.
    """

    def __init__(self, *, connect_timeout: float, reuse: bool, **options: Any) -> None:
        options |= {"keepalive_timeout": KEEP_ALIVE_TIMEOUT} if reuse else {"force_close": True}
        super().__init__(limit=MAX_CONNECTIONS, **options)
        self._connect_timeout = connect_timeout
        made: type[ResponseHandler] = PooledConnection
        self._factory = functools.partial(made, loop=self._loop)

    async def connect(self, *args: Any, **options: Any) -> Any:
        while True:
            connection = await super().connect(*args, **options)
            used = connection.protocol
            if not isinstance(used, PooledConnection):
                return connection  # aiohttp has changed; the transport sees that none was noted
            if used.take():
                USED.set(used)
                return connection
            connection.close()

    async def _create_connection(self, *args: Any, **options: Any) -> ResponseHandler:
        # aiohttp's own time-out begins anew with each address, and does not count the name.
        async with asyncio.timeout(self._connect_timeout):
            return await super()._create_connection(*args, **options)


# -- does aiohttp still call what is overridden here?
CHANGED = "aiohttp has changed: no connection to a provider is used for a second request"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
UNASKED: tuple[list[bytes], ...] = (
    [ANSWER + ANSWER],
    [ANSWER[:-1], b"i" + ANSWER],
    [ANSWER + b"HTTP/1.1 2"],
    [ANSWER, b"H"],
)


class _Stub(asyncio.Transport):
    """Enough of a transport for a protocol that is fed by hand."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__({"socket": sock})
        self._open = True

    def is_closing(self) -> bool:
        return not self._open

    def close(self) -> None:
        self._open = False


def guarded(pool: Pool) -> bool:
    """Whether connections of this pool see what comes unasked. One line in the log if not.

    It rests on names that aiohttp does not promise, so each process tries them when it starts.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs:
        try:
            quiet = _fed(pool, ours, [ANSWER])
            noticed = [not _fed(pool, ours, segments).take() for segments in UNASKED]
            found = quiet.take() and all(noticed)
            _answered(quiet, [ANSWER])
            theirs.send(b"H")
            found = found and not quiet.take()
        except Exception:
            found = False
    if not found:
        log.error(CHANGED, extra={"version": aiohttp.__version__})
    return found


def _fed(pool: Pool, sock: socket.socket, segments: list[bytes]) -> PooledConnection:
    made = pool._factory()
    if not isinstance(made, PooledConnection):
        raise TypeError
    made.connection_made(_Stub(sock))
    made.take()
    _answered(made, segments)
    return made


def _answered(connection: PooledConnection, segments: list[bytes]) -> None:
    """One exchange: the answer's head is taken as a response takes it."""
    connection.set_response_params()
    for segment in segments:
        connection.data_received(segment)
    reading = connection.read()
    try:
        reading.send(None)
    except StopIteration:
        return
    raise ValueError("no answer was found")
