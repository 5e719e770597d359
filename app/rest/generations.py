"""Generations over REST: an operation's answer as it is written, and jobs by their ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.generations.generation import Generation
from app.generations.reader import GenerationReader
from app.generations.transcript import Transcript
from app.http import limit_headers
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.pipeline.subscriptions import Place
from app.rest.events import error_frame, position_frame
from app.rest.responses import JSON
from app.sse import Frame, HeldStream

PATH = "/api/v2/generations/{generation_id}"


def wants_stream(request: Request) -> bool:
    """Whether the client asks for server-sent events."""
    return "text/event-stream" in request.headers.get("accept", "").lower()


def stream(
    gateway: Gateway,
    context: RequestContext,
    generation: Generation | str,
    reader: GenerationReader,
    place: Place,
) -> HeldStream:
    generation_id = generation if isinstance(generation, str) else generation.id
    return HeldStream(
        reader,
        context.caller,
        gateway.open_streams,
        lambda reason: error_frame(reason, context.request_id, reader.cursor),
        frame=_frame,
        headers={**limit_headers(context.standing), "X-Generation-ID": generation_id},
        position=lambda: position_frame(reader.cursor),
        on_end=place.leave,
    )


def _frame(given: tuple[str, dict[str, Any]]) -> Frame:
    """`event:` is the event's type, `id:` its cursor, `data:` the JSON."""
    cursor, event = given
    return Frame(orjson.dumps(event), event["type"], cursor)


def follower(gateway: Gateway) -> Callable[[RequestContext, Request], Awaitable[Response]]:
    """A generation's events, from behind `Last-Event-ID` or `after`."""

    async def follow(context: RequestContext, request: Request) -> Response:
        generation_id = request.path_params["generation_id"]
        after = request.headers.get("last-event-id") or request.query_params.get("after")
        with gateway.subscriptions.enter(context.caller.id) as place:
            reader = await gateway.follow(context, generation_id, after)
        return stream(gateway, context, generation_id, reader, place)

    return follow


def handler(gateway: Gateway) -> Callable[[RequestContext, Request], Awaitable[Response]]:
    """GET reads a generation, or follows it; DELETE cancels it."""
    follow = follower(gateway)

    async def generation(context: RequestContext, request: Request) -> Response:
        generation_id = request.path_params["generation_id"]
        if request.method == "DELETE":
            ended = await gateway.cancel(context, generation_id)
            return JSON(generation_body(gateway, generation_id, ended))
        if wants_stream(request):
            return await follow(context, request)
        await context.authorize()
        found = await gateway.transcript(context.caller, generation_id)
        return JSON(generation_body(gateway, generation_id, found))

    return generation


def generation_body(gateway: Gateway, generation_id: str, transcript: Transcript) -> dict[str, Any]:
    """A generation as it is now."""
    last = transcript.events[-1]
    return {
        "generation_id": generation_id,
        "operation": transcript.events[0]["operation"],
        "state": last["type"] if transcript.ended else "running",
        "cursor": gateway.generations.cursor(generation_id, transcript),
        "text": transcript.text,
        "content_id": last.get("content_id"),
        "failure": last if last["type"] == "failed" else None,
    }
