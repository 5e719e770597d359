"""REST v2: the routes that the legacy services call, and nothing that decides."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Match, Route

from app.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
)
from app.gateway import Gateway, Visit
from app.http import disconnected, limit_headers, read_json
from app.operations import OPERATIONS, Operation
from app.rest import batch, events, generations
from app.rest.openapi import DOCS_PAGE, openapi_document
from app.rest.responses import JSON, error_response
from app.rest.wishes import told, wish

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[Visit, Request], Awaitable[Response]]

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

log = logging.getLogger(__name__)


def authenticated(gateway: Gateway, handler: Handler) -> Endpoint:
    """The handler behind the token; its errors as the table says; every request counted."""

    async def endpoint(request: Request) -> Response:
        request_id: str = request.state.request_id
        visit = None
        try:
            visit = await gateway.visit(request.headers.get("authorization"), request_id)
            response = await handler(visit, request)
        except GatewayError as error:
            error = await _counted(gateway, visit, error)
            return error_response(error, request_id, visit.standing if visit else None)
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            return error_response(InternalError(), request_id, visit.standing if visit else None)
        response.headers.update(limit_headers(visit.standing))
        return response

    return endpoint


async def _counted(gateway: Gateway, visit: Visit | None, error: GatewayError) -> GatewayError:
    """The error to show: one that came before anything was counted is counted now."""
    if visit is None or visit.counted or error.status == 429 or error.status == 401:
        return error
    try:
        await gateway.count(visit)
    except GatewayError as refusal:
        return refusal
    return error


def _operation(gateway: Gateway, operation: Operation[Any, Any]) -> Handler:
    async def run(visit: Visit, request: Request) -> Response:
        body = await read_json(request)
        admission = await gateway.admit(visit, operation)
        if generations.wants_stream(request):
            started = await gateway.start(body, admission, lambda: wish(request))
            told_live = await gateway.follow(visit.caller, started.id)
            return generations.stream(gateway, visit, started.id, told_live)
        visit.left = lambda: disconnected(request)
        answer = await gateway.run(body, admission, lambda: wish(request))
        return JSON(answer.body, headers=told(answer))

    return run


def _batch(gateway: Gateway) -> Handler:
    async def run(visit: Visit, request: Request) -> Response:
        asked = wish(request)
        return JSON(await batch.run(gateway, visit, await read_json(request), asked))

    return run


def _content(gateway: Gateway) -> Handler:
    async def content(visit: Visit, request: Request) -> Response:
        content_id = request.path_params["content_id"]
        if request.method == "DELETE":
            await gateway.delete(visit, content_id)
            return Response(status_code=204)
        return JSON(await gateway.content(visit, content_id))

    return content


@cache
def _document() -> JSON:
    return JSON(openapi_document())


def _documents() -> list[Route]:
    document = _document()  # 40 ms

    async def openapi(_: Request) -> Response:
        return Response(document.body, media_type="application/json")

    async def docs(_: Request) -> Response:
        return HTMLResponse(DOCS_PAGE)

    return [Route("/api/v2/openapi.json", openapi), Route("/api/v2/docs", docs)]


def _health(gateway: Gateway) -> list[Route]:
    async def health(_: Request) -> Response:
        report = gateway.health.report()
        return JSON(report, 503 if report["status"] == "unhealthy" else 200)

    async def metrics(_: Request) -> Response:
        text, kind = await gateway.metrics.scrape()
        return Response(text, media_type=kind)

    async def live(_: Request) -> Response:
        return PlainTextResponse("alive")

    async def ready(_: Request) -> Response:
        if gateway.health.ready:
            return PlainTextResponse("ready")
        return PlainTextResponse("not ready: it stops, or the database cannot be reached", 503)

    return [
        Route("/health", health),
        Route("/metrics", metrics),
        Route("/health/live", live),
        Route("/health/ready", ready),
    ]


def _unrouted(routed: Sequence[Route]) -> Handler:
    """Behind the token too, so that what leads nowhere is counted as any other request."""

    async def refuse(_: Visit, request: Request) -> Response:
        for route in routed:
            if route.matches(request.scope)[0] is Match.PARTIAL:
                raise MethodNotAllowed(", ".join(sorted(route.methods or ())))
        raise NotFound("There is no such route")

    return refuse


def routes(gateway: Gateway) -> Sequence[Route]:
    """All of REST v2; an operation's route follows from its declaration."""
    found = _routes(gateway)
    unrouted = authenticated(gateway, _unrouted(found))
    return [*found, Route("/api/v2/{rest:path}", unrouted, methods=METHODS)]


def _routes(gateway: Gateway) -> Sequence[Route]:
    return [
        *(
            Route(o.path, authenticated(gateway, _operation(gateway, o)), methods=["POST"])
            for o in OPERATIONS.values()
        ),
        Route(batch.BATCH, authenticated(gateway, _batch(gateway)), methods=["POST"]),
        Route(
            "/api/v2/content/{content_id}",
            authenticated(gateway, _content(gateway)),
            methods=["GET", "DELETE"],
        ),
        Route(events.PATH, authenticated(gateway, events.handler(gateway)), methods=["GET"]),
        Route(
            generations.PATH,
            authenticated(gateway, generations.handler(gateway)),
            methods=["GET", "DELETE"],
        ),
        *_documents(),
        *_health(gateway),
    ]


async def http_error(request: Request, error: Exception) -> Response:
    """What Starlette refuses by itself, in the contract's words."""
    request_id: str = request.state.request_id
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "").split(", ")
        return error_response(MethodNotAllowed(", ".join(sorted(allow))), request_id)
    if error.status_code == 404:
        return error_response(NotFound("There is no such route"), request_id)
    return error_response(InvalidRequest.at((), error.detail), request_id)
