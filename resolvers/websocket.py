"""The GraphQL endpoint over WebSocket: who may open one, and which protocol it speaks."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.websockets import WebSocket

from app.direct_socket import direct_socket
from app.hosts import Hosts
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
        hosts: Hosts,
    ) -> None:
        """`origins` may open sockets from browsers, besides the gateway's own at its `hosts`."""
        self.executor, self._gateway = executor, gateway
        self._origins, self._hosts = origins, hosts
        self.timeouts = SocketTimeouts()

    async def handle(self, ws: WebSocket) -> None:
        """A browser tells its page nothing of a handshake that is refused: what keeps a socket from
        being open is therefore a close code and a reason.
        """
        offered = ws.scope["subprotocols"]
        spoken = next((known for known in (PROTOCOL, LEGACY) if known in offered), None)
        origin = ws.headers.get("origin")
        await ws.accept(spoken)
        if (why := self._refusal(ws, origin)) is not None:
            await ws.close(4403, why)
        elif spoken != PROTOCOL:
            await ws.close(4406, SPEAK_LEGACY if spoken == LEGACY else SPEAK)
        else:
            connection = Connection(ws, self.executor, self._gateway, self.timeouts)
            if direct := direct_socket(ws.scope):
                direct.serve_after(connection.serve)
            else:
                await connection.serve()

    def _refusal(self, ws: WebSocket, origin: str | None) -> str | None:
        """Why the page that opens the socket may not: it is neither ours nor allowed."""
        host = ws.headers.get("host", "")
        allowed = origin is None or origin in self._origins
        if allowed and not self._hosts.always:
            return None
        if not allowed and not _same_origin(origin or "", host):
            return refused("A WebSocket", origin or "")
        return None if host in self._hosts else self._hosts.refused(host)


def _same_origin(origin: str, host: str) -> bool:
    """Whether they say so, which is no proof: a page can have its own name lead here."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:  # such as `http://[`
        return False
