"""Campaign content: a plot, a location, a quest, a dialogue, an event."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, Field, model_validator
from typing_extensions import Doc

from app.operations.descriptions import Described, Example, Mutation, graphql
from app.operations.fields import (
    ContentType,
    Level,
    ModelField,
    OpenObject,
    ParentContent,
    PartySize,
    Request,
    Text,
    ThemeField,
)
from app.operations.prose import ProseOperation, TextAnswer


class CampaignContentType(Described):
    """What to write for a campaign."""

    PLOT = "plot", "The wrong that is done, the acts, and what changes."
    LOCATION = "location", "A place for an evening of play."
    QUEST = "quest", "An asker, a task, a choice that costs, and the reward."
    DIALOGUE = "dialogue", "A conversation to overhear or to join."
    EVENT = "event", "Something that moves the campaign."


@graphql("CampaignContext", "What campaign a text is for.")
class CampaignFrame(OpenObject):
    """What campaign it is for; further keys are passed on."""

    campaign_theme: Annotated[Text | None, Doc("Such as `a haunted coast`.")] = None
    party_level: Annotated[Level | None, Doc("1 to 20.")] = None
    party_size: Annotated[PartySize | None, Doc("At least 1.")] = None
    duration: Annotated[Text | None, Doc("Such as `six sessions`.")] = None


class CampaignRequest(Request):
    type: Annotated[CampaignContentType, Doc("What to write.")]
    campaign_context: Annotated[CampaignFrame, Doc("What campaign it is for.")] = Field(
        validation_alias=AliasChoices("campaign_context", "parameters"),
    )
    theme: ThemeField
    model: ModelField
    parent_content_id: ParentContent = None

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
    content_type = ContentType.CAMPAIGN
    mutation = Mutation(
        "generate_campaign_content",
        "Write a plot, a location, a quest, a dialogue or an event for a campaign.",
        input="Campaign content to generate.",
        payload="Generated campaign content.",
        result=("content", "The content."),
        member=("campaign_content", "Campaign content."),
    )
    example = Example(
        request={
            "type": "quest",
            "campaign_context": {
                "campaign_theme": "a drowned crown",
                "party_level": 5,
                "party_size": 4,
                "duration": "six sessions",
            },
            "theme": {"tone": "ominous"},
            "model": {"name": "gpt-4-turbo", "max_tokens": 1000},
        },
        answer={
            "content": "The harbour mistress asks for one thing only: the crown, before the tide.",
            "parent_content_id": None,
        },
    )
    request_type = CampaignRequest
    answer_type = TextAnswer

    def task(self, request: CampaignRequest) -> str:
        return TASKS[request.type]
