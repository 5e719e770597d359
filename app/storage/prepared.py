"""Prepared: a statement that is compiled once and, on SQLite, given to the driver as it is.

SQLAlchemy looks for the compiled form, makes a context and wraps a cursor each time it executes:
60 to 100 µs, and a commit has six statements. PostgreSQL's driver is asked through SQLAlchemy, for
there the round trip is what costs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError, StatementError

Row = Mapping[str, Any]


class Prepared:
    """Of a statement whose every value is a row's; results come as the driver has them."""

    def __init__(self, make: Callable[[str], Any], names: Iterable[str]) -> None:
        """`make` gives the statement for a dialect's name; `names` are those of its values."""
        self._make, self._names = make, list(names)
        self._statements: dict[str, Any] = {}
        self._sql = ""
        self._values: list[tuple[str, Callable[[Any], Any] | None]] = []

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Once for each row. Raises as `Connection.execute` does."""
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement(connection.dialect), rows)
            return
        with _Cursor(connection, self._prepared(connection.dialect)) as cursor:
            cursor.executemany(self._sql, [self._bound(row) for row in rows])

    def fetch(self, connection: Connection, rows: Sequence[Row]) -> list[Any]:
        """The same, and all that is returned for all rows."""
        if connection.dialect.name != "sqlite":
            return list(connection.execute(self._statement(connection.dialect), rows))
        found: list[Any] = []
        with _Cursor(connection, self._prepared(connection.dialect)) as cursor:
            for row in rows:
                found += cursor.execute(self._sql, self._bound(row)).fetchall()
        return found

    def _statement(self, dialect: Dialect) -> Any:
        found = self._statements.get(dialect.name)
        if found is None:
            found = self._statements[dialect.name] = self._make(dialect.name)
        return found

    def _prepared(self, dialect: Dialect) -> str:
        if not self._sql:
            compiled = self._statement(dialect).compile(dialect=dialect, column_keys=self._names)
            types = {name: compiled.binds[name].type for name in compiled.positiontup}
            self._values = [
                (name, types[name].dialect_impl(dialect).bind_processor(dialect))
                for name in compiled.positiontup
            ]
            self._sql = str(compiled)
        return self._sql

    def _bound(self, row: Row) -> list[Any]:
        return [row[n] if process is None else process(row[n]) for n, process in self._values]


class _Cursor:
    """A cursor of the driver's, whose errors are SQLAlchemy's."""

    def __init__(self, connection: Connection, sql: str) -> None:
        self._dialect, self._sql = connection.dialect, sql
        self._cursor: sqlite3.Cursor = connection.connection.cursor()  # type: ignore[assignment]  # the dialect's

    def __enter__(self) -> sqlite3.Cursor:
        return self._cursor

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        self._cursor.close()
        if isinstance(error, sqlite3.Error):
            raise DBAPIError.instance(
                self._sql, None, error, sqlite3.Error, hide_parameters=True, dialect=self._dialect
            ) from error
        if isinstance(error, TypeError | AttributeError | KeyError):
            said = "a value cannot be bound"  # and which one is a user's
            raise StatementError(said, self._sql, None, error, hide_parameters=True) from error
        if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
            raise StatementError("a value cannot be bound", self._sql, None, error) from error
