"""The GraphQL endpoint over HTTP: GraphQL over HTTP as released in September 2026.

Each outcome has its status by the media type of its answer: `_status` and `_document_status`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from graphql import OperationType
from starlette.requests import Request
from starlette.responses import Response

from app.accept import Accept
from app.errors import GatewayError, InternalError, MethodNotAllowed, Unauthenticated
from app.http import (
    address,
    authorization,
    budget_headers,
    disconnected,
    error_headers,
    limit_headers,
)
from app.pipeline.charges import kind_of
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.sse import EventStream
from resolvers import questions, refusals, sse
from resolvers.context import Context
from resolvers.documents import Document
from resolvers.errors import InvalidDocument
from resolvers.execution import Executor, Reply, refusal
from resolvers.media_types import EVENT_STREAM, GRAPHQL_RESPONSE, NotAcceptable, preferred
from resolvers.questions import READING, BadQuestion, Question
from resolvers.trusted_documents import DocumentNotTrusted

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
PARTIAL_SUCCESS = 294  # data together with errors
SUBSCRIPTIONS = (
    "Subscriptions are served over WebSocket (graphql-transport-ws) on this address, "
    f"or as server-sent events with Accept: {EVENT_STREAM}"
)

Page = Callable[[Request], Awaitable[Response]]

log = logging.getLogger(__name__)


class Endpoint:
    """Requests to /graphql; `METHODS` are routed here, so that each is answered as GraphQL."""

    def __init__(self, executor: Executor, gateway: Gateway, *, page: Page | None) -> None:
        """`page`: what a browser that opens the address gets to try queries on, if anything."""
        self._executor, self._gateway, self._page = executor, gateway, page

    async def handle(self, request: Request) -> Response:
        if self._page and _is_browser(request):
            return await self._page(request)
        request_id: str = request.state.request_id
        context: RequestContext | None = None
        media_type, unacceptable = _media_type(request)
        try:
            header = authorization(request.headers)
            if not header:
                self._gateway.identity.anonymous(address(request))
                outcome = await self._outcome(request, None, unacceptable)
            else:
                caller = await self._gateway.authenticate(header, address(request))
                kind = kind_of(request.method)
                begun = self._gateway.request(caller, request_id, kind, edge="graphql")
                async with begun as context:
                    outcome = await self._outcome(request, context, unacceptable)
        except GatewayError as error:
            return _refused(error, context, media_type, request_id)
        except InvalidDocument as error:
            body = {"errors": error.formatted(request_id)}
            status = _document_status(error.code, media_type)
            return _encoded(body, status, media_type, _limits(context))
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            return _refused(InternalError(), context, media_type, request_id)
        if isinstance(outcome, Response):
            outcome.headers.update(_limits(context))
            return outcome
        return _response(outcome, context, media_type)

    async def _outcome(
        self, request: Request, context: RequestContext | None, unacceptable: NotAcceptable | None
    ) -> Reply | EventStream:
        if unacceptable is not None:
            raise unacceptable
        if request.method not in (*READING, "POST"):
            raise MethodNotAllowed("GET, HEAD, POST")
        question = await questions.read(request)
        refusals.foresee(self._executor, question, context)
        document = await self._document(question, context)
        kind = document.operation(question.operation_name).kind
        _check_transport(request, kind)
        if context is not None:
            context.disconnected = lambda: disconnected(request.receive)
        request_id: str = request.state.request_id
        shared = self._executor.prepare(document, question.operation_name, context, request_id)
        if kind is OperationType.SUBSCRIPTION:
            shared.last_event_id = request.headers.get("last-event-id") or None
            return await self._stream(document, question, shared)
        reply = await self._executor.run(document, question, shared)
        refusals.remember(question, context, reply)
        request.state.failed = any(e.status >= 500 for e in reply.errors)
        return reply

    async def _document(self, question: Question, context: RequestContext | None) -> Document:
        """Without a token nothing is parsed but what asks for public fields alone, and what such a
        document may be says too much of a schema that is hidden."""
        if context is None and not self._executor.is_public(question):
            raise Unauthenticated("missing")
        try:
            return await self._executor.document(question)
        except (InvalidDocument, DocumentNotTrusted):
            if context is None and not self._executor.open_introspection:
                raise Unauthenticated("missing") from None
            raise

    async def _stream(
        self, document: Document, question: Question, context: Context
    ) -> EventStream:
        live = await self._executor.stream(document, question, context)
        if isinstance(live, Reply):
            return sse.one_result(live.json(), 200, {})
        return sse.results(live, context, self._gateway.open_streams)


def _media_type(request: Request) -> tuple[str, NotAcceptable | None]:
    """The type to answer with; where the client takes none, that of the refusal."""
    try:
        return _preferred(request.headers.get("accept")), None
    except NotAcceptable as error:
        return GRAPHQL_RESPONSE, error


@lru_cache(maxsize=64)  # clients send a handful of them; a head has 32 KB at most
def _preferred(accept: str | None) -> str:
    return preferred(Accept.read(accept))


def _check_transport(request: Request, kind: OperationType) -> None:
    """Raise what keeps this kind of operation from being run by this request."""
    if kind is OperationType.SUBSCRIPTION:
        if not Accept.read(request.headers.get("accept")).names(EVENT_STREAM):
            raise NotAcceptable(SUBSCRIPTIONS)
    elif "last-event-id" in request.headers:
        raise BadQuestion("Last-Event-ID", "only a subscription can be resumed")
    if request.method in READING and kind is OperationType.MUTATION:
        raise MethodNotAllowed("POST")


def _is_browser(request: Request) -> bool:
    asks = {"query", "documentId"} & request.query_params.keys()
    opens = request.method in READING and not asks
    return opens and "text/html" in request.headers.get("accept", "")


def _refused(
    error: GatewayError, context: RequestContext | None, media_type: str, request_id: str
) -> Response:
    headers = error_headers(error, context.standing if context else None)
    return _encoded(
        refusal(error, request_id).body, _status(error, media_type), media_type, headers
    )


def _status(error: GatewayError, media_type: str) -> int:
    """A malformed request is 400 to who does not know the release."""
    if isinstance(error, BadQuestion) and media_type != GRAPHQL_RESPONSE:
        return 400
    return error.status


def _document_status(code: str, media_type: str) -> int:
    """Of a document that did not become an operation, or whose variables did not fit."""
    if media_type != GRAPHQL_RESPONSE:
        return 200
    return 400 if code == "GRAPHQL_PARSE_FAILED" else 422


def _limits(context: RequestContext | None) -> dict[str, str]:
    if context is None:
        return {}
    return {**limit_headers(context.standing), **budget_headers(context.warning)}


def _response(reply: Reply, context: RequestContext | None, media_type: str) -> Response:
    """401 when the identity did not hold and nothing ran."""
    headers = _limits(context)
    waits = [e for e in reply.errors if e.retry_after is not None]
    if waits:
        headers |= error_headers(max(waits, key=lambda e: e.retry_after or 0))
    if reply.refused is not None:
        body = {"errors": reply.body["errors"]}
        return _encoded(body, 401, media_type, reply.refused.headers)
    status = 200
    if reply.encoded is not None:  # a plan's, which has data and no errors
        return _sent(reply.encoded, status, media_type, headers)
    if "data" not in reply.body:  # execution never began: limits, or variables that did not fit
        bad = _document_status("BAD_USER_INPUT", media_type)
        status = reply.errors[0].status if reply.errors else bad
    elif "errors" in reply.body and media_type == GRAPHQL_RESPONSE:
        status = PARTIAL_SUCCESS
    return _sent(reply.json(), status, media_type, headers)


def _encoded(body: Any, status: int, media_type: str, headers: Mapping[str, str]) -> Response:
    return _sent(orjson.dumps(body), status, media_type, headers)


def _sent(body: bytes, status: int, media_type: str, headers: Mapping[str, str]) -> Response:
    if media_type == EVENT_STREAM:
        return sse.one_result(body, status, headers)
    return Response(body, status, headers, media_type=f"{media_type}; charset=utf-8")
