"""Commits are shared, what was acknowledged is stored, and a fault ends within its bound."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.engine import make_url

from app.errors import DependencyUnavailable
from app.storage.group_commit import MAX_QUEUED, MAX_ROWS
from app.storage.store import DuplicateContent, Record, Store
from tests.support.cuttable_connection import CuttableConnection
from tests.support.postgres import Postgres
from tests.support.stored_records import a_record, an_event, engine_events_heard

BOUND = 0.5  # s, of the stores whose database is taken away
GUARD = 20.0  # s; a call that outlives it hangs

ADDER = """
import asyncio, sys
from tests.support.stored_records import a_record, an_event
from app.storage.store import Store

async def add(store, count):
    for _ in range(count):
        record = a_record()
        await store.add(record, [an_event()])
        print(record.content_id, flush=True)

async def main(url, count):
    store = Store.open(url)
    await asyncio.gather(*(add(store, count) for _ in range(4)))
    await store.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


Opener = Callable[..., Awaitable[Store]]


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """Opens stores, and closes them however the test ends."""
    stores: list[Store] = []

    async def open_store(url: str, timeout: float = GUARD) -> Store:
        stores.append(Store.open(url, timeout=timeout))
        return stores[-1]

    yield open_store
    for store in stores:
        await store.close()


@pytest.fixture
async def store(database_url: str, opened: Opener) -> Store:
    return await opened(database_url)


async def stored(store: Store) -> set[str]:
    return {record.content_id for record in await store.page("mira", first=1000)}


async def unavailable(store: Store, record: Record) -> None:
    async with asyncio.timeout(GUARD):
        with pytest.raises(DependencyUnavailable, match="database"):
            await store.add(record, [an_event()])


async def test_a_hundred_at_once_share_few_transactions(store: Store) -> None:
    records = [a_record() for _ in range(100)]
    events = [an_event() for _ in range(100)]
    with (
        engine_events_heard("commit") as commits,
        engine_events_heard("before_cursor_execute") as statements,
    ):
        await asyncio.gather(*(store.add(r, [e]) for r, e in zip(records, events, strict=True)))
    assert len(commits) == 1
    # Contents, events, what their user holds; SQLite's driver hears them without SQLAlchemy.
    sqlite = store.database.__class__.__name__ == "SQLite"
    assert sum("INSERT" in s[2] for s in statements) == (0 if sqlite else 3)
    assert await stored(store) == {record.content_id for record in records}
    assert await store.unpublished(older_than=datetime.now(UTC), limit=500) == events


async def test_a_transaction_has_a_greatest_size(store: Store) -> None:
    with engine_events_heard("commit") as commits:
        await asyncio.gather(*(store.add(a_record(), []) for _ in range(2 * MAX_ROWS + 1)))
    assert len(commits) == 3


async def test_one_bad_record_among_fifty_fails_alone(store: Store) -> None:
    taken = a_record()
    await store.add(taken, [])
    records = [a_record() for _ in range(50)]
    records[17] = a_record(content_id=taken.content_id, answer={"content": "another"})
    records[30] = a_record("\ud800")
    events = [an_event() for _ in records]
    with engine_events_heard("commit") as commits:
        done = await asyncio.gather(
            *(store.add(r, [e]) for r, e in zip(records, events, strict=True)),
            return_exceptions=True,
        )
    assert [type(d).__name__ for d in done if d is not None] == [
        "DuplicateContent",
        "RecordRefused",
    ]
    assert len(commits) == 1
    good = [n for n in range(50) if done[n] is None]
    assert await stored(store) == {taken.content_id} | {records[n].content_id for n in good}
    unpublished = await store.unpublished(older_than=datetime.now(UTC), limit=500)
    assert unpublished == [events[n] for n in good]


async def test_a_caller_who_leaves_takes_nothing_back(store: Store) -> None:
    records = [a_record() for _ in range(3)]
    adding = [asyncio.create_task(store.add(record, [])) for record in records]
    await asyncio.sleep(0)  # each has queued its record
    adding[1].cancel()
    done = await asyncio.gather(*adding, return_exceptions=True)
    assert [type(d) for d in done] == [type(None), asyncio.CancelledError, type(None)]
    await store.add(a_record(), [])
    assert {record.content_id for record in records} < await stored(store)


async def test_what_is_queued_is_written_before_the_store_closes(
    database_url: str, opened: Opener
) -> None:
    store = await opened(database_url)
    event = an_event()
    await store.add(a_record(), [event, an_event()])
    adding = [asyncio.create_task(store.add(a_record(), [])) for _ in range(2 * MAX_ROWS + 30)]
    await asyncio.sleep(0)
    store.published([event.id])
    await store.close()
    assert await asyncio.gather(*adding) == [None] * len(adding)
    again = await opened(database_url)
    assert len(await stored(again)) == 2 * MAX_ROWS + 31
    waiting = await again.unpublished(older_than=datetime.now(UTC), limit=10)
    assert len(waiting) == 1
    assert event not in waiting


async def test_a_note_is_written_though_nothing_else_is(store: Store) -> None:
    event = an_event()
    await store.add(a_record(), [event])
    loop, noted = asyncio.get_running_loop(), asyncio.Event()

    def hear(connection: object) -> None:
        loop.call_soon_threadsafe(noted.set)

    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", hear)
    try:
        store.published([event.id])
        async with asyncio.timeout(GUARD):
            await noted.wait()
            while await store.unpublished(older_than=datetime.now(UTC), limit=1):
                pass  # COMMIT is announced just before it is done
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "commit", hear)


async def adder(url: str, count: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        ADDER,
        url,
        str(count),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


async def test_a_killed_process_loses_nothing_it_acknowledged(
    store: Store, database_url: str
) -> None:
    process = await adder(database_url, 100_000)
    assert process.stdout is not None
    acknowledged = {(await process.stdout.readline()).decode().strip() for _ in range(60)}
    process.kill()
    rest, _ = await process.communicate()
    acknowledged |= {line.decode() for line in rest.splitlines(keepends=False) if len(line) == 36}
    found = await store.get_many("mira", sorted(acknowledged))
    assert found.keys() == acknowledged
    events = await store.unpublished(older_than=datetime.now(UTC), limit=100_000)
    assert len(events) >= len(acknowledged)


async def test_processes_share_one_database(store: Store, database_url: str) -> None:
    processes = [await adder(database_url, 25) for _ in range(2)]
    own = [a_record() for _ in range(100)]
    for record in own:
        await store.add(record, [])
    told = [await process.communicate() for process in processes]
    ids = {line.decode() for out, _ in told for line in out.splitlines()}
    assert len(ids) == 200
    assert await stored(store) == ids | {record.content_id for record in own}


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else holds the SQLite file's write lock."""
    with contextlib.closing(
        sqlite3.connect(make_url(url).database or "", isolation_level=None)
    ) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


async def test_a_locked_file_is_unavailable_and_heals(sqlite_database: str, opened: Opener) -> None:
    store = await opened(sqlite_database, timeout=BOUND)
    event = an_event()
    await store.add(a_record(), [event])
    with locked(sqlite_database):
        store.published([event.id])
        refused = [a_record() for _ in range(2 * MAX_ROWS + 50)]
        await asyncio.gather(*(unavailable(store, record) for record in refused))
        await store.ping()
        assert len(await stored(store)) == 1  # readers do not wait for writers
    record = a_record()
    await store.add(record, [])
    assert record.content_id in await stored(store)
    # Those whose turn had not come when their time was over are not written behind their back.
    assert not await stored(store) & {record.content_id for record in refused[2 * MAX_ROWS :]}
    waiting = await store.unpublished(older_than=datetime.now(UTC), limit=9)
    assert event not in waiting  # its note was not lost either


async def test_a_transaction_given_up_is_not_committed_later(
    sqlite_database: str, opened: Opener
) -> None:
    store = await opened(sqlite_database, timeout=BOUND)
    stuck = threading.Event()

    def hold(*arguments: object) -> None:
        stuck.wait(GUARD)  # a disk that does not answer: the writer's thread cannot be stopped

    given_up, record = a_record(), a_record()
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", hold)
    try:
        await unavailable(store, given_up)
        await unavailable(store, a_record())  # its turn came, so the first was given up for good
        stuck.set()
        await store.add(record, [])
        found = await stored(store)
    finally:
        stuck.set()
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", hold)
    assert record.content_id in found
    assert given_up.content_id not in found


async def test_the_queue_is_bounded(sqlite_database: str, opened: Opener) -> None:
    store = await opened(sqlite_database, timeout=GUARD)
    with locked(sqlite_database):
        # The first batch waits for the lock; the queue fills behind it.
        first = [asyncio.create_task(store.add(a_record(), [])) for _ in range(MAX_ROWS)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        queued = [asyncio.create_task(store.add(a_record(), [])) for _ in range(MAX_QUEUED)]
        await asyncio.sleep(0)
        with pytest.raises(DependencyUnavailable):
            await store.add(a_record(), [])
        assert not any(task.done() for task in first + queued)
    assert set(await asyncio.gather(*first, *queued)) == {None}


@pytest.mark.servers
async def test_a_stopped_server_is_unavailable_and_heals(
    postgres_server: Postgres, postgres_database: str, opened: Opener
) -> None:
    store = await opened(postgres_database, timeout=BOUND * 4)
    before = a_record()
    await store.add(before, [])
    assert await stored(store) == {before.content_id}
    with postgres_server.stopped():
        await unavailable(store, a_record())
        with pytest.raises(DependencyUnavailable):
            await store.check()
    assert await stored(store) == {before.content_id}
    after = a_record()
    await store.add(after, [])
    assert await stored(store) == {before.content_id, after.content_id}


@pytest.mark.servers
async def test_a_restart_between_two_calls_goes_unnoticed(
    postgres_server: Postgres, postgres_database: str, opened: Opener
) -> None:
    store = await opened(postgres_database)
    before, after = a_record(), a_record()
    await store.add(before, [])
    await store.ping()
    with postgres_server.stopped():
        pass
    await store.add(after, [])
    assert await stored(store) == {before.content_id, after.content_id}


@pytest.mark.servers
async def test_a_silent_server_is_unavailable_and_heals(
    postgres_server: Postgres, postgres_database: str, opened: Opener
) -> None:
    store = await opened(postgres_database, timeout=BOUND)
    before = a_record()
    await store.add(before, [])
    await store.ping()
    with postgres_server.paused():
        await asyncio.gather(*(unavailable(store, a_record()) for _ in range(5)))
        await unavailable(store, a_record())
        async with asyncio.timeout(GUARD):
            for call in (store.ping(), store.page("mira", first=1)):
                with pytest.raises(DependencyUnavailable):
                    await call
    after = a_record()
    async with asyncio.timeout(GUARD):
        while True:  # the first tries may still meet the connections that were silent
            with contextlib.suppress(DependencyUnavailable, DuplicateContent):
                await store.add(after, [])
            if after.content_id in await stored(store):
                break
    assert before.content_id in await stored(store)


@pytest.fixture
async def cuttable(postgres_server: Postgres) -> AsyncIterator[tuple[CuttableConnection, int]]:
    wire = CuttableConnection(postgres_server.socket)
    server = await asyncio.start_server(wire.join, "127.0.0.1", 0)
    yield wire, server.sockets[0].getsockname()[1]
    server.close()


@pytest.mark.servers
@pytest.mark.parametrize(
    ("cut_at", "after", "is_stored"),
    [(b"BEGIN", False, True), (b"COMMIT", True, True), (b"COMMIT", False, False)],
    ids=["before COMMIT: tried again", "COMMIT done: found", "COMMIT lost: not claimed"],
)
async def test_a_cut_wire_never_makes_a_wrong_claim(
    cuttable: tuple[CuttableConnection, int],
    postgres_database: str,
    opened: Opener,
    cut_at: bytes,
    after: bool,
    is_stored: bool,
) -> None:
    line, port = cuttable
    url = make_url(postgres_database).set(host="127.0.0.1", port=port, query={"ssl": "disable"})
    store = await opened(url.render_as_string(), timeout=BOUND * 4)
    await store.add(a_record("joren"), [])
    line.cut_at, line.after = cut_at, after
    record = a_record()
    if is_stored:
        await store.add(record, [an_event()])
    else:
        await unavailable(store, record)
    assert line.cuts == 1
    assert await stored(store) == ({record.content_id} if is_stored else set())
