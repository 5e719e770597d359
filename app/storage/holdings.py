"""Holdings: how many contents each user keeps, and of how many bytes.

A row for each user, changed in the same transaction that stores or deletes a content, whose new
totals come back with it: a process knows what its users held when it last wrote for them. So what
other processes stored since is unknown until then, and what it admits meanwhile is at most what it
has under way.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from app.storage.database import Database
from app.storage.prepared import Prepared
from app.storage.tables import holdings
from app.storage.upsert import insert_into

MAX_KNOWN = 10_000  # users; about 3 MB
HOLDING = select(holdings.c.contents, holdings.c.bytes).where(
    holdings.c.user_id == bindparam("user_id")
)


class Holding(NamedTuple):
    """contents: how many. bytes: of their answers, as they are stored, in UTF-8."""

    contents: int = 0
    bytes: int = 0

    def plus(self, other: Holding) -> Holding:
        return Holding(self.contents + other.contents, self.bytes + other.bytes)


Totals = dict[str, Holding]


class Holdings:
    """One for the process."""

    def __init__(
        self, database: Database, *, now: Callable[[], float] | None = None, known: int = MAX_KNOWN
    ) -> None:
        self._database, self._now, self._most = database, now, known
        self._known: OrderedDict[str, tuple[Holding, float]] = OrderedDict()

    async def of(self, user_id: str, *, max_age: float | None = None) -> Holding:
        """What the user holds, as it was known here last; read where nothing is known, or what is
        known is older than `max_age` seconds.

        Raises:
            DependencyUnavailable
        """
        known = self._known.get(user_id)
        if known is None or (max_age is not None and self._time() - known[1] > max_age):
            found = await self._database.read(lambda c: _read(c, user_id))
            self.learn({user_id: found})
            return found
        return known[0]

    def learn(self, totals: Mapping[str, Holding]) -> None:
        """These are the totals now."""
        at = self._time()
        for user_id, held in totals.items():
            self._known[user_id] = held, at
            self._known.move_to_end(user_id)
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, users: Iterable[str]) -> None:
        """What became of their last change is not known."""
        for user_id in users:
            self._known.pop(user_id, None)

    def _time(self) -> float:
        return (self._now or asyncio.get_running_loop().time)()


def change(connection: Connection, by_user: Mapping[str, Holding]) -> Totals:
    """Add so much to each user's row, in its transaction; the new totals."""
    # Sorted: two processes that lock the same rows in another order would wait for each other.
    rows = [{"user_id": user, **by_user[user]._asdict()} for user in sorted(by_user)]
    if not rows:
        return {}
    return {user: Holding(*held) for user, *held in ADD.fetch(connection, rows)}


def _read(connection: Connection, user_id: str) -> Holding:
    row = connection.execute(HOLDING, {"user_id": user_id}).first()
    return Holding(*row) if row is not None else Holding()


def _adding(dialect: str) -> Any:
    new = insert_into(holdings, dialect)
    added = {name: holdings.c[name] + new.excluded[name] for name in ("contents", "bytes")}
    statement = new.on_conflict_do_update(index_elements=[holdings.c.user_id], set_=added)
    return statement.returning(holdings.c.user_id, holdings.c.contents, holdings.c.bytes)


ADD = Prepared(_adding, holdings.c.keys())
