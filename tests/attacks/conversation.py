"""A client that sends any bytes, and tells what came back: answers, codes, frames, the end."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from dataclasses import dataclass, field
from typing import Any, Self

PATIENCE = 5.0  # s in which anything is answered or closed
KEY = base64.b64encode(b"0123456789abcdef").decode()
PROTOCOL = "graphql-transport-ws"
NO_BODY = (204, 304)
TEXT, CLOSE = 0x1, 0x8


@dataclass
class Answer:
    """What came: of HTTP the status of each answer, of a WebSocket its close code."""

    statuses: list[int] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)  # of a WebSocket
    close: int | None = None  # 1006: without a close frame
    ended: bool = False  # the connection

    @property
    def status(self) -> int | None:
        """The first answer's; None: there was none."""
        return self.statuses[0] if self.statuses else None

    @property
    def everything(self) -> bytes:
        return b"".join([*self.heads, *self.bodies, json.dumps(self.messages).encode()])

    @property
    def codes(self) -> set[str]:
        """Every error code in bodies, events and messages."""
        told = [*self.messages]
        for body in self.bodies:
            told += [_json(line.removeprefix(b"data:")) for line in (body, *body.splitlines())]
        return {code for each in told for code in _codes(each)}


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _codes(told: Any) -> set[str]:
    """REST's `code`, GraphQL's `extensions.code`, wherever they stand."""
    if isinstance(told, list):
        return {code for each in told for code in _codes(each)}
    if not isinstance(told, dict):
        return set()
    inside = {code for each in told.values() for code in _codes(each)}
    return inside | ({told["code"]} if isinstance(told.get("code"), str) else set())


class Conversation:
    """One connection to the gateway, from an address of its own if wanted."""

    def __init__(self, port: int, source: str = "127.0.0.1", *, patience: float = PATIENCE) -> None:
        self._socket = socket.create_connection(
            ("127.0.0.1", port), timeout=patience, source_address=(source, 0)
        )
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._came = b""
        self.answer = Answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, *pieces: bytes) -> None:
        """Send pieces, each in a segment of its own; who has closed is told no more."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            self.answer.ended = True

    def finish(self) -> None:
        """Nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    # -- HTTP
    def receive(self, *, method: bytes = b"GET") -> None:
        """Read one whole answer into `answer`; interim ones (1xx) stand in `statuses` too."""
        while (head := self._until(b"\r\n\r\n")) is not None:
            status = int(head[9:12])
            self.answer.statuses.append(status)
            self.answer.heads.append(head)
            if status == 101 or status >= 200:
                self.answer.bodies.append(self._body(head, status, method))
                return

    def receive_start(self, wanted: bytes) -> None:
        """Read an answer's head and its body until it holds these bytes: of a stream."""
        if (head := self._until(b"\r\n\r\n")) is None:
            return
        self.answer.statuses.append(int(head[9:12]))
        self.answer.heads.append(head)
        if b"text/event-stream" not in head.lower():
            self.answer.bodies.append(self._body(head, int(head[9:12]), b"GET"))
            return
        while wanted not in self._came and self._more():
            pass
        self.answer.bodies.append(self._came)

    def receive_all(self) -> None:
        """Read answers until the connection ends. Raises `TimeoutError` when it does not."""
        while not self.answer.ended or self._came:
            before = len(self.answer.statuses)
            self.receive()
            if len(self.answer.statuses) == before:
                return

    def _body(self, head: bytes, status: int, method: bytes) -> bytes:
        if status == 101 or status in NO_BODY or method == b"HEAD":
            return b""
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        if (length := headers.get(b"content-length")) is not None:
            return self._exactly(int(length))
        if headers.get(b"transfer-encoding") != b"chunked":
            while self._more():
                pass
            return self._exactly(len(self._came))
        whole = b""
        while size := int((self._until(b"\r\n") or b"0").split(b";")[0], 16):
            whole += self._exactly(size)
            self._exactly(2)
        self._exactly(2)
        return whole

    # -- WebSocket
    def open_socket(self, *headers: str, protocol: str = PROTOCOL) -> bool:
        """Whether the handshake was accepted."""
        lines = [
            *("GET /graphql HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket"),
            *("Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"),
            *((f"Sec-WebSocket-Protocol: {protocol}",) if protocol else ()),
            *headers,
        ]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        self.receive()
        return self.answer.status == 101

    def tell(self, message: Any) -> None:
        self.send(frame(TEXT, json.dumps(message).encode()))

    def hear(self) -> Any:
        """The next message; None when the socket is closed, and `answer.close` says how."""
        while True:
            if (head := self._exactly(2)) == b"":
                self.answer.close = self.answer.close or 1006
                return None
            opcode, size = head[0] & 15, head[1] & 127
            if size > 125:
                [size] = struct.unpack(*((">H", self._exactly(2)) if size == 126
                                         else (">Q", self._exactly(8))))  # fmt: skip
            payload = self._exactly(size)
            if opcode == CLOSE:
                self.answer.close = struct.unpack(">H", payload[:2])[0] if payload else 1005
                return None
            if opcode == TEXT:
                self.answer.messages.append(message := json.loads(payload))
                return message

    def hear_until(self, *types: str) -> None:
        """Until a message of these types, or the end."""
        while (message := self.hear()) is not None and message["type"] not in types:
            pass

    # -- bytes
    def _more(self) -> bool:
        """Whether more came; TimeoutError when nothing does."""
        try:
            came = self._socket.recv(65_536)
        except ConnectionResetError:
            came = b""
        self._came += came
        self.answer.ended = self.answer.ended or not came
        return bool(came)

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._came:
            if not self._more():
                return None
        found, _, self._came = self._came.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        """So many bytes, or none where the connection ends before."""
        while len(self._came) < size:
            if not self._more():
                return b""
        found, self._came = self._came[:size], self._came[size:]
        return found


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = True
) -> bytes:
    """A WebSocket frame as a client sends it, or as it must not."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    size = len(payload)
    if size < 126:
        told = struct.pack(">BB", first, size | mask << 7)
    elif size < 65_536:
        told = struct.pack(">BBH", first, 126 | mask << 7, size)
    else:
        told = struct.pack(">BBQ", first, 127 | mask << 7, size)
    if not mask:
        return told + payload
    key = os.urandom(4)
    whole = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")
    return told + key + mixed.to_bytes(size, "big")
