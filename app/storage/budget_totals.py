"""Budget totals: what the ledger has of a budget's account, for the account to be rebuilt from."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Select, Uuid, func, literal, select, union_all

from app.storage.database import Database
from app.storage.tables import usage

STORYTELLER = "storyteller"  # costs nothing, and is no budget's
NOBODY = str(UUID(int=0))
ID = Uuid(as_uuid=False)
TOKENS = usage.c.prompt_tokens + usage.c.completion_tokens
TIME_BITS = 80  # of a uuid7 behind the milliseconds of its time


class SpentRow(NamedTuple):
    """Of one request on one model. made: when the row was, in Unix seconds."""

    content_id: str
    made: float
    tokens: int
    nano_usd: int


class BudgetTotals:
    """Reads the table `usage`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(
        self, where: Mapping[str, str], begins: datetime, ends: datetime, since: float
    ) -> tuple[SpentRow, list[SpentRow]]:
        """The sum of all rows from `begins` on and before `ends` whose columns hold what `where`
        says, and those of them that were made since then: both of one moment.

        Raises:
            DependencyUnavailable
        """
        query = _query(where, begins, ends, since)
        rows = await self._database.read(lambda c: _read(c, query))
        total, recent = rows[0], rows[1:]
        return total, recent


def _query(where: Mapping[str, str], begins: datetime, ends: datetime, since: float) -> Any:
    """One statement, since PostgreSQL shows each of two another moment."""
    those = [usage.c[column] == value for column, value in where.items()]
    those += [usage.c.at >= begins, usage.c.at < ends, usage.c.model != STORYTELLER]
    sums = (func.coalesce(func.sum(TOKENS), 0), func.coalesce(func.sum(usage.c.nano_usd), 0))
    total: Select[Any] = select(literal(NOBODY, ID), literal(NOBODY, ID), *sums).where(*those)
    money = func.coalesce(usage.c.nano_usd, 0)
    recent = select(usage.c.content_id, usage.c.id, TOKENS, money).where(
        *those, usage.c.id >= _first_id(since)
    )
    return union_all(total, recent)


def _first_id(since: float) -> str:
    """The least uuid7 of this moment."""
    return str(UUID(int=round(since * 1000) << TIME_BITS))


def _read(connection: Connection, query: Any) -> list[SpentRow]:
    rows = connection.execute(query).all()
    found = [
        SpentRow(str(content_id), (UUID(str(row_id)).int >> TIME_BITS) / 1000, int(t), int(n))
        for content_id, row_id, t, n in rows
    ]
    # No order is promised, and only the total is nobody's.
    return sorted(found, key=lambda row: row.content_id != NOBODY)
