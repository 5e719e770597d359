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
from app.storage.usage import UsageEntry
from app.storage.write_batch import Entry, WriteBatch, trial_write

MAX_ROWS = 100  # records in one transaction; binding 200 holds the loop for 2 ms
MAX_QUEUED = 10_000  # records that wait; past it the database is not slow but away
MAX_MARKS = 1_000  # published events marked in one transaction
MAX_PENDING_MARKS = 20_000  # past it marks are dropped: their events are published once more
MAX_SPENT = 50  # requests whose usage is written beside the records of one transaction
MAX_UNWRITTEN = 20_000  # requests whose usage waits, about 20 MB
IDLE_INTERVAL = 1.0  # s until published events are marked when nothing else is written, and until
# usage that could not be written is tried again
RECHECK_INTERVAL = 0.2  # s between looks at a database that may be restarting

# What the log tells of usage that the database does not have.
TOLD = ("content_id", "model", "calls", "prompt_tokens", "completion_tokens", "nano_usd")

log = logging.getLogger(__name__)


class GroupCommit:
    """Writes entries in the order they came, many to a transaction."""

    def __init__(self, database: Database, holdings: Holdings) -> None:
        self._database, self._holdings = database, holdings
        self._timeout = database.timeout
        self._queue: deque[Entry] = deque()
        self._marks: dict[str, None] = {}
        self._spent: deque[UsageEntry] = deque()
        self.lost = 0  # rows of usage
        self._writer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closing = self._closed = False
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

    def spend(self, entry: UsageEntry) -> None:
        """Has usage written with the next commit. It is kept while there can be none, unless too
        much waits already; what is not kept is logged."""
        if len(self._spent) >= MAX_UNWRITTEN or self._closed:
            self._lose([entry])
            return
        self._spent.append(entry)
        if self._failing:
            entry.settle()
            self._rest()
        else:
            self._wake()

    @property
    def unwritten(self) -> int:
        """Requests whose usage waits."""
        return len(self._spent)

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
        self._closed = True
        _fail(self._queue)
        self._queue.clear()
        self._lose(self._spent)
        self._spent.clear()

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())

    def _rest(self) -> None:
        """While the writer runs it sees to what waits itself; otherwise a timer wakes it."""
        busy = self._writer is not None and not self._writer.done()
        waiting = bool(self._marks or self._spent)
        if waiting and not busy and not self._closing and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_INTERVAL, self._wake)

    async def _write_all(self) -> None:
        more = True
        while more:
            batch = self._gather()
            done = await self._write_safely(batch)
            if not done:
                await self._put_back(batch)
            # A few marks wait for the next entries or the timer; a crowd of them does not.
            enough = 1 if self._closing else MAX_MARKS
            more = bool(self._queue) or (done and len(self._marks) >= enough)
            more = more or (bool(self._spent) and (done or self._closing))
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
        spent = [self._spent.popleft() for _ in range(min(len(self._spent), MAX_SPENT))]
        return WriteBatch(entries, marks, spent)

    async def _put_back(self, batch: WriteBatch) -> None:
        """What can be written later. At the end there is no later for marks, and usage is tried
        as long as `close` waits."""
        self._keep(batch)
        if self._closing and self._spent:
            await asyncio.sleep(RECHECK_INTERVAL)
        elif not self._closing:
            self._marks |= dict.fromkeys(batch.marks)

    def _keep(self, batch: WriteBatch) -> None:
        self._spent.extendleft(reversed(batch.spent))
        for entry in batch.spent:
            entry.settle()

    def _lose(self, entries: Iterable[UsageEntry]) -> None:
        """The log is where they can be found then."""
        for entry in entries:
            for row in entry.rows:
                self.lost += 1
                log.error("usage is not written", extra={name: row[name] for name in TOLD})
            entry.settle()

    async def _write_safely(self, batch: WriteBatch) -> bool:
        """Whether the batch is settled; whatever happens, nobody in it is left waiting."""
        if not batch.entries and not batch.marks and not batch.spent:
            return True
        try:
            await self._write(batch)
        except DependencyUnavailable as error:
            _fail(batch.entries)
            self._log_change(error.__cause__ or error)
            return False
        except asyncio.CancelledError:
            _fail(batch.entries)
            self._keep(batch)
            raise
        except Exception as error:
            # Its name only: the text and the traceback of an unknown error may quote the rows.
            log.error("a commit broke: %s", type(error).__name__)  # noqa: TRY400
            _fail(batch.entries)
            # Should one of these be at fault, it must not break the next too.
            batch.marks.clear()
            self._lose(batch.spent)
            batch.spent.clear()
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
            for entry in batch.waited_for:
                entry.settle()

    async def _write_singly(self, batch: WriteBatch) -> None:
        """One of the batch is bad: its neighbours are stored, and it alone is refused."""
        outcome: list[Refused | None] = []

        def work(connection: Connection) -> None:
            outcome[:] = batch.write_singly(connection)

        try:
            await self._database.write(work)
        except CommitUncertain as error:
            good = [e for e, bad in zip(batch.entries, outcome, strict=False) if bad is None]
            await self._settle_uncertain(WriteBatch(good, batch.marks), error)
        else:
            self._holdings.learn(batch.totals)
        for waited, bad in zip(batch.waited_for, outcome, strict=True):
            waited.settle(bad)
        refused = outcome[len(batch.entries) :]
        self._lose(e for e, bad in zip(batch.spent, refused, strict=True) if bad is not None)

    async def _settle_uncertain(self, batch: WriteBatch, error: CommitUncertain) -> None:
        """COMMIT was sent and nobody answered: those that are there are stored."""
        self._holdings.forget(entry.user_id for entry in batch.entries)
        stored = await self._stored(batch)
        for entry in batch.entries:
            known = entry.content["content_id"] in stored
            entry.settle(None if known else DependencyUnavailable("database"))
        if not stored or len(stored) < len(batch.entries):
            raise error  # usage may be written twice: the second time nothing happens
        for spent in batch.spent:
            spent.settle()

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
