"""Database: runs SQL work within a bound of time, and says in our words how it failed.

DependencyUnavailable
├── ConnectionLost   the connection was dead before COMMIT: nothing is written, another try is safe
└── CommitUncertain  COMMIT was sent and its answer never came: only reading can tell
Refused              the database will not take these values, however often it is asked
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from app.errors import DependencyUnavailable

T = TypeVar("T")
Work = Callable[[Connection], T]

# SQLSTATE classes that speak of the values: data, integrity, and limits (an index row's size).
OF_VALUES = ("22", "23", "54")
SCRUB_TIMEOUT = 120.0  # s; a file of 1 GB takes some 10, in which nobody else writes
SCRUB_INTERVAL = 0.1  # s between tries while others read
UNBOUND = (UnicodeEncodeError, OverflowError)  # sqlite3 raises them bare for a value
DUPLICATES = ("23505", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_UNIQUE")


class ConnectionLost(DependencyUnavailable):
    """The connection was dead before COMMIT was sent."""


class CommitUncertain(DependencyUnavailable):
    """COMMIT was sent, and what became of it is unknown."""


class Refused(Exception):
    """The values cannot be stored. The message says nothing of them: they are users' texts."""

    def __init__(self, *, duplicate: bool = False, erased: bool = False) -> None:
        super().__init__("already stored" if duplicate else "the database refuses these values")
        self.duplicate, self.erased = duplicate, erased


@dataclass(slots=True)
class CommitProgress:
    """How far a transaction came. One side writes each flag before it reads the other's, so a
    thread that commits and a loop that gives up can never both think they were first."""

    committing: bool = False
    given_up: bool = False

    def commit(self, connection: Connection) -> None:
        self.committing = True
        if self.given_up:
            connection.rollback()
        else:
            connection.commit()


class Database(ABC):
    """One database: a writer, and readers beside it."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout  # s, for each piece of work
        self.timed: Callable[[float], None] = lambda _: None  # hears how many s each took
        self._closed = False
        self._leaving: set[asyncio.Future[Any]] = set()

    @abstractmethod
    def _reading(self, work: Work[T]) -> asyncio.Future[T]: ...

    @abstractmethod
    def _writing(self, work: Work[None], progress: CommitProgress) -> asyncio.Future[None]: ...

    @abstractmethod
    def _scrubbing(self) -> asyncio.Future[bool]: ...

    @abstractmethod
    def _disposing(self) -> asyncio.Future[None]: ...

    async def read(self, work: Work[T], within: float | None = None) -> T:
        """What `work` returns. Raises `DependencyUnavailable` after `within` seconds at most."""
        now = asyncio.get_running_loop().time
        end = now() + (self.timeout if within is None else within)
        self._check_open()
        try:
            return await self._bounded(self._reading(work), end - now())
        except ConnectionLost:
            return await self._bounded(self._reading(work), end - now())

    async def write(self, work: Work[None]) -> None:
        """Runs `work` in one transaction, twice where the first connection was found dead.

        Raises:
            Refused: nothing is written.
            Doubtful: it may be written.
            DependencyUnavailable: nothing is written.
        """
        self._check_open()
        try:
            await self._transaction(work)
        except ConnectionLost:
            await self._transaction(work)

    async def _transaction(self, work: Work[None]) -> None:
        progress = CommitProgress()
        try:
            await self._bounded(self._writing(work, progress), self.timeout)
        except (Refused, ConnectionLost, CommitUncertain):
            raise
        except DependencyUnavailable as error:
            progress.given_up = True
            if progress.committing:
                raise CommitUncertain("database") from error
            raise
        except asyncio.CancelledError:
            progress.given_up = True
            raise

    async def scrub(self) -> None:
        """Has what was deleted leave the database's files too, as far as it can be told to.

        Raises:
            DependencyUnavailable: there was no room for it, or no moment, for two minutes.
        """
        self._check_open()
        end = asyncio.get_running_loop().time() + SCRUB_TIMEOUT
        while not await self._bounded(self._scrubbing(), SCRUB_TIMEOUT):
            if asyncio.get_running_loop().time() > end:
                raise DependencyUnavailable("database")
            await asyncio.sleep(SCRUB_INTERVAL)

    async def close(self) -> None:
        """Ends every connection, within the bound."""
        if self._closed:
            return
        self._closed = True
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=self.timeout)
        with suppress(DependencyUnavailable):  # a silent server need not hear that we leave
            await self._bounded(self._disposing(), self.timeout)

    def _check_open(self) -> None:
        if self._closed:
            raise DependencyUnavailable("database")

    async def _bounded(self, future: asyncio.Future[T], limit: float) -> T:
        """The future's result. Past the limit it is cancelled, and nobody waits for its end:
        a driver may take seconds to close a connection whose server is silent."""
        began = time.perf_counter()
        try:
            await asyncio.wait({future}, timeout=max(0.0, limit))
            if future.done():
                return future.result()
        finally:
            self.timed(time.perf_counter() - began)
            if not future.done():
                self._abandon(future)
        raise DependencyUnavailable("database")

    def _abandon(self, future: asyncio.Future[Any]) -> None:
        self._leaving.add(future)
        future.add_done_callback(self._left)
        future.cancel()

    def _left(self, future: asyncio.Future[Any]) -> None:
        self._leaving.discard(future)
        if not future.cancelled():
            future.exception()  # taken, so that the loop does not report it as forgotten


@contextmanager
def translated(*drivers: type[Exception], progress: CommitProgress | None = None) -> Iterator[None]:
    """Raises what SQLAlchemy and these drivers' errors say as our own errors. (A driver's own
    error comes bare from where SQLAlchemy does not wrap it, as in setting a connection up.)"""
    known: tuple[type[Exception], ...] = (SQLAlchemyError, OSError, *UNBOUND, *drivers)
    try:
        yield
    except known as error:
        refusal = refused(error)
        if refusal is not None:
            raise refusal from None  # the driver's message may quote the values
        raise _failure(error, progress)("database") from error


def refused(error: Exception) -> Refused | None:
    """The refusal that this error is, or None where it says nothing about the values."""
    if isinstance(error, UNBOUND):
        return Refused(duplicate=False)
    if not isinstance(error, StatementError):
        return None
    if not isinstance(error, DBAPIError):
        return Refused(duplicate=False)  # a value that could not even be bound
    state = _state(error)
    # asyncpg finds some bad values by itself, as a ValueError without any SQLSTATE.
    by_driver = isinstance(error.orig and error.orig.__cause__, ValueError)
    if by_driver or isinstance(error, IntegrityError | DataError) or state[:2] in OF_VALUES:
        return Refused(duplicate=state in DUPLICATES)
    return None


def _state(error: DBAPIError) -> str:
    orig = error.orig
    found = getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None)
    return str(found or "")


def _failure(error: Exception, progress: CommitProgress | None) -> type[DependencyUnavailable]:
    if progress is not None and progress.committing:
        return CommitUncertain
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return ConnectionLost
    return DependencyUnavailable
