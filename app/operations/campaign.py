"""Campaign content: a plot, a location, a quest, a dialogue, an event."""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import AliasChoices, Field, model_validator

from app.operations.fields import (
    Level,
    ModelField,
    OpenObject,
    PartySize,
    Request,
    Text,
    ThemeField,
)
from app.operations.prose import ProseOperation, TextAnswer


class CampaignContentType(StrEnum):
    """What to write for a campaign."""

    PLOT = "plot"
    LOCATION = "location"
    QUEST = "quest"
    DIALOGUE = "dialogue"
    EVENT = "event"


class CampaignFrame(OpenObject):
    """What campaign it is for; further keys are passed on."""

    campaign_theme: Text | None = None
    party_level: Level | None = None
    party_size: PartySize | None = None
    duration: Text | None = None


class CampaignRequest(Request):
    type: CampaignContentType
    campaign_context: CampaignFrame = Field(
        validation_alias=AliasChoices("campaign_context", "parameters"),
    )
    theme: ThemeField
    model: ModelField
    parent_content_id: UUID | None = None

    @model_validator(mode="before")
    @classmethod
    def _older_name(cls, value: Any) -> Any:
        """`parameters` counts where `campaign_context` is absent, and null is absent."""
        if isinstance(value, dict) and value.get("campaign_context", ...) is None:
            return {k: v for k, v in value.items() if k != "campaign_context"}
        return value


TASKS = {
    CampaignContentType.PLOT: (
        "Sketch a plot for this campaign that fills its duration: the wrong that is being done, "
        "by whom and why now, the acts it falls into, and what changes in the world if it succeeds."
    ),
    CampaignContentType.LOCATION: (
        "Describe a place where this campaign will spend an evening: how it is reached, what is "
        "seen and heard there, who holds it, what it is good for, and one thing that is wrong."
    ),
    CampaignContentType.QUEST: (
        "Write a quest for this party: the asker and the asking, the task, what stands in the "
        "way at this level, a choice that costs something either way, and the reward."
    ),
    CampaignContentType.DIALOGUE: (
        "Write a conversation that the party may overhear or join: two or three speakers with "
        "aims of their own, and one piece of news that the campaign needs."
    ),
    CampaignContentType.EVENT: (
        "Write an event that moves this campaign: what announces it, what happens, who gains by "
        "it, and what the party can still change."
    ),
}


class Campaign(ProseOperation[CampaignRequest]):
    name = "campaign"
    title = "Generate campaign content"
    path = "/api/v2/text/campaign"
    permission = "text:generate"
    limit = "text_generation"
    content_type = "campaign"
    request_type = CampaignRequest
    answer_type = TextAnswer

    def task(self, request: CampaignRequest) -> str:
        return TASKS[request.type]
