"""What was spent is written once, whatever becomes of the answer and of the database."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from app.errors import DependencyUnavailable
from app.storage import group_commit
from app.storage.ledger import RecentSpending, Scope, SpentTotal
from app.storage.store import DuplicateContent, RecordRefused, Store
from tests.support.postgres import Postgres
from tests.support.stored_records import a_record, an_event, engine_events_heard
from tests.support.usage_rows import a_usage_row, usage_rows

GUARD = 20.0  # s; what takes longer hangs
BOUND = 0.5  # s, of stores whose database is taken away


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    found = Store.open(database_url)
    yield found
    await found.close()


async def test_usage_is_committed_with_its_answer_in_one_transaction(store: Store) -> None:
    row = a_usage_row(answers=1)
    with engine_events_heard("commit") as commits:
        await store.add(a_record(), [an_event()], [row])
    assert len(commits) == 1
    assert await usage_rows(store) == [row]


async def test_usage_without_an_answer_shares_the_transaction_of_others(store: Store) -> None:
    rows = [a_usage_row() for _ in range(30)]
    with engine_events_heard("commit") as commits:
        adding = asyncio.create_task(store.add(a_record(), []))
        await asyncio.sleep(0)  # it is queued, and its transaction not begun
        await asyncio.gather(adding, *(store.ledger.spent([row]) for row in rows))
    assert len(commits) == 1
    assert await usage_rows(store) == rows


async def test_no_usage_makes_no_transaction(store: Store) -> None:
    with engine_events_heard("commit") as commits:
        await store.ledger.spent([])
    assert commits == []


async def test_a_row_that_is_written_twice_counts_once(store: Store) -> None:
    row = a_usage_row()
    for _ in range(2):
        await store.ledger.spent([row])
    assert await usage_rows(store) == [row]


@pytest.mark.parametrize("refused_first", [True, False])
async def test_the_row_that_knows_of_the_answer_wins(store: Store, refused_first: bool) -> None:
    """A transaction whose end was not heard may come through before or after the next try."""
    content = a_record()
    row = a_usage_row(answers=1)
    without = a_usage_row(id=row.id, at=row.at, content_id=row.content_id)
    if refused_first:
        await store.ledger.spent([without])
    await store.add(content, [], [row])
    await store.ledger.spent([without])
    assert await usage_rows(store) == [row]


async def test_a_refused_answer_leaves_its_usage_behind(store: Store) -> None:
    record = a_record()
    await store.add(record, [])
    rows = [a_usage_row(answers=1), a_usage_row(model="gpt-3.5-turbo")]
    with pytest.raises(DuplicateContent):
        await store.add(record, [], rows)
    with pytest.raises(RecordRefused):
        await store.add(a_record("\ud800"), [], [a_usage_row(answers=1)])
    await store.ledger.spent([a_usage_row()])
    found = await usage_rows(store)
    assert {row.id for row in rows} < {row.id for row in found}
    assert [row.answers for row in found] == [0] * 4


async def test_a_row_that_only_tells_of_an_answer_goes_with_it(store: Store) -> None:
    """An answer that a retry stores was paid for by the first try."""
    record = a_record()
    await store.add(record, [])
    with pytest.raises(DuplicateContent):
        await store.add(record, [], [a_usage_row(answers=1, calls=0, prompt_tokens=0)])
    await store.ledger.spent([last := a_usage_row()])
    assert await usage_rows(store) == [last]


async def test_a_row_that_no_database_takes_is_logged_and_its_neighbours_are_written(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = a_usage_row(), a_usage_row(model="\ud800")
    with caplog.at_level(logging.ERROR, logger=group_commit.__name__):
        await asyncio.gather(
            store.add(record := a_record(), []),
            store.ledger.spent([bad]),
            store.ledger.spent([good]),
        )
    assert await usage_rows(store) == [good]
    assert await store.get_many("mira", [record.content_id])
    assert store.ledger.lost == 1
    lines = [r.__dict__ for r in caplog.records if r.message == "usage is not written"]
    assert [line["content_id"] for line in lines] == [bad.content_id]
    assert lines[0]["nano_usd"] == bad.nano_usd


async def test_what_could_not_be_written_is_written_when_the_database_is_back(
    sqlite_database: str,
) -> None:
    """Another process's lock stands for a database that is away."""
    store = Store.open(sqlite_database, timeout=BOUND)
    path = sqlite_database.partition("///")[2]
    row, alone = a_usage_row(answers=1), a_usage_row()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DependencyUnavailable):
            await store.add(a_record(), [], [row])
        await store.ledger.spent([alone])
        assert store.ledger.waiting == 2
        other.execute("ROLLBACK")
    await _written(store, 2)
    found = {r.id: r for r in await usage_rows(store)}
    assert found.keys() == {row.id, alone.id}
    assert found[row.id].answers == 0
    await store.close()


@pytest.mark.servers
async def test_a_server_that_restarts_loses_and_doubles_nothing(
    postgres_database: str, postgres_server: Postgres
) -> None:
    store = Store.open(postgres_database, timeout=BOUND)
    rows = [a_usage_row() for _ in range(40)]
    for row in rows[:10]:
        await store.ledger.spent([row])
    with postgres_server.stopped():
        for row in rows[10:]:
            await store.ledger.spent([row])
    await _written(store, 40)
    assert await usage_rows(store) == rows
    await store.close()


async def test_who_spends_more_than_is_kept_is_in_the_log(
    sqlite_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_UNWRITTEN", 3)
    store = Store.open(sqlite_database)
    rows = [a_usage_row() for _ in range(5)]
    await asyncio.gather(*(store.ledger.spent([row]) for row in rows))
    assert await usage_rows(store) == rows[:3]
    assert store.ledger.lost == 2
    await store.close()


async def test_what_waits_is_written_before_the_store_closes(database_url: str) -> None:
    store = Store.open(database_url)
    rows = [a_usage_row() for _ in range(3 * group_commit.MAX_SPENT)]
    for row in rows:
        store.ledger.spent([row])
    await store.close()
    again = Store.open(database_url)
    assert await usage_rows(again) == rows
    await again.close()


async def test_a_store_that_closes_without_its_database_says_what_it_loses(
    sqlite_database: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store.open(sqlite_database, timeout=BOUND)
    await store.ping()
    path = sqlite_database.partition("///")[2]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        done = store.ledger.spent([a_usage_row()])
        async with asyncio.timeout(GUARD):
            await store.close()
    assert done.done()
    assert store.ledger.lost == 1
    assert "usage is not written" in caplog.text
    store.ledger.spent([a_usage_row()])
    assert store.ledger.lost == 2


async def test_totals_are_exact_and_of_whom_they_were_asked(store: Store) -> None:
    now = datetime.now(UTC)
    large = 3_000_000_000  # more than 32 bits
    rows = [
        a_usage_row(at=now - timedelta(hours=2), prompt_tokens=large, nano_usd=7),
        a_usage_row("oren", tier="gold", nano_usd=1),
        a_usage_row(model="local", calls=3, nano_usd=None),
    ]
    await store.ledger.spent(rows)
    day = now - timedelta(days=1)
    total = store.ledger.total
    assert await total(day) == SpentTotal(large + 260, 8, unpriced=3)
    assert await total(now) == SpentTotal(240, 1, unpriced=3)
    assert await total(day, until=now) == SpentTotal(large + 20, 7)
    assert await total(day, of=Scope(user_id="oren")) == SpentTotal(120, 1)
    assert await total(day, of=Scope(tier="standard", model="local")) == SpentTotal(120, 0, 3)
    assert await total(day, of=Scope(user_id="nobody")) == SpentTotal()


async def test_recent_rows_name_their_contents(store: Store) -> None:
    now = datetime.now(UTC)
    old, new = a_usage_row(at=now - timedelta(seconds=90)), a_usage_row(nano_usd=None)
    await store.ledger.spent([old, new, a_usage_row("oren")])
    found = await store.ledger.recent(now - timedelta(seconds=60), of=Scope(user_id="mira"))
    assert found == [RecentSpending(new.content_id, new.at, 120, None)]


async def _written(store: Store, count: int) -> None:
    """Returns when the table has so many rows; asks again, for the retry tells nobody."""
    async with asyncio.timeout(GUARD):
        while True:
            try:
                if len(await usage_rows(store)) >= count:
                    return
            except DependencyUnavailable:
                pass
            await asyncio.sleep(0.05)
