"""The GraphQL types of what the gateway answers. Each `of()` reads the REST answer's object."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import strawberry

from app.errors import InvalidRequest
from app.gateway import Finish, Outcome
from app.operations.fields import Category
from app.operations.location import LocationType
from app.operations.npc import NpcRole
from app.operations.story import StoryElementType
from app.operations.theme import ThemeElement
from app.operations.validation import Severity
from resolvers.complexity import MOST, PAGE
from resolvers.enums import ContentType, TokenSource


def described(text: str) -> Any:
    """A plain field with its description."""
    return strawberry.field(description=text)


@strawberry.type(description="The tokens that an answer took, as its model counted them.")
class TokenUsage:
    prompt_tokens: int = described("Tokens of what the model was asked.")
    completion_tokens: int = described("Tokens of what the model wrote.")
    total_tokens: int = described("Both together.")
    cached_tokens: int = described("Prompt tokens that the provider had in its own cache.")
    cache_write_tokens: int = described("Prompt tokens that it keeps there from now on.")
    reasoning_tokens: int = described("Answer tokens that the model spent on thinking.")
    source: TokenSource = described("Who counted them.")

    @classmethod
    def of(cls, usage: dict[str, Any]) -> TokenUsage:
        # Answers that were stored by earlier versions say less.
        return cls(
            prompt_tokens=usage["prompt_tokens"],
            completion_tokens=usage["completion_tokens"],
            total_tokens=usage["total_tokens"],
            cached_tokens=usage.get("cached_tokens", 0),
            cache_write_tokens=usage.get("cache_write_tokens", 0),
            reasoning_tokens=usage.get("reasoning_tokens", 0),
            source=TokenSource(usage.get("source", "provider")),
        )


@strawberry.type(description="What became of one attempt on a model.")
class Attempt:
    model: str = described("The model.")
    outcome: Outcome = described("How it ended.")
    ms: int = described("How long it took, in milliseconds; 0 when the model was not called.")

    @classmethod
    def of(cls, attempt: dict[str, Any]) -> Attempt:
        return cls(model=attempt["model"], outcome=Outcome(attempt["outcome"]), ms=attempt["ms"])


@strawberry.type(description="What an answer tells about itself.")
class Metadata:
    content_type: ContentType = described("What kind of content it is.")
    model_used: str = described("The model that wrote it; `storyteller` is the embedded one.")
    token_usage: TokenUsage = described("The tokens that it took.")
    request_id: str = described("The request that made it.")
    created_at: datetime = described("When it was made.")
    cached: bool = described("Whether it was an earlier answer, given again.")
    degraded: bool = described("Whether a simpler model than the one asked for wrote it.")
    finish_reason: Finish = described("Whether the text came to its own end.")
    attempts: list[Attempt] = described("What was tried for it, in order.")
    cost: float | None = described("US dollars for its own tokens; null where no price is known.")
    upstream_model: str | None = described(
        "The model's name in its provider's own answer; null without one."
    )
    ignored_parameters: list[str] = described(
        "What of the request's `model` could not be used, by the names of its fields."
    )
    seed: int | None = described(
        "The seed that was used; null without one, or where it is no 32-bit number."
    )
    prompt_version: str = described("Which wording of the prompt was used.")

    @classmethod
    def of(cls, metadata: dict[str, Any]) -> Metadata:
        return cls(
            content_type=ContentType(metadata["content_type"]),
            model_used=metadata["model_used"],
            token_usage=TokenUsage.of(metadata["token_usage"]),
            request_id=metadata["request_id"],
            created_at=datetime.fromisoformat(metadata["created_at"]),
            cached=metadata["cached"],
            degraded=metadata["degraded"],
            finish_reason=Finish(metadata.get("finish_reason", "stop")),
            attempts=[Attempt.of(a) for a in metadata.get("attempts", [])],
            cost=metadata.get("cost"),
            upstream_model=metadata.get("upstream_model"),
            ignored_parameters=metadata.get("ignored_parameters", []),
            seed=_as_int(metadata.get("seed")),
            prompt_version=metadata.get("prompt_version", "1"),
        )


def _as_int(value: int | None) -> int | None:
    """What GraphQL's Int holds; REST gives every seed."""
    return value if value is not None and -(2**31) <= value < 2**31 else None


FirstChildren = Annotated[
    int, strawberry.argument(description=f"How many at the most, 1 to {MOST}.")
]


@strawberry.interface(description="Anything that the gateway made and keeps for its owner.")
class Content:
    content_id: strawberry.ID = described("Its id, a UUID.")
    content_type: ContentType = described("What kind of content it is.")
    created_at: datetime = described("When it was made.")
    metadata: Metadata = described("What it tells about itself.")
    continues: strawberry.Private[str | None] = None  # the parent's id

    @strawberry.field(description="The content that this one continues; null when it is gone.")
    async def parent(self, info: strawberry.Info) -> Content | None:
        if self.continues is None:
            return None
        found: Content | None = await info.context.contents.load(self.continues)
        return found

    @strawberry.field(description="The contents that continue this one, the oldest first.")
    async def children(
        self, info: strawberry.Info, first: FirstChildren = PAGE
    ) -> list[Content] | None:
        info.context.caller_visit.caller.require("content:read")
        if not 1 <= first <= MOST:
            raise InvalidRequest.at(("first",), f"must be between 1 and {MOST}")
        found: list[Content] = await info.context.children.load(str(self.content_id))
        return found[:first]


def _common(answer: dict[str, Any]) -> dict[str, Any]:
    metadata = Metadata.of(answer["metadata"])
    return {
        "content_id": strawberry.ID(answer["content_id"]),
        "content_type": metadata.content_type,
        "created_at": metadata.created_at,
        "metadata": metadata,
        "continues": answer.get("parent_content_id") or answer.get("parent_element_id"),
    }


def _id(value: str | None) -> strawberry.ID | None:
    return None if value is None else strawberry.ID(value)


@strawberry.type(description="Generated prose about a character or a campaign.")
class GeneratedContent(Content):
    text: str = described("The prose.")
    parent_content_id: strawberry.ID | None = described("The content that this one continues.")

    @classmethod
    def of(cls, answer: dict[str, Any]) -> GeneratedContent:
        return cls(
            **_common(answer),
            text=answer["content"],
            parent_content_id=_id(answer["parent_content_id"]),
        )


@strawberry.type(description="A story element for a campaign.")
class Story(Content):
    element_type: StoryElementType = described("What part of a story it is.")
    text: str = described("The prose.")
    summary: str = described("The prose told in one or two sentences.")
    parent_element_id: strawberry.ID | None = described("The element that this one continues.")

    @strawberry.field(description="The elements that continue this one, the oldest first.")
    async def child_elements(self, info: strawberry.Info) -> list[strawberry.ID]:
        children: list[Content] = await info.context.children.load(str(self.content_id))
        return [child.content_id for child in children if isinstance(child, Story)]

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Story:
        return cls(
            **_common(answer),
            element_type=StoryElementType(answer["element_type"]),
            text=answer["content"],
            summary=answer["summary"],
            parent_element_id=_id(answer["parent_element_id"]),
        )


@strawberry.type(description="How a person stands to somebody.")
class Relationship:
    to: str = described("To whom.")
    nature: str = described("How.")


@strawberry.type(description="A non-player character.")
class Npc(Content):
    name: str = described("What the person is called.")
    role: NpcRole = described("What the person is to the party.")
    description: str = described("What is seen and heard first.")
    personality: str = described("How they treat others, and how they speak.")
    motivations: list[str] = described("What they want.")
    secrets: list[str] = described("What they would not want known.")
    relationships: list[Relationship] = described("To whom they stand how.")

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Npc:
        return cls(
            **_common(answer),
            name=answer["name"],
            role=NpcRole(answer["role"]),
            description=answer["description"],
            personality=answer["personality"],
            motivations=answer["motivations"],
            secrets=answer["secrets"],
            relationships=[
                Relationship(to=to, nature=nature) for to, nature in answer["relationships"].items()
            ],
        )


@strawberry.type(description="A place for a campaign.")
class Location(Content):
    name: str = described("What the place is called.")
    location_type: LocationType = described("What kind of place it is.")
    description: str = described("To read aloud on arrival.")
    points_of_interest: list[str] = described("What the party may look into.")
    occupants: list[str] = described("Who is there.")
    secrets: list[str] = described("What a search may find.")
    hooks: list[str] = described("Reasons to come, or to come back.")

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Location:
        return cls(
            **_common(answer),
            name=answer["name"],
            location_type=LocationType(answer["location_type"]),
            description=answer["description"],
            points_of_interest=answer["points_of_interest"],
            occupants=answer["occupants"],
            secrets=answer["secrets"],
            hooks=answer["hooks"],
        )


@strawberry.type(description="What one side of a text does for its theme.")
class ElementAnalysis:
    element: ThemeElement = described("The side that was looked at.")
    score: float = described("How strongly and how well it is worked out, 0 to 1.")
    description: str = described("What the text does.")
    suggestions: list[str] = described("What would strengthen it.")


@strawberry.type(description="How well a text would fit another theme.")
class ThemeCompatibility:
    score: float = described("0: not at all, 1: as it is.")
    conflicts: list[str] = described("What stands against it.")
    enhancements: list[str] = described("What would strengthen it.")
    transition_steps: list[str] = described("How to get there, step by step.")


@strawberry.type(description="What kind of tale a text is, and how well that is worked out.")
class ThemeAnalysis(Content):
    primary_category: Category = described("What it is most of all.")
    secondary_categories: list[Category] = described("What it is besides.")
    category_confidence: float = described("How sure the category is, 0 to 1.")
    elements: list[ElementAnalysis] = described("The asked elements, in the asked order.")
    compatibility: ThemeCompatibility | None = described(
        "How well it would fit the target theme; null where none was given."
    )
    overall_score: float = described("How well the theme is worked out, 0 to 1.")
    summary: str = described("The analysis in one or two sentences.")

    @classmethod
    def of(cls, answer: dict[str, Any]) -> ThemeAnalysis:
        fit = answer["compatibility"]
        return cls(
            **_common(answer),
            primary_category=Category(answer["primary_category"]),
            secondary_categories=[Category(c) for c in answer["secondary_categories"]],
            category_confidence=answer["category_confidence"],
            elements=[
                ElementAnalysis(**{**e, "element": ThemeElement(e["element"])})
                for e in answer["elements"]
            ],
            compatibility=ThemeCompatibility(**fit) if fit else None,
            overall_score=answer["overall_score"],
            summary=answer["summary"],
        )


@strawberry.type(description="One thing that a rule found in a text.")
class ValidationIssue:
    severity: Severity = described("How bad it is.")
    message: str = described("What is wrong.")
    location: str | None = described("The words of the text where it is, if it has a place.")
    suggestions: list[str] = described("How to mend it.")


@strawberry.type(description="How a text stands against one rule.")
class RuleResult:
    rule_id: strawberry.ID = described(
        "The rule's given id, else one made from its category and name."
    )
    passed: bool = described("Whether the text keeps the rule.")
    score: float = described("How well, 0 to 1.")
    issues: list[ValidationIssue] = described("What the rule found.")


@strawberry.type(description="A text held against rules.")
class ContentValidation(Content):
    overall_score: float = described("The mean of the rules' scores, 0 to 1.")
    passed: bool = described("Whether every required rule passed.")
    results: list[RuleResult] = described("A result for each rule, in the rules' order.")
    summary: str = described("The verdict in one or two sentences.")

    @classmethod
    def of(cls, answer: dict[str, Any]) -> ContentValidation:
        return cls(
            **_common(answer),
            overall_score=answer["overall_score"],
            passed=answer["passed"],
            results=[
                RuleResult(
                    rule_id=strawberry.ID(r["rule_id"]),
                    passed=r["passed"],
                    score=r["score"],
                    issues=[
                        ValidationIssue(**{**i, "severity": Severity(i["severity"])})
                        for i in r["issues"]
                    ],
                )
                for r in answer["results"]
            ],
            summary=answer["summary"],
        )


# The type of each operation's result, by the operation's name.
RESULTS: dict[str, Any] = {
    "character": GeneratedContent,
    "campaign": GeneratedContent,
    "story": Story,
    "npc": Npc,
    "location": Location,
    "theme": ThemeAnalysis,
    "validation": ContentValidation,
}


def content_of(operation: str, answer: dict[str, Any]) -> Content:
    """A stored answer as its type."""
    found: Content = RESULTS[operation].of(answer)
    return found


@strawberry.type(description="How a rate limit stands for the caller.")
class RateLimit:
    scope: str = described("Which limit it is, such as `operation:text_generation` or `user`.")
    limit: int = described("What it admits in its window.")
    remaining: int = described("What is left of it.")
    reset_at: datetime = described("When it has room again, or its count next falls.")
    window_seconds: float = described("The length of its sliding window.")
