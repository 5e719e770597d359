"""The payloads of mutations: the result, the request's id, and how the limits stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import strawberry

from app.gateway import Answer, Standing
from resolvers.types import (
    ContentValidation,
    GeneratedContent,
    Location,
    Npc,
    RateLimit,
    Story,
    ThemeAnalysis,
    content_of,
    described,
)

P = TypeVar("P")


def rate_limit(standing: Standing) -> RateLimit:
    return RateLimit(
        scope=standing.scope,
        limit=standing.limit,
        remaining=standing.remaining,
        # A whole second, as the REST header has it: never a moment too early.
        reset_at=datetime.fromtimestamp(math.ceil(standing.reset_at), UTC),
        window_seconds=standing.window,
    )


@strawberry.interface(description="What every payload has.")
class Payload:
    request_id: str = described("The request's id; quote it when you report a problem.")
    rate_limit: RateLimit = described("The tightest limit that this request touched.")


@strawberry.type(description="Generated character content.")
class GenerateCharacterContentPayload(Payload):
    content: GeneratedContent = described("The content.")


@strawberry.type(description="Generated campaign content.")
class GenerateCampaignContentPayload(Payload):
    content: GeneratedContent = described("The content.")


@strawberry.type(description="A generated non-player character.")
class GenerateNpcPayload(Payload):
    npc: Npc = described("The person.")


@strawberry.type(description="A generated location.")
class GenerateLocationPayload(Payload):
    location: Location = described("The place.")


@strawberry.type(description="A generated story element.")
class GenerateStoryPayload(Payload):
    story: Story = described("The story element.")


@strawberry.type(description="An analysed theme.")
class AnalyzeThemePayload(Payload):
    analysis: ThemeAnalysis = described("The analysis.")


@strawberry.type(description="A validated text.")
class ValidateContentPayload(Payload):
    validation: ContentValidation = described("The validation.")


def payload(kind: Callable[..., P], field: str, answer: Answer) -> P:
    """The answer as a payload, its result in `field`."""
    result: Any = {field: content_of(answer.operation.name, answer.body)}
    return kind(request_id=answer.request_id, rate_limit=rate_limit(answer.standing), **result)
