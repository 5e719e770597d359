"""DATABASE_URL: which databases there may be."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.errors import SettingsError

SQLITE, POSTGRES = "sqlite+aiosqlite", "postgresql+asyncpg"
FORMS = "sqlite+aiosqlite:///… or postgresql+asyncpg://…"


def database_url(url: str) -> URL:
    """The URL, parsed. Raises `SettingsError`, which never contains its password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # Nothing of it is shown: where a URL cannot be read, its password cannot be found either.
        raise SettingsError(f"DATABASE_URL is not a URL; it may be {FORMS}") from None
    if parsed.drivername not in (SQLITE, POSTGRES):
        raise SettingsError(f"DATABASE_URL begins with {parsed.drivername}; it may be {FORMS}")
    if parsed.drivername == SQLITE and parsed.database in (None, "", ":memory:"):
        raise SettingsError("DATABASE_URL names no file; SQLite in memory has no second connection")
    return parsed
