"""AccessLog: what every request gets: an id, a line in the log, an answer, and to be counted."""

from __future__ import annotations

import logging
import time
from typing import Protocol

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import InternalError, Left
from app.rest import response_headers
from app.rest.request_id import request_id
from app.rest.responses import error_response
from app.stages import Stage, Timing, measured

# What answers a WebSocket's handshake; a denial with a response has a status of its own.
HANDSHAKE = {"websocket.accept": 101, "websocket.close": 403}
# What operators ask is no traffic, nor are the files of pages.
UNCOUNTED_PATHS = ("/health", "/metrics", "/console")
USERS = "/api/v2/users/"  # whose data is asked for or erased stands in no log
MAX_LOGGED_PATH = 200  # bytes of it that are logged

log = logging.getLogger("loregate.request")


class Traffic(Protocol):
    def record(self, seconds: float, *, failed: bool) -> None: ...


class Metrics(Protocol):
    def request(self, edge: str, status: int, seconds: float) -> None: ...


class AccessLog:
    """Gives each request its id, times it, logs it, and answers what nobody caught with a 500."""

    def __init__(self, app: ASGIApp, traffic: Traffic, metrics: Metrics) -> None:
        self._app, self._traffic, self._metrics = app, traffic, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, self._counting(send, time.perf_counter()))
            return
        with measured() as timing:
            await self._measured(scope, receive, send, timing)

    async def _measured(self, scope: Scope, receive: Receive, send: Send, timing: Timing) -> None:
        state = scope.setdefault("state", {})
        state["request_id"] = found = request_id(scope)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                private = response_headers.is_private(scope["headers"], status)
                sent = response_headers.complete(message.get("headers", ()), private=private)
                sent.append((b"x-request-id", found.encode()))
                if timing.authenticated and status != 401:  # a token that was revoked meanwhile
                    sent.append((b"server-timing", server_timing(timing)))
                message = {**message, "headers": sent}
            await send(message)

        try:
            await self._app(scope, _client_s(receive, timing), send_with_id)
        except ClientDisconnect:
            status = status or Left.status  # no error of ours
        except Exception:
            log.exception("unexpected error", extra={"request_id": found})
            if status:  # the answer has begun: breaking it off is all that is left
                raise
            answer = error_response(InternalError(), HTTPConnection(scope))
            await answer(scope, receive, send_with_id)
        finally:
            self._end(scope, status, timing.total)

    def _counting(self, send: Send, began: float) -> Send:
        """Counts a WebSocket's handshake when it is answered, with the HTTP status that it gets."""
        answered = False

        async def send_counted(message: Message) -> None:
            nonlocal answered
            if not answered and (status := HANDSHAKE.get(message["type"], message.get("status"))):
                answered = True
                self._metrics.request("websocket", status, time.perf_counter() - began)
            await send(message)

        return send_counted

    def _end(self, scope: Scope, status: int, seconds: float) -> None:
        if scope["path"].startswith(UNCOUNTED_PATHS):
            return
        edge = "graphql" if scope["path"] == "/graphql" else "rest"
        self._metrics.request(edge, status, seconds)
        failed = status >= 500 or bool(scope["state"].get("failed"))
        self._traffic.record(seconds, failed=failed)
        log.info(
            "%s %s %d",
            scope["method"],
            _path(scope),
            status,
            extra={
                "request_id": scope["state"]["request_id"],
                "ms": round(seconds * 1000, 1),
            },
        )


def _client_s(receive: Receive, timing: Timing) -> Receive:
    """Until the body is whole, who is waited for is the client."""
    whole = False

    async def received() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        timing.enter(Stage.CLIENT)
        try:
            message = await receive()
        finally:
            timing.leave(Stage.CLIENT)
        whole = not message.get("more_body")
        return message

    return received


def server_timing(timing: Timing) -> bytes:
    """Milliseconds until now, by https://www.w3.org/TR/server-timing/."""
    return ", ".join(f"{name};dur={ms}" for name, ms in timing.milliseconds.items()).encode()


def _path(scope: Scope) -> str:
    """The path as it was sent, percent signs and all, so that it cannot begin a line of its own."""
    sent: bytes = scope.get("raw_path") or scope["path"].encode()
    if scope["path"].startswith(USERS):
        return f"{USERS}…"
    return sent[:MAX_LOGGED_PATH].decode("ascii", "backslashreplace")
