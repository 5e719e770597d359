"""Heads of HTTP requests: how much one may hold, what makes it ambiguous, and how it is refused."""

from __future__ import annotations

import math
import re
import string
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import orjson

from app.errors import GatewayError, InvalidRequest

MAX_HEAD_BYTES = 32 * 1024
MAX_HEADERS = 100
MAX_TARGET_BYTES = 8 * 1024 + 64  # the longest GraphQL by GET, 8,192, and the path before it
MAX_HANDSHAKE_LINE = 8 * 1024 - 2  # bytes of a header that websockets reads
GRAPHQL = re.compile(rb"/graphql(?=[/?]|$)")
HOST = (string.ascii_letters + string.digits + "_.~%:[]-").encode()
SLASH = ord("/")


class HeadersTooLarge(GatewayError):
    """A head of too many bytes, or of too many lines."""

    status, code = 431, "HEADERS_TOO_LARGE"

    def __init__(self) -> None:
        kilobytes = MAX_HEAD_BYTES // 1024
        super().__init__(f"A head may have {MAX_HEADERS} headers and {kilobytes} KB in all")


def what_is_wrong(
    method: bytes,
    target: bytes,
    version: str,
    headers: list[tuple[bytes, bytes]],
    found: dict[bytes, bytes],
) -> str | None:
    """What makes two readers of a head disagree, where the parser itself allows it.

    Headers' names are in lower case; `found` has the last of each name.
    """
    host = found.get(b"host")
    if version != "1.1" and (version != "1.0" or b"transfer-encoding" in found):
        return "HTTP/1.1 is spoken here"
    if host is None and version == "1.1":
        return "a request names its Host"
    if len(found) < len(headers) and [name for name, _ in headers].count(b"host") > 1:
        return "a request names one Host"
    if host and host.translate(None, HOST):
        return "the Host is no name"
    if b"transfer-encoding" in found and found[b"transfer-encoding"].lower() != b"chunked":
        return "a body is sent as it is, or in chunks"
    if method == b"CONNECT" or not (target[0] == SLASH or _stands_on(host, target)):
        return "the target is not on this server"
    return None


def _stands_on(host: bytes | None, target: bytes) -> bool:
    """An absolute target stands over the Host (RFC 9112, section 3.2.2): one that differs is
    refused, so that nobody above has to know."""
    if target == b"*":
        return True
    authority = re.split(rb"[/?#]", target.partition(b"://")[2], maxsplit=1)[0]
    return authority.lower() == (host or b"").lower()


def body_length(found: dict[bytes, bytes]) -> int | None:
    """In bytes; None where it comes in chunks."""
    if b"transfer-encoding" in found:
        return None
    return int(found.get(b"content-length", 0))


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
