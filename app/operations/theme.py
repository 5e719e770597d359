"""Theme analysis: what kind of tale a text is, and whether it would fit another theme."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, create_model, field_validator
from typing_extensions import Doc

from app.operations.descriptions import Described, Example, Mutation, graphql
from app.operations.fields import (
    KINDS_OF_TALE,
    Answer,
    Category,
    Content,
    ContentType,
    Line,
    ModelChoice,
    Request,
    Theme,
    Written,
    at_most,
)
from app.operations.operation import SCHEMAS, DraftRejected, Fact, Operation, listed, schema_of


class ThemeElement(Described):
    """A side of a text that is looked at by itself."""

    TONE = "tone", "The attitude of the telling."
    MOOD = "mood", "The feeling that it leaves."
    SETTING = "setting", "Where and when it is."
    CONFLICT = "conflict", "What stands against whom."
    SYMBOLISM = "symbolism", "What stands for something else."
    CHARACTER_FOCUS = "character_focus", "How much it is about its persons."
    STORY_STRUCTURE = "story_structure", "How it is built."
    WORLD_BUILDING = "world_building", "How much of a world it shows."


Score = Annotated[float, Field(ge=0, le=1)]


def _a_kind(value: Category) -> Category:
    if value is Category.UNDECIDED:
        raise ValueError("`undecided` is an answer; leave the filter empty to allow all categories")
    return value


KindOfTale = Annotated[
    Category,
    AfterValidator(_a_kind),
    WithJsonSchema({"type": "string", "enum": [c.value for c in KINDS_OF_TALE]}),
]


class ThemeRequest(Request):
    content: Content
    current_theme: Annotated[Theme | None, Doc("What its theme is meant to be.")] = None
    target_theme: Annotated[Theme | None, Doc("The theme to compare it with.")] = None
    elements: Annotated[
        list[ThemeElement], Field(max_length=64), Doc("The sides to look at; default all.")
    ] = Field(default_factory=lambda: list(ThemeElement))
    category_filter: Annotated[
        list[KindOfTale], Field(max_length=64), Doc("The only categories that may be answered.")
    ] = Field(default_factory=list)

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
        return self.category_filter or list(KINDS_OF_TALE)


Lines = Annotated[list[Line], at_most(2)]


class Judgement(Written):
    """What is said of one element."""

    score: Annotated[Score, Doc("How strongly and how well it is worked out, 0 to 1.")]
    description: Annotated[Line, Doc("What the text does.")]
    suggestions: Annotated[Lines, Doc("What would strengthen it.")]


@graphql(doc="What one side of a text does for its theme.", first=("element",))
class ElementAnalysis(Judgement):
    element: Annotated[ThemeElement, Doc("The side that was looked at.")]


@graphql("ThemeCompatibility", "How well a text would fit another theme.")
class Compatibility(Written):
    score: Annotated[
        Score | None,
        Doc("0: not at all, 1: as it is; null where the storyteller could not judge it."),
    ]
    conflicts: Annotated[Lines, Doc("What stands against it.")]
    enhancements: Annotated[Lines, Doc("What would strengthen it.")]
    transition_steps: Annotated[list[Line], at_most(5), Doc("How to get there, step by step.")]


class Compared(Compatibility):
    """What a model writes of a comparison: it always has a score."""

    score: Score


class ThemeDraft(Written):
    primary_category: Category
    secondary_categories: Annotated[list[Category], at_most(3)]
    category_confidence: Score
    elements: list[ElementAnalysis]
    compatibility: Compatibility | None
    overall_score: Score
    summary: Line
    undecided: bool = False  # which the storyteller alone may say; no model is offered it

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
        compatibility=(Compared if compared else None, ...),
        overall_score=(Score, ...),
        summary=(Line, ...),
    )


@graphql("ThemeAnalysis", "What kind of tale a text is, and how well that is worked out.")
class ThemeAnswer(Answer):
    primary_category: Annotated[
        Category, Doc("What it is most of all; undecided where the storyteller could not tell.")
    ]
    secondary_categories: Annotated[list[Category], Doc("What it is besides.")]
    category_confidence: Annotated[Score, Doc("How sure the category is, 0 to 1.")]
    elements: Annotated[list[ElementAnalysis], Doc("The asked elements, in the asked order.")]
    compatibility: Annotated[
        Compatibility | None,
        Doc("How well it would fit the target theme; null where none was given."),
    ]
    overall_score: Annotated[Score, Doc("How well the theme is worked out, 0 to 1.")]
    summary: Annotated[str, Doc("The analysis in one or two sentences.")]


class ThemeAnalysis(Operation[ThemeRequest, ThemeDraft]):
    name = "theme"
    title = "Analyse a text's theme"
    path = "/api/v2/theme/analyze"
    permission = "theme:analyze"
    limit = "theme_analysis"
    content_type = ContentType.THEME
    version = 3
    cached = True
    caller_chooses = False
    mutation = Mutation(
        "analyze_theme",
        "Tell what kind of tale a text is, and whether it would fit another theme.",
        argument="What to analyse.",
        input="A text whose theme is to be analysed.",
        payload="An analysed theme.",
        result=("analysis", "The analysis."),
        member=("theme_analysis", "A theme analysis."),
    )
    example = Example(
        request={
            "content": "The lamps of Saltmere went out, and something knocked under the ice.",
            "current_theme": {"genre": "horror"},
            "target_theme": {"genre": "adventure", "tone": "hopeful"},
            "elements": ["tone"],
            "category_filter": ["horror", "mystery"],
        },
        answer={
            "primary_category": "horror",
            "secondary_categories": ["mystery"],
            "category_confidence": 0.8,
            "elements": [
                {
                    "score": 0.7,
                    "description": "Dread, told plainly.",
                    "suggestions": ["Let the knocking answer somebody."],
                    "element": "tone",
                }
            ],
            "compatibility": {
                "score": 0.4,
                "conflicts": ["Nobody can act."],
                "enhancements": ["A lamp that is lit again."],
                "transition_steps": ["Give the knocking a reason."],
            },
            "overall_score": 0.7,
            "summary": "A text of dread, with a riddle at its end.",
        },
    )
    request_type = ThemeRequest
    draft_type = ThemeDraft
    answer_type = ThemeAnswer

    @property
    def cost(self) -> int:
        return 230  # all eight sides, as `choice` counts them

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
        if draft.primary_category not in request.categories and not draft.undecided:
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
        return draft.model_dump(mode="json", exclude={"undecided"})

    def facts(self, answer: dict[str, Any]) -> list[Fact]:
        told = {
            "theme_category": answer["primary_category"],
            "confidence": answer["category_confidence"],
        }
        return [Fact("theme.analyzed", told)]
