"""Story elements for a campaign, each with a summary."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from typing_extensions import Doc

from app.operations.descriptions import Children, Described, Example, Mutation, graphql
from app.operations.fields import (
    Answer,
    CampaignContext,
    Chapter,
    ContentType,
    Line,
    ModelField,
    Request,
    StringsField,
    ThemeField,
    Written,
)
from app.operations.operation import DraftRejected, Fact, Operation


class StoryElementType(Described):
    """What part of a story to write."""

    PLOT = "plot", "Who wants what, and its turns."
    QUEST = "quest", "An objective with obstacles and a reward."
    SCENE = "scene", "A moment to play, to read aloud."
    DIALOGUE = "dialogue", "Two persons who want different things."
    DESCRIPTION = "description", "A place or a thing, to read aloud."
    EVENT = "event", "Something that befalls the campaign."


class StoryRequest(Request):
    element_type: Annotated[StoryElementType, Doc("What part of a story to write.")]
    context: Annotated[CampaignContext, Doc("Where the story stands.")]
    parameters: Annotated[StringsField, Doc("Further wishes.")]
    theme: ThemeField
    model: ModelField
    parent_element_id: Annotated[UUID | None, Doc("The element that this one continues.")] = None


class StoryDraft(Written):
    content: Chapter
    summary: Line


@graphql(doc="A story element for a campaign.")
class StoryAnswer(Answer):
    element_type: Annotated[StoryElementType, Doc("What part of a story it is.")]
    content: Annotated[str, Doc("The prose.")]
    summary: Annotated[str, Doc("The prose told in one or two sentences.")]
    parent_element_id: Annotated[UUID | None, Doc("The element that this one continues.")]
    child_elements: Annotated[
        list[UUID], Doc("The elements that continue this one, the oldest first."), Children()
    ]


TASKS = {
    StoryElementType.PLOT: (
        "Outline a plot for this campaign: who wants what and why now, three turns that each "
        "leave the party a choice, and what happens if nobody acts."
    ),
    StoryElementType.QUEST: (
        "Write a quest: who asks and what they hide, the objective, two obstacles of different "
        "kinds fit for the party's level, a complication, and the reward."
    ),
    StoryElementType.SCENE: (
        "Write a scene to play: a short text to read aloud with one detail for each of two "
        "senses, who is there and what they want, and the moment at which the party must decide."
    ),
    StoryElementType.DIALOGUE: (
        "Write a dialogue between two persons of this campaign who want different things. Let "
        "each line show who speaks; leave one thing unsaid that a good listener may notice."
    ),
    StoryElementType.DESCRIPTION: (
        "Describe this place or thing as a dungeon master reads it aloud: what is seen first, "
        "what is noticed second, and what does not fit."
    ),
    StoryElementType.EVENT: (
        "Write an event that befalls the campaign: its signs, the hour itself, whom it helps and "
        "harms, and three things the party may do about it."
    ),
}


class Story(Operation[StoryRequest, StoryDraft]):
    name = "story"
    title = "Generate a story element"
    path = "/api/v2/campaign/story"
    permission = "campaign:generate"
    limit = "text_generation"
    content_type = ContentType.STORY
    parent_field = "parent_element_id"
    streams = True
    prose_field = "content"
    max_tokens = 1500
    mutation = Mutation(
        "generate_story",
        "Write a part of a campaign's story, with a summary.",
        input="A story element to generate.",
        payload="A generated story element.",
        result=("story", "The story element."),
        member=("story", "A story element."),
    )
    example = Example(
        request={
            "element_type": "scene",
            "context": {
                "campaign_theme": "a drowned crown",
                "party_level": 5,
                "party_size": 4,
                "setting": "the harbour of Saltmere",
            },
            "parameters": {"mood": "before the storm"},
            "theme": {"tone": "ominous"},
            "model": {"name": "gpt-4-turbo", "max_tokens": 1000},
        },
        answer={
            "element_type": "scene",
            "content": "Rain stands in the street like glass, and somebody has lit the lamp.",
            "summary": "A lamp burns in the drowned lighthouse, and the party sees it first.",
            "parent_element_id": None,
            "child_elements": [],
        },
    )
    request_type = StoryRequest
    draft_type = StoryDraft
    answer_type = StoryAnswer

    def task(self, request: StoryRequest) -> str:
        return (
            f"{TASKS[request.element_type]}\nAnswer as JSON: `content` is the text, `summary` "
            "tells it in one or two sentences."
        )

    def fit(self, request: StoryRequest, draft: StoryDraft) -> StoryDraft:
        draft = StoryDraft(content=draft.content.strip(), summary=draft.summary.strip())
        if empty := [name for name, text in draft if not text]:
            raise DraftRejected([f"{name}: must not be empty" for name in empty])
        return draft

    def answer(self, request: StoryRequest, draft: StoryDraft) -> dict[str, Any]:
        parent = request.parent_element_id
        return {
            "element_type": request.element_type.value,
            "content": draft.content,
            "summary": draft.summary,
            "parent_element_id": str(parent) if parent else None,
            "child_elements": [],
        }

    def facts(self, answer: dict[str, Any]) -> list[Fact]:
        told = {"element_type": answer["element_type"], "summary": answer["summary"]}
        return [Fact("content.generated", {}), Fact("story.generated", told)]
