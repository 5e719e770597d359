"""UserRows: everything that the database has of one user, to be read or removed, a piece at a time.

What was spent stays, without the user's id: the sums of models, operations and days are what they
were.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, Table, delete, func, literal, select, tuple_, update

from app.storage import erasures
from app.storage.database import Database, Work
from app.storage.tables import contents, events, holdings, idempotency, ratings, usage

PAGE_SIZE = 50  # rows of one read: a content has some KB, and rarely 100
ERASED_AT_ONCE = 200  # rows in one transaction, which holds up those who store
SEQUENCE_STEP = 5_000  # stored events among which the user's are looked for; there is no index

# What is told of each table, and by what its rows are ordered.
KEY_COLUMNS = (idempotency.c.key, idempotency.c.content_id, idempotency.c.created_at)
RATING_COLUMNS = tuple(c for c in ratings.c if c is not ratings.c.user_id)
USAGE_COLUMNS = tuple(c for c in usage.c if c is not usage.c.user_id)

Rows = Sequence[Mapping[str, Any]]


class UserRows:
    """Of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- to read
    async def contents(self, user_id: str) -> AsyncIterator[Rows]:
        """Contents with their answers, the oldest first. Here and below, pages that are bounded.

        Raises `DependencyUnavailable`, as all of these do.
        """
        columns = [c for c in contents.c if c is not contents.c.user_id]
        async for rows in self._pages(user_id, contents, columns, (contents.c.content_id,)):
            yield [{**row, "answer": orjson.loads(row["answer"])} for row in rows]

    async def idempotency_keys(self, user_id: str) -> AsyncIterator[Rows]:
        """The keys and which content each got, without what they are checked by."""
        async for rows in self._pages(user_id, idempotency, KEY_COLUMNS, (idempotency.c.key,)):
            yield rows

    async def ratings(self, user_id: str) -> AsyncIterator[Rows]:
        async for rows in self._pages(user_id, ratings, RATING_COLUMNS, (ratings.c.content_id,)):
            yield rows

    async def usage(self, user_id: str) -> AsyncIterator[Rows]:
        async for rows in self._pages(user_id, usage, USAGE_COLUMNS, (usage.c.at, usage.c.id)):
            yield rows

    async def events(self, user_id: str) -> AsyncIterator[list[dict[str, Any]]]:
        """Events as they stand on the wire: those that are to be published, and those that were
        as long as they are kept."""
        query = select(events.c.payload).order_by(events.c.seq)
        async for low, high in self._sequences():
            mine = events.c.user_id == user_id, events.c.seq > low, events.c.seq <= high
            found = await self._database.read(_scalars(query.where(*mine)))
            for at in range(0, len(found), PAGE_SIZE):
                yield [orjson.loads(payload) for payload in found[at : at + PAGE_SIZE]]

    async def stored(self, event_ids: Sequence[str]) -> set[str]:
        """Which of these events stand here."""
        query = select(events.c.id).where(events.c.id.in_(event_ids))
        return set(await self._database.read(_scalars(query)))

    async def _pages(
        self, user_id: str, table: Table, columns: Sequence[Any], order: Sequence[Any]
    ) -> AsyncIterator[Rows]:
        base = select(*columns).where(table.c.user_id == user_id).order_by(*order).limit(PAGE_SIZE)
        query = base
        while rows := await self._database.read(_rows(query)):
            yield [_facts(row) for row in rows]
            last = tuple_(*(_bound(column, rows[-1]) for column in order))
            query = base.where(tuple_(*order) > last)

    async def _sequences(self) -> AsyncIterator[tuple[int, int]]:
        """Stored events by their numbers, in steps; none of those that come meanwhile."""
        ends = select(func.min(events.c.seq).label("first"), func.max(events.c.seq).label("last"))
        [found] = await self._database.read(_rows(ends))
        for low in range((found.first or 1) - 1, found.last or 0, SEQUENCE_STEP):
            yield low, low + SEQUENCE_STEP

    # -- to remove
    async def mark(self, user_id: str, before: str) -> None:
        """From now on nothing of the user's from before it is stored, by whichever process."""
        await self._database.write(lambda c: erasures.mark(c, user_id, before))

    async def erase(self, user_id: str) -> dict[str, int]:
        """Remove the user's rows; how many there were in each table. Running it again goes on."""
        mine = {contents: contents.c.content_id, ratings: ratings.c.content_id}
        found = {str(t.name): await self._emptied(t, key, user_id) for t, key in mine.items()}
        found["events"] = 0
        async for low, high in self._sequences():
            gone = delete(events).where(
                events.c.user_id == user_id, events.c.seq > low, events.c.seq <= high
            )
            found["events"] += await self._changed(gone)
        found["idempotency_keys"] = await self._emptied(idempotency, idempotency.c.key, user_id)
        await self._changed(delete(holdings).where(holdings.c.user_id == user_id))
        found["usage_without_name"] = await self._unnamed(user_id)
        await self._database.scrub()
        return found

    async def _emptied(self, table: Table, key: Any, user_id: str) -> int:
        mine = table.c.user_id == user_id
        some = select(key).where(mine).limit(ERASED_AT_ONCE)
        return await self._repeated(delete(table).where(mine, key.in_(some)))

    async def _unnamed(self, user_id: str) -> int:
        some = select(usage.c.id).where(usage.c.user_id == user_id).limit(ERASED_AT_ONCE)
        return await self._repeated(update(usage).where(usage.c.id.in_(some)).values(user_id=""))

    async def _repeated(self, statement: Any) -> int:
        count = 0
        while changed := await self._changed(statement):
            count += changed
        return count

    async def _changed(self, statement: Any) -> int:
        count = 0

        def work(connection: Connection) -> None:
            nonlocal count
            count = connection.execute(statement).rowcount

        await self._database.write(work)
        return count


def _rows(query: Select[Any]) -> Work[Sequence[Row[Any]]]:
    return lambda connection: connection.execute(query).all()


def _scalars(query: Select[Any]) -> Work[Sequence[Any]]:
    return lambda connection: connection.scalars(query).all()


def _bound(column: Any, row: Row[Any]) -> Any:
    """The row's value as one of the column's kind."""
    return literal(getattr(row, column.name), column.type)


def _facts(row: Row[Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row._mapping.items()}
