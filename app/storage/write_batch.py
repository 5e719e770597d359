"""WriteBatch: what one transaction writes, whole or record by record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils import uuid7

from app.erasure import covers
from app.events.types import Event
from app.storage import erasures
from app.storage.database import UNBOUND, Refused, refused
from app.storage.holdings import Holding, Totals, change
from app.storage.prepared import Prepared
from app.storage.tables import contents, events, idempotency
from app.storage.usage import UsageEntry, record

INSERT_CONTENT = Prepared(lambda _: insert(contents), contents.c.keys())
INSERT_EVENT = Prepared(lambda _: insert(events), ("id", "user_id", "payload", "stored_at"))
INSERT_KEY = Prepared(lambda _: insert(idempotency), idempotency.c.keys())
MARK = Prepared(
    lambda _: (
        update(events)
        .where(events.c.id == bindparam("event_id"), events.c.published_at.is_(None))
        .values(published_at=bindparam("at", type_=events.c.published_at.type))
    ),
    ("event_id", "at"),
)


def event_row(event: Event, stored_at: datetime) -> dict[str, Any]:
    """An event as its row."""
    return {
        "id": event.id,
        "user_id": event.user_id,
        "payload": event.encode().decode(),
        "stored_at": stored_at,
    }


@dataclass(slots=True, eq=False)
class Entry:
    """One record with its events as rows, and the promise to say when they are committed."""

    content: dict[str, Any]
    events: list[dict[str, Any]]
    key: dict[str, Any] | None = None  # the idempotency key that it answers
    usage: list[dict[str, Any]] = field(default_factory=list)  # what was spent on it
    done: asyncio.Future[None] = field(default_factory=lambda: _future())
    expired: bool = False

    def write(self, connection: Connection) -> None:
        if erasures.erased(connection, self.user_id, self.content["content_id"]):
            raise Refused(erased=True)
        INSERT_CONTENT.execute(connection, [self.content])
        if self.events:
            INSERT_EVENT.execute(connection, self.events)
        if self.key:
            INSERT_KEY.execute(connection, [self.key])
        record(connection, self.usage)

    @property
    def user_id(self) -> str:
        found: str = self.content["user_id"]
        return found

    @property
    def holding(self) -> Holding:
        """What its user holds more with it."""
        return Holding(1, len(self.content["answer"].encode()))

    def settle(self, error: Exception | None = None) -> None:
        if self.done.done():
            return  # its caller left: there is nobody to tell
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


@dataclass(slots=True)
class WriteBatch:
    """What one transaction writes. `totals`: what its users hold then, once it is written."""

    entries: list[Entry]
    marks: list[str]
    spent: list[UsageEntry] = field(default_factory=list)
    totals: Totals = field(default_factory=dict)

    @property
    def waited_for(self) -> list[Entry | UsageEntry]:
        return [*self.entries, *self.spent]

    def write(self, connection: Connection) -> None:
        """Everything, with one statement for each table."""
        spent = [row for entry in self.spent for row in entry.rows]
        users = {entry.user_id for entry in self.entries} | {row["user_id"] for row in spent}
        marks = erasures.marks(connection, users)
        if any(covers(marks.get(e.user_id), e.content["content_id"]) for e in self.entries):
            raise Refused(erased=True)
        if self.entries:
            INSERT_CONTENT.execute(connection, [entry.content for entry in self.entries])
        rows = [row for entry in self.entries for row in entry.events]
        if rows:
            INSERT_EVENT.execute(connection, rows)
        keys = [entry.key for entry in self.entries if entry.key]
        if keys:
            INSERT_KEY.execute(connection, keys)
        # Those of entries first: where one is there twice, this one knows of its answer.
        record(connection, [row for entry in self.entries for row in entry.usage], marks)
        record(connection, spent, marks)
        self._count(connection, self.entries)
        self._mark(connection)

    def write_singly(self, connection: Connection) -> list[Refused | None]:
        """Every entry under a savepoint of its own; returns which of them were refused, those of
        `spent` behind the others."""
        outcome = [_try(connection, entry) for entry in self.waited_for]
        good = [entry for entry, bad in zip(self.entries, outcome, strict=False) if bad is None]
        self._count(connection, good)
        self._mark(connection)
        return outcome

    def _count(self, connection: Connection, stored: list[Entry]) -> None:
        """Behind every entry: users' rows are locked in one order."""
        more: Totals = {}
        for entry in stored:
            more[entry.user_id] = more.get(entry.user_id, Holding()).plus(entry.holding)
        self.totals = change(connection, more)

    def _mark(self, connection: Connection) -> None:
        now = datetime.now(UTC)
        # Sorted: two processes that lock the same rows in another order would wait for each other.
        rows = [{"event_id": mark, "at": now} for mark in sorted(self.marks)]
        if rows:
            MARK.execute(connection, rows)

    def stored(self, connection: Connection) -> set[str]:
        ids = [entry.content["content_id"] for entry in self.entries]
        query = select(contents.c.content_id).where(contents.c.content_id.in_(ids))
        return set(connection.scalars(query))


def remember_key(connection: Connection, key: dict[str, Any]) -> None:
    """An idempotency key's row, unless its content is from before an erasure of its user."""
    if not erasures.erased(connection, key["user_id"], key["content_id"]):
        INSERT_KEY.execute(connection, [key])


def trial_write(connection: Connection) -> None:
    """A write that leaves nothing but says whether one can be made."""
    name = {"user_id": "", "key": str(uuid7())}  # nobody's
    more = {"fingerprint": "", "content_id": name["key"], "created_at": datetime.now(UTC)}
    INSERT_KEY.execute(connection, [name | more])
    connection.execute(delete(idempotency).filter_by(**name))


def _try(connection: Connection, entry: Entry | UsageEntry) -> Refused | None:
    try:
        with connection.begin_nested():
            entry.write(connection)
    except Refused as erased:
        return erased
    except (SQLAlchemyError, *UNBOUND) as error:
        refusal = refused(error)
        if refusal is None:
            raise
        return refusal
    return None


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
