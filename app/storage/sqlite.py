"""SQLite: one thread writes and a few read, each with connections of its own.

A whole transaction is one hop to its thread. Through aiosqlite every statement is three hops:
663 µs of CPU for a lone transaction, measured against 260 µs here.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from app.storage.database import CommitProgress, Database, T, Work, translated

READERS = 4  # threads; a read of a warm page takes well under a millisecond
BUSY_SHARE = 0.6  # of the bound, waited for other processes' locks before giving up
JOURNAL = "PRAGMA journal_mode = WAL"
WRITER_PRAGMAS = (
    # FULL syncs at every commit, so that not even a crash of the operating system loses what was
    # acknowledged, as far as the disk keeps its word. A lone commit takes 0.6 ms instead of 0.3,
    # and 64 together no measurable time more. NORMAL would lose the commits since the last
    # checkpoint in such a crash; a killed process loses nothing with either.
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 67108864",  # bytes; a long reader may make the journal outgrow it
)
READER_PRAGMAS = ("PRAGMA query_only = ON",)
LOCK_INTERVAL = 0.005  # s between tries for a lock that SQLite does not wait for


class SQLite(Database):
    """A file that several processes may share."""

    def __init__(self, url: URL, timeout: float) -> None:
        super().__init__(timeout)
        busy = timeout * BUSY_SHARE
        self._writer = _engine(url, 1, busy, WRITER_PRAGMAS, writes=True)
        self._reader = _engine(url, READERS, busy, READER_PRAGMAS)
        self._writer_thread = ThreadPoolExecutor(1, "sqlite-writer")
        self._reader_threads = ThreadPoolExecutor(READERS, "sqlite-reader")

    def _reading(self, work: Work[T]) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._reader_threads, _read, self._reader, work)

    def _writing(self, work: Work[None], progress: CommitProgress) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._writer_thread, _write, self._writer, work, progress)

    def _scrubbing(self) -> asyncio.Future[bool]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._writer_thread, _rewrite, self._writer)

    def _disposing(self) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._writer_thread, self._dispose)
        self._writer_thread.shutdown(wait=False)
        self._reader_threads.shutdown(wait=False)
        return done

    def _dispose(self) -> None:
        self._reader.dispose()
        self._writer.dispose()  # last, for it may write: the last to leave folds the journal in


def _read(engine: Engine, work: Work[T]) -> T:
    with translated(sqlite3.Error), engine.connect() as connection:
        return work(connection)


def _write(engine: Engine, work: Work[None], progress: CommitProgress) -> None:
    with translated(sqlite3.Error, progress=progress), engine.connect() as connection:
        begin(connection)
        work(connection)
        progress.commit(connection)


def _rewrite(engine: Engine) -> bool:
    """Whether the file was written anew, and the journal is empty: nobody read what was before.

    `PRAGMA secure_delete` would cost every deletion, and leave what was deleted before it was set.
    """
    with translated(sqlite3.Error), engine.connect() as connection:
        connection.exec_driver_sql("VACUUM")
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
    return not busy


def begin(connection: Connection) -> None:
    """Takes the write lock now: a lock taken at the first INSERT cannot be waited for when
    another process has written since this transaction first read."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _engine(
    url: URL, size: int, busy: float, pragmas: tuple[str, ...], *, writes: bool = False
) -> Engine:
    engine = create_engine(
        url.set(drivername="sqlite"),
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=busy,
        connect_args={"timeout": busy},
        hide_parameters=True,
    )

    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        if writes:
            _write_ahead(connection, busy)
        for pragma in pragmas:
            connection.execute(pragma).close()

    event.listen(engine, "connect", prepare)
    return engine


def _write_ahead(connection: sqlite3.Connection, busy: float) -> None:
    """Has the file keep a write-ahead log. For this one change SQLite waits for no lock itself: of
    processes that first write to a new file at once, all but one would be refused."""
    end = time.monotonic() + busy
    while True:
        try:
            connection.execute(JOURNAL).close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= end:
                raise
            time.sleep(LOCK_INTERVAL)
        else:
            return
