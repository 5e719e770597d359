"""Heads of HTTP requests: how much one may hold, what makes it ambiguous, and how it is refused."""

from __future__ import annotations

import math
import re
from http import HTTPStatus
from typing import Any, NamedTuple
from uuid import uuid4

import orjson

from app.errors import GatewayError, InvalidRequest

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_TARGET_BYTES = 8 * 1024 + 64  # the longest GraphQL by GET, 8,192, and the path before it
MAX_HANDSHAKE_LINE = 8 * 1024 - 2  # bytes of a header that websockets reads
VERSIONS = ("1.0", "1.1")
GRAPHQL = re.compile(rb"/graphql(?=[/?]|$)")
HOST = re.compile(rb"[\w.~%:\[\]-]*", re.ASCII)


class HeadersTooLarge(GatewayError):
    """A head of too many bytes, or of too many lines."""

    status, code = 431, "HEADERS_TOO_LARGE"

    def __init__(self) -> None:
        kilobytes = MAX_HEAD_BYTES // 1024
        super().__init__(f"A head may have {MAX_HEADERS} headers and {kilobytes} KB in all")


class Head(NamedTuple):
    """A request's head, its headers' names in lower case."""

    method: bytes
    target: bytes
    version: str
    headers: list[tuple[bytes, bytes]]

    def wrong(self) -> str | None:
        """What makes two readers of it disagree, where the parser itself allows it."""
        found = dict(self.headers)
        host, coding = found.get(b"host", b""), found.get(b"transfer-encoding")
        hosts = [name for name, _ in self.headers].count(b"host")
        if self.version not in VERSIONS:
            return "HTTP/1.1 is spoken here"
        if hosts > 1 or (hosts == 0 and self.version == "1.1"):
            return "a request names one Host"
        if not HOST.fullmatch(host):
            return "the Host is no name"
        if coding is not None and (coding.lower() != b"chunked" or self.version != "1.1"):
            return "a body is sent as it is, or in chunks"
        if self.method == b"CONNECT" or not self._stands_on(host):
            return "the target is not on this server"
        return None

    def _stands_on(self, host: bytes) -> bool:
        """An absolute target stands over the Host (RFC 9112, section 3.2.2): one that differs is
        refused, so that nobody above has to know."""
        if self.target.startswith(b"/") or self.target == b"*":
            return True
        authority = re.split(rb"[/?#]", self.target.partition(b"://")[2], maxsplit=1)[0]
        return authority.lower() == host.lower()

    @property
    def body_length(self) -> int | None:
        """In bytes; None where it comes in chunks."""
        found = dict(self.headers)
        if b"transfer-encoding" in found:
            return None
        return int(found.get(b"content-length", b"0"))


def answer(refusal: GatewayError, target: bytes = b"") -> bytes:
    """The whole answer that ends a connection, where no application is asked; for GraphQL's target
    in GraphQL's form."""
    request_id = str(uuid4())
    form = _graphql if GRAPHQL.match(target) else _plain
    body = orjson.dumps(form(refusal, request_id))
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "x-content-type-options: nosniff",
        f"x-request-id: {request_id}",
        "connection: close",
    ]
    if refusal.retry_after is not None:
        lines.append(f"retry-after: {math.ceil(refusal.retry_after)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _plain(refusal: GatewayError, request_id: str) -> dict[str, Any]:
    details = {"request_id": request_id, **refusal.details}
    return {"code": refusal.code, "message": refusal.message, "details": details}


def _graphql(refusal: GatewayError, request_id: str) -> dict[str, Any]:
    code = "BAD_USER_INPUT" if isinstance(refusal, InvalidRequest) else refusal.code
    extensions = {"code": code, "requestId": request_id}
    return {"errors": [{"message": refusal.message, "extensions": extensions}]}
