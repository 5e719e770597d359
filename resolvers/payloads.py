"""The payloads of mutations: the result, the request's id, and how the limits stand."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import strawberry

from app.errors import GatewayError
from app.limit_standing import Standing
from app.operations import OPERATIONS, Operation
from app.pipeline.answer import Answer, CacheStatus
from resolvers.derived import made, titled
from resolvers.errors import extensions
from resolvers.results import RESULTS, content_of
from resolvers.types import Content, RateLimit, described

LARGEST_INT = 2**31 - 1  # GraphQL's


def rate_limit(standing: Standing) -> RateLimit:
    return RateLimit(
        scope=standing.scope,
        limit=min(standing.limit, LARGEST_INT),
        remaining=min(standing.remaining, LARGEST_INT),
        # A whole second, as the REST header has it: never a moment too early.
        reset_at=datetime.fromtimestamp(math.ceil(standing.reset_at), UTC),
        window_seconds=standing.window,
    )


@strawberry.interface(description="What every payload has.")
class Payload:
    request_id: str = described("The request's id; quote it when you report a problem.")
    rate_limit: RateLimit = described("The tightest limit that this request touched.")


@strawberry.interface(description="What the payload of every operation has.")
class OperationPayload(Payload):
    cache_status: CacheStatus = described("What the cache did.")
    similarity: float | None = described(
        "How alike the request was that this answer was made for, where it was another."
    )


def _payload(operation: Operation[Any, Any]) -> type[OperationPayload]:
    mutation = operation.mutation
    name, doc = mutation.result
    members = {name: (RESULTS[operation.name], described(doc))}
    kind = made(titled(mutation.name, "Payload"), members, OperationPayload)
    return strawberry.type(kind, description=mutation.payload)


# The type of each operation's payload, by the operation's name.
PAYLOADS: dict[str, Any] = {name: _payload(o) for name, o in OPERATIONS.items()}


@strawberry.type(description="Why one operation of a batch has no result.")
class BatchError:
    code: str = described("The code, as in an error's `extensions`.")
    message: str = described("What went wrong.")
    field: str | None = described("The first bad field, from `input`, if the input was wrong.")
    retry_after_ms: int | None = described("Milliseconds until another try makes sense.")


@strawberry.type(description="What came of one operation of a batch.")
class BatchResult:
    content: Content | None = described("The result.")
    error: BatchError | None = described("Why there is none.")
    cache_status: CacheStatus | None = described("What the cache did.")
    similarity: float | None = described(
        "How alike the request was that this answer was made for, where it was another."
    )


@strawberry.type(description="What came of each operation of a batch.")
class GenerateBatchPayload(Payload):
    results: list[BatchResult] = described("A result for each request, in the given order.")


@strawberry.type(description="A deleted content.")
class DeleteContentPayload(Payload):
    content_id: strawberry.ID = described("The `contentId` that is gone.")
    deleted_id: strawberry.ID = described("The `id` that is gone, for caches to forget.")


def payload(answer: Answer) -> Any:
    """The answer as its operation's payload."""
    operation = answer.operation
    result = {operation.mutation.result[0]: content_of(operation.name, answer.body)}
    return PAYLOADS[operation.name](
        request_id=answer.request_id,
        rate_limit=rate_limit(answer.standing),
        cache_status=answer.cache_status,
        similarity=answer.result.similarity,
        **result,
    )


def batch_result(outcome: Answer | GatewayError, request_id: str) -> BatchResult:
    """What came of one operation as its result."""
    if isinstance(outcome, Answer):
        found = content_of(outcome.operation.name, outcome.body)
        return BatchResult(
            content=found,
            error=None,
            cache_status=outcome.cache_status,
            similarity=outcome.result.similarity,
        )
    facts = extensions(outcome, request_id)
    error = BatchError(
        code=facts["code"],
        message=outcome.message,
        field=facts.get("field"),
        retry_after_ms=facts.get("retryAfterMs"),
    )
    return BatchResult(content=None, error=error, cache_status=None, similarity=None)
