"""Locations for a campaign."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from app.operations.base import DraftRejected, Operation, schema_of
from app.operations.fields import (
    MAX_EXTRA_KEYS,
    Answer,
    CampaignContext,
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


class LocationType(StrEnum):
    """What kind of place it is."""

    TOWN = "town"
    DUNGEON = "dungeon"
    WILDERNESS = "wilderness"
    LANDMARK = "landmark"
    BUILDING = "building"
    SHOP = "shop"
    TAVERN = "tavern"


def _empty_when_null(value: Any) -> Any:
    return [] if value is None else value


Texts = Annotated[
    list[Text],
    Field(max_length=MAX_EXTRA_KEYS),
    BeforeValidator(_empty_when_null),
    Field(default_factory=list),
]


class LocationRequest(Request):
    location_type: LocationType
    context: CampaignContext
    size: Text
    purpose: Text
    occupants: Texts
    features: Texts
    theme: ThemeField
    model: ModelField


class LocationDraft(Written):
    name: Named
    description: Passage
    points_of_interest: Annotated[list[Line], at_least_one(6)]
    occupants: Annotated[list[Line], at_most(MAX_EXTRA_KEYS)]
    secrets: Annotated[list[Line], at_most(4)]
    hooks: Annotated[list[Line], at_most(4)]


class LocationAnswer(Answer):
    name: str
    location_type: LocationType
    description: str
    points_of_interest: list[str]
    occupants: list[str]
    secrets: list[str]
    hooks: list[str]


class Location(Operation[LocationRequest, LocationDraft]):
    name = "location"
    title = "Generate a location"
    path = "/api/v2/campaign/location"
    permission = "campaign:generate"
    limit = "text_generation"
    content_type = "campaign"
    max_tokens = 1900
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
