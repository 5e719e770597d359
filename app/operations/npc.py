"""Non-player characters for a campaign."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

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
    StringsField,
    ThemeField,
    Written,
    at_least_one,
    at_most,
)


class NpcRole(StrEnum):
    """What the person is to the party."""

    ALLY = "ally"
    ANTAGONIST = "antagonist"
    MERCHANT = "merchant"
    QUEST_GIVER = "quest_giver"
    LORE_KEEPER = "lore_keeper"
    MENTOR = "mentor"
    NEUTRAL = "neutral"


class NpcRequest(Request):
    role: NpcRole
    context: CampaignContext
    traits: StringsField
    relationships: StringsField
    theme: ThemeField
    model: ModelField


class Relationship(Written):
    to: Named
    nature: Line


class NpcDraft(Written):
    name: Named
    description: Passage
    personality: Passage
    motivations: Annotated[list[Line], at_least_one(4)]
    secrets: Annotated[list[Line], at_most(3)]
    relationships: Annotated[list[Relationship], at_most(MAX_EXTRA_KEYS)]


class NpcAnswer(Answer):
    name: str
    role: NpcRole
    description: str
    personality: str
    motivations: list[str]
    secrets: list[str]
    relationships: dict[str, str]


class Npc(Operation[NpcRequest, NpcDraft]):
    name = "npc"
    title = "Generate a non-player character"
    path = "/api/v2/campaign/npc"
    permission = "campaign:generate"
    limit = "text_generation"
    content_type = "campaign"
    max_tokens = 1600
    request_type = NpcRequest
    draft_type = NpcDraft
    answer_type = NpcAnswer

    def schema(self, request: NpcRequest) -> dict[str, Any]:
        return schema_of(self.draft_type, relationships=len(request.relationships) + 3)

    def task(self, request: NpcRequest) -> str:
        return (
            "Invent a person for this campaign, fit to play at once, who stands to the party in "
            "the given role. `name`; `description`: what is seen and heard first; `personality`: "
            "how they treat others and how they speak, with one line in their own voice; "
            "`motivations`: two or three things they want; `secrets`: one or two things that they "
            "would not want known; `relationships`: to whom they stand how, every given one among "
            "them. Keep every given trait. Answer as JSON."
        )

    def fit(self, request: NpcRequest, draft: NpcDraft) -> NpcDraft:
        texts = {n: getattr(draft, n).strip() for n in ("name", "description", "personality")}
        problems = [f"{name}: must not be empty" for name, text in texts.items() if not text]
        if not draft.motivations:
            problems.append("motivations: at least one is wanted")
        told = {r.to.casefold() for r in draft.relationships}
        if missing := [r for r in request.relationships if r.casefold() not in told]:
            problems.append(f"relationships: {', '.join(missing)} missing")
        if problems:
            raise DraftRejected(problems)
        return draft.model_copy(update=texts)

    def answer(self, request: NpcRequest, draft: NpcDraft) -> dict[str, Any]:
        return {
            "name": draft.name,
            "role": request.role.value,
            "description": draft.description,
            "personality": draft.personality,
            "motivations": draft.motivations,
            "secrets": draft.secrets,
            "relationships": {r.to: r.nature for r in draft.relationships},
        }
