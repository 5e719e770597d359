"""Usage over GraphQL: what was spent on models. Each `of()` reads REST's object."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from app.errors import InvalidRequest
from app.operations.descriptions import Described
from app.pipeline.usage_report import FIGURES, MAX_RANGE, UsageRequest
from resolvers.complexity import MAX_USAGE
from resolvers.context import ID, Info
from resolvers.enums import enum
from resolvers.types import described

BigInt = NewType("BigInt", int)
BIG_INT: ScalarDefinition = strawberry.scalar(
    name="BigInt",
    description="A whole number that may be over 2^31, and not over 2^53: a JSON number.",
    serialize=int,
    parse_value=int,
)


@enum
class UsageDimension(Described):
    """What usage is summed up by."""

    DAY = "day", "The day in UTC on which the request began."
    MODEL = "model", "The model that was called, by its name in `ModelInput.name`."
    OPERATION = "operation", "The operation, such as `story`."
    USER = "user", "Whose request it was."


Since = Annotated[
    datetime | None,
    strawberry.argument(
        description="From when on; a bare day is its midnight in UTC. The month's first day by "
        "itself."
    ),
]
Until = Annotated[
    datetime | None,
    strawberry.argument(
        description=f"Until before when, at most {MAX_RANGE.days} days later. Now by itself."
    ),
]
By = Annotated[
    list[UsageDimension], strawberry.argument(description="What each row is for; one or more.")
]
OfUser = Annotated[
    ID | None,
    strawberry.argument(
        description="Whose; another's needs `gateway:admin`, which sees everybody's by itself."
    ),
]
First = Annotated[int, strawberry.argument(description=f"How many rows, 1 to {MAX_USAGE}.")]
After = Annotated[
    str | None, strawberry.argument(description="The `endCursor` of the page before.")
]


@strawberry.type(description="What calls of models came to.")
class UsageFigures:
    requests: BigInt = described("Requests that called one; each counts once.")
    answers: BigInt = described("Answers that were given and stored.")
    calls: BigInt = described("Calls, retries and repairs too.")
    prompt_tokens: BigInt = described("Tokens of what models were asked.")
    completion_tokens: BigInt = described("Tokens of what models wrote.")
    total_tokens: BigInt = described("Both together.")
    cached_tokens: BigInt = described("Prompt tokens that a provider had in its own cache.")
    cache_write_tokens: BigInt = described("Prompt tokens that it keeps there from then on.")
    reasoning_tokens: BigInt = described("Completion tokens that were spent on thinking.")
    estimated_tokens: BigInt = described(
        "Of all tokens, those that the gateway counted itself, because no provider told them."
    )
    cost_usd: Decimal | None = described(
        "US dollars, with nine places; null where the price of a call is not known."
    )
    known_cost_usd: Decimal = described("US dollars of the calls whose price is known.")
    unpriced_calls: BigInt = described("Calls whose price is not known.")

    @classmethod
    def of(cls, found: dict[str, Any]) -> UsageFigures:
        return cls(**_figures(found))


@strawberry.type(description="What one day, model, operation or user came to, as `by` asks.")
class UsageRow(UsageFigures):
    day: date | None = described("The day in UTC; null unless it is asked for.")
    model: str | None = described("The model; null unless it is asked for.")
    operation: str | None = described("The operation; null unless it is asked for.")
    user: ID | None = described("Whose; null unless it is asked for, and of users who were erased.")

    @classmethod
    def of(cls, found: dict[str, Any]) -> UsageRow:
        day, user = found.get("day"), found.get("user")
        return cls(
            **_figures(found),
            day=date.fromisoformat(day) if day else None,
            model=found.get("model"),
            operation=found.get("operation"),
            user=ID(user) if user else None,
        )


@strawberry.type(description="What was spent on models.")
class UsageReport:
    since: datetime = described("From when on.")
    until: datetime = described("Until before when.")
    total: UsageFigures = described("Of all rows, also of those on other pages.")
    rows: list[UsageRow] = described("Row by row, in the order of day, model, operation, user.")
    has_next_page: bool = described("Whether more follow.")
    end_cursor: str | None = described("What to go on behind; null where nothing follows.")


async def usage(
    info: Info, since: datetime | None, until: datetime | None, **asked: Any
) -> UsageReport:
    """The report for who asks."""
    if not 1 <= asked["first"] <= MAX_USAGE:
        raise InvalidRequest.at(("first",), f"must be between 1 and {MAX_USAGE}")
    context = info.context
    found = await context.gateway.usage.read(
        context.authenticated.caller, UsageRequest(since, until, **asked)
    )
    return UsageReport(
        since=datetime.fromisoformat(found["since"]),
        until=datetime.fromisoformat(found["until"]),
        total=UsageFigures.of(found["total"]),
        rows=[UsageRow.of(row) for row in found["rows"]],
        has_next_page=found["next_cursor"] is not None,
        end_cursor=found["next_cursor"],
    )


COUNTED = tuple(name for name in FIGURES if not name.endswith("_usd"))


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    cost = found["cost_usd"]
    return {
        **{name: found[name] for name in COUNTED},
        "cost_usd": None if cost is None else Decimal(cost),
        "known_cost_usd": Decimal(found["known_cost_usd"]),
    }
