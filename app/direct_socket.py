"""DirectSocket: a WebSocket past ASGI, for who has thousands of them open.

ASGI has an extension for what a server offers beyond it, `scope["extensions"]`; ours is a
`DirectSocket` there, under `EXTENSION`. It writes a message to a client that takes it without a
turn of the loop, and has the socket served when the application's call is over: of that call's
twenty frames, one for each middleware, an open socket would keep 8 KB.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

EXTENSION = "loregate.websocket"  # in `scope["extensions"]`
TEXT = 0x81  # the head of a frame with text that is a message of its own (RFC 6455, section 5.2)

Message = MutableMapping[str, Any]


class Socket(Protocol):
    """A socket's messages, as ASGI has them. Where it was closed, `send` raises `OSError` or
    `RuntimeError`."""

    async def receive(self) -> Message: ...

    async def send(self, message: Message) -> None: ...


class DirectSocket(Socket, Protocol):
    """One that a server of ours has open."""

    def write_text(self, *parts: bytes) -> bool:
        """Write a message, which the parts are together; they are UTF-8.

        False, and nothing is written, where `send` would wait for the client, or raise.
        """
        ...

    def serve_after(self, serve: Callable[[], Awaitable[None]]) -> None:
        """Go on with this when the application returns, instead of closing the socket."""
        ...


def direct_socket(scope: MutableMapping[str, Any]) -> DirectSocket | None:
    """A socket's way past ASGI, where the server has one."""
    found: DirectSocket | None = scope.get("extensions", {}).get(EXTENSION)
    return found


def text_frame(*parts: bytes) -> bytes:
    """The parts together as one unfragmented, unmasked text frame."""
    length = sum(map(len, parts))
    if length < 126:
        return b"".join((bytes((TEXT, length)), *parts))
    if length < 2**16:
        return b"".join((b"\x81\x7e", length.to_bytes(2, "big"), *parts))
    return b"".join((b"\x81\x7f", length.to_bytes(8, "big"), *parts))
