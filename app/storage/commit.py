"""GroupCommit: whoever stores at the same time shares one transaction.

There is no artificial delay: while one transaction commits, the next one gathers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from app.errors import DependencyUnavailable
from app.storage.database import UNBOUND, Database, Doubtful, Refused, refused
from app.storage.tables import contents, events

MAX_ROWS = 100  # records in one transaction; more would hold the lock for tens of milliseconds
MAX_QUEUED = 10_000  # records that wait; past it the database is not slow but away
MAX_MARKS = 1_000  # published events marked in one transaction
MAX_PENDING_MARKS = 20_000  # past it marks are dropped: their events are published once more
IDLE = 1.0  # s until published events are marked when nothing else is written
RECHECK = 0.2  # s between looks at a database that may be restarting

INSERT_CONTENT = insert(contents)
INSERT_EVENT = insert(events)
MARK = (
    update(events)
    .where(events.c.id == bindparam("event_id"), events.c.published_at.is_(None))
    .values(published_at=bindparam("at"))
)

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Entry:
    """One record with its events as rows, and the promise to say when they are committed."""

    content: dict[str, Any]
    events: list[dict[str, Any]]
    done: asyncio.Future[None] = field(default_factory=lambda: _future())
    expired: bool = False

    def write(self, connection: Connection) -> None:
        connection.execute(INSERT_CONTENT, self.content)
        if self.events:
            connection.execute(INSERT_EVENT, self.events)

    def settle(self, error: Exception | None = None) -> None:
        if self.done.done():
            return  # its caller left: there is nobody to tell
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


@dataclass(slots=True)
class Batch:
    """What one transaction writes."""

    entries: list[Entry]
    marks: list[str]

    def write(self, connection: Connection) -> None:
        """Everything, with one statement for each table."""
        if self.entries:
            connection.execute(INSERT_CONTENT, [entry.content for entry in self.entries])
        rows = [row for entry in self.entries for row in entry.events]
        if rows:
            connection.execute(INSERT_EVENT, rows)
        self._mark(connection)

    def write_singly(self, connection: Connection) -> list[Refused | None]:
        """Every entry under a savepoint of its own; returns which of them were refused."""
        outcome = [_try(connection, entry) for entry in self.entries]
        self._mark(connection)
        return outcome

    def _mark(self, connection: Connection) -> None:
        now = datetime.now(UTC)
        # Sorted: two processes that lock the same rows in another order would wait for each other.
        rows = [{"event_id": mark, "at": now} for mark in sorted(self.marks)]
        if rows:
            connection.execute(MARK, rows)

    def stored(self, connection: Connection) -> set[str]:
        ids = [entry.content["content_id"] for entry in self.entries]
        query = select(contents.c.content_id).where(contents.c.content_id.in_(ids))
        return set(connection.scalars(query))


class GroupCommit:
    """Writes entries in the order they came, many to a transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bound = database.bound
        self._queue: deque[Entry] = deque()
        self._marks: dict[str, None] = {}
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    async def put(self, entry: Entry) -> None:
        """Returns when the entry is committed. Whoever is cancelled meanwhile leaves it queued;
        one whose time is over takes it back, unless its transaction has begun.

        Raises:
            Refused: the database will not take this entry.
            DependencyUnavailable: after the time-out at most.
        """
        if self._closing or len(self._queue) >= MAX_QUEUED:
            raise DependencyUnavailable("database")
        self._queue.append(entry)
        self._wake()
        try:
            async with asyncio.timeout(self._bound):
                await entry.done
        except TimeoutError:
            entry.expired = True
            raise DependencyUnavailable("database") from None

    def mark(self, event_ids: Iterable[str]) -> None:
        """Has these events marked as published with the next commit, or within about a second."""
        for event_id in event_ids:
            if len(self._marks) < MAX_PENDING_MARKS:
                self._marks[event_id] = None
        self._rest()

    async def close(self) -> None:
        """Writes what is queued, within the time-out; what remains is told it was not stored."""
        self._closing = True
        self._wake()
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=self._bound)
            self._writer.cancel()
            await asyncio.wait({self._writer})
        self._fail(self._queue, DependencyUnavailable("database"))
        self._queue.clear()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())

    def _rest(self) -> None:
        """While the writer runs it sees to the marks itself; otherwise a timer wakes it."""
        busy = self._writer is not None and not self._writer.done()
        if self._marks and not busy and not self._closing and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE, self._wake)

    async def _write_all(self) -> None:
        more = True
        while more:
            batch = self._gather()
            done = await self._write_safely(batch)
            if not done and not self._closing:
                self._marks |= dict.fromkeys(batch.marks)
            # A few marks wait for the next entries or the timer; a crowd of them does not.
            enough = 1 if self._closing else MAX_MARKS
            more = bool(self._queue) or (done and len(self._marks) >= enough)
        asyncio.get_running_loop().call_soon(self._rest)  # by then this task is done

    def _gather(self) -> Batch:
        entries: list[Entry] = []
        while self._queue and len(entries) < MAX_ROWS:
            entry = self._queue.popleft()
            if not entry.expired:
                entries.append(entry)
        marks = list(self._marks)[:MAX_MARKS]
        for mark in marks:
            del self._marks[mark]
        return Batch(entries, marks)

    async def _write_safely(self, batch: Batch) -> bool:
        """Whether the batch is settled; whatever happens, nobody in it is left waiting."""
        try:
            await self._write(batch)
        except DependencyUnavailable as error:
            self._fail(batch.entries, error)
            return False
        except asyncio.CancelledError:
            self._fail(batch.entries, DependencyUnavailable("database"))
            raise
        except Exception as error:
            # Its name only: the text and the traceback of an unknown error may quote the rows.
            log.error("a commit broke: %s", type(error).__name__)  # noqa: TRY400
            self._fail(batch.entries, DependencyUnavailable("database"))
            return False
        return True

    async def _write(self, batch: Batch) -> None:
        if not batch.entries and not batch.marks:
            return
        try:
            await self._database.write(batch.write)
        except Refused:
            await self._write_singly(batch)
        except Doubtful as error:
            await self._look(batch, error)
        else:
            for entry in batch.entries:
                entry.settle()

    async def _write_singly(self, batch: Batch) -> None:
        """One of the batch is bad: its neighbours are stored, and it alone is refused."""
        outcome: list[Refused | None] = []

        def work(connection: Connection) -> None:
            outcome[:] = batch.write_singly(connection)

        try:
            await self._database.write(work)
        except Doubtful as error:
            good = [e for e, bad in zip(batch.entries, outcome, strict=True) if bad is None]
            await self._look(Batch(good, batch.marks), error)
        for entry, bad in zip(batch.entries, outcome, strict=True):
            entry.settle(bad)

    async def _look(self, batch: Batch, error: Doubtful) -> None:
        """COMMIT was sent and nobody answered: those that are there are stored."""
        stored = await self._stored(batch)
        for entry in batch.entries:
            entry.settle(None if entry.content["content_id"] in stored else error)
        if len(stored) < len(batch.entries):
            raise error

    async def _stored(self, batch: Batch) -> set[str]:
        """Asks until the database answers, at most for the time-out."""
        now = asyncio.get_running_loop().time
        end = now() + self._bound
        while True:
            try:
                return await self._database.read(batch.stored, within=end - now())
            except DependencyUnavailable:
                if now() + RECHECK >= end:
                    raise
            await asyncio.sleep(RECHECK)

    def _fail(self, entries: Iterable[Entry], error: Exception) -> None:
        for entry in entries:
            entry.settle(error)


def _try(connection: Connection, entry: Entry) -> Refused | None:
    try:
        with connection.begin_nested():
            entry.write(connection)
    except (SQLAlchemyError, *UNBOUND) as error:
        refusal = refused(error)
        if refusal is None:
            raise
        return refusal
    return None


def _future() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()
