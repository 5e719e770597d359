"""Non-player characters for a campaign."""

from __future__ import annotations

from typing import Annotated, Any

from typing_extensions import Doc

from app.operations.descriptions import Described, Example, Listed, Mutation, graphql
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
    StringsField,
    ThemeField,
    Written,
    at_least_one,
    at_most,
)
from app.operations.operation import DraftRejected, Operation, schema_of


@graphql(doc="What a person is to the party.")
class NpcRole(Described):
    """What the person is to the party."""

    ALLY = "ally", "Stands by them."
    ANTAGONIST = "antagonist", "Stands against them."
    MERCHANT = "merchant", "Deals with them."
    QUEST_GIVER = "quest_giver", "Asks something of them."
    LORE_KEEPER = "lore_keeper", "Knows what they need to know."
    MENTOR = "mentor", "Teaches them."
    NEUTRAL = "neutral", "Takes no side."


class NpcRequest(Request):
    role: Annotated[NpcRole, Doc("What the person is to the party.")]
    context: Annotated[CampaignContext, Doc("Where the person stands.")]
    traits: Annotated[StringsField, Doc("Traits to keep, such as `temper` and `short`.")]
    relationships: Annotated[StringsField, Doc("To whom they stand how: a name and a nature.")]
    theme: ThemeField
    model: ModelField


@graphql(doc="How a person stands to somebody.")
class Relationship(Written):
    to: Annotated[Named, Doc("To whom.")]
    nature: Annotated[Line, Doc("How.")]


class NpcDraft(Written):
    name: Named
    description: Passage
    personality: Passage
    motivations: Annotated[list[Line], at_least_one(4)]
    secrets: Annotated[list[Line], at_most(3)]
    relationships: Annotated[list[Relationship], at_most(MAX_EXTRA_KEYS)]


@graphql(doc="A non-player character.")
class NpcAnswer(Answer):
    name: Annotated[str, Doc("What the person is called.")]
    role: Annotated[NpcRole, Doc("What the person is to the party.")]
    description: Annotated[str, Doc("What is seen and heard first.")]
    personality: Annotated[str, Doc("How they treat others, and how they speak.")]
    motivations: Annotated[list[str], Doc("What they want.")]
    secrets: Annotated[list[str], Doc("What they would not want known.")]
    relationships: Annotated[dict[str, str], Doc("To whom they stand how."), Listed(Relationship)]


class Npc(Operation[NpcRequest, NpcDraft]):
    name = "npc"
    title = "Generate a non-player character"
    path = "/api/v2/campaign/npc"
    permission = "campaign:generate"
    limit = "text_generation"
    content_type = ContentType.CAMPAIGN
    max_tokens = 1600
    mutation = Mutation(
        "generate_npc",
        "Invent a person who stands to the party in a role.",
        argument="Whom to invent.",
        input="A non-player character to generate.",
        payload="A generated non-player character.",
        result=("npc", "The person."),
        member=("npc", "A non-player character."),
    )
    example = Example(
        request={
            "role": "mentor",
            "context": {
                "campaign_theme": "a drowned crown",
                "party_level": 5,
                "party_size": 4,
                "setting": "the harbour of Saltmere",
            },
            "traits": {"temper": "short"},
            "relationships": {"Ilse Vane": "a sister"},
            "theme": {"tone": "ominous"},
            "model": {"name": "gpt-4-turbo", "max_tokens": 1600},
        },
        answer={
            "name": "Brannoch Vane",
            "role": "mentor",
            "description": "A pilot with salt in his beard and one glove.",
            "personality": "Curt until somebody listens. “Tide first, talk after.”",
            "motivations": ["To see the crown back on the sea floor."],
            "secrets": ["He sold the chart that drowned it."],
            "relationships": {"Ilse Vane": "a sister"},
        },
    )
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
