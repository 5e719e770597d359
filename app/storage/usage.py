"""UsageRow: what one request spent on one model, as the table `usage` keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from app.erasure import covers
from app.storage import erasures
from app.storage.erasures import Marks
from app.storage.prepared import Prepared
from app.storage.tables import usage
from app.storage.upsert import insert_into

COLUMNS = tuple(column.name for column in usage.c)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Of one request and one model that it called, however it ended.

    answers: 1 where this model's answer was given and stored, else 0.
    nano_usd: billionths of a US dollar; None where a price of it is not known.
    """

    id: str  # a uuid; a row is written once, however often it is tried
    at: datetime  # aware
    content_id: str  # a uuid: the content that it was spent for, also when none came to be
    user_id: str
    tier: str
    operation: str
    model: str
    prompt_version: str
    answers: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0  # of the prompt's
    cache_write_tokens: int = 0  # of the prompt's
    reasoning_tokens: int = 0  # of the completion's
    estimated_tokens: int = 0  # of both: as the gateway counted them
    nano_usd: int | None = 0

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in COLUMNS}


@dataclass(slots=True, eq=False)
class UsageEntry:
    """Rows of one request that are written without a content.

    `done` is told when they are committed, or were tried once in vain: they are tried again then.
    """

    rows: list[dict[str, Any]]
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def write(self, connection: Connection) -> None:
        record(connection, self.rows)

    def settle(self, _: Exception | None = None) -> None:
        if not self.done.done():
            self.done.set_result(None)


def record(
    connection: Connection, rows: Sequence[dict[str, Any]], marks: Marks | None = None
) -> None:
    """Write rows, those that are there already once. What was spent before an erasure of its user
    is nobody's; `marks` are those of the rows' users, where they are known.

    Rows that only said that no answer was stored are put right by one that knows better: the
    transaction whose end nobody heard came through.
    """
    if rows:
        if marks is None:
            marks = erasures.marks(connection, {row["user_id"] for row in rows})
        rows = [_unnamed(row) if _erased(row, marks) else row for row in rows]
        RECORD.execute(connection, rows)


def _erased(row: dict[str, Any], marks: Marks) -> bool:
    return covers(marks.get(row["user_id"]), row["content_id"])


def _unnamed(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "user_id": ""}


def unanswered(rows: Iterable[UsageRow]) -> list[UsageRow]:
    """The rows of an answer that could not be stored; nothing of those that only tell of it."""
    return [replace(row, answers=0) for row in rows if row.calls]


def _recording(dialect: str) -> Any:
    new = insert_into(usage, dialect)
    return new.on_conflict_do_update(
        index_elements=[usage.c.id],
        set_={"answers": new.excluded.answers},
        where=usage.c.answers < new.excluded.answers,
    )


RECORD = Prepared(_recording, COLUMNS)
