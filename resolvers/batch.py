"""BatchRequest: one operation of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import strawberry

from app.errors import GatewayError, RateLimited
from app.gateway import Answer, Asked, Standing
from app.operations import (
    CAMPAIGN,
    CHARACTER,
    LOCATION,
    NPC,
    STORY,
    THEME,
    VALIDATION,
    Operation,
)
from resolvers.inputs import (
    AnalyzeThemeInput,
    GenerateCampaignContentInput,
    GenerateCharacterContentInput,
    GenerateLocationInput,
    GenerateNpcInput,
    GenerateStoryInput,
    ValidateContentInput,
    optional,
    raw,
    wish,
)

MOST = 20  # requests of a batch


@strawberry.input(one_of=True, description="One operation of a batch: exactly one field is given.")
class BatchRequest:
    character_content: GenerateCharacterContentInput | None = optional("Character content.")
    campaign_content: GenerateCampaignContentInput | None = optional("Campaign content.")
    story: GenerateStoryInput | None = optional("A story element.")
    npc: GenerateNpcInput | None = optional("A non-player character.")
    location: GenerateLocationInput | None = optional("A location.")
    theme_analysis: AnalyzeThemeInput | None = optional("A theme analysis.")
    content_validation: ValidateContentInput | None = optional("A content validation.")


OPERATION: dict[str, Operation[Any, Any]] = {
    "character_content": CHARACTER,
    "campaign_content": CAMPAIGN,
    "story": STORY,
    "npc": NPC,
    "location": LOCATION,
    "theme_analysis": THEME,
    "content_validation": VALIDATION,
}


def chosen(request: BatchRequest) -> Asked:
    """The operation that was given, and what is asked of it."""
    given: dict[str, Any] = {name: getattr(request, name) for name in OPERATION}
    name = next(n for n, value in given.items() if value not in (None, strawberry.UNSET))
    return OPERATION[name], raw(given[name]), lambda: wish(given[name])


def refusing(outcomes: Sequence[Answer | GatewayError]) -> Standing | None:
    """How the limit stands that refused an operation; of several the one with the longest wait."""
    refused = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
    if not refused:
        return None
    last = max(refused, key=lambda error: error.retry_after_ms)
    return Standing(last.scope, last.limit, 0, last.reset_at, last.window)
