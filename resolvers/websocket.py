"""The GraphQL endpoint over WebSocket: who may open one, and which protocol it speaks."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.websockets import WebSocket

from app.origins import Origins, refused
from app.pipeline.gateway import Gateway
from resolvers.execution import Executor
from resolvers.websocket_connection import Connection, SocketTimeouts

PROTOCOL = "graphql-transport-ws"
LEGACY = "graphql-ws"  # of subscriptions-transport-ws, which the npm package graphql-ws succeeded
# At most 123 bytes each (RFC 6455, section 5.5).
SPEAK = f"Subprotocol not acceptable: offer {PROTOCOL}"
SPEAK_LEGACY = f"The subprotocol {LEGACY} is not spoken any more: use a client of {PROTOCOL}"


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
        """A browser tells its page nothing of a handshake that is refused: what keeps a socket from
        being open is therefore a close code and a reason.
        """
        offered = ws.scope["subprotocols"]
        spoken = next((known for known in (PROTOCOL, LEGACY) if known in offered), None)
        origin = ws.headers.get("origin")
        await ws.accept(spoken)
        if origin is not None and not self._may_open(ws, origin):
            await ws.close(4403, refused("A WebSocket", origin))
        elif spoken != PROTOCOL:
            await ws.close(4406, SPEAK_LEGACY if spoken == LEGACY else SPEAK)
        else:
            await Connection(ws, self.executor, self._gateway, self.timeouts).serve()

    def _may_open(self, ws: WebSocket, origin: str) -> bool:
        """Whether the page that opens the socket is ours or allowed."""
        if origin in self._origins:
            return True
        try:
            return urlsplit(origin).netloc == ws.headers.get("host")
        except ValueError:  # such as `http://[`
            return False
