"""The GraphQL endpoint over WebSocket: who may open one, and which protocol it speaks."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket

from app.origins import Origins, refused
from app.pipeline.gateway import Gateway
from resolvers.execution import Executor
from resolvers.websocket_connection import Connection, SocketTimeouts

PROTOCOL = "graphql-transport-ws"


class WebSocketEndpoint:
    """WebSockets on /graphql; an instance serves all of them."""

    def __init__(
        self,
        executor: Executor,
        gateway: Gateway,
        *,
        origins: Origins,
    ) -> None:
        """`origins` may open sockets from browsers, besides the gateway's own."""
        self.executor, self._gateway, self._origins = executor, gateway, origins
        self.timeouts = SocketTimeouts()

    async def handle(self, ws: WebSocket) -> None:
        origin = ws.headers.get("origin")
        if origin is not None and not self._may_open(ws, origin):
            said = refused("A WebSocket", origin)
            await ws.send_denial_response(PlainTextResponse(said, 403))
            return
        if PROTOCOL not in ws.scope["subprotocols"]:
            await ws.accept()
            await ws.close(4406, "Subprotocol not acceptable")
            return
        await ws.accept(PROTOCOL)
        await Connection(ws, self.executor, self._gateway, self.timeouts).serve()

    def _may_open(self, ws: WebSocket, origin: str) -> bool:
        """Whether the page that opens the socket is ours or allowed."""
        if origin in self._origins:
            return True
        try:
            return urlsplit(origin).netloc == ws.headers.get("host")
        except ValueError:  # such as `http://[`
            return False
