"""Users over REST: everything that is kept of one, told as JSON lines, or erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.rest.responses import JSON

USER = "/api/v2/users/{sub:path}"
EXPORT = f"{USER}/export"
MEDIA_TYPE = "application/x-ndjson"
AT_ONCE = 65_536  # bytes

Handler = Callable[[RequestContext, Request], Awaitable[Response]]


def exporter(gateway: Gateway) -> Handler:
    """An object a line; the last one is `end`, and an export without it was cut off."""
    # What Starlette streams with is loaded with its first stream, which held the loop for 20 ms.
    import_module("anyio._backends._asyncio")

    async def export(context: RequestContext, request: Request) -> Response:
        lines = await gateway.user_data.exported(context, request.path_params["sub"])
        return StreamingResponse(_encoded(lines), media_type=MEDIA_TYPE)

    return export


def eraser(gateway: Gateway) -> Handler:
    async def erase(context: RequestContext, request: Request) -> Response:
        removed = await gateway.user_data.erased(context, request.path_params["sub"])
        return JSON({"erased_at": datetime.now(UTC).isoformat(), "erased": removed})

    return erase


async def _encoded(lines: AsyncGenerator[dict[str, Any]]) -> AsyncIterator[bytes]:
    """Some at once: a reader who keeps up makes nobody wait, and 500 long contents took 26 ms."""
    at_once = bytearray()
    async with aclosing(lines):
        async for line in lines:
            at_once += orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
            if len(at_once) > AT_ONCE:
                yield bytes(at_once)
                at_once.clear()
                await asyncio.sleep(0)
    yield bytes(at_once)
