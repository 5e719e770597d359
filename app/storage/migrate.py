"""migrate: brings a database to the newest revision. The serving path never imports this."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, event, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.errors import SettingsError
from app.storage.database_url import SQLITE, database_url
from app.storage.sqlite import begin
from app.storage.tables import REVISION

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x6C6F7265_67617465  # "loregate", so that no other program's advisory lock is ours
LOCK_TIMEOUT = 30.0  # s for another replica that is migrating
CONNECT_TIMEOUT = 10.0  # s
AWAY = (
    CommandError,
    SQLAlchemyError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    TypeError,
)

_one_at_a_time = threading.Lock()  # alembic keeps its context in module globals


def migrate(url: str) -> str:
    """Runs every missing migration in one transaction and returns the revision reached.

    Replicas may call it at the same time: one works, the others wait for it and find it done.
    It blocks, so an event loop calls it in a thread.

    Raises:
        SettingsError: the URL is wrong, or the database cannot be reached or changed.
    """
    parsed = database_url(url)
    try:
        with _one_at_a_time:
            if parsed.drivername == SQLITE:
                _migrate_sqlite(parsed)
            else:
                asyncio.run(_migrate_postgres(parsed))
    except AWAY as error:
        shown = parsed.set(query={}).render_as_string(hide_password=True)
        raise SettingsError(f"DATABASE_URL: cannot migrate {shown}: {_why(error)}") from None
    return REVISION


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file: the scripts lie beside this module."""
    config = Config()
    # A percent sign is alembic's interpolation, and may stand in an installation's path.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate_sqlite(url: URL) -> None:
    engine = create_engine(
        url.set(drivername="sqlite"), poolclass=NullPool, connect_args={"timeout": LOCK_TIMEOUT}
    )

    @event.listens_for(engine, "connect")
    def _(connection, _record):  # type: ignore[no-untyped-def]  # the driver's own, untyped
        connection.isolation_level = None

    with engine.connect() as connection:
        begin(connection)
        _upgrade(connection)
        connection.commit()


async def _migrate_postgres(url: URL) -> None:
    engine = create_async_engine(url, poolclass=NullPool, connect_args={"timeout": CONNECT_TIMEOUT})
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT:g}s'"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    command.upgrade(configuration(connection), "head")


def _why(error: BaseException) -> str:
    """The driver's reason in one line, without the statement that it failed in."""
    reason = getattr(error, "orig", None) or error
    lines = str(reason).strip().splitlines()
    return lines[0] if lines else type(reason).__name__
