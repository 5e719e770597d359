"""Generations over REST: an operation's answer as it is written, and jobs by their ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.gateway import Following, Gateway, Transcript, Visit
from app.http import limit_headers
from app.rest.events import error_frame
from app.rest.responses import JSON
from app.sse import Frame, HeldStream

PATH = "/api/v2/generations/{generation_id}"


class Frames:
    """A generation's events as frames: `event:` is the type, `id:` the cursor, `data:` the JSON."""

    def __init__(self, events: Following) -> None:
        self._events = events
        self.position: str | None = None

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> Frame:
        self.position, event = await anext(self._events)
        return Frame(orjson.dumps(event), event["type"], self.position)

    async def aclose(self) -> None:
        await self._events.aclose()


def wants_stream(request: Request) -> bool:
    """Whether the client asks for server-sent events."""
    return "text/event-stream" in request.headers.get("accept", "").lower()


def stream(gateway: Gateway, visit: Visit, generation_id: str, events: Following) -> HeldStream:
    frames = Frames(events)
    return HeldStream(
        frames,
        visit.caller,
        gateway.leases,
        lambda reason: error_frame(reason, visit.request_id, frames.position),
        headers={**limit_headers(visit.standing), "X-Generation-ID": generation_id},
        position=lambda: frames.position,
    )


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
            return stream(gateway, visit, generation_id, followed)
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
