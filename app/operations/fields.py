"""The fields that requests share, with their bounds; every bound is refused by its name."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

MAX_VALUE = 4_000  # characters in one value
MAX_EXTRA_KEYS = 64
MAX_CONTENT = 50_000  # characters of a text to analyse or validate
MAX_INTEGER = 2**63  # what every JSON reader behind us can hold

Text = Annotated[str, StringConstraints(max_length=MAX_VALUE)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Strings = Annotated[dict[Key, Text], Field(max_length=MAX_EXTRA_KEYS)]
Content = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONTENT)]


def _not_boolean(value: Any) -> Any:
    """JSON's true is not the number 1, whatever Python says."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not a boolean")
    return value


def plain(value: Any) -> Any:
    """A value that is still JSON when it is written again: no NaN, no 400-digit number."""
    if isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            plain(item)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a finite number is wanted")
    elif isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        raise ValueError("a number of at most 64 bits is wanted")
    return value


def _extra_value(value: Any) -> Any:
    plain(value)
    items = value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) > MAX_EXTRA_KEYS:
        raise ValueError(f"at most {MAX_EXTRA_KEYS} items")
    if any(not isinstance(item, str) for item in items) and (
        isinstance(value, list) or not isinstance(value, int | float)
    ):
        raise ValueError("a string, a number, a boolean or a list of strings is wanted")
    if any(isinstance(item, str) and len(item) > MAX_VALUE for item in items):
        raise ValueError(f"at most {MAX_VALUE} characters")
    return value


# The validator stands behind the bounds: pydantic leaves bounds on a validated type out of the
# JSON schema (it writes `ge` for `minimum`).
NotBoolean = BeforeValidator(_not_boolean)
Number = Annotated[int, NotBoolean]
Level = Annotated[int, Field(ge=1, le=20), NotBoolean]
PartySize = Annotated[int, Field(ge=1, le=1_000_000), NotBoolean]
Extra = Annotated[Any, AfterValidator(_extra_value)]


class Request(BaseModel):
    """A request's object: unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


class OpenObject(Request):
    """An object that passes its further keys on to the prompt, up to `MAX_EXTRA_KEYS` of them."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Extra]

    @model_validator(mode="after")
    def _bounded(self) -> OpenObject:
        extra = self.__pydantic_extra__
        if len(extra) > MAX_EXTRA_KEYS:
            raise ValueError(f"at most {MAX_EXTRA_KEYS} extra keys")
        if any(not 0 < len(key) <= 100 for key in extra):
            raise ValueError("a key has 1 to 100 characters")
        return self

    def given(self) -> dict[str, Any]:
        """What the caller said: known and further keys, without the absent ones."""
        return self.model_dump(mode="json", exclude_none=True)


class Theme(OpenObject):
    """How it should feel: `genre`, `tone`, `style`, and further strings."""

    __pydantic_extra__: dict[str, Text]
    genre: Text | None = None
    tone: Text | None = None
    style: Text | None = None


class ModelChoice(Request):
    """Which model writes, and how freely. Without a name it is the gateway's default model.

    max_tokens is visible text; what a model thinks comes on top. Unset it is the operation's own.
    """

    name: Text | None = None
    temperature: Annotated[float, Field(ge=0, le=2), NotBoolean] = 0.7
    max_tokens: Annotated[int, Field(ge=1), NotBoolean] = 1000
    seed: Annotated[int, Field(ge=-MAX_INTEGER, lt=MAX_INTEGER), NotBoolean] | None = None
    fallback_model: Text | None = None


class CampaignContext(OpenObject):
    """Where a story, a character or a place stands."""

    campaign_theme: Text | None = None
    party_level: Level | None = None
    party_size: PartySize | None = None
    campaign_type: Text | None = None
    setting: Text | None = None
    length: Text | None = None


class TokenUsage(BaseModel):
    """The tokens of the answer itself; what failed attempts took is not counted here."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int = Field(0, description="Of the prompt's: known to the provider's cache.")
    cache_write_tokens: int = Field(0, description="Of the prompt's: kept there from now on.")
    reasoning_tokens: int = Field(0, description="Of the completion's: spent on thinking.")
    source: str = Field("provider", description="`provider`, or `gateway` where it only estimates.")


class Attempt(BaseModel):
    """What became of one attempt on a model."""

    model: str
    outcome: str = Field(description="`ok`, or how it failed, such as `stalled` or `limited`.")
    ms: int = Field(description="Milliseconds; 0 when the model was not called.")


class Metadata(BaseModel):
    """What every answer tells about itself."""

    content_type: str
    model_used: str
    token_usage: TokenUsage
    request_id: str
    created_at: str = Field(description="RFC 3339")
    cached: bool
    degraded: bool = Field(
        description="True when the answer came from a simpler model than the one asked for."
    )
    finish_reason: str = Field(
        "stop", description="`stop`, or `length` when `max_tokens` ended the text before its end."
    )
    attempts: list[Attempt] = Field(default_factory=list, description="All, in their order.")
    cost: float | None = Field(None, description="US dollars; null where no price is known.")
    upstream_model: str | None = Field(
        None, description="The model's name in the provider's own answer; null without one."
    )
    ignored_parameters: list[str] = Field(
        default_factory=list, description="What of the request's `model` could not be used."
    )
    seed: int | None = Field(None, description="The seed that was used, where one was.")
    prompt_version: str = Field("1", description="Which wording of the prompt was used.")


class Answer(BaseModel):
    """The fields that every operation's answer has."""

    content_id: UUID
    metadata: Metadata


class Written(BaseModel):
    """What a model must write: exactly these fields, which is also its JSON schema."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _up_to(characters: int) -> WithJsonSchema:
    """A bound that a model's grammar is told, and that no answer is refused for."""
    return WithJsonSchema({"type": "string", "maxLength": characters})


def at_most(items: int) -> Any:
    """The same for a list."""
    return Field(json_schema_extra={"maxItems": items})


def at_least_one(most: int) -> Any:
    """The same for a list that is of no use without an item."""
    return Field(json_schema_extra={"minItems": 1, "maxItems": most})


# What models write. Without bounds a small one under a grammar goes on to its last token: a 135M
# model ran an analysis into 4,096 of them.
Named = Annotated[str, _up_to(80)]
Line = Annotated[str, _up_to(240)]
Passage = Annotated[str, _up_to(900)]
Chapter = Annotated[str, _up_to(4000)]


class Category(StrEnum):
    """What kind of tale it is."""

    FANTASY = "fantasy"
    HORROR = "horror"
    MYSTERY = "mystery"
    ADVENTURE = "adventure"
    DRAMA = "drama"
    COMEDY = "comedy"
    HEROIC = "heroic"
    DARK = "dark"
    EPIC = "epic"


def absent_when_null(value: Any) -> Any:
    """Old callers send null for what they leave out."""
    return {} if value is None else value


ThemeField = Annotated[Theme, BeforeValidator(absent_when_null), Field(default_factory=Theme)]
ModelField = Annotated[
    ModelChoice, BeforeValidator(absent_when_null), Field(default_factory=ModelChoice)
]
StringsField = Annotated[Strings, BeforeValidator(absent_when_null), Field(default_factory=dict)]
