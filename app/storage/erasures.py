"""Erasures: the database's marks of who was erased lately, looked at in each transaction that
stores something of a user's.

A transaction that began before the mark and ends behind it would store what the sweep has passed.
SQLite has one writer at a time. In PostgreSQL whoever sets a mark waits for every transaction that
has looked for one, and holds up the next: all that could miss it are over by then, and what they
stored is seen by the sweep.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache

from sqlalchemy import Connection, bindparam, delete, insert, select, text

from app.erasure import MARK_TTL, covers, owner
from app.storage.content_queries import padded
from app.storage.prepared import Prepared
from app.storage.tables import erasures

LOCK_TIMEOUT = 2_000  # ms; a transaction may take 5 s, and those behind the lock wait as long
Marks = dict[str, str]


def marks(connection: Connection, users: Iterable[str]) -> Marks:
    """The marks of these users, by the user; of most there is none."""
    owners = {owner(user): user for user in users}
    if not owners:
        return {}
    asked = {f"owner{n}": name for n, name in enumerate(padded(list(owners)))}
    found = _marks(len(asked)).fetch(connection, [asked])
    return {owners[name]: before for name, before in found}


@cache
def _marks(count: int) -> Prepared:
    names = [f"owner{n}" for n in range(count)]
    wanted = erasures.c.owner.in_([bindparam(name) for name in names])
    query = select(erasures.c.owner, erasures.c.before).where(wanted)
    return Prepared(lambda _: query, names)


def erased(connection: Connection, user_id: str, name: str) -> bool:
    """Whether what has this id is from before an erasure of its user."""
    return covers(marks(connection, [user_id]).get(user_id), name)


def mark(connection: Connection, user_id: str, before: str) -> None:
    """Set the user's mark; from the commit on nothing from before it is stored."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}"))
        connection.execute(text("LOCK TABLE erasures IN ACCESS EXCLUSIVE MODE"))
    now = datetime.now(UTC)
    row = {"owner": owner(user_id), "before": before, "erased_at": now}
    connection.execute(delete(erasures).where(erasures.c.owner == row["owner"]))
    connection.execute(insert(erasures), row)


def prune(connection: Connection) -> None:
    """Forget marks of which nothing can be under way any more."""
    old = datetime.now(UTC) - timedelta(seconds=MARK_TTL)
    connection.execute(delete(erasures).where(erasures.c.erased_at < old))
