"""Backlog: how many stored events wait to be published, and since when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from app.storage.database import Database
from app.storage.tables import UNPUBLISHED, events

MOST = 10_000  # events that are counted: 2 ms, along an index that has no others

WAITING = (
    select(events.c.stored_at).where(UNPUBLISHED).order_by(events.c.seq).limit(MOST).subquery()
)
QUERY = select(func.count(), func.min(WAITING.c.stored_at)).select_from(WAITING)


async def backlog(database: Database) -> tuple[int, datetime | None]:
    """How many wait, `MOST` at most, and when the oldest of them was stored.

    Raises:
        DependencyUnavailable
    """
    row = await database.read(lambda connection: connection.execute(QUERY).one())
    return row[0], row[1]
