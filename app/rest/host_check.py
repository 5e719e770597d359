"""HostCheck: what a page of elsewhere asks under a name of its own is refused before it is read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import InvalidRequest
from app.hosts import Hosts
from app.origins import Origins
from app.rest.responses import error_response


class HostCheck:
    """HTTP alone: a WebSocket is told why by its close code. An origin that was named is let in by
    its own name, whatever it calls this gateway."""

    def __init__(self, app: ASGIApp, hosts: Hosts, origins: Origins) -> None:
        self._app, self._hosts, self._origins = app, hosts, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._fine(headers := Headers(scope=scope)):
            said = self._hosts.refused(headers.get("host", ""))
            answer = error_response(InvalidRequest.at((), said), HTTPConnection(scope))
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _fine(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if not self._hosts.always and (origin is None or self._origins.named(origin)):
            return True
        return headers.get("host", "") in self._hosts
