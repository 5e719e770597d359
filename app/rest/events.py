"""The caller's events as server-sent events: `GET /api/v2/events`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.errors import CursorExpired, GatewayError, InvalidRequest
from app.events.reader import EventReader
from app.http import limit_headers
from app.pipeline.context import RequestContext
from app.pipeline.events import ResumedReader
from app.pipeline.gateway import Gateway
from app.rest.responses import error_body
from app.sse import HEARTBEAT_INTERVAL, Frame, HeldStream

PATH = "/api/v2/events"


def handler(
    gateway: Gateway, *, heartbeat: float = HEARTBEAT_INTERVAL
) -> Callable[[RequestContext, Request], Awaitable[Response]]:
    """`event:` is the type, `id:` the cursor, `data:` the event; from behind `Last-Event-ID`."""

    async def events(context: RequestContext, request: Request) -> Response:
        query = request.query_params
        after = request.headers.get("last-event-id") or query.get("after")
        types = [t.strip() for t in query.get("types", "").split(",") if t.strip()]
        everybody = _switch(query.get("all", "false"))
        with gateway.subscriptions.enter(context.caller.id) as place:
            reader = await gateway.events.watch(context, types or None, after, everybody=everybody)
        return HeldStream(
            _frames(reader, context.request_id),
            context.caller,
            gateway.open_streams,
            lambda reason: error_frame(reason, context.request_id, reader.cursor),
            headers=limit_headers(context.standing),
            position=lambda: position_frame(reader.cursor),
            heartbeat=heartbeat,
            on_end=place.leave,
        )

    return events


async def _frames(
    reader: EventReader | ResumedReader, request_id: str
) -> AsyncGenerator[Frame, None]:
    try:
        async with aclosing(reader):
            await reader.join()
            if joined := position_frame(reader.cursor):
                yield joined
            async for cursor, event in reader:
                yield Frame(event.encode(), event.type, cursor)
    except CursorExpired as error:
        # A client that comes back by itself goes on where something is left to read.
        yield error_frame(error, request_id, error.details["cursor"])


def position_frame(cursor: str | None) -> Frame | None:
    """Where the client is, so that it can go on from there though nothing came."""
    if cursor is None:
        return None
    return Frame(orjson.dumps({"cursor": cursor}), "position", cursor)


def error_frame(error: GatewayError, request_id: str, cursor: str | None = None) -> Frame:
    """Why a stream ends; a client that keeps the id can go on behind it."""
    return Frame(orjson.dumps(error_body(error, request_id)), "error", cursor)


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidRequest.at(("all",), "true or false is wanted")
    return text == "true"
