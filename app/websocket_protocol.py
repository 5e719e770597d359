"""WebSocket below the application."""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.connections import Connections, plain


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One socket, from its handshake on; its connection was counted before."""

    def __init__(self, *args: Any, connections: Connections, **given: Any) -> None:
        super().__init__(*args, **given)
        self._connections = connections

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.client = plain(self.client)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connections.leave(self.client)
