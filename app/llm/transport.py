"""The HTTP client for model providers: aiohttp below the API that the SDK wants.

It follows no redirect, keeps no cookie, bounds what is read and decoded, and asks once more, on
a fresh connection, when a kept one had ended unseen. Its errors, as the SDK passes them on:

    httpx2.ConnectTimeout   no connection in time (openai.APITimeoutError)
    httpx2.ConnectError     none, or it ended before the answer (openai.APIConnectionError)
    httpx2.ReadError        it ended within the answer
    MalformedAnswer         what came is no HTTP answer, or cannot be decoded; the SDK lets it by
"""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx2

from app import spans
from app.llm.connections import CHANGED, USED, Pool, PooledConnection, guarded
from app.llm.decoding import Decompressed, ErrorBody, Pieces, Plain
from app.llm.exchange import MAX_HEADERS, MAX_LINE_BYTES, Exchange
from app.llm.malformed import MalformedAnswer
from app.llm.request_head import RequestHead

CONNECT_TIMEOUT = 3.0  # s; a SYN that was lost once is sent again after 1 s
# The authorities that this machine trusts. To read them takes 50 ms, and is done where this module
# is imported: in a thread beside the loop.
TRUSTED = httpx2.create_ssl_context()
# Cookies would be one caller's state in another's request; there is nothing else to keep.
DROPPED = frozenset({b"set-cookie", b"set-cookie2"})

log = logging.getLogger(__name__)

NO_TIMEOUT = aiohttp.ClientTimeout()  # connecting is the pool's to time, the rest the caller's
# What the SDK's next request of this task gets, where it was sent already: an exchange whose answer
# is for the SDK to read, an error, or None for a connection that had ended and a fresh one.
Outcome = Exchange | Exception | None
SENT: ContextVar[tuple[Outcome] | None] = ContextVar("sent", default=None)

# aiohttp's options for one, and what a request that it passes on in plain text says to it.
Proxy = tuple[dict[str, Any], list[tuple[str, str]]]


def http_client(
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    reuse_connections: bool = True,
    transport: Transport | None = None,
) -> httpx2.AsyncClient:
    """For the SDK's `http_client`. To be used by one event loop, and closed.

    reuse_connections: False for a provider that might answer what nobody asked: each request has
    its own connection then.
    """
    transport = transport or Transport(
        connect_timeout=connect_timeout, reuse_connections=reuse_connections
    )
    # `trust_env` would put httpx2's own transport in place of this one where a proxy is set.
    return httpx2.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)


class Transport(httpx2.AsyncBaseTransport):
    """Sends requests over the connections of one account."""

    def __init__(self, *, connect_timeout: float, reuse_connections: bool) -> None:
        self._connect_timeout, self._reuses = connect_timeout, reuse_connections
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # by whether connections are kept
        self._proxies: dict[tuple[str, str], Proxy] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer's head; its body is read from the response's stream.

        A connection that was kept, and fails before a byte of the answer, had most likely ended
        before: that is no failure of the provider, and costs one more request, never two.
        """
        if (sent := SENT.get()) is not None and sent[0] is not None:
            if isinstance(sent[0], Exception):
                raise sent[0]
            return _of_exchange(sent[0])
        USED.set(None)
        spans.current().tell(
            {"server.address": request.url.host, "server.port": _port(request.url)}
        )
        request.headers.update(spans.headers())
        if sent is not None:
            return _of_aiohttp(await self._send_fresh(request))
        try:
            answer = await self._send(request, self._session(reuse=self._reuses))
        except aiohttp.ClientConnectionError as error:
            if not _was_stale(error):
                raise _as_httpx2(error) from error
            answer = await self._send_fresh(request)
        if self._reuses and USED.get() is None:  # the connection was none of ours
            self._reuses = False
            log.error(CHANGED, extra={"version": aiohttp.__version__})
        return _of_aiohttp(answer)

    def exchanges(self, head: RequestHead) -> bool:
        """Whether `exchange` is a way to there: by no proxy, over connections that are kept."""
        if not self._reuses or self._proxy(head.url)[0]:
            return False
        self._session(reuse=True)  # which finds out whether they can be
        return self._reuses

    async def exchange(self, head: RequestHead, body: bytes) -> Exchange | Exception | None:
        """The answer's head has come; or the error with which `handle_async_request` would fail;
        or None where a kept connection had ended unseen, and a fresh one must be asked.
        """
        spans.current().tell(head.place)
        connector: Any = self._session(reuse=True).connector
        try:
            connection = await connector.connect(head.key, [], NO_TIMEOUT)
        except TimeoutError as error:
            return _caused(httpx2.ConnectTimeout("no connection in time"), error)
        except aiohttp.ClientConnectionError as error:
            return _caused(_as_httpx2(error), error)
        used = connection.protocol
        if not isinstance(used, PooledConnection) or used.transport is None:
            connection.close()
            return None
        found = Exchange(connection, used)
        try:
            used.serve(found)
            used.transport.write(head.with_body(body, spans.headers()))
            await found.head()
        except aiohttp.ClientConnectionError as error:
            found.close()
            return None if used.reused and not used.heard else _caused(_as_httpx2(error), error)
        except MalformedAnswer as error:
            found.close()
            return error
        except BaseException:
            found.close()
            raise
        return found

    async def _send_fresh(self, request: httpx2.Request) -> aiohttp.ClientResponse:
        try:
            return await self._send(request, self._session(reuse=False))
        except aiohttp.ClientConnectionError as error:
            raise _as_httpx2(error) from error

    async def _send(
        self, request: httpx2.Request, session: aiohttp.ClientSession
    ) -> aiohttp.ClientResponse:
        # Whether a connection is kept is the pool's to say; httpx2 always asks for it.
        headers = [(k, v) for k, v in request.headers.multi_items() if k != "connection"]
        proxy, credentials = self._proxy(request.url)
        wait = request.extensions.get("timeout", {}).get("read")
        try:
            return await session.request(
                request.method,
                str(request.url),
                headers=headers + credentials,
                data=await request.aread() or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_read=wait),
                **proxy,
            )
        except aiohttp.ClientHttpProxyError as error:
            raise httpx2.ProxyError(str(error)) from error
        except aiohttp.ClientResponseError as error:
            raise MalformedAnswer("it is no HTTP answer") from error
        except aiohttp.InvalidURL as error:
            raise httpx2.UnsupportedProtocol(str(error)) from error

    def _session(self, *, reuse: bool) -> aiohttp.ClientSession:
        if reuse not in self._sessions:
            pool = Pool(connect_timeout=self._connect_timeout, reuse=reuse, ssl=TRUSTED)
            self._sessions[reuse] = aiohttp.ClientSession(
                connector=pool,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_line_size=MAX_LINE_BYTES,
                max_field_size=MAX_LINE_BYTES,
                max_headers=MAX_HEADERS,
            )
            if reuse and not guarded(pool):
                self._reuses = False
                return self._session(reuse=False)
        return self._sessions[reuse]

    def _proxy(self, url: httpx2.URL) -> Proxy:
        """The proxy that the environment names for it, if any."""
        place = (url.scheme, url.host)
        if place not in self._proxies:
            self._proxies[place] = _environments(*place)
        return self._proxies[place]

    async def aclose(self) -> None:
        for session in self._sessions.values():
            await session.close()


def _port(url: httpx2.URL) -> int:
    return url.port or {"http": 80}.get(url.scheme, 443)


def _environments(scheme: str, host: str) -> Proxy:
    """HTTPS_PROXY and its kin, as curl and the SDK's own client read them."""
    named = urllib.request.getproxies()
    found = named.get(scheme) or named.get("all")
    if not found or urllib.request.proxy_bypass(host):
        return {}, []
    url = httpx2.URL(found if "://" in found else f"http://{found}")
    if not url.userinfo:
        return {"proxy": str(url)}, []
    bare = str(url.copy_with(username="", password=""))
    said = aiohttp.encode_basic_auth(url.username, url.password)
    # To a tunnel it is said when the tunnel is opened, and never to the provider at its end.
    if scheme == "https":
        return {"proxy": bare, "proxy_headers": {"Proxy-Authorization": said}}, []
    return {"proxy": bare}, [("Proxy-Authorization", said)]


def _was_stale(error: aiohttp.ClientConnectionError) -> bool:
    used = USED.get()
    in_time = not isinstance(error, aiohttp.ServerTimeoutError)
    return in_time and used is not None and used.reused and not used.heard


def _as_httpx2(error: aiohttp.ClientConnectionError) -> httpx2.TransportError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx2.ConnectTimeout("no connection in time")
    if isinstance(error, aiohttp.SocketTimeoutError):
        return httpx2.ReadTimeout("no answer in time")
    return httpx2.ConnectError(str(error))


def _caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def _of_aiohttp(answer: aiohttp.ClientResponse) -> httpx2.Response:
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    reason = (answer.reason or "").encode("utf-8", "replace")
    found = _response(answer.status, reason, answer.raw_headers, Plain(answer), coding)
    if coding == "identity" and answer.status < 300:
        # The body's reader itself, for who can do without the generators around it.
        found.extensions["answer"] = answer
    return found


def _of_exchange(answer: Exchange) -> httpx2.Response:
    coding = answer.coding
    return _response(answer.status, answer.reason, answer.headers, Pieces(answer), coding)


def _response(
    status: int,
    reason: bytes,
    headers: Sequence[tuple[bytes, bytes]],
    stream: httpx2.AsyncByteStream,
    coding: str,
) -> httpx2.Response:
    headers = [(k, v) for k, v in headers if k.lower() not in DROPPED]
    if coding != "identity":
        stream = Decompressed(stream, coding)
        headers = [(k, v) for k, v in headers if k.lower() != b"content-encoding"]
    if status >= 300:
        stream = ErrorBody(stream)
        # Not even a client that follows redirects finds where to.
        headers = [(k, v) for k, v in headers if k.lower() != b"location"]
    extensions: dict[str, Any] = {"reason_phrase": reason}
    return httpx2.Response(status, headers=headers, stream=stream, extensions=extensions)
