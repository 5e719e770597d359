"""ServerSpans: a span for each HTTP request, by its route and never by its address or its query.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/ asks for `url.path` too: it is left
out, as a caller writes it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from app import spans

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# What operators ask is no request of anybody's, nor are the files of pages.
UNTRACED_PATHS = ("/health", "/metrics", "/console")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})


class ServerSpans:
    """ASGI middleware around all others, where traces are on; WebSockets have spans elsewhere."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNTRACED_PATHS):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        facts = {
            "http.request.method": method,
            "url.scheme": scope["scheme"],
            "network.protocol.version": scope["http_version"],
        }
        name = method if method in METHODS else "HTTP"
        with spans.server(name, *_said(scope["headers"]), facts) as span:
            status = 0

            async def send_noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, send_noted)
            finally:
                _end(span, name, scope, status)


def _said(headers: list[tuple[bytes, bytes]]) -> tuple[str | None, str | None]:
    """`traceparent`, unless it came more than once, and `tracestate`, whose parts are one list."""
    parents = [value for name, value in headers if name == b"traceparent"]
    states = [value for name, value in headers if name == b"tracestate"]
    parent = parents[0].decode("latin-1") if len(parents) == 1 else None
    return parent, b",".join(states).decode("latin-1") or None


def _end(span: spans.Span, name: str, scope: Message, status: int) -> None:
    if not span.recording:
        return
    route = getattr(scope.get("route"), "path", None)
    if route is not None:
        span.rename(f"{name} {route}")
    span.tell({"http.route": route, "http.response.status_code": status or None})
    if status >= 500:
        span.failed(str(status))
    elif scope.get("state", {}).get("failed"):  # GraphQL tells it within a 200
        span.failed("INTERNAL_ERROR")
