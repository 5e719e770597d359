"""The fields that requests share, with their bounds; every bound is refused by its name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
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
from typing_extensions import Doc

from app.errors import InvalidRequest
from app.operations.descriptions import Described, graphql

MAX_VALUE = 4_000  # characters in one value
MAX_EXTRA_KEYS = 64
MAX_KEY = 100  # characters in the name of one
MAX_CONTENT = 50_000  # characters of a text to analyse or validate
MAX_INTEGER = 2**63  # what every JSON reader behind us can hold

Text = Annotated[str, StringConstraints(max_length=MAX_VALUE)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY)]
Strings = Annotated[dict[Key, Text], Field(max_length=MAX_EXTRA_KEYS)]
Content = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_CONTENT),
    Doc("The text; 1 to 50,000 characters."),
]
IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")


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
TEXT_SCHEMA = {"type": "string", "maxLength": MAX_VALUE}
EXTRA_SCHEMA = {
    "anyOf": [
        TEXT_SCHEMA,
        {"type": ["number", "boolean"]},
        {"type": "array", "items": TEXT_SCHEMA, "maxItems": MAX_EXTRA_KEYS},
    ]
}


class Request(BaseModel):
    """A request's object: unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=())


def _open(of: dict[str, Any]) -> Callable[[dict[str, Any], type[BaseModel]], None]:
    """What a schema says of an object's further keys; `of`: the schema of their values.

    It stands under `patternProperties`: generators give a type to `additionalProperties`, and in
    TypeScript's interfaces that type would have to fit the optional fields as well.
    """

    def declare(schema: dict[str, Any], kind: type[BaseModel]) -> None:
        known = "|".join(kind.model_fields)
        schema["patternProperties"] = {f"^(?!({known})$)": of}
        schema["additionalProperties"] = True
        schema["propertyNames"] = {"minLength": 1, "maxLength": MAX_KEY}
        schema["maxProperties"] = len(kind.model_fields) + MAX_EXTRA_KEYS

    return declare


class OpenObject(Request):
    """An object that passes its further keys on to the prompt, up to `MAX_EXTRA_KEYS` of them."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_open(EXTRA_SCHEMA))
    __pydantic_extra__: dict[str, Extra]

    @model_validator(mode="after")
    def _bounded(self) -> OpenObject:
        extra = self.__pydantic_extra__
        if len(extra) > MAX_EXTRA_KEYS:
            raise ValueError(f"at most {MAX_EXTRA_KEYS} extra keys")
        if any(not 0 < len(key) <= MAX_KEY for key in extra):
            raise ValueError(f"a key has 1 to {MAX_KEY} characters")
        return self

    def given(self) -> dict[str, Any]:
        """What the caller said: known and further keys, without the absent ones."""
        return self.model_dump(mode="json", exclude_none=True)


@graphql(doc="How it should feel.")
class Theme(OpenObject):
    """How it should feel: `genre`, `tone`, `style`, and further strings."""

    model_config = ConfigDict(json_schema_extra=_open(TEXT_SCHEMA))
    __pydantic_extra__: dict[str, Text]
    genre: Annotated[Text | None, Doc("Such as `dark fantasy`.")] = None
    tone: Annotated[Text | None, Doc("Such as `ominous` or `light-hearted`.")] = None
    style: Annotated[Text | None, Doc("Such as `spare` or `ornate`.")] = None


@graphql("Model", "Which model writes, and how freely.")
class ModelChoice(Request):
    """Which model writes, and how freely. Without a name it is the gateway's default model.

    max_tokens is visible text; what a model thinks comes on top. Unset it is the operation's own.
    """

    name: Annotated[
        Text | None, Doc("A configured model, see `Query.models`; default `gpt-4-turbo`.")
    ] = Field(None, description="A configured model; default `gpt-4-turbo`.")
    temperature: Annotated[
        float,
        Field(ge=0, le=2),
        NotBoolean,
        Doc(
            "0 to 2; default 0.7. Where the model takes none, `metadata.ignoredParameters` says so."
        ),
    ] = Field(
        0.7,
        description="0 to 2; default 0.7. Where the model takes none, "
        "`metadata.ignored_parameters` says so.",
    )
    max_tokens: Annotated[
        int,
        Field(ge=1),
        NotBoolean,
        Doc(
            "Tokens of visible text, at least 1; what the model thinks comes on top. "
            "Default 1000, or 1500 to 1900 for what has several fields."
        ),
    ] = 1000
    seed: Annotated[
        Annotated[int, Field(ge=-MAX_INTEGER, lt=MAX_INTEGER), NotBoolean] | None,
        Doc(
            "For the same words again, where the model can; "
            "`metadata.seed` tells which one was used."
        ),
    ] = None
    fallback_model: Annotated[Text | None, Doc("The model to ask when this one cannot answer.")] = (
        None
    )


@graphql("StoryContext", "Where a story stands.")
class CampaignContext(OpenObject):
    """Where a story, a character or a place stands."""

    campaign_theme: Annotated[Text | None, Doc("Such as `a haunted coast`.")] = None
    party_level: Annotated[Level | None, Doc("1 to 20.")] = None
    party_size: Annotated[PartySize | None, Doc("At least 1.")] = None
    campaign_type: Annotated[Text | None, Doc("Such as `sandbox`.")] = None
    setting: Annotated[Text | None, Doc("Such as `the harbour of Saltmere`.")] = None
    length: Annotated[Text | None, Doc("Such as `short`.")] = None


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
    created_at: str = Field(description="RFC 3339", json_schema_extra={"format": "date-time"})
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
        default_factory=list,
        description="What of the request could not be used: names of its `model`, or paths.",
    )
    seed: int | None = Field(None, description="The seed that was used, where one was.")
    prompt_version: str = Field("1", description="Which wording of the prompt was used.")
    variant: str | None = Field(None, description="The canary that made it; null without one.")


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


class ContentType(Described):
    """What kind of content a result is."""

    CHARACTER = "character", "Text about a character."
    CAMPAIGN = "campaign", "Text about a campaign."
    STORY = "story", "A story element."
    THEME = "theme", "An analysis of a text's theme."
    VALIDATION = "validation", "A text held against rules."


@graphql("ThemeCategory", "What kind of tale a text is.")
class Category(Described):
    """What kind of tale it is."""

    FANTASY = "fantasy", "Magic and wonder."
    HORROR = "horror", "Dread and revulsion."
    MYSTERY = "mystery", "Something to find out."
    ADVENTURE = "adventure", "Journeys and risks."
    DRAMA = "drama", "Feelings and their price."
    COMEDY = "comedy", "Made to laugh."
    HEROIC = "heroic", "Courage and sacrifice."
    DARK = "dark", "Bleak and cruel."
    EPIC = "epic", "Great powers and long wars."
    UNDECIDED = "undecided", "Of an answer by the storyteller only: it could not tell."


KINDS_OF_TALE = tuple(c for c in Category if c is not Category.UNDECIDED)


def absent_when_null(value: Any) -> Any:
    """Old callers send null for what they leave out."""
    return {} if value is None else value


ThemeField = Annotated[
    Theme,
    BeforeValidator(absent_when_null),
    Field(default_factory=Theme),
    Doc("How it should feel."),
]
ModelField = Annotated[
    ModelChoice,
    BeforeValidator(absent_when_null),
    Field(default_factory=ModelChoice),
    Doc("Which model writes, and how freely."),
]
ParentContent = Annotated[UUID | None, Doc("The content that this one continues.")]
StringsField = Annotated[Strings, BeforeValidator(absent_when_null), Field(default_factory=dict)]


def idempotency_key(given: str | None, name: str) -> str | None:
    """The key that a request was given, if any. Raises `InvalidRequest` for the field `name`."""
    if given is not None and not IDEMPOTENCY_KEY.fullmatch(given):
        raise InvalidRequest.at((name,), "1 to 255 visible ASCII characters are wanted")
    return given
