"""How an attack is sent: raw bytes, a request, a document, a token, or frames of a WebSocket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from tests.attacks.conversation import PROTOCOL, Conversation
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import token

SSE = "text/event-stream"
EVENTS = "subscription { events { type } }"
# The edges by their names in a row.
REST, GRAPHQL, GRAPHQL_GET, GRAPHQL_SSE = "rest", "graphql", "graphql-get", "graphql-sse"
WEBSOCKET, HANDSHAKE, REST_SSE = "websocket", "handshake", "rest-sse"


class Sending(Protocol):
    """What can be sent over one edge or several. `caller` is the user of the row alone."""

    @property
    def edges(self) -> tuple[str, ...]: ...

    def send(self, edge: str, conversation: Conversation, caller: str) -> None: ...


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A request as bytes, with what it must have and these headers."""
    told = {"Host": "127.0.0.1", **headers}
    if body or method in ("POST", "PUT", "PATCH"):
        told.setdefault("Content-Length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def bearer(caller: str, **claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(caller, **claims)}"}


@dataclass(frozen=True)
class Raw:
    """Bytes as they are, each piece in a segment of its own; `TOKEN` in them becomes the caller's.

    `answers`: how many are waited for; None: until the connection ends. `leaves`: nothing follows,
    and the server is told so.
    """

    pieces: tuple[bytes, ...]
    answers: int | None = 1
    leaves: bool = False
    edges: ClassVar[tuple[str, ...]] = ("http",)

    def send(self, edge: str, conversation: Conversation, caller: str) -> None:
        signed = token(caller).encode()
        conversation.send(*(piece.replace(b"TOKEN", signed) for piece in self.pieces))
        if self.leaves:
            conversation.finish()
        if self.answers is None:
            conversation.receive_all()
        for _ in range(self.answers or 0):
            conversation.receive(method=self.pieces[0].split(b" ")[0])


@dataclass(frozen=True)
class Http:
    """A request in good form. `anonymous`: without the caller's token."""

    method: str = "POST"
    path: str = TEXT
    body: Any = None  # bytes as they are, anything else as JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False
    claims: Mapping[str, Any] = field(default_factory=dict)
    edges: ClassVar[tuple[str, ...]] = (REST,)

    def send(self, edge: str, conversation: Conversation, caller: str) -> None:
        body = self.body
        if not isinstance(body, bytes):
            body = b"" if body is None else json.dumps(body).encode()
        headers = {} if self.anonymous else bearer(caller, **self.claims)
        told = {**headers, "Content-Type": "application/json", **self.headers}
        conversation.send(request(self.method, self.path, told, body))
        if told.get("Accept") == SSE:
            conversation.receive_start(b"\n\n")
        else:
            conversation.receive(method=self.method.encode())


@dataclass(frozen=True)
class Document:
    """A GraphQL document over POST, server-sent events and a WebSocket, with a token or without."""

    query: str
    variables: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)  # operationName, extensions …
    anonymous: bool = False
    claims: Mapping[str, Any] = field(default_factory=dict)
    edges: tuple[str, ...] = (GRAPHQL, GRAPHQL_SSE, WEBSOCKET)

    def send(self, edge: str, conversation: Conversation, caller: str) -> None:
        self.over(edge, conversation, {} if self.anonymous else bearer(caller, **self.claims))

    def over(self, edge: str, conversation: Conversation, headers: Mapping[str, str]) -> None:
        """With these headers, of which a WebSocket makes its first message."""
        asked = {"query": self.query, "variables": self.variables, **self.more}
        if edge == WEBSOCKET:
            _by_socket(conversation, headers, asked)
            return
        told = {**headers, "Content-Type": "application/json"}
        if edge == GRAPHQL_SSE:
            told["Accept"] = SSE
        conversation.send(request("POST", "/graphql", told, json.dumps(asked).encode()))
        if edge == GRAPHQL_SSE:
            conversation.receive_start(b"event: complete")
        else:
            conversation.receive()


def _by_socket(conversation: Conversation, headers: Mapping[str, str], asked: Any) -> None:
    if not conversation.open_socket():
        return
    conversation.tell({"type": "connection_init", "payload": dict(headers)})
    if conversation.hear() is None:
        return
    conversation.tell({"type": "subscribe", "id": "1", "payload": asked})
    conversation.hear_until("complete", "error")


@dataclass(frozen=True)
class Bearer:
    """A token, good or forged, at every door that takes one."""

    token: str
    scheme: str = "Bearer "
    edges: tuple[str, ...] = (REST, REST_SSE, GRAPHQL, GRAPHQL_SSE, WEBSOCKET, HANDSHAKE)

    def send(self, edge: str, conversation: Conversation, caller: str) -> None:
        said = {"Authorization": self.scheme + self.token}
        told = {**said, "Content-Type": "application/json"}
        if edge in (WEBSOCKET, HANDSHAKE):
            header = f"Authorization: {self.scheme}{self.token}"
            if conversation.open_socket(*((header,) if edge == HANDSHAKE else ())):
                payload = said if edge == WEBSOCKET else None
                conversation.tell({"type": "connection_init", "payload": payload})
                conversation.hear()
            return
        if edge == REST:
            conversation.send(request("POST", TEXT, told, json.dumps(GOOD[TEXT]).encode()))
        elif edge == REST_SSE:
            conversation.send(request("GET", "/api/v2/events", {**said, "Accept": SSE}))
        else:
            told["Accept"] = SSE if edge == GRAPHQL_SSE else "application/json"
            query = EVENTS if edge == GRAPHQL_SSE else "{ viewer { id } }"
            conversation.send(
                request("POST", "/graphql", told, json.dumps({"query": query}).encode())
            )
        if edge in (REST_SSE, GRAPHQL_SSE):
            conversation.receive_start(b"\n\n")
        else:
            conversation.receive()


@dataclass(frozen=True)
class Frames:
    """Frames of a WebSocket, sent when it is open; `acknowledged`: and its caller is known.

    What is heard until the socket is closed is kept; `until`: or a message of these types came.
    """

    frames: tuple[bytes, ...]
    acknowledged: bool = True
    headers: tuple[str, ...] = ()
    protocol: str = PROTOCOL
    until: tuple[str, ...] = ()
    edges: ClassVar[tuple[str, ...]] = (WEBSOCKET,)

    def send(self, edge: str, conversation: Conversation, caller: str) -> None:
        if not conversation.open_socket(*self.headers, protocol=self.protocol):
            return
        if self.acknowledged:
            conversation.tell({"type": "connection_init", "payload": bearer(caller)})
            conversation.hear()
        conversation.send(*self.frames)
        conversation.hear_until(*self.until)
