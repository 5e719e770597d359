"""Execution: one document run for one caller, the same on every transport."""

from __future__ import annotations

from inspect import isawaitable
from typing import Any

import orjson
from graphql import (
    ExecutionResult,
    GraphQLError,
    create_source_event_stream,
    execute_root_selection_set,
    print_ast,
)
from strawberry import Schema
from strawberry.execution.is_awaitable import optimized_is_awaitable

from app import spans
from app.caller import Caller
from app.errors import GatewayError, Unauthenticated
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.pipeline.subscriptions import Place
from app.stages import CURRENT
from resolvers.context import Context
from resolvers.cost import check as check_cost
from resolvers.documents import Document, Documents
from resolvers.errors import formatted, from_gateway
from resolvers.pacing import PacedExecutor, Turns
from resolvers.plan import Settled
from resolvers.plans import Plans
from resolvers.public_documents import (
    MAX_INTROSPECTION_LENGTH,
    MAX_PUBLIC_LENGTH,
    is_public,
)
from resolvers.questions import Question
from resolvers.response_streams import ResponseStream, SubscriptionGroups
from resolvers.schema import INTROSPECTION_FIELDS, PUBLIC_FIELDS
from resolvers.trusted_documents import Mode, TrustedDocuments, reader
from resolvers.variables import MAX_ERRORS
from resolvers.variables import check as check_variables
from resolvers.weights import check as check_weight

MAX_TOLD_TEXT = 8_192  # characters of a document that a trace has, where it has texts
MAX_TOLD_ERRORS = 200  # of an answer's fields; the others are null as well, and say nothing


class Reply:
    """A result. `refused` is set when the caller's identity did not hold."""

    __slots__ = ("_body", "encoded", "errors", "refused")

    def __init__(
        self,
        result: dict[str, Any] | bytes,
        errors: list[GatewayError],
        refused: Unauthenticated | None = None,
    ) -> None:
        """`result`: the response's body, or the same as JSON."""
        self._body: dict[str, Any] | None = None
        self.encoded: bytes | None = None  # the body as JSON, where a plan made it
        if isinstance(result, bytes):
            self.encoded = result
        else:
            self._body = result
        self.errors, self.refused = errors, refused

    @property
    def body(self) -> dict[str, Any]:
        if self._body is None:
            self._body = orjson.loads(self.encoded or b"")
        found: dict[str, Any] = self._body
        return found

    def json(self) -> bytes:
        """The body as it is sent."""
        return orjson.dumps(self._body) if self.encoded is None else self.encoded

    def extend(self, extensions: dict[str, Any]) -> None:
        """Tell more beside the result."""
        if self.encoded is None:
            self.body["extensions"] = extensions
        else:
            told = orjson.dumps({"extensions": extensions})
            self.encoded, self._body = self.encoded[:-1] + b"," + told[1:], None


is_awaitable: Any = optimized_is_awaitable  # graphql-core wants a TypeGuard; it is one in fact


class Executor:
    """Runs documents of one schema."""

    def __init__(
        self,
        schema: Schema,
        gateway: Gateway,
        *,
        introspection: bool,
        open_introspection: bool = False,
        max_cost: int,
        suggestions: bool = False,
        trust: Mode = "off",
        compiled: bool = True,
    ) -> None:
        """`suggestions`: whether an error says which name was meant, which tells names of a schema
        that may be hidden; `open_introspection` whether introspection needs no token; `compiled`
        whether documents that come again are compiled.
        """
        self._schema: Any = schema._schema  # graphql-core's; Strawberry offers no public name
        self._turns = Turns()
        self.plans = Plans(self._schema, enabled=compiled)
        self._gateway = gateway
        self.groups = SubscriptionGroups()
        self.open_introspection = introspection and open_introspection
        self._public = PUBLIC_FIELDS | (INTROSPECTION_FIELDS if self.open_introspection else set())
        self._hidden = not suggestions
        self._max_cost = max_cost
        sizes = {
            "Query.models": len(list(gateway.models)),
            "Query.rateLimits": gateway.limiter.count + gateway.quotas.count,
        }
        self.documents = Documents(
            self._schema, introspection=introspection, suggestions=suggestions, sizes=sizes
        )
        self.trusted = TrustedDocuments(
            self.documents,
            reader(schema, sizes),
            trust,
            on_unlisted=gateway.metrics.unlisted_document,
        )

    def is_public(self, question: Question) -> bool:
        """Whether it may be read without a token: it is listed, or selects public fields alone."""
        if not question.query or self.trusted.lists(question.query):
            return True  # nothing is parsed, and `prepare` looks at what it selects
        most = MAX_INTROSPECTION_LENGTH if self.open_introspection else MAX_PUBLIC_LENGTH
        return is_public(question.query, question.operation_name, self._public, most=most)

    async def document(self, question: Question) -> Document:
        """What the question asks to run, listed or sent, within what it may cost and weigh.

        Raises:
            InvalidDocument: it is none, cannot be told, or costs too much.
            DocumentNotTrusted, DependencyUnavailable: only listed documents run.
        """
        variables = question.variables or {}
        check_variables(variables)
        name = question.operation_name
        document = self.trusted.find(question)
        if document is None:
            document = await self.documents.read_aside(question.query, name)
        operation = document.operation(name)
        check_cost(operation.cost.of(variables), self._max_cost)
        check_weight(operation.weight.of(variables))
        return document

    def prepare(
        self, document: Document, name: str | None, request: RequestContext | None, request_id: str
    ) -> Context:
        """The context of an operation. Raises `Unauthenticated` where it needs a token."""
        operation = document.operation(name)
        fields, span = operation.root_fields, spans.current()
        span.tell({"graphql.operation.type": operation.kind.value})
        if span.texts:
            text = print_ast(document.node)[:MAX_TOLD_TEXT]
            span.tell({"graphql.operation.name": name, "graphql.document": text})
        if request is not None:
            request.size = len(fields)
        elif not self._public.issuperset(fields):
            raise Unauthenticated("missing")
        return Context(self._gateway, request_id, request)

    async def run(self, document: Document, question: Question, context: Context) -> Reply:
        """A query's or a mutation's result, and where its time went, for a caller who asks that.

        Raises:
            InvalidDocument: it weighs too much.
        """
        found = await self._result(document, question, context)
        if question.timing and (timing := CURRENT.get()) is not None and timing.authenticated:
            told = {f"{name}Ms": ms for name, ms in timing.milliseconds.items()}
            found.extend({"timing": told})
        return found

    async def _result(self, document: Document, question: Question, context: Context) -> Reply:
        settled: Settled | None = None
        if (planned := self.plans.find(document, question)) is not None:
            plan, variables = planned
            try:
                answer = await plan.run(variables, context)
                if answer is not None:
                    return Reply(answer, [])
            except Settled as found:
                settled = found
        return await self._executed(document, question, context, settled)

    async def _executed(
        self, document: Document, question: Question, context: Context, settled: Settled | None
    ) -> Reply:
        """The result as graphql-core has it, which runs no root field again that has run."""
        built = self._built(document, question, context, settled)
        if isinstance(built, list):
            return reply(ExecutionResult(None, errors=built), context.request_id)
        result: Any = execute_root_selection_set(built)
        if isawaitable(result):
            result = await result
        if refused := built.refusal():
            raise refused
        return reply(result, context.request_id)

    def _built(
        self,
        document: Document,
        question: Question,
        context: Context,
        settled: Settled | None = None,
    ) -> Any:
        """What executes the operation, or the errors of variables that do not fit their types."""
        return PacedExecutor.build(
            self._schema,
            document.node,
            context_value=context,
            raw_variable_values=question.variables,
            operation_name=question.operation_name,
            max_coercion_errors=MAX_ERRORS,
            middleware=[settled] if settled else None,
            is_awaitable=is_awaitable,
            hide_suggestions=self._hidden,
            turns=self._turns,
        )

    async def stream(
        self, document: Document, question: Question, context: Context
    ) -> ResponseStream | Reply:
        """A subscription that runs, or the reply that says why there is none."""
        request, live = context.authenticated, None
        place = self._gateway.subscriptions.enter(request.caller.id, request.edge)
        try:
            found = await self._watched(document, question, context, place)
            live = found if isinstance(found, ResponseStream) else None
            return found
        finally:
            if live is None:
                place.leave()

    async def _watched(
        self, document: Document, question: Question, context: Context, place: Place
    ) -> ResponseStream | Reply:
        built = self._built(document, question, context)
        if isinstance(built, list):
            return reply(ExecutionResult(None, errors=built), context.request_id)
        found = create_source_event_stream(built)
        source: Any = await found if isawaitable(found) else found
        if isinstance(source, ExecutionResult):
            return reply(source, context.request_id)
        caller = context.authenticated.caller
        key = _key(document, question, caller)
        planned = self.plans.find(document, question)
        plan = planned[0] if planned else None
        group = self.groups.join(caller.id, key, built, context.request_id, plan)
        return ResponseStream(self.groups, group, source, place)


def _key(document: Document, question: Question, caller: Caller) -> tuple[Any, ...]:
    """What equal subscriptions have in common: the document, the variables and the rights."""
    begins = document.operation(question.operation_name).begins
    variables = {k: v for k, v in (question.variables or {}).items() if k != begins}
    return (
        document.digest,
        question.operation_name,
        orjson.dumps(variables, option=orjson.OPT_SORT_KEYS),
        caller.id,
        caller.permissions,
    )


def reply(result: ExecutionResult, request_id: str) -> Reply:
    """A result as the response's body."""
    if not result.errors:
        return Reply({"data": result.data}, [])
    told = result.errors[:MAX_TOLD_ERRORS]
    body: dict[str, Any] = {"errors": [formatted(e, request_id) for e in told]}
    if result.data is not None or any(e.path for e in result.errors):
        body["data"] = result.data
    causes = [e for e in map(_cause, told) if e is not None]
    return Reply(body, causes, refused=_refused(result, causes))


def refusal(error: GatewayError, request_id: str) -> Reply:
    """A reply that is nothing but an error."""
    refused = error if isinstance(error, Unauthenticated) else None
    return Reply({"errors": [from_gateway(error, request_id)]}, [error], refused)


def _cause(error: GraphQLError) -> GatewayError | None:
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    return original if isinstance(original, GatewayError) else None


def _refused(result: ExecutionResult, causes: list[GatewayError]) -> Unauthenticated | None:
    """The identity's refusal, when it was all that happened: a revoked token shows this late."""
    if result.data and any(value is not None for value in result.data.values()):
        return None
    refused = [e for e in causes if isinstance(e, Unauthenticated)]
    return refused[0] if refused and len(refused) == len(result.errors or ()) else None
