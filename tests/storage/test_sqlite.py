"""A file that several processes share."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from sqlalchemy import make_url

from app.storage.store import Store
from tests.support.stored_records import a_record

FILES = 15
PROCESSES = 4


async def test_whoever_first_writes_to_a_new_file_together_is_served(sqlite_database: str) -> None:
    """The first writer has the file keep a write-ahead log, a change that is refused when two try
    it: SQLite waits for no lock there."""
    url = make_url(sqlite_database)
    new = Path(url.database or "")
    assert not new.with_name(f"{new.name}-wal").exists()
    for n in range(FILES):
        copy = shutil.copy(new, new.with_name(f"{n}.db"))
        address = url.set(database=str(copy)).render_as_string()
        stores = [Store.open(address) for _ in range(PROCESSES)]
        try:
            await asyncio.gather(*(store.add(a_record("mira"), []) for store in stores))
            assert len(await stores[0].page("mira", first=10)) == PROCESSES
        finally:
            for store in stores:
                await store.close()
