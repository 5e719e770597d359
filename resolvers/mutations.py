"""The mutations: each runs one operation."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import strawberry

from resolvers.context import Info
from resolvers.inputs import (
    AnalyzeThemeInput,
    GenerateCampaignContentInput,
    GenerateCharacterContentInput,
    GenerateLocationInput,
    GenerateNpcInput,
    GenerateStoryInput,
    ValidateContentInput,
    raw,
)
from resolvers.payloads import (
    AnalyzeThemePayload,
    GenerateCampaignContentPayload,
    GenerateCharacterContentPayload,
    GenerateLocationPayload,
    GenerateNpcPayload,
    GenerateStoryPayload,
    ValidateContentPayload,
    payload,
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


async def _run(info: Info, given: Any, kind: type[P], field: str) -> P:
    """Run the operation that the guard admitted for this field."""
    admission = info.context.admissions.pop(info.path.key)
    return payload(kind, field, await info.context.gateway.run(raw(given), admission))


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
