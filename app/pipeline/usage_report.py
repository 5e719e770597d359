"""Usage reports: what was spent, told to whose it is, or of everybody to `gateway:admin`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from app.caller import Caller
from app.errors import InvalidRequest
from app.llm.spending import NANO
from app.storage.ledger import Ledger
from app.storage.usage_report import DIMENSIONS, Figures, UsageLine, UsageQuery

MAX_RANGE = timedelta(days=400)
MAX_LINES = 10_000  # in one answer; about 3 MB
DEFAULT_BY = ("day", "model")
ADMIN = "gateway:admin"
FIGURES = (
    "requests",
    "answers",
    "calls",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "estimated_tokens",
    "cost_usd",
    "known_cost_usd",
    "unpriced_calls",
)


@dataclass(frozen=True, slots=True)
class UsageRequest:
    """A report as it is asked for. A time without its zone is UTC's.

    since: None is the month's first day. until: what is before it; None is now. user: None is the
    caller, or everybody where the caller may see them. after: the cursor of an earlier page.
    """

    since: datetime | None = None
    until: datetime | None = None
    by: Sequence[str] = DEFAULT_BY
    user: str | None = None
    first: int = MAX_LINES
    after: str | None = None


class UsageReports:
    """One for the process. Days are UTC's."""

    def __init__(
        self, ledger: Ledger, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._ledger, self._now = ledger, now

    async def read(self, caller: Caller, asked: UsageRequest) -> dict[str, Any]:
        """The report, as REST answers it.

        Raises:
            Forbidden: somebody else's is asked for without `gateway:admin`.
            InvalidRequest: over 400 days, or 10,000 lines; what is no dimension or no cursor.
            DependencyUnavailable
        """
        everybody = caller.may(ADMIN)
        if asked.user not in (None, caller.id):
            caller.require(ADMIN)
        query = self._query(asked, asked.user or (None if everybody else caller.id))
        found = await self._ledger.report(query)
        last = found.lines[-1] if found.lines and found.more else None
        return {
            "since": query.since.isoformat(),
            "until": query.until.isoformat(),
            "by": list(query.by),
            "rows": [_line(query.by, line) for line in found.lines],
            "total": _figures(found.total),
            "next_cursor": _encoded(query.by, last) if last is not None else None,
        }

    def _query(self, asked: UsageRequest, user_id: str | None) -> UsageQuery:
        by = _dimensions(asked.by)
        since, until = self._range(asked.since, asked.until)
        if not 1 <= asked.first <= MAX_LINES:
            raise InvalidRequest.at(("first",), f"must be between 1 and {MAX_LINES:,}")
        after = _decoded(by, asked.after) if asked.after is not None else None
        return UsageQuery(since, until, by, asked.first, after, user_id)

    def _range(self, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
        end = self._now() if until is None else _utc("until", until)
        if since is None:
            last = end - timedelta(microseconds=1)  # a month's end is the next one's beginning
            start = last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        else:
            start = _utc("since", since)
        if start >= end:
            raise InvalidRequest.at(("since",), "must be before `until`, which is now by itself")
        if end - start > MAX_RANGE:
            raise InvalidRequest.at(("since",), f"at most {MAX_RANGE.days} days can be asked for")
        return start, end


def usd(nano: int) -> str:
    """US dollars with nine places, exactly."""
    return f"{nano // NANO}.{nano % NANO:09d}"


def _line(by: Sequence[str], line: UsageLine) -> dict[str, Any]:
    keys = {name: key or None for name, key in zip(by, line.keys, strict=True)}
    return {**keys, **_figures(line.figures)}


def _figures(found: Figures) -> dict[str, Any]:
    """As `FIGURES` names them. `cost_usd` is null where a price is not known, `known_cost_usd` that
    of the other calls."""
    known = usd(found.nano_usd)
    made = {
        "total_tokens": found.prompt_tokens + found.completion_tokens,
        "cost_usd": None if found.unpriced_calls else known,
        "known_cost_usd": known,
    }
    return {name: made[name] if name in made else getattr(found, name) for name in FIGURES}


def _dimensions(by: Sequence[str]) -> tuple[str, ...]:
    if not by or not set(by) <= set(DIMENSIONS):
        raise InvalidRequest.at(("by",), f"at least one is wanted of {', '.join(DIMENSIONS)}")
    return tuple(name for name in DIMENSIONS if name in by)


def _utc(name: str, moment: datetime) -> datetime:
    try:
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return aware.astimezone(UTC)
    except OverflowError:
        raise InvalidRequest.at((name,), "there is no such year in UTC") from None


def _encoded(by: tuple[str, ...], line: UsageLine) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([*by, *line.keys])).decode()


def _decoded(by: tuple[str, ...], cursor: str) -> tuple[str, ...]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, UnicodeError, ValueError):
        found = None
    names = list(by)
    if not isinstance(found, list) or found[: len(by)] != names or len(found) != 2 * len(by):
        raise InvalidRequest.at(("after",), "is no cursor of this list")
    if not all(isinstance(key, str) for key in found):
        raise InvalidRequest.at(("after",), "is no cursor of this list")
    return tuple(found[len(by) :])
