"""Operation: what can be asked for, as data. Input, prompt and output of each stand in its file.

An operation declares; it does not act. The gateway runs all of them the same way, and REST,
GraphQL, limits, storage, events and errors follow from the declaration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from app.errors import FieldError, InvalidRequest
from app.operations import bodies
from app.operations.descriptions import Example, Mutation
from app.operations.fields import Answer, ContentType, ModelChoice, Request, Written
from app.operations.prompt import Prompt, messages

SCHEMAS = 256  # of drafts; those that depend on a request are few
MAX_ERRORS = 20  # named in one answer; the rest would only repeat them

R = TypeVar("R", bound=Request)
D = TypeVar("D", bound=BaseModel)


class DraftRejected(Exception):
    """What the model wrote does not fit the operation; `problems` says how, for its next try."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened because of an answer: an event's type and its own fields."""

    type: str
    fields: dict[str, Any]


class Operation(ABC, Generic[R, D]):
    """One thing that can be asked for. `R` is its request, `D` what a model writes for it."""

    name: ClassVar[str]
    title: ClassVar[str]
    path: ClassVar[str]
    permission: ClassVar[str]
    limit: ClassVar[str]
    content_type: ClassVar[ContentType]
    mutation: ClassVar[Mutation]
    example: ClassVar[Example]
    version: ClassVar[int] = 1  # of the prompt: another one's cached answers are not given
    # Other wordings of the task by their versions, which canaries try: docs/guides/quality.md.
    other_tasks: ClassVar[Mapping[int, Callable[[Any], str]]] = {}
    max_tokens: ClassVar[int] = 1000  # of an answer, unless the request says
    cached: ClassVar[bool] = False  # whether answers come from the cache unless told otherwise
    parent_field: ClassVar[str] = "parent_content_id"
    streams: ClassVar[bool] = False  # whether it has prose that is shown while it is written
    prose_field: ClassVar[str | None] = None  # where a JSON answer has it; else all is prose
    caller_chooses: ClassVar[bool] = True  # whether its requests name a model and its settings
    request_type: type[R]
    draft_type: type[D]
    answer_type: type[Answer]

    # -- input
    def read(self, raw: bytes | dict[str, Any]) -> R:
        """The request, checked.

        Raises:
            InvalidRequest: naming every bad field by its path, the first one first.
        """
        try:
            if isinstance(raw, bytes):
                bodies.check(raw)
                return self.request_type.model_validate_json(raw)
            return self.request_type.model_validate(raw)
        except ValidationError as error:
            raise InvalidRequest(field_errors(error)) from None

    def choice(self, request: R) -> ModelChoice:
        """Which model the request asks for; operations without that field have one of their own."""
        found: ModelChoice = request.model  # type: ignore[attr-defined]  # each R may define it
        if "max_tokens" in found.model_fields_set:
            return found
        given = {**dict(found), "max_tokens": self.max_tokens}
        return ModelChoice.model_construct(found.model_fields_set, **given)

    def parent(self, request: R) -> UUID | None:
        """The content that this one continues, if any."""
        found: UUID | None = getattr(request, self.parent_field, None)
        return found

    @property
    def cost(self) -> int:
        """What one run adds to a GraphQL document's cost: its answer's usual tokens by tens."""
        return self.max_tokens // 10

    # -- prompt
    @abstractmethod
    def task(self, request: R) -> str:
        """What is asked of the model, in one paragraph, without any of the caller's words."""

    def data(self, request: R) -> dict[str, Any]:
        """The caller's words that the model gets, fenced off as data."""
        return request.model_dump(
            mode="json",
            exclude_none=True,
            exclude={"model", "parent_content_id", "parent_element_id"},
        )

    @property
    def versions(self) -> tuple[int, ...]:
        """Those of the prompt that there are."""
        return tuple(sorted({self.version, *self.other_tasks}))

    def prompt(
        self,
        request: R,
        choice: ModelChoice | None = None,
        parent: str | None = None,
        version: int | None = None,
    ) -> Prompt:
        """`parent` is the text that the request continues, as much of it as a model should get.

        `version`: one of `versions`, else the usual one.
        """
        task = self.other_tasks.get(version or self.version, self.task)
        return Prompt(
            messages=messages(task(request), self.data(request), parent),
            choice=choice or self.choice(request),
            schema=self.schema(request),
            schema_name=self.name,
            version=version or self.version,
        )

    def schema(self, request: R) -> dict[str, Any] | None:
        """The JSON schema of what the model must answer; None where it answers with prose.

        One object for all requests that share it, so that what is made of it is made once.
        """
        if not issubclass(self.draft_type, Written):
            return None
        return schema_of(self.draft_type)

    # -- output
    def check(self, request: R, text: str) -> D:
        """The model's text as this operation's draft.

        Raises:
            DraftRejected: with the problems in words that the model can act on.
        """
        try:
            draft = self.draft_type.model_validate_json(_unfenced(text))
        except ValidationError as error:
            raise DraftRejected(
                [f"{e.field or 'the answer'}: {e.error}" for e in field_errors(error)]
            ) from None
        return self.fit(request, draft)

    def fit(self, request: R, draft: D) -> D:
        """The draft held against this very request; raises `DraftRejected` where it fails it."""
        return draft

    @abstractmethod
    def answer(self, request: R, draft: D) -> dict[str, Any]:
        """The operation's own fields of the answer; `content_id` and `metadata` come on top."""

    def text(self, answer: dict[str, Any]) -> str:
        """The prose of an answer, for a model that is to continue it."""
        told = (answer.get(k) for k in ("content", "name", "description", "summary"))
        return "\n".join(t for t in told if t)

    def facts(self, answer: dict[str, Any]) -> list[Fact]:
        """The events that this answer makes; what writes text needs no others."""
        return [Fact("content.generated", {})]


def field_errors(error: ValidationError) -> list[FieldError]:
    """What pydantic found wrong, in our words; the first of them, by their paths."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [
        FieldError(tuple(e["loc"]), e["msg"].removeprefix("Value error, "))
        for e in found[:MAX_ERRORS]
    ]


def _unfenced(text: str) -> str:
    """JSON without the code fence that models like to put around it."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```"):
        return text.removesuffix("```").split("\n", 1)[-1]
    return text


def listed(value: Any, key: str) -> Any:
    """A list of objects, also where each stands under its `key` instead of naming it."""
    if not isinstance(value, dict):
        return value
    return [{**item, key: name} for name, item in value.items() if isinstance(item, dict)]


@lru_cache(SCHEMAS)
def schema_of(draft_type: type[BaseModel], **items: int) -> dict[str, Any]:
    """What a model reads of a draft's type; `items` bounds its lists by name."""
    found: dict[str, Any] = _without_titles(draft_type.model_json_schema())
    for name, most in items.items():
        found["properties"][name]["maxItems"] = most
    return found


def _without_titles(schema: Any) -> Any:
    """Names said twice, and docstrings, are not for a model, which is billed for each word."""
    if isinstance(schema, dict):
        return {
            key: _without_titles(value)
            for key, value in schema.items()
            if not (key in ("title", "description") and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    return schema
