"""Theme analysis: what kind of tale a text is, and whether it would fit another theme."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator

from app.operations.base import DraftRejected, Fact, Operation
from app.operations.fields import (
    Answer,
    Category,
    Content,
    ModelChoice,
    Request,
    Theme,
    Written,
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


class ElementAnalysis(Written):
    element: ThemeElement
    score: Score
    description: str
    suggestions: list[str]


class Compatibility(Written):
    score: Score
    conflicts: list[str]
    enhancements: list[str]
    transition_steps: list[str]


class ThemeDraft(Written):
    primary_category: Category
    secondary_categories: list[Category]
    category_confidence: Score
    elements: list[ElementAnalysis]
    compatibility: Compatibility | None
    overall_score: Score
    summary: str


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
    cached = True
    caller_chooses = False
    request_type = ThemeRequest
    draft_type = ThemeDraft
    answer_type = ThemeAnswer

    def choice(self, request: ThemeRequest) -> ModelChoice:
        # Measuring wants a steady hand; eight elements with suggestions take about 1,200 tokens.
        return ModelChoice(temperature=0.2, max_tokens=2500)

    def task(self, request: ThemeRequest) -> str:
        compared = (
            "Say in `compatibility` how well the text would fit `target_theme`, what stands "
            "against it, what would strengthen it, and by which steps to get there."
            if request.target_theme
            else "There is no target theme: `compatibility` is null."
        )
        return (
            "Analyse the theme of the text in `content`. Choose `primary_category` and "
            f"`secondary_categories` only among: {', '.join(request.categories)}. "
            "Score (0 to 1: how strongly and how well it is worked out) each of these elements, "
            f"all of them, in this order: {', '.join(request.elements)}; for each a description "
            "of what the text does, and suggestions that name a place in it. "
            f"{compared} `category_confidence` and `overall_score` are between 0 and 1; "
            "`summary` is one or two sentences. Answer as JSON."
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
