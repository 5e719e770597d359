"""Removal: what leaves the database, in one transaction each."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_, update

from app.storage import erasures
from app.storage.holdings import Holding, Totals, change
from app.storage.tables import contents, events, idempotency, ratings

MAX_PRUNED = 5_000  # events, and keys, in one transaction, about 50 ms


def remove(connection: Connection, user_id: str, content_id: str) -> Totals:
    """The user's content, its idempotency key and what was said of it; what the user holds then,
    nothing where it was not there. The score stays: it is the model's, not the text's."""
    mine = (contents.c.user_id == user_id, contents.c.content_id == content_id)
    answer = connection.scalar(delete(contents).where(*mine).returning(contents.c.answer))
    if answer is None:
        return {}
    connection.execute(delete(idempotency).where(idempotency.c.content_id == content_id))
    connection.execute(update(ratings).where(ratings.c.content_id == content_id).values(comment=""))
    return change(connection, {user_id: Holding(-1, -len(answer.encode()))})


def prune(connection: Connection, published_before: datetime, keys_before: datetime) -> None:
    """Events that were published before this time, and idempotency keys from before the other;
    and marks of erasures."""
    old = select(events.c.seq).where(events.c.published_at < published_before)
    connection.execute(delete(events).where(events.c.seq.in_(old.limit(MAX_PRUNED))))
    names = (idempotency.c.user_id, idempotency.c.key)
    keys = select(*names).where(idempotency.c.created_at <= keys_before).limit(MAX_PRUNED)
    connection.execute(delete(idempotency).where(tuple_(*names).in_(keys)))
    erasures.prune(connection)
