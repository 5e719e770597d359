"""Ledger: what was spent on models, written and summed up.

Rows of an answer are written with it (`Store.add`); those of requests that have none, and those
that could not be written with theirs, are queued here and tried until they are written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select

from app.errors import InvalidRequest
from app.storage.database import Database, Refused
from app.storage.group_commit import GroupCommit
from app.storage.tables import usage
from app.storage.usage import UsageEntry, UsageRow
from app.storage.usage_report import UsageQuery, UsageReport, read

TOKENS = usage.c.prompt_tokens + usage.c.completion_tokens
WRITE_TIMEOUT = (
    1.0  # s that an answer waits for its usage; what takes longer is written all the same
)
MAX_RECENT = 50_000  # rows that `recent` gives


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose spending: of those that match all that is named; of everybody's where nothing is."""

    user_id: str | None = None
    tier: str | None = None
    model: str | None = None

    @property
    def conditions(self) -> list[ColumnElement[bool]]:
        named = {"user_id": self.user_id, "tier": self.tier, "model": self.model}
        return [usage.c[name] == value for name, value in named.items() if value is not None]


EVERYBODY = Scope()


@dataclass(frozen=True, slots=True)
class SpentTotal:
    """tokens: of prompts and completions. nano_usd: of the calls whose price is known.

    unpriced: calls whose price is not known.
    """

    tokens: int = 0
    nano_usd: int = 0
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class RecentSpending:
    """One row, for who must know which contents a total has in it."""

    content_id: str
    at: datetime
    tokens: int
    nano_usd: int | None


class Ledger:
    """One for the process. Reading raises `DependencyUnavailable`; writing raises nothing."""

    def __init__(self, database: Database, commits: GroupCommit) -> None:
        self._database, self._commits = database, commits

    def spent(self, rows: Iterable[UsageRow]) -> asyncio.Future[None]:
        """Has rows written. The future ends with the commit, or with its first failure: from then
        on they are kept in this process and tried again, up to 20,000 requests' of them."""
        entry = UsageEntry([row.values() for row in rows])
        if entry.rows:
            self._commits.spend(entry)
        else:
            entry.settle()
        return entry.done

    @property
    def waiting(self) -> int:
        """Requests whose rows are not written yet."""
        return self._commits.unwritten

    @property
    def lost(self) -> int:
        """Rows that this process could not write and no longer keeps; each is in the log."""
        return self._commits.lost

    async def report(self, asked: UsageQuery) -> UsageReport:
        """The lines, as many as are asked for, and the total.

        Raises:
            InvalidRequest: no database can have such a user or place.
        """
        try:
            return await self._database.read(lambda c: read(c, asked))
        except Refused:
            raise InvalidRequest.at(("user",), "is no text that a database takes") from None

    async def total(
        self, since: datetime, *, until: datetime | None = None, of: Scope = EVERYBODY
    ) -> SpentTotal:
        """What was spent from `since` on and before `until`."""
        free = func.sum(usage.c.calls).filter(usage.c.nano_usd.is_(None))
        sums = (func.sum(TOKENS), func.sum(usage.c.nano_usd), free)
        query = select(*(func.coalesce(found, 0) for found in sums)).where(
            usage.c.at >= since, *of.conditions
        )
        if until is not None:
            query = query.where(usage.c.at < until)
        row = await self._database.read(lambda c: c.execute(query).one())
        return SpentTotal(*(int(value) for value in row))  # PostgreSQL's sums are decimals

    async def recent(self, since: datetime, *, of: Scope = EVERYBODY) -> list[RecentSpending]:
        """Each row from `since` on, in no order, 50,000 at most. A content has one for each model
        that was called for it, and one more where an answer was stored by a later request."""
        columns = (usage.c.content_id, usage.c.at, TOKENS.label("tokens"), usage.c.nano_usd)
        query = select(*columns).where(usage.c.at >= since, *of.conditions).limit(MAX_RECENT)

        def work(connection: Connection) -> list[RecentSpending]:
            return [RecentSpending(*row) for row in connection.execute(query)]

        return await self._database.read(work)


async def written(done: asyncio.Future[None]) -> None:
    """Returns when what `spent` was told is written, or a second later."""
    if not done.done():
        await asyncio.wait({done}, timeout=WRITE_TIMEOUT)
