"""GroupCommit: whoever stores at the same time shares one transaction.

There is no artificial delay: while one transaction commits, the next one gathers. Why it is our own
stands in docs/decisions/0009-group-commit.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from sqlalchemy import Connection

from app.errors import DependencyUnavailable
from app.storage.database import CommitUncertain, Database, Refused
from app.storage.holdings import Holdings
from app.storage.write_batch import Entry, WriteBatch, trial_write

MAX_ROWS = 100  # records in one transaction; binding 200 holds the loop for 2 ms
MAX_QUEUED = 10_000  # records that wait; past it the database is not slow but away
MAX_MARKS = 1_000  # published events marked in one transaction
MAX_PENDING_MARKS = 20_000  # past it marks are dropped: their events are published once more
IDLE_INTERVAL = 1.0  # s until published events are marked when nothing else is written
RECHECK_INTERVAL = 0.2  # s between looks at a database that may be restarting

log = logging.getLogger(__name__)


class GroupCommit:
    """Writes entries in the order they came, many to a transaction."""

    def __init__(self, database: Database, holdings: Holdings) -> None:
        self._database, self._holdings = database, holdings
        self._timeout = database.timeout
        self._queue: deque[Entry] = deque()
        self._marks: dict[str, None] = {}
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._failing = False

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
            async with asyncio.timeout(self._timeout):
                await entry.done
        except TimeoutError:
            entry.expired = True
            raise DependencyUnavailable("database") from None

    def marked(self, event_id: str) -> bool:
        """Whether a note about this event waits to be written."""
        return event_id in self._marks

    def mark(self, event_ids: Iterable[str]) -> None:
        """Has these events marked as published with the next commit, or within about a second."""
        for event_id in event_ids:
            if len(self._marks) < MAX_PENDING_MARKS:
                self._marks[event_id] = None
        self._rest()

    async def works(self, *, within: float) -> bool:
        """Whether commits work. While they fail each call tries one, for nobody else may: a disk
        that has space again is to be known without a request that pays a model first."""
        if self._failing:
            with suppress(DependencyUnavailable, Refused, TimeoutError):
                async with asyncio.timeout(within):
                    await self._database.write(trial_write)
                self._log_change(None)
        return not self._failing

    async def close(self) -> None:
        """Writes what is queued, within the time-out; what remains is told it was not stored."""
        self._closing = True
        self._wake()
        if self._writer is not None:
            await asyncio.wait({self._writer}, timeout=self._timeout)
            self._writer.cancel()
            await asyncio.wait({self._writer})
        _fail(self._queue)
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
            self._timer = asyncio.get_running_loop().call_later(IDLE_INTERVAL, self._wake)

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

    def _gather(self) -> WriteBatch:
        entries: list[Entry] = []
        while self._queue and len(entries) < MAX_ROWS:
            entry = self._queue.popleft()
            if not entry.expired:
                entries.append(entry)
        marks = list(self._marks)[:MAX_MARKS]
        for mark in marks:
            del self._marks[mark]
        return WriteBatch(entries, marks)

    async def _write_safely(self, batch: WriteBatch) -> bool:
        """Whether the batch is settled; whatever happens, nobody in it is left waiting."""
        if not batch.entries and not batch.marks:
            return True
        try:
            await self._write(batch)
        except DependencyUnavailable as error:
            _fail(batch.entries)
            self._log_change(error.__cause__ or error)
            return False
        except asyncio.CancelledError:
            _fail(batch.entries)
            raise
        except Exception as error:
            # Its name only: the text and the traceback of an unknown error may quote the rows.
            log.error("a commit broke: %s", type(error).__name__)  # noqa: TRY400
            _fail(batch.entries)
            batch.marks.clear()  # should one of them be at fault, it must not break the next too
            return False
        self._log_change(None)
        return True

    async def _write(self, batch: WriteBatch) -> None:
        try:
            await self._database.write(batch.write)
        except Refused:
            await self._write_singly(batch)
        except CommitUncertain as error:
            await self._settle_uncertain(batch, error)
        else:
            self._holdings.learn(batch.totals)
            for entry in batch.entries:
                entry.settle()

    async def _write_singly(self, batch: WriteBatch) -> None:
        """One of the batch is bad: its neighbours are stored, and it alone is refused."""
        outcome: list[Refused | None] = []

        def work(connection: Connection) -> None:
            outcome[:] = batch.write_singly(connection)

        try:
            await self._database.write(work)
        except CommitUncertain as error:
            good = [e for e, bad in zip(batch.entries, outcome, strict=True) if bad is None]
            await self._settle_uncertain(WriteBatch(good, batch.marks), error)
        else:
            self._holdings.learn(batch.totals)
        for entry, bad in zip(batch.entries, outcome, strict=True):
            entry.settle(bad)

    async def _settle_uncertain(self, batch: WriteBatch, error: CommitUncertain) -> None:
        """COMMIT was sent and nobody answered: those that are there are stored."""
        self._holdings.forget(entry.user_id for entry in batch.entries)
        stored = await self._stored(batch)
        for entry in batch.entries:
            known = entry.content["content_id"] in stored
            entry.settle(None if known else DependencyUnavailable("database"))
        if len(stored) < len(batch.entries):
            raise error

    async def _stored(self, batch: WriteBatch) -> set[str]:
        """Asks until the database answers, at most for the time-out."""
        now = asyncio.get_running_loop().time
        end = now() + self._timeout
        while True:
            try:
                return await self._database.read(batch.stored, within=end - now())
            except DependencyUnavailable:
                if now() + RECHECK_INTERVAL >= end:
                    raise
            await asyncio.sleep(RECHECK_INTERVAL)

    def _log_change(self, error: BaseException | None) -> None:
        """Logs that commits begin to fail and that they work again, not each one between."""
        if error is not None and not self._failing:
            log.warning("commits fail: %s", type(error).__name__)
        elif error is None and self._failing:
            log.info("commits work again")
        self._failing = error is not None


def _fail(entries: Iterable[Entry]) -> None:
    for entry in entries:
        entry.settle(DependencyUnavailable("database"))
