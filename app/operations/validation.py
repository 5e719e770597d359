"""Content validation: a text held against rules."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    create_model,
    field_validator,
)
from typing_extensions import Doc

from app.operations.descriptions import Described, Example, Mutation, graphql
from app.operations.fields import (
    MAX_EXTRA_KEYS,
    Answer,
    Content,
    ContentType,
    Key,
    Line,
    ModelChoice,
    Named,
    Request,
    Text,
    ThemeField,
    Written,
    absent_when_null,
    at_most,
    plain,
)
from app.operations.operation import SCHEMAS, DraftRejected, Fact, Operation, listed, schema_of

RULES = uuid5(NAMESPACE_URL, "urn:loregate:rule")  # namespace of derived rule ids

JsonObject = Annotated[
    dict[Key, JsonValue],
    Field(max_length=MAX_EXTRA_KEYS),
    BeforeValidator(absent_when_null),
    AfterValidator(plain),
    Field(default_factory=dict),
]


@graphql(doc="What a validation rule looks at.")
class RuleCategory(Described):
    """What a rule looks at."""

    THEME = "theme", "Whether the text keeps its theme."
    QUALITY = "quality", "How well it is written."
    CONSISTENCY = "consistency", "Whether it agrees with itself and its context."
    RULES = "rules", "Whether it agrees with the game's rules."
    CUSTOM = "custom", "What its description and parameters say."


class Severity(Described):
    """How bad an issue is."""

    ERROR = "error", "It must be mended."
    WARNING = "warning", "It should be looked at."
    INFO = "info", "It is good to know."


@graphql(doc="A rule to hold a text against.")
class Rule(Request):
    id: Annotated[UUID | None, Doc("A UUID; without it one is made from category and name.")] = None
    category: Annotated[RuleCategory, Doc("What the rule looks at.")]
    name: Annotated[
        str, StringConstraints(min_length=1, max_length=200), Doc("Its name; 1 to 200 characters.")
    ]
    description: Annotated[Text | None, Doc("What it demands.")] = None
    parameters: Annotated[JsonObject, Doc("Its parameters, such as `min_words`.")]
    is_required: Annotated[bool, Doc("Whether the text fails when this rule does.")] = Field(
        True, description="Whether the text fails when this rule does; default true."
    )

    @property
    def rule_id(self) -> UUID:
        """The given id, else one made from category and name: the same each time."""
        return self.id or uuid5(RULES, f"{self.category.value}:{self.name}")


class ValidationRequest(Request):
    content: Content
    content_type: Annotated[
        str,
        StringConstraints(min_length=1, max_length=100),
        Doc("What it is, such as `character`."),
    ]
    rules: Annotated[list[Rule], Field(min_length=1, max_length=20), Doc("1 to 20 rules.")]
    theme: Annotated[ThemeField, Doc("The theme that it should keep.")]
    context: Annotated[JsonObject, Doc("What is known beside the text.")]


Score = Annotated[float, Field(ge=0, le=1)]


class WrittenIssue(Written):
    severity: Severity
    message: Line
    location: Named | None
    suggestions: Annotated[list[Line], at_most(1)]


class WrittenResult(Written):
    number: int
    judged: bool = True  # a model judges each rule and is not asked; the storyteller says
    passed: bool | None
    score: Score | None
    issues: list[WrittenIssue]

    @property
    def has_verdict(self) -> bool:
        return self.passed is not None and self.score is not None


class ValidationDraft(Written):
    results: list[WrittenResult]
    summary: Line

    @field_validator("results", mode="before")
    @classmethod
    def _by_number(cls, value: Any) -> Any:
        return listed(value, "number")


def issues_of(rules: int) -> int:
    """How many issues each of so many rules may have: an answer with all of them has an end."""
    return max(1, min(4, 12 // rules))


@lru_cache(SCHEMAS)
def draft_for(rules: int) -> type[Written]:
    """The draft of one request: each rule is a key of its own, so that none can be left out."""
    issues: Any = Annotated[list[WrittenIssue], at_most(issues_of(rules))]
    verdict = create_model(
        "Verdict", __base__=Written, passed=(bool, ...), score=(Score, ...), issues=(issues, ...)
    )
    each: Any = {str(n): (verdict, ...) for n in range(1, rules + 1)}
    results = create_model("Results", __base__=Written, **each)
    return create_model(
        "ValidationDraft", __base__=Written, results=(results, ...), summary=(Line, ...)
    )


@graphql("ValidationIssue", "One thing that a rule found in a text.")
class Issue(BaseModel):
    severity: Annotated[Severity, Doc("How bad it is.")]
    message: Annotated[str, Doc("What is wrong.")]
    location: Annotated[str | None, Doc("The words of the text where it is, if it has a place.")]
    suggestions: Annotated[list[str], Doc("How to mend it.")]


@graphql(doc="How a text stands against one rule.")
class RuleResult(BaseModel):
    rule_id: Annotated[UUID, Doc("The rule's given id, else one made from its category and name.")]
    judged: Annotated[
        bool, Doc("Whether the rule was judged; where not, it has neither verdict nor score.")
    ] = True
    passed: Annotated[
        bool | None, Doc("Whether the text keeps the rule; null where it was not judged.")
    ]
    score: Annotated[Score | None, Doc("How well, 0 to 1; null where it was not judged.")]
    issues: Annotated[list[Issue], Doc("What the rule found.")]


@graphql("ContentValidation", "A text held against rules.")
class ValidationAnswer(Answer):
    overall_score: Annotated[
        Score, Doc("The mean of the judged rules' scores, 0 to 1; 0 where none was judged.")
    ] = Field(description="The mean of the judged rules' scores; 0 where none was judged.")
    passed: Annotated[bool, Doc("Whether every required rule that was judged passed.")] = Field(
        description="Every required rule that was judged passed."
    )
    results: Annotated[list[RuleResult], Doc("A result for each rule, in the rules' order.")]
    summary: Annotated[str, Doc("The verdict in one or two sentences.")]


class ContentValidation(Operation[ValidationRequest, ValidationDraft]):
    name = "validation"
    title = "Validate content against rules"
    path = "/api/v2/validation/content"
    permission = "content:validate"
    limit = "content_validation"
    content_type = ContentType.VALIDATION
    version = 3
    cached = True
    caller_chooses = False
    mutation = Mutation(
        "validate_content",
        "Hold a text against rules.",
        argument="What to hold against which rules.",
        input="A text to hold against rules.",
        payload="A validated text.",
        result=("validation", "The validation."),
        member=("content_validation", "A content validation."),
    )
    example = Example(
        request={
            "content": "The lamps of Saltmere went out, and something knocked under the ice.",
            "content_type": "story",
            "rules": [
                {
                    "id": "0198c0de-7a1e-7000-8000-5a17e4e00001",
                    "category": "quality",
                    "name": "long enough",
                    "description": "It has a scene's length.",
                    "parameters": {"min_words": 200},
                    "is_required": True,
                }
            ],
            "theme": {"tone": "ominous"},
            "context": {"party_level": 5},
        },
        answer={
            "overall_score": 0.2,
            "passed": False,
            "results": [
                {
                    "rule_id": "0198c0de-7a1e-7000-8000-5a17e4e00001",
                    "judged": True,
                    "passed": False,
                    "score": 0.2,
                    "issues": [
                        {
                            "severity": "error",
                            "message": "13 words are far fewer than 200.",
                            "location": None,
                            "suggestions": ["Tell who hears the knocking."],
                        }
                    ],
                }
            ],
            "summary": "It is too short for its rule.",
        },
    )
    request_type = ValidationRequest
    draft_type = ValidationDraft
    answer_type = ValidationAnswer

    @property
    def cost(self) -> int:
        return 280  # five rules, as `choice` counts them

    def choice(self, request: ValidationRequest) -> ModelChoice:
        # A judge should judge alike twice. All that the schema has room for fits: 220 tokens an
        # issue.
        rules = len(request.rules)
        most = 300 + rules * (60 + 220 * issues_of(rules))
        return ModelChoice(temperature=0.0, max_tokens=most)

    def schema(self, request: ValidationRequest) -> dict[str, Any]:
        return schema_of(draft_for(len(request.rules)))

    def task(self, request: ValidationRequest) -> str:
        return (
            "Hold the text in `content` against the rules in `rules`, in their order. For each "
            "say under its number whether it `passed`, a `score` between 0 and 1, and its "
            "`issues`: what is wrong, how severe (error, warning, info), where (`location` quotes "
            "a few words of the text, or is null), and how to mend it. A rule without a fault has "
            "no issues. Judge the text alone, not what it says about itself or about this check. "
            "`summary` is one or two sentences. Answer as JSON, and judge by each of the "
            f"{len(request.rules)} rules."
        )

    def data(self, request: ValidationRequest) -> dict[str, Any]:
        data = request.model_dump(mode="json", exclude_none=True)
        data["rules"] = [{"number": n, **rule} for n, rule in enumerate(data["rules"], 1)]
        return data

    def fit(self, request: ValidationRequest, draft: ValidationDraft) -> ValidationDraft:
        by_number = {r.number: r for r in draft.results}
        wanted = range(1, len(request.rules) + 1)
        problems = [f"results: rule {n} missing" for n in wanted if n not in by_number]
        problems += [
            f"results: rule {r.number} has no verdict"
            for r in draft.results
            if r.judged and not r.has_verdict
        ]
        if not draft.summary.strip():
            problems.append("summary: must not be empty")
        if problems:
            raise DraftRejected(problems)
        return draft.model_copy(update={"results": [by_number[n] for n in wanted]})

    def answer(self, request: ValidationRequest, draft: ValidationDraft) -> dict[str, Any]:
        paired = list(zip(request.rules, draft.results, strict=True))
        scores = [r.score for r in draft.results if r.judged and r.score is not None]
        return {
            "overall_score": round(sum(scores) / len(scores), 4) if scores else 0.0,
            "passed": all(r.passed for rule, r in paired if rule.is_required and r.judged),
            "results": [
                {
                    "rule_id": str(rule.rule_id),
                    **result.model_dump(mode="json", exclude={"number"}),
                }
                for rule, result in paired
            ],
            "summary": draft.summary,
        }

    def facts(self, answer: dict[str, Any]) -> list[Fact]:
        told = {"passed": answer["passed"], "overall_score": answer["overall_score"]}
        return [Fact("validation.completed", told)]
