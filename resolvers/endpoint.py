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
    UnsupportedMediaType,
)
from app.http import disconnected, error_headers, limit_headers, read_body
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.sse import EventStream, Frame, HeldStream
from resolvers.context import Context
from resolvers.documents import Document
from resolvers.errors import InvalidDocument
from resolvers.execution import Executor, Question, Reply, refusal
from resolvers.response_streams import ResponseStream

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
        context: RequestContext | None = None
        media_type = GRAPHQL_RESPONSE
        try:
            media_type = _accepted(request)
            header = request.headers.get("authorization")
            if not header:
                outcome = await self._outcome(request, None)
            else:
                caller = await self._gateway.authenticate(header)
                async with self._gateway.request(caller, request_id) as context:
                    outcome = await self._outcome(request, context)
        except GatewayError as error:
            return _refused(error, context, media_type, request_id)
        except InvalidDocument as error:
            return _invalid(error, context, media_type, request_id)
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            return _refused(InternalError(), context, media_type, request_id)
        if isinstance(outcome, Response):
            outcome.headers.update(_limits(context))
            return outcome
        return _response(outcome, context, media_type)

    async def _outcome(
        self, request: Request, context: RequestContext | None
    ) -> Reply | EventStream:
        question = await _question(request)
        document = self._executor.documents.read(question.query)
        kind = document.operation(question.operation_name).kind
        if kind is OperationType.SUBSCRIPTION and not _takes_stream(request):
            raise NotAcceptable(SUBSCRIPTIONS)
        if request.method == "GET" and kind is OperationType.MUTATION:
            raise MethodNotAllowed("POST")
        if context is not None:
            context.disconnected = lambda: disconnected(request.receive)
        request_id: str = request.state.request_id
        shared = self._executor.prepare(document, question.operation_name, context, request_id)
        if kind is OperationType.SUBSCRIPTION:
            return await self._stream(request, document, question, shared)
        reply = await self._executor.run(document, question, shared)
        request.state.failed = any(e.status >= 500 for e in reply.errors)
        return reply

    async def _stream(
        self, request: Request, document: Document, question: Question, context: Context
    ) -> EventStream:
        """GraphQL over SSE, distinct connections: `next` with the cursor as its id, `complete`."""
        begins = document.operation(question.operation_name).begins
        if begins is not None and (after := request.headers.get("last-event-id")):
            question = replace(question, variables={**(question.variables or {}), begins: after})
        live = await self._executor.stream(document, question, context)
        if isinstance(live, Reply):
            return EventStream(_one_result(live.body))
        return HeldStream(
            _Frames(live, context.request_id),
            context.authenticated.caller,
            self._gateway.open_streams,
            lambda reason: Frame(_error(reason, context.request_id), "next", live.cursor),
            cursor=lambda: live.cursor,
        )


def _refused(
    error: GatewayError, context: RequestContext | None, media_type: str, request_id: str
) -> Response:
    headers = error_headers(error, context.standing if context else None)
    return _encoded(refusal(error, request_id).body, error.status, media_type, headers)


def _invalid(
    error: InvalidDocument, context: RequestContext | None, media_type: str, request_id: str
) -> Response:
    """A document that never became an operation: 400, or 200 for clients of the old type."""
    status = 400 if media_type == GRAPHQL_RESPONSE or error.code == "BAD_USER_INPUT" else 200
    body = {"errors": error.formatted(request_id)}
    return _encoded(body, status, media_type, _limits(context))


def _limits(context: RequestContext | None) -> dict[str, str]:
    return limit_headers(context.standing if context else None)


class _Frames:
    """A subscription's results as frames. To be closed, also before the first one."""

    def __init__(self, live: ResponseStream, request_id: str) -> None:
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


async def _one_result(body: dict[str, Any]) -> AsyncGenerator[Frame, None]:
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


def _response(reply: Reply, context: RequestContext | None, media_type: str) -> Response:
    """200 whenever execution began; 401 when the identity did not hold and nothing ran."""
    headers = _limits(context)
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
