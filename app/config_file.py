"""ConfigFile: the TOML file that `LOREGATE_CONFIG` names, for what has structure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from app.errors import SettingsError

STORYTELLER = "storyteller"
OPENAI_KEY = "OPENAI_API_KEY"
MAX_BUDGETS = 20  # each that covers a call is looked at in the call of Redis that admits

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
Price = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0, le=3600)]


def split_chain(value: Any) -> Any:
    return [v.strip() for v in value.split(">") if v.strip()] if isinstance(value, str) else value


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitTable(_Table):
    """One `[[limits]]`: it replaces the default limit on the same target, or adds one."""

    target: Annotated[
        str,
        Field(pattern=r"^(user|global|operation:[a-z_]+|model:[A-Za-z0-9_./:-]+)$", max_length=100),
    ]
    max: Annotated[int, Field(ge=1, le=10_000_000)]
    window: Annotated[float, Field(ge=1, le=86_400)] = 60.0
    per: Literal["user", "global"] = "user"
    counts: Literal["requests", "tokens"] = "requests"


class QuotaTable(_Table):
    """One `[quotas.<tier>]`: what a user of the tier may keep; 0 is no bound, and what is not named
    stays as it is.
    """

    contents: Annotated[int, Field(ge=0)] | None = None
    bytes: Annotated[int, Field(ge=0)] | None = None  # of their answers, as they are stored


class BudgetTable(_Table):
    """One `[[budgets]]`: so much money, or so many tokens, for each of what it is `per`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=40)]
    per: Literal["user", "tier", "model", "all"] = "user"
    usd: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=9)] | None = None
    tokens: Annotated[int, Field(ge=1, le=10**15)] | None = None
    period: Literal["day", "month"] = "month"
    warn_at: Annotated[float, Field(gt=0, le=1)] = 0.8
    tier: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    model: Annotated[str, Field(min_length=1, max_length=100)] | None = None

    @model_validator(mode="after")
    def _one_unit(self) -> BudgetTable:
        if (self.usd is None) == (self.tokens is None):
            raise ValueError("a budget has either `usd` or `tokens`")
        return self


class ModelTable(_Table):
    """One `[[models]]`: a name of ours, and the model that writes for it.

    Prices are US dollars for a million tokens. What is None comes from the model's profile.
    """

    # ASCII and no {1,100}: with Unicode classes this one pattern took 27 MB.
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./:-]+$", max_length=100)]
    provider: str | None = None  # else found by the URL's host
    url: str | None = None
    key_variable: str | None = None  # without it only a row without an own URL has OpenAI's key
    upstream: Annotated[str, Field(min_length=1, max_length=200)] | None = None

    input_price: Price | None = None
    cached_price: Price | None = None  # of prompt tokens that the provider knew; else input_price
    cache_write_price: Price | None = None  # of those that it keeps from now on; else input_price
    output_price: Price | None = None
    context_size: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] = 4096
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 200  # calls at once, of one process
    queue: Annotated[int, Field(ge=0, le=100_000)] = 400  # calls that wait for one of those
    reuse_connections: bool = True

    # Over its profile:
    effort: Effort | None = None
    thinking: Effort | None = None
    headroom: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    cap: Literal["max_tokens", "max_completion_tokens"] | None = None
    sampling: Literal["always", "unless_thinking", "never"] | None = None
    schemas: Literal["json_schema", "json_object", "words"] | None = None
    seed: Literal["seed", "random_seed", ""] | None = None
    timeout: Seconds | None = None
    first_token_timeout: Seconds | None = None
    stall_timeout: Seconds | None = None

    @field_validator("name")
    @classmethod
    def _not_ours(cls, name: str) -> str:
        if name == STORYTELLER:
            raise ValueError(f"{STORYTELLER} is the gateway's own")
        return name

    @property
    def upstream_name(self) -> str:
        """Its name at the provider."""
        return self.upstream or self.name

    @property
    def key_name(self) -> str | None:
        """The variable that holds its key: OpenAI's goes to no other address unless told to."""
        return self.key_variable or (None if self.url else OPENAI_KEY)


class CanaryTable(_Table):
    """One `[[canaries]]`: a share of the users gets another model in a model's place, or another
    prompt for an operation; both only where both are named.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=60)]
    share: Annotated[float, Field(ge=0, le=1)]
    tiers: tuple[str, ...] = ()  # none: all
    operation: str | None = None  # else all, unless a prompt is named
    prompt_version: Annotated[int, Field(ge=1)] | None = None
    model: str | None = None
    served_by: str | None = None  # the name of another row of the models table

    @model_validator(mode="after")
    def _tries_something(self) -> Self:
        if (self.model is None) != (self.served_by is None):
            raise ValueError("model and served_by are wanted together")
        if self.prompt_version is not None and self.operation is None:
            raise ValueError("prompt_version is one of an operation's: operation is wanted too")
        if self.served_by is None and self.prompt_version is None:
            raise ValueError("served_by or prompt_version is wanted: what it tries")
        if self.model is not None and self.model == self.served_by:
            raise ValueError("served_by is the model itself")
        return self


# November 2026: developers.openai.com/api/docs/models. OpenAI shut the two oldest names down on
# 2026-10-23; callers go on naming them.
TERRA = ModelTable(
    name="gpt-6.1-terra",
    input_price=1,
    cached_price=0.05,
    cache_write_price=1.25,
    output_price=5,
    context_size=1_050_000,
)
LUNA = ModelTable(
    name="gpt-6-luna",
    input_price=0.1,
    cached_price=0.01,
    cache_write_price=0.125,
    output_price=0.5,
    context_size=1_050_000,
)
SOL = ModelTable(
    name="gpt-6-sol",
    input_price=2,
    cached_price=0.2,
    cache_write_price=2.5,
    output_price=10,
    context_size=1_050_000,
)
DEFAULT_MODELS = (
    TERRA.model_copy(update={"name": "gpt-4-turbo", "upstream": TERRA.name}),
    LUNA.model_copy(update={"name": "gpt-3.5-turbo", "upstream": LUNA.name}),
    TERRA,
    LUNA,
    SOL,
)
PLACE = {"provider", "url", "upstream"}  # what says which model it is
FACTS = {
    "input_price",
    "cached_price",
    "cache_write_price",
    "output_price",
    "context_size",
}


def models(rows: Iterable[ModelTable]) -> tuple[ModelTable, ...]:
    """The default rows with these over them, by name; others come behind.

    A row for another model than the default's has none of the default's prices, and those of a
    model that is known as soon as it names it.
    """
    found = {m.name: m for m in DEFAULT_MODELS}
    for row in rows:
        found[row.name] = _over(found.get(row.name), row)
    return tuple(found.values())


def _over(base: ModelTable | None, row: ModelTable) -> ModelTable:
    given = {name: getattr(row, name) for name in row.model_fields_set}
    if base is None:
        base = ModelTable(name=row.name)
    merged = base.model_copy(update=given)
    if all(getattr(merged, n) == getattr(base, n) for n in PLACE) and base.input_price is not None:
        return merged
    known = next((m for m in (TERRA, LUNA, SOL) if m.name == merged.upstream_name), None)
    facts = known if known is not None and merged.url is None else ModelTable(name=row.name)
    unsaid = FACTS - given.keys()
    return merged.model_copy(update={name: getattr(facts, name) for name in unsaid})


Chain = Annotated[tuple[str, ...], BeforeValidator(split_chain)]


class ConfigFile(_Table):
    """The whole file."""

    limits: tuple[LimitTable, ...] = ()
    tiers: dict[str, Annotated[float, Field(gt=0, le=10_000)]] = Field(default_factory=dict)
    quotas: dict[str, QuotaTable] = Field(default_factory=dict)
    budgets: Annotated[tuple[BudgetTable, ...], Field(max_length=MAX_BUDGETS)] = ()
    models: tuple[ModelTable, ...] = ()
    canaries: tuple[CanaryTable, ...] = ()
    fallback: Chain | None = None
    subscriptions: Annotated[int, Field(ge=1, le=1_000_000)] = 1000  # of a user, on one process
    cache: dict[str, Annotated[float, Field(ge=0, le=2_592_000)]] = Field(default_factory=dict)

    @field_validator("models", "canaries", "budgets")
    @classmethod
    def _each_once(cls, rows: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [row.name for row in rows]
        if twice := {n for n in names if names.count(n) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} stands there twice")
        return rows

    @classmethod
    def read(cls, path: Path) -> ConfigFile:
        """Raises `SettingsError`: it cannot be read, or says what may not be said."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text()))
        except OSError as error:
            raise SettingsError(
                f"LOREGATE_CONFIG is {str(path)!r}, which cannot be read: {error.strerror}"
            ) from None
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(
                f"LOREGATE_CONFIG is {str(path)!r}, which is no TOML: {error}"
            ) from None
        except ValidationError as error:
            where = "\n".join(
                f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()
            )
            raise SettingsError(where) from None
