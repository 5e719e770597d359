"""The migrations make exactly the tables that the code declares, whoever runs them and when."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.errors import SettingsError
from app.storage.migrate import LOCK, configuration, migrate
from app.storage.store import Store
from app.storage.tables import REVISION, contents, holdings, metadata


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / '100% new.db'}"
    found: str = request.getfixturevalue("empty_postgres")
    return found


def differences(url: str) -> list[object]:
    def compare(connection: Connection) -> list[object]:
        found: list[object] = compare_metadata(MigrationContext.configure(connection), metadata)
        return found

    async def asked() -> list[object]:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.connect() as connection:
            return await connection.run_sync(compare)

    return asyncio.run(asked())


def test_the_revision_in_the_code_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [REVISION]


def test_a_migrated_database_is_what_the_tables_say(empty_url: str) -> None:
    assert len(differences(empty_url)) > 2  # an empty one is not
    assert migrate(empty_url) == REVISION
    assert differences(empty_url) == []
    assert migrate(empty_url) == REVISION


def test_replicas_may_migrate_at_the_same_time(empty_url: str) -> None:
    code = "import sys; from app.storage.migrate import migrate; print(migrate(sys.argv[1]))"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, empty_url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(4)
    ]
    assert [process.communicate(timeout=60) for process in running] == [(f"{REVISION}\n", "")] * 4
    assert differences(empty_url) == []


@pytest.mark.servers
async def test_a_replica_waits_for_the_one_that_migrates(empty_postgres: str) -> None:
    engine = create_async_engine(empty_postgres, poolclass=NullPool)
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with engine.connect() as first:
        await first.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
        second = asyncio.create_task(asyncio.to_thread(migrate, empty_postgres))
        async with asyncio.timeout(20):
            while not await first.scalar(waits):
                assert not second.done()
        await first.rollback()
    assert await second == REVISION


async def test_the_store_says_what_to_do_about_an_old_database(empty_url: str) -> None:
    store = Store.open(empty_url)
    with pytest.raises(SettingsError, match="run `loregate migrate`"):
        await store.check()
    await asyncio.to_thread(migrate, empty_url)
    await store.check()
    engine = create_async_engine(empty_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsError, match="9999"):
        await store.check()
    with pytest.raises(SettingsError, match="cannot migrate"):
        await asyncio.to_thread(migrate, empty_url)
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://ann:s3cret@localhost/loregate",
        "postgresql+asyncpg://ann:s3cret@127.0.0.1:1/loregate",
        "postgresql+asyncpg://ann@127.0.0.1:1/loregate?password=s3cret",
        "postgresql+asyncpg://ann:s3cret@127.0.0.1:1/loregate?sslmode=require",
        "sqlite+aiosqlite:////nowhere/at/all/loregate.db",
    ],
)
def test_a_database_out_of_reach_is_one_clear_line(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as caught:
        migrate(url)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.servers
def test_a_missing_postgres_database_is_named(postgres_url: str) -> None:
    with pytest.raises(SettingsError, match='"absent" does not exist'):
        migrate(postgres_url.replace("/shared", "/absent"))


def test_serving_does_not_import_alembic() -> None:
    code = "import sys, app.storage.store, app.storage.sqlite, app.storage.postgres; " + (
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == "False\n"


async def test_what_users_hold_is_counted_from_what_an_older_database_has(empty_url: str) -> None:
    answers = {"mira": ["Zoë 🐉", "tide"], "joren": [""]}
    engine = create_async_engine(empty_url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(lambda c: command.upgrade(configuration(c), "0002"))
        rows = [content(user, answer) for user, found in answers.items() for answer in found]
        await connection.execute(insert(contents), rows)
    await asyncio.to_thread(migrate, empty_url)
    async with engine.connect() as connection:
        found = (await connection.execute(select(holdings).order_by("user_id"))).all()
    assert [tuple(row) for row in found] == [("joren", 1, 0), ("mira", 2, 13)]
    await engine.dispose()


def content(user_id: str, answer: str) -> dict[str, object]:
    kinds = {"operation": "story", "content_type": "story", "created_at": datetime.now(UTC)}
    return {"content_id": str(uuid4()), "user_id": user_id, "answer": answer, **kinds}
