"""The mutations: one for each operation, made of its declaration; and several, and what deletes."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import strawberry

from app.operations import OPERATIONS, Operation
from app.operations.fields import ContentType
from app.pipeline.gateway import MAX_BATCH, Asked
from resolvers.batch import BatchRequest, chosen
from resolvers.context import ID, Info
from resolvers.derived import made
from resolvers.generations import (
    CancelGenerationPayload,
    StartGenerationInput,
    StartGenerationPayload,
    generation_of,
)
from resolvers.inputs import INPUTS, directives, raw
from resolvers.node import CONTENT, global_id, named_content
from resolvers.payloads import (
    PAYLOADS,
    DeleteContentPayload,
    GenerateBatchPayload,
    batch_result,
    payload,
    rate_limit,
)
from resolvers.ratings import RateContentInput, RateContentPayload, Rating

BatchRequests = Annotated[
    list[BatchRequest], strawberry.argument(description=f"1 to {MAX_BATCH} operations.")
]
GenerationInput = Annotated[
    StartGenerationInput, strawberry.argument(description="What to generate.")
]
CancelledID = Annotated[ID, strawberry.argument(description="The generation's id.")]
RatingInput = Annotated[
    RateContentInput, strawberry.argument(description="The content, and what you say of it.")
]
DeletedID = Annotated[
    ID, strawberry.argument(description="The content's `id`, or its `contentId`.")
]


def _field(operation: Operation[Any, Any]) -> tuple[Any, Any]:
    """The operation's field: its payload is nullable, so that one refusal empties no other."""
    mutation, kind = operation.mutation, PAYLOADS[operation.name] | None

    async def resolve(info: Info, input: Any) -> Any:
        asked = Asked(operation, raw(input), lambda: directives(input))
        return payload(await info.context.gateway.run(info.context.authenticated, asked))

    argument = strawberry.argument(description=mutation.argument)
    resolve.__annotations__ |= {
        "input": Annotated[INPUTS[operation.name], argument],
        "return": kind,
    }
    return kind, strawberry.mutation(resolver=resolve, description=mutation.doc)


KINDS = list(ContentType)
BY_CONTENT = sorted(OPERATIONS.values(), key=lambda o: KINDS.index(o.content_type))
_Operations: Any = strawberry.type(
    made("Operations", {operation.mutation.name: _field(operation) for operation in BY_CONTENT})
)


@strawberry.type(description="What can be asked of the gateway to do. Fields run in order.")
class Mutation(_Operations):  # type: ignore[misc]  # made at run time, a field for each operation
    @strawberry.mutation(
        description="Run several operations side by side, each as if it had come alone."
    )
    async def generate_batch(
        self, info: Info, requests: BatchRequests
    ) -> GenerateBatchPayload | None:
        request, asked = info.context.authenticated, [chosen(one) for one in requests]
        outcomes = await info.context.gateway.batch(request, asked)
        return GenerateBatchPayload(
            request_id=request.request_id,
            rate_limit=rate_limit(request.known_standing),
            results=[batch_result(outcome, request.request_id) for outcome in outcomes],
        )

    @strawberry.mutation(
        description="Start a generation and answer at once; watch it with `generation(id)`."
    )
    async def start_generation(
        self, info: Info, input: GenerationInput
    ) -> StartGenerationPayload | None:
        request, gateway = info.context.authenticated, info.context.gateway
        started = await gateway.start(request, chosen(input))
        return StartGenerationPayload(
            request_id=request.request_id,
            rate_limit=rate_limit(request.known_standing),
            generation=generation_of(gateway, started.id, started.transcript),
        )

    @strawberry.mutation(description="Cancel one of your generations and tell how it ended.")
    async def cancel_generation(
        self, info: Info, id: CancelledID
    ) -> CancelGenerationPayload | None:
        request, gateway = info.context.authenticated, info.context.gateway
        found = await gateway.cancel(request, str(id))
        return CancelGenerationPayload(
            request_id=request.request_id,
            rate_limit=rate_limit(request.known_standing),
            generation=generation_of(gateway, str(id), found),
        )

    @strawberry.mutation(description="Say how good one of your contents is; the last word counts.")
    async def rate_content(self, info: Info, input: RatingInput) -> RateContentPayload | None:
        request, content_id = info.context.authenticated, named_content(str(input.id))
        rating = await info.context.gateway.ratings.rate(request, content_id, input.raw)
        return RateContentPayload(
            request_id=request.request_id,
            rate_limit=rate_limit(request.known_standing),
            rating=Rating.of(rating),
        )

    @strawberry.mutation(description="Delete one of your contents, for good.")
    async def delete_content(self, info: Info, id: DeletedID) -> DeleteContentPayload | None:
        request, content_id = info.context.authenticated, named_content(str(id))
        await info.context.gateway.contents.delete(request, content_id)
        return DeleteContentPayload(
            request_id=request.request_id,
            rate_limit=rate_limit(request.known_standing),
            content_id=ID(content_id),
            deleted_id=global_id(CONTENT, str(UUID(content_id))),
        )
