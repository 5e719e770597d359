"""What both edges say over HTTP: bodies read within bounds, and how the limits stand."""

from __future__ import annotations

import asyncio
import math
import time

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.types import Receive

from app.errors import (
    GatewayError,
    InvalidRequest,
    Left,
    PayloadTooLarge,
    RateLimited,
    UnsupportedMediaType,
)
from app.limit_standing import Standing

MAX_BODY_BYTES = 256 * 1024  # bytes
BODY_TIMEOUT = 30.0  # s for all of it; who sends a byte now and then holds nothing for longer


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        PayloadTooLarge: over `MAX_BODY_BYTES` bytes.
        InvalidRequest: it did not arrive in time.
        Left: the client went away before it was whole.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise PayloadTooLarge(f"A body may have at most {MAX_BODY_BYTES} bytes")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            async for chunk in request.stream():
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise PayloadTooLarge(f"A body may have at most {MAX_BODY_BYTES} bytes")
    except TimeoutError:
        said = f"the body did not arrive within {BODY_TIMEOUT:g} seconds"
        raise InvalidRequest.at((), said) from None
    except ClientDisconnect:
        raise Left("The client left before its request was read") from None
    return b"".join(chunks)


def authorization(headers: Headers) -> str | None:
    """The header of that name; several as one list (RFC 9110, section 5.3), which is no token."""
    return ", ".join(headers.getlist("authorization")) or None


def address(connection: HTTPConnection) -> str | None:
    """The caller's; None over a Unix socket, where everybody is this machine."""
    return connection.client.host if connection.client else None


async def disconnected(receive: Receive) -> None:
    """Returns when the client has left; a body must have been read."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def read_json(request: Request) -> bytes:
    """A body that says that it is JSON. Raises `UnsupportedMediaType` for any other."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json" and not kind.lower().endswith("+json"):
        raise UnsupportedMediaType("Send JSON, with Content-Type: application/json")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding")
    return await read_body(request)


def limit_headers(standing: Standing | None) -> dict[str, str]:
    """How a limit stands, as `X-RateLimit-*` and in the fields of the IETF's draft 11, `RateLimit`
    and `RateLimit-Policy`; nothing before anything was counted."""
    if standing is None:
        return {}
    return _limit_headers(standing, standing.reset_at - time.time())


def budget_headers(warning: tuple[str, float, str] | None) -> dict[str, str]:
    """`X-Budget-Warning`, of a budget that is nearly spent; nothing of others."""
    if warning is None:
        return {}
    name, share, renews = warning
    return {"X-Budget-Warning": f'"{name}";share={share:.2f};renews="{renews}"'}


def error_headers(error: GatewayError, standing: Standing | None = None) -> dict[str, str]:
    """The headers of an error: its own, and those of the limit that refused or was tightest."""
    own = {**error.headers, **_retry_after(error)}
    if isinstance(error, RateLimited):
        refused = Standing(error.scope, error.limit, 0, error.reset_at, error.window)
        return {**own, **_limit_headers(refused, error.retry_after)}
    if error.retry_after is not None and standing is not None:
        # What it waits for is not the limit, and `Retry-After` may not be before `t`.
        return {**own, **_limit_headers(standing, None)}
    return {**own, **limit_headers(standing)}


def _limit_headers(standing: Standing, wait: float | None) -> dict[str, str]:
    """`wait`: seconds until the limit has room, or more of it; None leaves `t` out.

    A policy is named by its scope. `pk` is left out: each limit is one user's or all callers', and
    a key that told users apart would tell who they are.
    """
    policy = '"' + standing.scope.replace("\\", "\\\\").replace('"', '\\"') + '"'
    unit = ';qu="tokens"' if standing.scope.endswith(":tokens") else ""
    window = f";w={int(standing.window)}" if standing.window == int(standing.window) else ""
    until = "" if wait is None else f";t={max(0, math.ceil(wait))}"
    return {
        "X-RateLimit-Limit": str(standing.limit),
        "X-RateLimit-Remaining": str(standing.remaining),
        "X-RateLimit-Reset": str(math.ceil(standing.reset_at)),
        "X-RateLimit-Scope": standing.scope,
        "RateLimit-Policy": f"{policy};q={standing.limit}{unit}{window}",
        "RateLimit": f"{policy};r={standing.remaining}{until}",
    }


def _retry_after(error: GatewayError) -> dict[str, str]:
    """`Retry-After` in whole seconds, never too early."""
    if error.retry_after is None:
        return {}
    return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
