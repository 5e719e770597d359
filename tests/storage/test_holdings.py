"""What a user keeps is counted in the transaction that changes it, and known without a count."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import orjson
import pytest
from sqlalchemy import select

from app.storage.holdings import Holding, Holdings
from app.storage.store import DuplicateContent, Store
from app.storage.tables import contents
from tests.support.stored_records import a_record, an_event, engine_events_heard

LONG = {"content": "Zoë 🐉 " * 100}  # longer in bytes than in characters


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = Store.open(database_url)
    yield store
    await store.close()


async def counted(store: Store, user_id: str) -> Holding:
    """What the table has of the user, told by counting."""
    query = select(contents.c.answer).where(contents.c.user_id == user_id)
    answers = await store.database.read(lambda c: c.scalars(query).all())
    return Holding(len(answers), sum(len(a.encode()) for a in answers))


async def read(store: Store, user_id: str) -> Holding:
    """What the user's row says, whatever is known here."""
    return await Holdings(store.database).of(user_id)


async def test_what_is_stored_and_deleted_is_counted_in_bytes_of_its_answer(store: Store) -> None:
    assert await store.holdings.of("mira") == Holding()
    first, second = a_record(answer=LONG), a_record()
    await store.add(first, [an_event()])
    size = len(orjson.dumps(LONG))
    assert await store.holdings.of("mira") == await read(store, "mira") == Holding(1, size)
    await asyncio.gather(store.add(second, []), store.add(a_record("joren"), []))
    assert await store.holdings.of("mira") == await counted(store, "mira")
    assert await store.delete("mira", first.content_id)
    assert await store.holdings.of("mira") == await read(store, "mira")
    assert await counted(store, "mira") == await read(store, "mira") == Holding(1, 37)
    for user, record in (("mira", first), ("joren", second)):  # gone, and another's
        assert not await store.delete(user, record.content_id)
    assert await read(store, "mira") == Holding(1, 37)


async def test_many_at_once_are_counted_exactly_by_several_processes(database_url: str) -> None:
    # A slow disk is no error here.
    stores = [Store.open(database_url, timeout=60.0) for _ in range(3)]
    records = [a_record(user) for user in ("mira", "joren") * 60]
    adding = (stores[n % 3].add(record, []) for n, record in enumerate(records))
    deleting = (stores[n % 3].delete(r.user_id, r.content_id) for n, r in enumerate(records[::4]))
    await asyncio.gather(*adding)
    await asyncio.gather(*deleting)
    for user in ("mira", "joren"):
        assert await read(stores[0], user) == await counted(stores[0], user)
    assert (await read(stores[0], "mira")).contents == 30
    await asyncio.gather(*(store.close() for store in stores))


async def test_what_is_refused_is_not_counted_and_its_neighbours_are(store: Store) -> None:
    record = a_record(idempotency_key="once", fingerprint="f")
    await store.add(record, [])
    again = [replace(a_record(), idempotency_key="once"), a_record(), a_record(answer=LONG)]
    found = await asyncio.gather(*(store.add(r, []) for r in again), return_exceptions=True)
    assert [type(x) for x in found] == [DuplicateContent, type(None), type(None)]
    assert await store.holdings.of("mira") == await counted(store, "mira")
    assert (await read(store, "mira")).contents == 3


async def test_a_known_holding_costs_no_read_and_storing_tells_it(store: Store) -> None:
    await store.holdings.of("mira")
    with engine_events_heard("before_cursor_execute") as statements:
        await store.add(a_record(), [])
        assert (await store.holdings.of("mira")).contents == 1
    assert sum("FROM holdings" in s[2] for s in statements) == 0


async def test_what_others_stored_is_known_with_the_next_own_or_when_it_is_too_old(
    database_url: str,
) -> None:
    here, there = Store.open(database_url), Store.open(database_url)
    assert (await here.holdings.of("mira")).contents == 0
    await there.add(a_record(), [])
    assert (await here.holdings.of("mira")).contents == 0
    assert (await here.holdings.of("mira", max_age=0.0)).contents == 1
    await there.add(a_record(), [])
    await here.add(a_record(), [])
    assert (await here.holdings.of("mira")).contents == 3
    await asyncio.gather(here.close(), there.close())


async def test_so_many_users_are_known_at_once(store: Store) -> None:
    known = Holdings(store.database, known=2)
    with engine_events_heard("before_cursor_execute") as statements:
        for user in ("mira", "joren", "mira", "ava", "mira"):
            await known.of(user)
    assert sum("SELECT" in s[2] for s in statements) == 4
