"""Users over REST: everything that is kept of one, told as JSON lines, or erased."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
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

Handler = Callable[[RequestContext, Request], Awaitable[Response]]


def exporter(gateway: Gateway) -> Handler:
    """An object a line; the last one is `end`, and an export without it was cut off."""

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
    async with aclosing(lines):
        async for line in lines:
            yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
