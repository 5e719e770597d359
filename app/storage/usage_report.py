"""UsageReport: the ledger summed up by day, model, operation and user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    bindparam,
    cast,
    func,
    literal_column,
    null,
    select,
    tuple_,
    union_all,
)

from app.storage.tables import usage

DIMENSIONS = ("day", "model", "operation", "user")  # in the order that lines are sorted by
# Days are UTC's. PostgreSQL would take an expression with parameters for another one each time.
DAYS = {
    "sqlite": "substr(usage.at, 1, 10)",
    "postgresql": "to_char(usage.at AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
}
SUMMED = (
    "answers",
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "estimated_tokens",
    "nano_usd",
)


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """since, until: aware; from the one on and before the other. by: at least one of `DIMENSIONS`,
    in their order. after: the keys of the line to go on behind. user_id: None is everybody."""

    since: datetime
    until: datetime
    by: tuple[str, ...]
    first: int
    after: tuple[str, ...] | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """requests: that called a model, each once. nano_usd: of the calls whose price is known.

    The others are what `UsageRow` has, summed up.
    """

    requests: int
    unpriced_calls: int
    answers: int
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated_tokens: int
    nano_usd: int


@dataclass(frozen=True, slots=True)
class UsageLine:
    """keys: one for each of `by`; the user of what was erased is empty."""

    keys: tuple[str, ...]
    figures: Figures


@dataclass(frozen=True, slots=True)
class UsageReport:
    """total: of all lines, also those that are not on this page. more: whether some follow."""

    lines: list[UsageLine]
    total: Figures
    more: bool


def read(connection: Connection, asked: UsageQuery) -> UsageReport:
    """One statement, so that lines and total are of one moment."""
    dialect = connection.dialect.name
    query = _query(dialect, asked.by, behind=asked.after is not None, own=asked.user_id is not None)
    given: dict[str, Any] = {"since": asked.since, "until": asked.until, "first": asked.first + 1}
    given["user_id"] = asked.user_id
    given |= {f"after_{name}": key for name, key in zip(asked.by, asked.after or (), strict=False)}
    rows = connection.execute(query, {k: v for k, v in given.items() if v is not None}).all()
    count = len(asked.by)
    lines = [UsageLine(tuple(r[1 : count + 1]), _figures(r, count)) for r in rows if not r.part]
    [total] = [_figures(row, count) for row in rows if row.part]
    return UsageReport(lines[: asked.first], total, more=len(lines) > asked.first)


def _figures(row: Row[Any], count: int) -> Figures:
    return Figures(*(int(value) for value in row[count + 1 :]))  # PostgreSQL's sums are decimals


@cache
def _query(dialect: str, by: tuple[str, ...], *, behind: bool, own: bool) -> Any:
    known: dict[str, ColumnElement[Any]] = {
        "day": literal_column(DAYS[dialect], Text),
        "model": usage.c.model,
        "operation": usage.c.operation,
        "user": usage.c.user_id,
    }
    keys = [known[name] for name in by]
    where = [usage.c.at >= bindparam("since"), usage.c.at < bindparam("until")]
    where += [usage.c.user_id == bindparam("user_id")] if own else []
    lines = _summed("0", [key.label(f"key_{n}") for n, key in enumerate(keys)]).where(*where)
    if behind:
        place = [cast(bindparam(f"after_{name}"), Text) for name in by]
        lines = lines.where(tuple_(*keys) > tuple_(*place))
    lines = lines.group_by(*keys).order_by(*keys).limit(bindparam("first"))
    total = _summed("1", [cast(null(), Text) for _ in keys]).where(*where)
    page = lines.subquery()
    both = union_all(select(page), total).subquery()
    return select(both).order_by(*list(both.c)[: len(by) + 1])


def _summed(part: str, keys: Sequence[ColumnElement[Any]]) -> Select[Any]:
    unpriced = func.sum(usage.c.calls).filter(usage.c.nano_usd.is_(None))
    sums = [unpriced, *(func.sum(usage.c[name]) for name in SUMMED)]
    requests = func.count(usage.c.content_id.distinct())
    return select(
        literal_column(part).label("part"),
        *keys,
        requests.label("requests"),
        *(func.coalesce(found, 0).label(f"sum_{n}") for n, found in enumerate(sums)),
    )
