"""Databases at the newest revision, without running every migration for each of them."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sqlalchemy import make_url

from app.storage.migrate import migrate


def migrated(url: str) -> None:
    """Bring the database to the newest revision; a new file of SQLite is a copy of another one.

    Migrating takes 25 ms, in each of two thousand tests.
    """
    parsed = make_url(url)
    path = Path(parsed.database or "")
    if not parsed.drivername.startswith("sqlite") or path.exists():
        migrate(url)
    else:
        path.write_bytes(_empty())


@cache
def _empty() -> bytes:
    """A database's file, migrated and closed: nothing of it is left in a journal beside it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "empty.db"
        migrate(f"sqlite+aiosqlite:///{path}")
        if [p.name for p in Path(directory).iterdir()] != [path.name]:
            raise RuntimeError("the migrated database is not in its file alone")
        return path.read_bytes()
