"""The GraphQL endpoint over HTTP, as the GraphQL-over-HTTP specification has it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from importlib import resources
from typing import Any, Self

import orjson
from graphql import OperationType
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from app.errors import (
    GatewayError,
    InternalError,
    MethodNotAllowed,
    RateLimited,
    Unauthenticated,
    UnsupportedMediaType,
)
from app.gateway import Gateway, Visit
from app.http import disconnected, error_headers, limit_headers, read_body
from app.sse import EventStream, Frame, HeldStream
from resolvers.context import Context
from resolvers.documents import Document
from resolvers.errors import InvalidDocument
from resolvers.execution import Executor, Question, Reply, refusal
from resolvers.watching import Live

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
STREAM = "text/event-stream"
COMPLETE = Frame(b"", "complete")
SUBSCRIPTIONS = (
    "Subscriptions are served over WebSocket (graphql-transport-ws) on this address, "
    f"or as server-sent events with Accept: {STREAM}"
)
PAGE = resources.files("resolvers").joinpath("page.html").read_text()

log = logging.getLogger(__name__)


class NotAcceptable(GatewayError):
    """The client takes no kind of answer that is given here."""

    status, code = 406, "NOT_ACCEPTABLE"


class BadQuestion(GatewayError):
    """A request that holds no document; `field` is the part that is wrong."""

    status, code = 400, "BAD_USER_INPUT"

    def __init__(self, field: str, error: str) -> None:
        where = f"{field}: " if field else ""
        super().__init__(f"Invalid request: {where}{error}", field=field, error=error)


class Endpoint:
    """`GET` and `POST` on /graphql."""

    def __init__(self, executor: Executor, gateway: Gateway, *, page: bool) -> None:
        """`page`: whether a browser that opens the address gets a page to try queries on."""
        self._executor, self._gateway, self._page = executor, gateway, page

    async def handle(self, request: Request) -> Response:
        if self._page and request.method == "GET" and _is_browser(request):
            return HTMLResponse(PAGE)
        request_id: str = request.state.request_id
        visit: Visit | None = None
        media_type = GRAPHQL_RESPONSE
        try:
            media_type = _accepted(request)
            visit = await self._visit(request, request_id)
            return await self._answer(request, visit, media_type)
        except GatewayError as error:
            return await self._refuse(error, visit, media_type, request_id)
        except InvalidDocument as error:
            return await self._invalid(error, visit, media_type, request_id)
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            return await self._refuse(InternalError(), visit, media_type, request_id)

    async def _visit(self, request: Request, request_id: str) -> Visit | None:
        header = request.headers.get("authorization")
        return await self._gateway.visit(header, request_id) if header else None

    async def _answer(self, request: Request, visit: Visit | None, media_type: str) -> Response:
        request_id: str = request.state.request_id
        question = await _question(request)
        document = self._executor.documents.read(question.query)
        kind = document.operation(question.operation_name).kind
        if kind is OperationType.SUBSCRIPTION and not _takes_stream(request):
            raise NotAcceptable(SUBSCRIPTIONS)
        if request.method == "GET" and kind is OperationType.MUTATION:
            raise MethodNotAllowed("POST")
        if visit is not None:
            visit.left = lambda: disconnected(request)
        context = self._executor.prepare(document, question.operation_name, visit, request_id)
        if kind is OperationType.SUBSCRIPTION:
            return await self._stream(request, document, question, context)
        reply = await self._executor.run(document, question, context)
        request.state.failed = any(e.status >= 500 for e in reply.errors)
        return _response(reply, visit, media_type)

    async def _stream(
        self, request: Request, document: Document, question: Question, context: Context
    ) -> Response:
        """GraphQL over SSE, distinct connections: `next` with the cursor as its id, `complete`."""
        begins = document.operation(question.operation_name).begins
        if begins is not None and (after := request.headers.get("last-event-id")):
            question = replace(question, variables={**(question.variables or {}), begins: after})
        live = await self._executor.stream(document, question, context)
        visit = context.caller_visit
        if isinstance(live, Reply):
            return EventStream(_told(live.body), headers=limit_headers(visit.standing))
        return HeldStream(
            _Frames(live, context.request_id),
            visit.caller,
            self._gateway.leases,
            lambda reason: Frame(_error(reason, context.request_id), "next", live.cursor),
            headers=limit_headers(visit.standing),
            position=lambda: live.cursor,
        )

    async def _refuse(
        self, error: GatewayError, visit: Visit | None, media_type: str, request_id: str
    ) -> Response:
        error = await self._counted(visit, error)
        reply = refusal(error, request_id)
        headers = error_headers(error, visit.standing if visit else None)
        return _encoded(reply.body, error.status, media_type, headers)

    async def _invalid(
        self, error: InvalidDocument, visit: Visit | None, media_type: str, request_id: str
    ) -> Response:
        """A document that never became an operation: 400, or 200 for clients of the old type."""
        counted = await self._counted(visit, None)
        if counted is not None:
            return await self._refuse(counted, visit, media_type, request_id)
        status = 400 if media_type == GRAPHQL_RESPONSE or error.code == "BAD_USER_INPUT" else 200
        headers = limit_headers(visit.standing if visit else None)
        return _encoded({"errors": error.formatted(request_id)}, status, media_type, headers)

    async def _counted(self, visit: Visit | None, error: Any) -> Any:
        """The error to show; a request that was refused before anything counted, counts now."""
        if visit is None or visit.counted or isinstance(error, Unauthenticated | RateLimited):
            return error
        try:
            await self._gateway.count(visit)
        except GatewayError as refused:
            return refused
        return error


class _Frames:
    """A subscription's results as frames. To be closed, also before the first one."""

    def __init__(self, live: Live, request_id: str) -> None:
        self._live, self._request_id = live, request_id
        self._ending: list[Frame] | None = None  # what is still to be sent behind the last result

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        if self._ending is None:
            try:
                cursor, body = await anext(self._live)
                return Frame(body.encode(), "next", cursor)
            except StopAsyncIteration:
                self._ending = [COMPLETE]
            except GatewayError as error:
                place = error.details.get("cursor")
                said = Frame(_error(error, self._request_id), "next", place)
                self._ending = [said, COMPLETE]
        if not self._ending:
            raise StopAsyncIteration
        return self._ending.pop(0)

    async def aclose(self) -> None:
        await self._live.aclose()


async def _told(body: dict[str, Any]) -> AsyncGenerator[Frame, None]:
    yield Frame(orjson.dumps(body), "next")
    yield COMPLETE


def _error(error: GatewayError, request_id: str) -> bytes:
    return orjson.dumps(refusal(error, request_id).body)


def _takes_stream(request: Request) -> bool:
    return STREAM in request.headers.get("accept", "").lower()


def _is_browser(request: Request) -> bool:
    asks = "query" in request.query_params
    return not asks and "text/html" in request.headers.get("accept", "")


def _accepted(request: Request) -> str:
    """The media type to answer with. Raises `NotAcceptable`."""
    header = request.headers.get("accept") or "*/*"
    accepted = [part.partition(";")[0].strip().lower() for part in header.split(",")]
    if GRAPHQL_RESPONSE in accepted and (
        JSON not in accepted or accepted.index(GRAPHQL_RESPONSE) < accepted.index(JSON)
    ):
        return GRAPHQL_RESPONSE
    if {JSON, "application/*", "*/*"}.intersection(accepted):
        return JSON
    if STREAM in accepted:
        return JSON  # of what is no stream, such as an error that keeps it from being one
    raise NotAcceptable(f"Accept {GRAPHQL_RESPONSE}, {JSON} or, for subscriptions, {STREAM}")


async def _question(request: Request) -> Question:
    """The request's document and variables. Raises `BadQuestion`, `UnsupportedMediaType` …"""
    if request.method == "GET":
        given: dict[str, Any] = dict(request.query_params)
        for part in ("variables", "extensions"):
            if part in given:
                given[part] = _decoded(given[part], part) if given[part] else None
        return question(given)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise UnsupportedMediaType(f"Send the document with Content-Type: {JSON}")
    return question(_decoded(await read_body(request), ""))


def _decoded(text: str | bytes, part: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise BadQuestion(part, "not JSON in UTF-8") from None


def question(given: Any) -> Question:
    """A client's object as a question. Raises `BadQuestion` naming what is wrong."""
    if not isinstance(given, Mapping):
        raise BadQuestion("", "an object with `query` is wanted")
    query = given.get("query")
    if not isinstance(query, str) or not query.strip():
        raise BadQuestion("query", "a GraphQL document is wanted")
    for part in ("variables", "extensions"):
        if not isinstance(given.get(part), Mapping | None):
            raise BadQuestion(part, "an object is wanted")
    operation_name = given.get("operationName")
    if not isinstance(operation_name, str | None):
        raise BadQuestion("operationName", "a string is wanted")
    variables = given.get("variables")
    return Question(query, dict(variables) if variables else None, operation_name or None)


def _response(reply: Reply, visit: Visit | None, media_type: str) -> Response:
    """200 whenever execution began; 401 when the identity did not hold and nothing ran."""
    headers = limit_headers(visit.standing if visit else None)
    waits = [e for e in reply.errors if e.retry_after is not None]
    if waits:
        headers |= error_headers(max(waits, key=lambda e: e.retry_after or 0))
    if reply.refused is not None:
        return _encoded(reply.body, 401, media_type, reply.refused.headers)
    status = 200
    if "data" not in reply.body:  # execution never began: limits, or variables that did not fit
        bad = 400 if media_type == GRAPHQL_RESPONSE else 200
        status = reply.errors[0].status if reply.errors else bad
    return _encoded(reply.body, status, media_type, headers)


def _encoded(body: Any, status: int, media_type: str, headers: Mapping[str, str]) -> Response:
    return Response(orjson.dumps(body), status, headers, media_type=f"{media_type}; charset=utf-8")
