"""REST v2: the routes that the legacy services call, and nothing that decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
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
from app.events.asyncapi import asyncapi_document
from app.http import address, authorization, budget_headers, disconnected, limit_headers, read_json
from app.operations import OPERATIONS, Operation
from app.pipeline.charges import kind_of
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Asked, Gateway
from app.rest import batch, error_pages, events, generations, ratings, usage, users
from app.rest.directives import answer_headers, directives
from app.rest.openapi import openapi_document
from app.rest.responses import JSON, error_response

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[[RequestContext, Request], Awaitable[Response]]

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

log = logging.getLogger(__name__)


def authenticated(gateway: Gateway, handler: Handler) -> Endpoint:
    """The handler behind the token; its errors as the table says."""

    async def endpoint(request: Request) -> Response:
        request_id: str = request.state.request_id
        context = None
        try:
            header = authorization(request.headers)
            caller = await gateway.authenticate(header, address(request))
            async with gateway.request(caller, request_id, kind_of(request.method)) as context:
                response = await handler(context, request)
        except GatewayError as error:
            return error_response(error, request, context.standing if context else None)
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            standing = context.standing if context else None
            return error_response(InternalError(), request, standing)
        response.headers.update(limit_headers(context.standing))
        response.headers.update(budget_headers(context.warning))
        return response

    return endpoint


def _operation(
    gateway: Gateway, operation: Operation[Any, Any], *, streamed: bool = False
) -> Handler:
    """`streamed`: answered as it is written, whatever the client accepts."""

    async def run(context: RequestContext, request: Request) -> Response:
        body = await read_json(request)
        asked = Asked(operation, body, lambda: directives(request))
        if streamed or generations.wants_stream(request):
            with gateway.subscriptions.enter(context.caller.id) as place:
                started = await gateway.stream(context, asked)
            return generations.stream(gateway, context, *started, place)
        context.disconnected = lambda: disconnected(request.receive)
        answer = await gateway.run(context, asked)
        return JSON(answer.body, headers=answer_headers(answer))

    return run


def _batch(gateway: Gateway) -> Handler:
    async def run(context: RequestContext, request: Request) -> Response:
        given = directives(request)
        return JSON(await batch.run(gateway, context, await read_json(request), given))

    return run


def _content(gateway: Gateway) -> Handler:
    async def content(context: RequestContext, request: Request) -> Response:
        content_id = request.path_params["content_id"]
        if request.method == "DELETE":
            await gateway.contents.delete(context, content_id)
            return Response(status_code=204)
        return JSON(await gateway.contents.answer(context, content_id))

    return content


@cache
def _document() -> JSON:
    return JSON(openapi_document())


@cache
def _events_document() -> JSON:
    return JSON(asyncapi_document())


def _documents() -> list[Route]:
    # Made when they are first asked for, in 40 ms, beside the loop.
    async def openapi(_: Request) -> Response:
        document = await asyncio.to_thread(_document)
        return Response(document.body, media_type="application/json")

    async def asyncapi(_: Request) -> Response:
        document = await asyncio.to_thread(_events_document)
        return Response(document.body, media_type="application/json")

    async def errors(_: Request) -> Response:
        return HTMLResponse(error_pages.page(*error_pages.EXPLAINED), headers=error_pages.HEADERS)

    async def error(request: Request) -> Response:
        code = request.path_params["code"]
        if code not in error_pages.EXPLAINED:
            return error_response(NotFound("There is no such error"), request)
        return HTMLResponse(error_pages.page(code), headers=error_pages.HEADERS)

    return [
        Route("/api/v2/openapi.json", openapi),
        Route("/api/v2/asyncapi.json", asyncapi),
        Route(error_pages.PATH, errors),
        Route(f"{error_pages.PATH}/{{code}}", error),
    ]


def _metrics(gateway: Gateway, metrics: str) -> list[Route]:
    """Where /metrics is on this address: for all (`open`), for `gateway:admin`, or not."""

    async def scrape(_: Request) -> Response:
        text, kind = await gateway.metrics.scrape()
        return Response(text, media_type=kind)

    async def guarded(context: RequestContext, request: Request) -> Response:
        await context.authorize("gateway:admin")
        return await scrape(request)

    found = {"open": scrape, "admin": authenticated(gateway, guarded)}.get(metrics)
    return [Route("/metrics", found)] if found else []


def _health(gateway: Gateway) -> list[Route]:
    async def health(_: Request) -> Response:
        report = gateway.health.report()
        return JSON(report, 503 if report["status"] == "unhealthy" else 200)

    async def live(_: Request) -> Response:
        return PlainTextResponse("alive")

    async def ready(_: Request) -> Response:
        if gateway.health.ready:
            return PlainTextResponse("ready")
        return PlainTextResponse("not ready: it stops, or the database cannot be reached", 503)

    return [
        Route("/health", health),
        Route("/health/live", live),
        Route("/health/ready", ready),
    ]


def _unrouted(routed: Sequence[Route]) -> Handler:
    """Behind the token too: what leads nowhere is a request as any other."""

    async def refuse(_: RequestContext, request: Request) -> Response:
        for route in routed:
            if route.matches(request.scope)[0] is Match.PARTIAL:
                raise MethodNotAllowed(", ".join(sorted(route.methods or ())))
        raise NotFound("There is no such route")

    return refuse


def routes(gateway: Gateway, *, reference: Endpoint, metrics: str = "closed") -> Sequence[Route]:
    """All of REST v2; an operation's route follows from its declaration.

    `reference`: the page that shows it to browsers. `metrics`: `open`, `admin`, or not here.
    """
    found = [*_routes(gateway), *_metrics(gateway, metrics), Route("/api/v2/docs", reference)]
    unrouted = authenticated(gateway, _unrouted(found))
    return [*found, Route("/api/v2/{rest:path}", unrouted, methods=METHODS)]


def _operations(gateway: Gateway) -> Iterator[Route]:
    for operation in OPERATIONS.values():
        for path, streamed in ((operation.path, False), (f"{operation.path}/stream", True)):
            run = _operation(gateway, operation, streamed=streamed)
            yield Route(path, authenticated(gateway, run), methods=["POST"])


def _routes(gateway: Gateway) -> Sequence[Route]:
    return [
        *_operations(gateway),
        Route(batch.BATCH, authenticated(gateway, _batch(gateway)), methods=["POST"]),
        Route(
            "/api/v2/content/{content_id}",
            authenticated(gateway, _content(gateway)),
            methods=["GET", "DELETE"],
        ),
        Route(
            ratings.PATH,
            authenticated(gateway, ratings.handler(gateway)),
            methods=["GET", "PUT"],
        ),
        Route(ratings.REPORT, authenticated(gateway, ratings.reporter(gateway)), methods=["GET"]),
        Route(users.EXPORT, authenticated(gateway, users.exporter(gateway)), methods=["GET"]),
        Route(users.USER, authenticated(gateway, users.eraser(gateway)), methods=["DELETE"]),
        Route(events.PATH, authenticated(gateway, events.handler(gateway)), methods=["GET"]),
        Route(
            generations.PATH,
            authenticated(gateway, generations.handler(gateway)),
            methods=["GET", "DELETE"],
        ),
        Route(
            f"{generations.PATH}/events",
            authenticated(gateway, generations.follower(gateway)),
            methods=["GET"],
        ),
        Route(usage.PATH, authenticated(gateway, usage.handler(gateway)), methods=["GET"]),
        *_documents(),
        *_health(gateway),
    ]


def http_errors(gateway: Gateway) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Answers what Starlette refuses by itself, in the contract's words; it counts as any other."""

    async def refuse(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        found = _http_error(error)
        if "authorization" not in request.headers:
            return error_response(found, request)

        async def told(_context: RequestContext, _request: Request) -> Response:
            raise found

        return await authenticated(gateway, told)(request)

    return refuse


def _http_error(error: HTTPException) -> GatewayError:
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "").split(", ")
        return MethodNotAllowed(", ".join(sorted(allow)))
    if error.status_code == 404:
        return NotFound("There is no such route")
    return InvalidRequest.at((), error.detail)
