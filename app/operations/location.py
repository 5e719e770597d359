"""Locations for a campaign."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from typing_extensions import Doc

from app.operations.descriptions import Described, Example, Mutation, graphql
from app.operations.fields import (
    MAX_EXTRA_KEYS,
    Answer,
    CampaignContext,
    ContentType,
    Line,
    ModelField,
    Named,
    Passage,
    Request,
    Text,
    ThemeField,
    Written,
    at_least_one,
    at_most,
)
from app.operations.operation import DraftRejected, Operation, schema_of


class LocationType(Described):
    """What kind of place it is."""

    TOWN = "town", "Where many live."
    DUNGEON = "dungeon", "Vaults, cells and what lives in them."
    WILDERNESS = "wilderness", "Land that nobody tends."
    LANDMARK = "landmark", "A thing to steer by."
    BUILDING = "building", "A house of some purpose."
    SHOP = "shop", "Where things are sold."
    TAVERN = "tavern", "Where people drink and talk."


def _empty_when_null(value: Any) -> Any:
    return [] if value is None else value


Texts = Annotated[
    list[Text],
    Field(max_length=MAX_EXTRA_KEYS),
    BeforeValidator(_empty_when_null),
    Field(default_factory=list),
]


class LocationRequest(Request):
    location_type: Annotated[LocationType, Doc("What kind of place it is.")]
    context: Annotated[CampaignContext, Doc("Where the place stands.")]
    size: Annotated[Text, Doc("Such as `small` or `three rooms and a yard`.")]
    purpose: Annotated[Text, Doc("What it is for, such as `a smugglers' market`.")]
    occupants: Annotated[Texts, Doc("Who must be there.")]
    features: Annotated[Texts, Doc("What must be there.")]
    theme: ThemeField
    model: ModelField


class LocationDraft(Written):
    name: Named
    description: Passage
    points_of_interest: Annotated[list[Line], at_least_one(6)]
    occupants: Annotated[list[Line], at_most(MAX_EXTRA_KEYS)]
    secrets: Annotated[list[Line], at_most(4)]
    hooks: Annotated[list[Line], at_most(4)]


@graphql(doc="A place for a campaign.")
class LocationAnswer(Answer):
    name: Annotated[str, Doc("What the place is called.")]
    location_type: Annotated[LocationType, Doc("What kind of place it is.")]
    description: Annotated[str, Doc("To read aloud on arrival.")]
    points_of_interest: Annotated[list[str], Doc("What the party may look into.")]
    occupants: Annotated[list[str], Doc("Who is there.")]
    secrets: Annotated[list[str], Doc("What a search may find.")]
    hooks: Annotated[list[str], Doc("Reasons to come, or to come back.")]


class Location(Operation[LocationRequest, LocationDraft]):
    name = "location"
    title = "Generate a location"
    path = "/api/v2/campaign/location"
    permission = "campaign:generate"
    limit = "text_generation"
    content_type = ContentType.CAMPAIGN
    max_tokens = 1900
    mutation = Mutation(
        "generate_location",
        "Invent a place of a type, a size and a purpose.",
        argument="What place to invent.",
        input="A location to generate.",
        payload="A generated location.",
        result=("location", "The place."),
        member=("location", "A location."),
    )
    example = Example(
        request={
            "location_type": "tavern",
            "context": {
                "campaign_theme": "a drowned crown",
                "party_level": 5,
                "party_size": 4,
                "setting": "the harbour of Saltmere",
            },
            "size": "three rooms and a yard",
            "purpose": "a smugglers' market",
            "occupants": ["Old Marta"],
            "features": ["a hidden cellar"],
            "theme": {"tone": "ominous"},
            "model": {"name": "gpt-4-turbo", "max_tokens": 1900},
        },
        answer={
            "name": "The Knotted Rope",
            "location_type": "tavern",
            "description": "Low beams, wet boots, and a draught from under the floor.",
            "points_of_interest": ["A ring in the boards, worn bright."],
            "occupants": ["Old Marta", "A customs clerk off duty"],
            "secrets": ["The cellar floods at the new moon, and opens."],
            "hooks": ["A crate is addressed to one of the party."],
        },
    )
    request_type = LocationRequest
    draft_type = LocationDraft
    answer_type = LocationAnswer

    def schema(self, request: LocationRequest) -> dict[str, Any]:
        return schema_of(self.draft_type, occupants=len(request.occupants) + 4)

    def task(self, request: LocationRequest) -> str:
        return (
            "Invent a place of the given type, size and purpose for this campaign. `name`; "
            "`description`: to read aloud on arrival; `points_of_interest`: three or four things "
            "that the party may look into; `occupants`: who is there, the given ones among them; "
            "`secrets`: one or two that a search may find; `hooks`: two reasons to come or to come "
            "back. Use every given feature. Answer as JSON."
        )

    def fit(self, request: LocationRequest, draft: LocationDraft) -> LocationDraft:
        texts = {n: getattr(draft, n).strip() for n in ("name", "description")}
        problems = [f"{name}: must not be empty" for name, text in texts.items() if not text]
        if not draft.points_of_interest:
            problems.append("points_of_interest: at least one is wanted")
        if problems:
            raise DraftRejected(problems)
        return draft.model_copy(update=texts)

    def answer(self, request: LocationRequest, draft: LocationDraft) -> dict[str, Any]:
        return {
            "name": draft.name,
            "location_type": request.location_type.value,
            **draft.model_dump(mode="json", exclude={"name"}),
        }
