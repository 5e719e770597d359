"""The mutations: each runs an operation, several, or deletes."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import strawberry

from app.errors import InvalidRequest
from resolvers.batch import MOST, BatchRequest, chosen, refusing
from resolvers.context import ID, Info
from resolvers.generations import (
    CancelGenerationPayload,
    StartGenerationInput,
    StartGenerationPayload,
    generation_of,
)
from resolvers.inputs import (
    AnalyzeThemeInput,
    GenerateCampaignContentInput,
    GenerateCharacterContentInput,
    GenerateLocationInput,
    GenerateNpcInput,
    GenerateStoryInput,
    ValidateContentInput,
    raw,
    wish,
)
from resolvers.payloads import (
    AnalyzeThemePayload,
    DeleteContentPayload,
    GenerateBatchPayload,
    GenerateCampaignContentPayload,
    GenerateCharacterContentPayload,
    GenerateLocationPayload,
    GenerateNpcPayload,
    GenerateStoryPayload,
    ValidateContentPayload,
    batch_result,
    payload,
    rate_limit,
)

P = TypeVar("P")

CharacterInput = Annotated[
    GenerateCharacterContentInput, strawberry.argument(description="What to generate.")
]
CampaignInput = Annotated[
    GenerateCampaignContentInput, strawberry.argument(description="What to generate.")
]
NpcInput = Annotated[GenerateNpcInput, strawberry.argument(description="Whom to invent.")]
LocationInput = Annotated[
    GenerateLocationInput, strawberry.argument(description="What place to invent.")
]
StoryInput = Annotated[GenerateStoryInput, strawberry.argument(description="What to generate.")]
ThemeAnalysisInput = Annotated[
    AnalyzeThemeInput, strawberry.argument(description="What to analyse.")
]
ValidationInput = Annotated[
    ValidateContentInput, strawberry.argument(description="What to hold against which rules.")
]
BatchRequests = Annotated[
    list[BatchRequest], strawberry.argument(description=f"1 to {MOST} operations.")
]
GenerationInput = Annotated[
    StartGenerationInput, strawberry.argument(description="What to generate.")
]
CancelledID = Annotated[ID, strawberry.argument(description="The generation's id.")]
DeletedID = Annotated[ID, strawberry.argument(description="The content's id.")]


async def _run(info: Info, given: Any, kind: type[P], field: str) -> P:
    """Run the operation that the guard admitted for this field."""
    admission = info.context.admissions.pop(info.path.key)
    answer = await info.context.gateway.run(raw(given), admission, lambda: wish(given))
    return payload(kind, field, answer)


@strawberry.type(description="What can be asked of the gateway to do. Fields run in order.")
class Mutation:
    @strawberry.mutation(
        description="Write a backstory, a personality, a fighting style or an equipment list."
    )
    async def generate_character_content(
        self, info: Info, input: CharacterInput
    ) -> GenerateCharacterContentPayload | None:
        return await _run(info, input, GenerateCharacterContentPayload, "content")

    @strawberry.mutation(
        description="Write a plot, a location, a quest, a dialogue or an event for a campaign."
    )
    async def generate_campaign_content(
        self, info: Info, input: CampaignInput
    ) -> GenerateCampaignContentPayload | None:
        return await _run(info, input, GenerateCampaignContentPayload, "content")

    @strawberry.mutation(description="Invent a person who stands to the party in a role.")
    async def generate_npc(self, info: Info, input: NpcInput) -> GenerateNpcPayload | None:
        return await _run(info, input, GenerateNpcPayload, "npc")

    @strawberry.mutation(description="Invent a place of a type, a size and a purpose.")
    async def generate_location(
        self, info: Info, input: LocationInput
    ) -> GenerateLocationPayload | None:
        return await _run(info, input, GenerateLocationPayload, "location")

    @strawberry.mutation(description="Write a part of a campaign's story, with a summary.")
    async def generate_story(self, info: Info, input: StoryInput) -> GenerateStoryPayload | None:
        return await _run(info, input, GenerateStoryPayload, "story")

    @strawberry.mutation(
        description="Tell what kind of tale a text is, and whether it would fit another theme."
    )
    async def analyze_theme(
        self, info: Info, input: ThemeAnalysisInput
    ) -> AnalyzeThemePayload | None:
        return await _run(info, input, AnalyzeThemePayload, "analysis")

    @strawberry.mutation(description="Hold a text against rules.")
    async def validate_content(
        self, info: Info, input: ValidationInput
    ) -> ValidateContentPayload | None:
        return await _run(info, input, ValidateContentPayload, "validation")

    @strawberry.mutation(
        description="Run several operations side by side, each as if it had come alone."
    )
    async def generate_batch(
        self, info: Info, requests: BatchRequests
    ) -> GenerateBatchPayload | None:
        visit, gateway = info.context.caller_visit, info.context.gateway
        if not 1 <= len(requests) <= MOST:
            await gateway.count(visit)
            raise InvalidRequest.at(("requests",), f"1 to {MOST} requests are wanted")
        outcomes = await gateway.batch(visit, [chosen(request) for request in requests])
        visit.standing = refusing(outcomes) or visit.standing
        if visit.standing is None:  # nothing came so far as to count
            await gateway.count(visit)
        return GenerateBatchPayload(
            request_id=visit.request_id,
            rate_limit=rate_limit(visit.counted_standing),
            results=[batch_result(outcome, visit.request_id) for outcome in outcomes],
        )

    @strawberry.mutation(
        description="Start a generation and answer at once; watch it with `generation(id)`."
    )
    async def start_generation(
        self, info: Info, input: GenerationInput
    ) -> StartGenerationPayload | None:
        visit, gateway = info.context.caller_visit, info.context.gateway
        operation, given, wished = chosen(input)
        started = await gateway.start(given, await gateway.admit(visit, operation), wished)
        return StartGenerationPayload(
            request_id=visit.request_id,
            rate_limit=rate_limit(visit.counted_standing),
            generation=generation_of(started.id, started.transcript),
        )

    @strawberry.mutation(description="Cancel one of your generations and tell how it ended.")
    async def cancel_generation(
        self, info: Info, id: CancelledID
    ) -> CancelGenerationPayload | None:
        visit = info.context.caller_visit
        found = await info.context.gateway.cancel(visit, str(id))
        return CancelGenerationPayload(
            request_id=visit.request_id,
            rate_limit=rate_limit(visit.counted_standing),
            generation=generation_of(str(id), found),
        )

    @strawberry.mutation(description="Delete one of your contents, for good.")
    async def delete_content(self, info: Info, id: DeletedID) -> DeleteContentPayload | None:
        visit = info.context.caller_visit
        await info.context.gateway.delete(visit, str(id))
        return DeleteContentPayload(
            request_id=visit.request_id,
            rate_limit=rate_limit(visit.counted_standing),
            content_id=id,
        )
