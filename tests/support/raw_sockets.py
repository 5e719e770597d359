"""A WebSocket at its bytes: the frames of a client, and the server's protocol of it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.websocket_protocol import WebSocketProtocol
from tests.support.below import Below, Client

CONT, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: " + base64.b64encode(bytes(16)) + b"\r\n"
)


def frame(kind: int, payload: bytes = b"", *, end: bool = True) -> bytes:
    """A client's frame (RFC 6455, section 5.2), masked with zeros."""
    size = len(payload)
    length = bytes([size]) if size < 126 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([0x80 * end + kind, 0x80 | length[0]]) + length[1:] + bytes(4) + payload


@asynccontextmanager
async def socket(below: Below) -> AsyncIterator[Client]:
    """One that is open."""
    async with below.connected() as client:
        await client.send(HANDSHAKE + b"\r\n")
        assert b" 101 " in await client.reader.readuntil(b"\r\n\r\n")
        yield client


def closed(frames: bytes) -> tuple[int, bytes]:
    """Code and reason of the close frame that came last."""
    _, found, payload = frames.rpartition(b"\x88")
    assert found
    return int.from_bytes(payload[1:3], "big"), payload[3:]


def protocol(below: Below) -> WebSocketProtocol:
    [found] = below.server.server_state.connections
    assert isinstance(found, WebSocketProtocol)
    return found
