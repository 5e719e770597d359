"""Results stored per second: commits that are shared, against one for each result.

    .venv/bin/python -m tests.benchmarks.commits [--writers 1,16,64 --seconds 4]

Each writer stores a result of 2 KB with its event, waits until both are committed, and begins
again. Three ways, on a fresh database with the service's own pragmas and pools:

- *shared*: `Store.add`, as the service does.
- *one each*: the same database, and a transaction for each result.
- *session each*: SQLAlchemy's usual form, an `AsyncSession` for each request (on SQLite through
  aiosqlite), with a pool as large as the readers' one of the service.

SQLite always; PostgreSQL, which syncs each commit here, where its programs are installed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
import uvloop
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.storage.migrate import migrate
from app.storage.sqlite import WRITER_PRAGMAS
from app.storage.store import QUERY_TIMEOUT, Store, _database, _entry
from app.storage.write_batch import INSERT_CONTENT, INSERT_EVENT
from tests.benchmarks.bench import model
from tests.support import postgres
from tests.support.stored_records import a_record, an_event, engine_events_heard

WRITERS = 3  # connections, the most that the service's own writer has
POOL, OVERFLOW = 10, 5  # connections, as the service's own readers have
ANSWER = {"content": "The tide took the lamp. " * 85}  # 2 KB

Add = Callable[[Any, list[Any]], Awaitable[None]]


@asynccontextmanager
async def shared(url: str) -> AsyncIterator[Add]:
    store = Store.open(url)
    yield store.add
    await store.close()


@asynccontextmanager
async def one_each(url: str) -> AsyncIterator[Add]:
    # 60 s: 64 that wait for one another are slow, not in trouble.
    database = _database(make_url(url), 12 * QUERY_TIMEOUT)
    turns = asyncio.Semaphore(WRITERS)

    async def add(record: Any, events: list[Any]) -> None:
        async with turns:  # here, since the pool gives up after 2 s
            await database.write(_entry(record, events).write)

    yield add
    await database.close()


@asynccontextmanager
async def session_each(url: str) -> AsyncIterator[Add]:
    engine = create_async_engine(url, pool_size=POOL, max_overflow=OVERFLOW, pool_timeout=60)
    sqlite = engine.dialect.name == "sqlite"

    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        for pragma in (*WRITER_PRAGMAS, "PRAGMA busy_timeout = 60000"):
            connection.execute(pragma).close()

    if sqlite:
        sqlalchemy.event.listen(engine.sync_engine, "connect", prepare)

    async def add(record: Any, events: list[Any]) -> None:
        entry = _entry(record, events)
        async with AsyncSession(engine) as session:
            if sqlite:
                await session.execute(sqlalchemy.text("BEGIN IMMEDIATE"))
            await session.execute(INSERT_CONTENT, entry.content)
            await session.execute(INSERT_EVENT, entry.events)
            await session.commit()

    yield add
    await engine.dispose()


WAYS = {"shared": shared, "one each": one_each, "session each": session_each}


async def write(add: Add, end: float, took: list[float]) -> None:
    while (began := time.perf_counter()) < end:
        await add(a_record(answer=ANSWER), [an_event()])
        took.append(time.perf_counter() - began)


async def measure(way: str, url: str, writers: int, seconds: float) -> tuple[float, ...]:
    """Results a second, p50 and p95 in ms, CPU of this process in ms, and commits, a result."""
    took: list[float] = []
    async with WAYS[way](url) as add:
        await write(add, time.perf_counter() + 0.3, [])  # connected, statements compiled
        began, cpu = time.perf_counter(), time.process_time()
        with engine_events_heard("commit") as commits:
            await asyncio.gather(*(write(add, began + seconds, took) for _ in range(writers)))
        elapsed, used = time.perf_counter() - began, time.process_time() - cpu
    p95 = sorted(took)[int(len(took) * 0.95)]
    count = len(took)
    half = statistics.median(took)
    return count / elapsed, half * 1000, p95 * 1000, used * 1000 / count, len(commits) / count


class Durable(postgres.Postgres):
    """A server that syncs at every commit, as one that is not a test's does."""

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder}"
        log = self.folder / "log"
        self.run("pg_ctl", "-D", self.data, "-l", log, "-o", options, "-w", "start")


@contextmanager
def databases() -> Iterator[dict[str, Callable[[str], str]]]:
    """For each kind what makes a fresh, migrated database of that name and gives its URL."""
    folder = Path(tempfile.mkdtemp(prefix="loregate-commits-"))
    found, server = postgres.programs(), None

    def sqlite(name: str) -> str:
        url = f"sqlite+aiosqlite:///{folder / name}.db"
        migrate(url)
        return url

    kinds = {"SQLite": sqlite}
    if found and not postgres.missing():
        data = folder / "pg"
        data.mkdir()
        folder.chmod(0o755)  # its user must reach its own folder
        server = Durable(found, data)
        server.start()

        def fresh(name: str) -> str:
            url = server.create(name, "template0")
            migrate(url)
            return url

        kinds["PostgreSQL"] = fresh
    try:
        yield kinds
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=4.0)
    given = parser.parse_args()
    writers = [int(n) for n in given.writers.split(",")]
    machine = f"{os.cpu_count()} CPUs, {model()}, Python {platform.python_version()}"
    print(f"{machine}, SQLAlchemy {sqlalchemy.__version__}; {given.seconds:g} s a cell\n")
    cells = " | ".join(f"results/s w{n} | p50 / p95 ms w{n}" for n in writers)
    print(f"| database | commits | {cells} | CPU ms a result | commits a result |")
    print("|" + "---|" * (4 + 2 * len(writers)))
    with databases() as kinds:
        for kind, fresh in kinds.items():
            for way in WAYS:
                url = fresh(way.replace(" ", "_"))
                found = [uvloop.run(measure(way, url, n, given.seconds)) for n in writers]
                shown = " | ".join(f"{f[0]:.0f} | {f[1]:.1f} / {f[2]:.1f}" for f in found)
                last = found[-1]
                print(f"| {kind} | {way} | {shown} | {last[3]:.2f} | {last[4]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
