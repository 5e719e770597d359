"""Theme analysis: what kind of tale a text is, and whether it would fit another theme."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model, field_validator

from app.operations.base import SCHEMAS, DraftRejected, Fact, Operation, listed, schema_of
from app.operations.fields import (
    Answer,
    Category,
    Content,
    Line,
    ModelChoice,
    Request,
    Theme,
    Written,
    at_most,
)


class ThemeElement(StrEnum):
    """A side of a text that is looked at by itself."""

    TONE = "tone"
    MOOD = "mood"
    SETTING = "setting"
    CONFLICT = "conflict"
    SYMBOLISM = "symbolism"
    CHARACTER_FOCUS = "character_focus"
    STORY_STRUCTURE = "story_structure"
    WORLD_BUILDING = "world_building"


Score = Annotated[float, Field(ge=0, le=1)]


class ThemeRequest(Request):
    content: Content
    current_theme: Theme | None = None
    target_theme: Theme | None = None
    elements: Annotated[list[ThemeElement], Field(max_length=64)] = Field(
        default_factory=lambda: list(ThemeElement)
    )
    category_filter: Annotated[list[Category], Field(max_length=64)] = Field(default_factory=list)

    @field_validator("elements", mode="before")
    @classmethod
    def _all_when_absent(cls, value: Any) -> Any:
        return list(ThemeElement) if value is None or value == [] else value

    @field_validator("category_filter", mode="before")
    @classmethod
    def _none_when_null(cls, value: Any) -> Any:
        return [] if value is None else value

    @field_validator("elements", "category_filter", mode="after")
    @classmethod
    def _each_once(cls, value: list[Any]) -> list[Any]:
        return list(dict.fromkeys(value))

    @property
    def categories(self) -> list[Category]:
        """The categories that may be answered."""
        return self.category_filter or list(Category)


Lines = Annotated[list[Line], at_most(2)]


class Judgement(Written):
    """What is said of one element."""

    score: Score
    description: Line
    suggestions: Lines


class ElementAnalysis(Judgement):
    element: ThemeElement


class Compatibility(Written):
    score: Score
    conflicts: Lines
    enhancements: Lines
    transition_steps: Annotated[list[Line], at_most(5)]


class ThemeDraft(Written):
    primary_category: Category
    secondary_categories: Annotated[list[Category], at_most(3)]
    category_confidence: Score
    elements: list[ElementAnalysis]
    compatibility: Compatibility | None
    overall_score: Score
    summary: Line

    @field_validator("elements", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return listed(value, "element")


@lru_cache(SCHEMAS)
def draft_for(
    elements: tuple[ThemeElement, ...], categories: tuple[Category, ...], *, compared: bool
) -> type[Written]:
    """The draft of one request: each element is a key of its own, so that none can be left out."""
    category: Any = Literal[tuple(c.value for c in categories)]
    each: Any = {e.value: (Judgement, ...) for e in elements}
    return create_model(
        "ThemeDraft",
        __base__=Written,
        primary_category=(category, ...),
        secondary_categories=(Annotated[list[category], at_most(3)], ...),
        category_confidence=(Score, ...),
        elements=(create_model("Elements", __base__=Written, **each), ...),
        compatibility=(Compatibility if compared else None, ...),
        overall_score=(Score, ...),
        summary=(Line, ...),
    )


class ThemeAnswer(Answer):
    primary_category: Category
    secondary_categories: list[Category]
    category_confidence: Score
    elements: list[ElementAnalysis]
    compatibility: Compatibility | None
    overall_score: Score
    summary: str


class ThemeAnalysis(Operation[ThemeRequest, ThemeDraft]):
    name = "theme"
    title = "Analyse a text's theme"
    path = "/api/v2/theme/analyze"
    permission = "theme:analyze"
    limit = "theme_analysis"
    content_type = "theme"
    version = 2
    cached = True
    caller_chooses = False
    request_type = ThemeRequest
    draft_type = ThemeDraft
    answer_type = ThemeAnswer

    def choice(self, request: ThemeRequest) -> ModelChoice:
        # Measuring wants a steady hand. All that the schema has room for fits: 240 tokens an
        # element with its suggestions, 800 for a comparison.
        compared = 800 if request.target_theme else 0
        most = 400 + 240 * len(request.elements) + compared
        return ModelChoice(temperature=0.2, max_tokens=most)

    def schema(self, request: ThemeRequest) -> dict[str, Any]:
        compared = request.target_theme is not None
        return schema_of(
            draft_for(tuple(request.elements), tuple(request.categories), compared=compared)
        )

    def task(self, request: ThemeRequest) -> str:
        compared = (
            "Say in `compatibility` how well the text would fit `target_theme`, what stands "
            "against it, what would strengthen it, and by which steps to get there."
            if request.target_theme
            else "There is no target theme: `compatibility` is null."
        )
        return (
            "Analyse the theme of the text in `content`. Score each element between 0 and 1: how "
            "strongly and how well it is worked out; for each give a description of what the text "
            "does, and suggestions that name a place in it. `category_confidence` and "
            "`overall_score` are between 0 and 1; `summary` is one or two sentences. Answer as "
            "JSON. Choose `primary_category` and `secondary_categories` only among: "
            f"{', '.join(request.categories)}. The elements are these, all of them, in this order: "
            f"{', '.join(request.elements)}; {compared}"
        )

    def data(self, request: ThemeRequest) -> dict[str, Any]:
        return request.model_dump(
            mode="json",
            exclude_none=True,
            include={"content", "current_theme", "target_theme"},
        )

    def fit(self, request: ThemeRequest, draft: ThemeDraft) -> ThemeDraft:
        problems = []
        by_element = {e.element: e for e in draft.elements}
        if missing := [e for e in request.elements if e not in by_element]:
            problems.append(f"elements: {', '.join(missing)} missing")
        if draft.primary_category not in request.categories:
            problems.append(f"primary_category: must be one of {', '.join(request.categories)}")
        if request.target_theme and draft.compatibility is None:
            problems.append("compatibility: wanted, because a target theme was given")
        if not draft.summary.strip():
            problems.append("summary: must not be empty")
        if problems:
            raise DraftRejected(problems)
        others = dict.fromkeys(draft.secondary_categories)
        return draft.model_copy(
            update={
                "elements": [by_element[e] for e in request.elements],
                "secondary_categories": [
                    c for c in others if c in request.categories and c != draft.primary_category
                ],
                "compatibility": draft.compatibility if request.target_theme else None,
            }
        )

    def answer(self, request: ThemeRequest, draft: ThemeDraft) -> dict[str, Any]:
        return draft.model_dump(mode="json")

    def facts(self, answer: dict[str, Any]) -> list[Fact]:
        told = {
            "theme_category": answer["primary_category"],
            "confidence": answer["category_confidence"],
        }
        return [Fact("theme.analyzed", told)]
