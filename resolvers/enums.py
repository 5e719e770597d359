"""The closed sets, as described GraphQL enums. Those of an operation stand in its own file."""

from __future__ import annotations

from enum import Enum
from typing import Any, TypeVar

import strawberry

from app.operations.descriptions import Described, shown
from app.operations.fields import ContentType
from app.operations.metadata import AttemptOutcome, FinishReason
from app.pipeline.answer import CacheStatus
from app.pipeline.directives import CacheUse

E = TypeVar("E", bound=type[Enum])
D = TypeVar("D", bound=type[Described])


def described_enum(kind: E, name: str, description: str, values: dict[str, str]) -> E:
    """Make an enum known to the schema; every value must be described."""
    strawberry.enum(kind, name=name, description=description)
    definition: Any = kind.__strawberry_definition__  # type: ignore[attr-defined]  # set above
    for value in definition.values:
        value.description = values[value.name]
    return kind


def enum(kind: D) -> D:
    """Make a set that describes itself known to the schema."""
    if not hasattr(kind, "__strawberry_definition__"):
        said = shown(kind)
        described_enum(kind, said.name, said.doc, {value.name: value.doc for value in kind})
    return kind


enum(ContentType)


@enum
class EventType(Described):
    """What happened."""

    CONTENT_GENERATED = "content.generated", "`content.generated`: a text was generated."
    STORY_GENERATED = "story.generated", "`story.generated`: a story element was generated."
    THEME_ANALYZED = "theme.analyzed", "`theme.analyzed`: a text's theme was analysed."
    VALIDATION_COMPLETED = (
        "validation.completed",
        "`validation.completed`: a text was held against rules.",
    )
    CONTENT_RATED = "content.rated", "`content.rated`: a user rated a content of theirs."
    BUDGET_WARNED = "budget.warned", "`budget.warned`: a budget is nearly spent."


@enum
class HealthState(Described):
    """How well something is."""

    HEALTHY = "healthy", "It serves."
    DEGRADED = "degraded", "It serves in part, or others stand in for it."
    UNHEALTHY = "unhealthy", "It does not serve."


@enum
class TokenSource(Described):
    """Who counted the tokens of an answer."""

    PROVIDER = "provider", "The provider, as it bills them."
    GATEWAY = "gateway", "The gateway, because the provider did not say; an estimate."


@enum
class OnDisconnect(Described):
    """What becomes of a request whose client leaves."""

    CONTINUE = "continue", "It is answered to its end and stored, and can be read later."
    CANCEL = "cancel", "It is given up, and the model is told to stop."


described_enum(
    CacheUse,
    "CacheUse",
    "What a request wants of the cache.",
    {
        "USE": "An earlier answer to the same request will do.",
        "REFRESH": "A new answer, which is kept for others.",
        "BYPASS": "A new answer, which is not kept.",
    },
)
described_enum(
    CacheStatus,
    "CacheStatus",
    "What the cache did.",
    {
        "HIT": "The answer was there already; no model was called.",
        "MISS": "It was not there; it was made and may be kept.",
        "COALESCED": "The same request was being answered; this is its answer.",
        "BYPASS": "The cache was not asked.",
    },
)
described_enum(
    FinishReason,
    "FinishReason",
    "Why a model stopped.",
    {
        "STOP": "The text came to its own end.",
        "LENGTH": "`maxTokens` were reached: the text is not whole.",
    },
)


@enum
class BreakerState(Described):
    """A model's circuit breaker."""

    CLOSED = "closed", "The model is called."
    OPEN = "open", "It has failed too often and is left alone for a while."
    HALF_OPEN = "half_open", "One call finds out whether it is back."


described_enum(
    AttemptOutcome,
    "AttemptOutcome",
    "How one attempt on a model ended.",
    {
        "OK": "It answered.",
        "LIMITED": "Not called: its rate limit was full.",
        "OPEN": "Not called: its circuit breaker was open.",
        "BUSY": "Not called: too many calls were running and waiting.",
        "UNCONFIGURED": "Not called: it has no key here.",
        "UNREACHABLE": "The connection was refused, or reset before any answer.",
        "OVERLOADED": "It refused, being overloaded.",
        "FAILED": "It said that it had failed.",
        "FORBIDDEN": "The gateway may not use it.",
        "REFUSED": "It did not accept the request.",
        "TOO_LONG": "The prompt did not fit its context.",
        "REJECTED": "Its safety system refused.",
        "SILENT": "No first token came in time.",
        "STALLED": "No next token came in time.",
        "TIMEOUT": "It was not done in time.",
        "CUT": "Its answer broke off.",
        "MALFORMED": "What it sent was no answer.",
        "EMPTY": "Its answer was empty.",
        "EXHAUSTED": "Thinking used its tokens up before the first word.",
        "TRUNCATED": "Its answer ended at `maxTokens` and is of no use in part.",
        "INVALID": "Its answer does not fit the request.",
        "CANCELLED": "The client wished it to stop.",
    },
)


@enum
class BudgetUnit(Described):
    """What a budget counts."""

    USD = "usd", "US dollars."
    TOKENS = "tokens", "Tokens, of prompts and answers."


@enum
class BudgetPeriod(Described):
    """How often a budget renews, by UTC's calendar."""

    DAY = "day", "Each day."
    MONTH = "month", "Each month."
