"""Generations over REST: an operation's answer as it is written, and jobs by their ids."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.gateway import Gateway, Transcript, Visit
from app.http import limit_headers
from app.rest.responses import JSON
from app.sse import EventStream, Frame

PATH = "/api/v2/generations/{generation_id}"

Events = AsyncGenerator[tuple[str, dict[str, Any]], None]


def wants_stream(request: Request) -> bool:
    """Whether the client asks for server-sent events."""
    return "text/event-stream" in request.headers.get("accept", "").lower()


def stream(visit: Visit, generation_id: str, events: Events) -> EventStream:
    """A generation's events: `event:` is the type, `id:` the cursor, `data:` the JSON."""
    place: list[str] = []

    async def frames() -> AsyncGenerator[Frame, None]:
        async with aclosing(events) as found:
            async for cursor, event in found:
                yield Frame(orjson.dumps(event), event["type"], cursor)
                place[:] = [cursor]

    headers = {**limit_headers(visit.standing), "X-Generation-ID": generation_id}
    return EventStream(frames(), headers=headers, position=lambda: place[0] if place else None)


def handler(gateway: Gateway) -> Callable[[Visit, Request], Awaitable[Response]]:
    """GET reads a generation, or follows it; DELETE cancels it."""

    async def generation(visit: Visit, request: Request) -> Response:
        generation_id = request.path_params["generation_id"]
        if request.method == "DELETE":
            return JSON(told(generation_id, await gateway.cancel(visit, generation_id)))
        after = request.headers.get("last-event-id") or request.query_params.get("after")
        resumed = after is not None and wants_stream(request)
        await gateway.count(visit, 0 if resumed else 1)
        if wants_stream(request):
            followed = await gateway.follow(visit.caller, generation_id, after)
            return stream(visit, generation_id, followed)
        return JSON(told(generation_id, await gateway.transcript(visit.caller, generation_id)))

    return generation


def told(generation_id: str, transcript: Transcript) -> dict[str, Any]:
    """A generation as it is now."""
    last = transcript.events[-1]
    return {
        "generation_id": generation_id,
        "operation": transcript.events[0]["operation"],
        "state": last["type"] if transcript.ended else "running",
        "cursor": transcript.cursor(generation_id),
        "text": transcript.text,
        "content_id": last.get("content_id"),
        "failure": last if last["type"] == "failed" else None,
    }
