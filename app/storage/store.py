"""Store: what is kept, results and their events, in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    URL,
    Connection,
    Row,
    Select,
    column,
    delete,
    inspect,
    select,
    table,
    text,
)

from app.erasure import CLOCK_MARGIN
from app.errors import InvalidRequest, SettingsError, UserErased
from app.events.types import Event
from app.storage import removal
from app.storage.content_queries import BY_IDS, CHILDREN, FIRST_ANSWER, MAX_CHILDREN, padded, page
from app.storage.database import Database, Refused, Work
from app.storage.database_url import SQLITE, database_url
from app.storage.group_commit import GroupCommit
from app.storage.holdings import Holdings, Totals
from app.storage.ledger import Ledger, written
from app.storage.ratings import Ratings
from app.storage.tables import REVISION, UNPUBLISHED, events, idempotency
from app.storage.usage import UsageRow, unanswered
from app.storage.write_batch import Entry, event_row, remember_key

QUERY_TIMEOUT = 5.0  # s; every call ends within it
PING_TIMEOUT = 1.0  # s; /health tells the last ping's outcome and never waits for one
MAX_IDS = 500  # in one statement
MAX_PAGE = 1_000  # rows
IDEMPOTENCY_TTL = 86_400.0  # s for which an idempotency key is good
DECODED_AT_ONCE = 500_000  # characters of answers; they hold the loop for about 2 ms
ROW_CHARACTERS = 4_000  # what a row without its answer takes, as if it were characters

VERSION = select(table("alembic_version", column("version_num")).c.version_num)


class RecordRefused(ValueError):
    """The database cannot take this record, now or later."""


class DuplicateContent(RecordRefused):
    """The record's `content_id`, the id of one of its events, or the user's idempotency key is
    already stored."""


@dataclass(frozen=True, slots=True)
class Record:
    """A stored result. `answer` is the REST body as it was answered, keys in their order; empty
    where it was not asked for."""

    content_id: str  # uuid7, so that ids are ordered by time
    user_id: str
    operation: str
    content_type: str
    answer: dict[str, Any]
    created_at: datetime  # aware
    parent_id: str | None = None
    idempotency_key: str | None = None  # with its fingerprint, only where it is stored
    fingerprint: str = ""


class Store:
    """Every call ends within `timeout` seconds, with its result or `DependencyUnavailable`."""

    def __init__(self, database: Database) -> None:
        self.database, self.holdings = database, Holdings(database)
        self._commits = GroupCommit(database, self.holdings)
        self.ledger, self.ratings = Ledger(database, self._commits), Ratings(database)
        self._decoding = asyncio.Lock()
        self._decoded = 0  # characters since the loop last went on

    @classmethod
    def open(cls, url: str, *, timeout: float = QUERY_TIMEOUT) -> Store:
        """A store on this database, which need not be up. Raises `SettingsError` for a bad URL."""
        parsed = database_url(url)
        return cls(_database(parsed, timeout))

    async def check(self) -> None:
        """Raises `DependencyUnavailable`, or `SettingsError` unless the database is at REVISION."""
        found = await self.database.read(_revision)
        if found != REVISION:
            raise SettingsError(
                f"DATABASE_URL: the database is at revision {found or 'none'} and this version "
                f"needs {REVISION}; run `loregate migrate`"
            )

    async def add(
        self, record: Record, events: Sequence[Event], usage: Sequence[UsageRow] = ()
    ) -> None:
        """Stores a result and its events together, and what was spent on it; on return they are
        committed. Whatever is raised, `usage` is written all the same, or kept until it can be.

        Raises:
            DuplicateContent: an id of it is already stored.
            RecordRefused: it cannot be stored, however often it is tried.
            UserErased: its user was, since it was begun.
            DependencyUnavailable: it is not known to be stored.
        """
        try:
            await self._add(record, events, usage)
        except RecordRefused:
            await written(self.ledger.spent(unanswered(usage)))
            raise
        except BaseException:
            self.ledger.spent(unanswered(usage))
            raise

    async def _add(
        self, record: Record, events: Sequence[Event], usage: Sequence[UsageRow]
    ) -> None:
        try:
            await self._put(record, events, usage)
        except DuplicateContent:
            if record.idempotency_key is None:
                raise
            # The key may be one of yesterday, which is free again and not pruned yet.
            await self._free_expired(record.user_id, record.idempotency_key)
            await self._put(record, events, usage)

    async def _put(
        self, record: Record, events: Sequence[Event], usage: Sequence[UsageRow]
    ) -> None:
        try:
            await self._commits.put(_entry(record, events, usage))
        except Refused as refusal:
            if refusal.erased:
                raise UserErased(CLOCK_MARGIN) from None
            kind = DuplicateContent if refusal.duplicate else RecordRefused
            raise kind(str(refusal)) from None

    def published(self, event_ids: Iterable[str]) -> None:
        """These events are out. Noted with the next commit or within about a second; a note that
        is lost (a crash, a database away for long) lets its event be published again."""
        self._commits.mark(event_ids)

    async def get_many(
        self, user_id: str, ids: Sequence[str], *, whole: bool = True
    ) -> dict[str, Record]:
        """The user's records among `ids`, by the id as it was asked for. What is no uuid, or is
        somebody else's, is absent. `whole`: with their answers, which are most of them."""
        asked = {asked: found for asked in dict.fromkeys(ids) if (found := _uuid(asked))}
        wanted = list(dict.fromkeys(asked.values()))
        records: dict[str, Record] = {}
        for start in range(0, len(wanted), MAX_IDS):
            chunk = padded(wanted[start : start + MAX_IDS])
            rows = await self.database.read(_rows(BY_IDS[whole], user_id=user_id, ids=chunk))
            records |= {record.content_id: record for record in await self._records(rows)}
        return {key: records[found] for key, found in asked.items() if found in records}

    async def _records(self, rows: Sequence[Row[Any]]) -> list[Record]:
        """The rows as records, some at once, for all who wait for theirs together."""
        found: list[Record] = []
        # Asked once: a row that lacks a column takes 15 µs to say so.
        whole = bool(rows) and "answer" in rows[0]._fields
        async with self._decoding:
            for row in rows:
                if self._decoded > DECODED_AT_ONCE:
                    await asyncio.sleep(0)
                    self._decoded = 0
                found.append(_record(row, whole=whole))
                self._decoded += ROW_CHARACTERS + (len(row.answer) if whole else 0)
        return found

    async def page(
        self,
        user_id: str,
        *,
        first: int,
        after: str | None = None,
        content_types: Sequence[str] | None = None,
        whole: bool = True,
    ) -> list[Record]:
        """The user's newest records, those older than `after`, at most `first` (and 1,000).

        Raises:
            InvalidRequest: `after` is no content id.
        """
        asked: dict[str, Any] = {"user_id": user_id, "first": min(first, MAX_PAGE)}
        if after is not None:
            asked["after"] = _place(after)
        if content_types is not None:
            asked["content_types"] = content_types
        query = page(whole=whole, after="after" in asked, typed="content_types" in asked)
        return await self._records(await self.database.read(_rows(query, **asked)))

    async def unpublished(self, *, older_than: datetime, limit: int) -> list[Event]:
        """Events stored before `older_than` and not known to be published, in stored order."""
        query = (
            select(events.c.payload)
            .where(UNPUBLISHED, events.c.stored_at < older_than)
            .order_by(events.c.seq)
            .limit(limit)
        )
        payloads = await self.database.read(lambda c: c.scalars(query).all())
        found = map(Event.decode, payloads)
        return [event for event in found if not self._commits.marked(event.id)]

    async def first_answer(self, user_id: str, key: str) -> tuple[str, Record] | None:
        """The fingerprint and the result that answered this idempotency key in the last day."""
        query = FIRST_ANSWER.where(
            idempotency.c.user_id == user_id,
            idempotency.c.key == key,
            idempotency.c.created_at > _horizon(),
        )
        rows = await self.database.read(_rows(query))
        return (rows[0].fingerprint, _record(rows[0])) if rows else None

    async def remember(self, user_id: str, key: str, fingerprint: str, content_id: str) -> None:
        """This result is the key's first answer, unless the key has one already."""
        await self._free_expired(user_id, key)
        row = {
            "user_id": user_id,
            "key": key,
            "fingerprint": fingerprint,
            "content_id": content_id,
            "created_at": datetime.now(UTC),
        }
        with suppress(Refused):
            await self.database.write(lambda c: remember_key(c, row))

    async def _free_expired(self, user_id: str, key: str) -> None:
        mine = (idempotency.c.user_id == user_id, idempotency.c.key == key)
        old = delete(idempotency).where(*mine, idempotency.c.created_at <= _horizon())
        await self.database.write(lambda c: _done(c.execute(old)))

    async def children(
        self,
        user_id: str,
        parents: Sequence[str],
        *,
        first: int = MAX_CHILDREN,
        whole: bool = True,
    ) -> dict[str, list[Record]]:
        """The user's records that continue each of `parents`, the oldest `first` (100 at most)."""
        wanted = list(dict.fromkeys(uuid for p in parents if (uuid := _uuid(p))))
        of_parent: dict[str, list[Record]] = {parent: [] for parent in wanted}
        if wanted:
            asked = {"user_id": user_id, "parents": wanted, "first": min(first, MAX_CHILDREN)}
            rows = await self.database.read(_rows(CHILDREN[whole], **asked))
            for record in await self._records(rows):
                of_parent[record.parent_id or ""].append(record)
        return of_parent

    async def delete(self, user_id: str, content_id: str) -> bool:
        """Whether the user had this record; it and its idempotency key are gone."""
        found = _uuid(content_id)
        held: Totals = {}

        def work(connection: Connection) -> None:
            nonlocal held
            held = removal.remove(connection, user_id, found or "")

        if found is not None:
            self.holdings.forget([user_id])  # until it is known that it is written
            await self.database.write(work)
            self.holdings.learn(held)
        return bool(held)

    async def prune(self, *, published_before: datetime) -> None:
        """Forget events that were published before this time, and keys older than a day."""
        await self.database.write(lambda c: removal.prune(c, published_before, _horizon()))

    async def ping(self) -> bool:
        """Whether it takes writes, too; raises `DependencyUnavailable` after a second's silence."""
        await self.database.read(lambda c: c.execute(text("SELECT 1")), within=PING_TIMEOUT)
        return await self._commits.works(within=PING_TIMEOUT)

    async def close(self) -> None:
        """Writes what is queued and ends every connection, each within the time-out."""
        await self._commits.close()
        await self.database.close()


def _database(url: URL, timeout: float) -> Database:
    if url.drivername == SQLITE:
        from app.storage.sqlite import SQLite

        return SQLite(url, timeout)
    from app.storage.postgres import Postgres  # here: SQLite alone saves asyncpg's 90 ms of import

    return Postgres(url, timeout)


def _entry(record: Record, events: Sequence[Event], usage: Sequence[UsageRow]) -> Entry:
    now = datetime.now(UTC)
    try:
        return Entry(
            {
                "content_id": str(UUID(record.content_id)),
                "user_id": record.user_id,
                "operation": record.operation,
                "content_type": record.content_type,
                "parent_id": record.parent_id and str(UUID(record.parent_id)),
                "answer": orjson.dumps(record.answer).decode(),
                "created_at": record.created_at,
            },
            [event_row(event, now) for event in events],
            key=_key(record, now),
            usage=[row.values() for row in usage],
        )
    except (TypeError, ValueError):
        raise RecordRefused("an id is no uuid, or a value is no JSON") from None


def _key(record: Record, now: datetime) -> dict[str, Any] | None:
    if record.idempotency_key is None:
        return None
    return {
        "user_id": record.user_id,
        "key": record.idempotency_key,
        "fingerprint": record.fingerprint,
        "content_id": str(UUID(record.content_id)),
        "created_at": now,
    }


def _horizon() -> datetime:
    """Idempotency keys from before it are free again."""
    return datetime.now(UTC) - timedelta(seconds=IDEMPOTENCY_TTL)


def _done(_: object) -> None:
    """A transaction's work has no result."""


def _rows(query: Select[Any], **values: object) -> Work[Sequence[Row[Any]]]:
    return lambda connection: connection.execute(query, values).all()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(VERSION)


def _uuid(value: str) -> str | None:
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        return None


def _place(after: str) -> str:
    found = _uuid(after)
    if found is None:
        raise InvalidRequest.at(("after",), "is not a cursor of this list")
    return found


def _record(row: Row[Any], *, whole: bool = True) -> Record:
    return Record(
        content_id=row.content_id,
        user_id=row.user_id,
        operation=row.operation,
        content_type=row.content_type,
        answer=orjson.loads(row.answer) if whole else {},
        created_at=row.created_at,
        parent_id=row.parent_id,
    )
