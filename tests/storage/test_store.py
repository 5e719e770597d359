"""The store keeps what it was given, gives it to its owner only, and in order."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from app.errors import DependencyUnavailable, InvalidRequest, SettingsError
from app.events.types import Event
from app.storage.store import DuplicateContent, Record, RecordRefused, Store
from tests.support.stored_records import a_record, an_event, engine_events_heard

ODD = {
    "z": "Zoë 🐉 \u0000 \u2028 \U0001f9d9\u200d\u2642\ufe0f",
    "a": {"9": 1.5, "1": [None, True, -(2**53), 1e-7]},
    "\u0000": "<b>'; DROP TABLE contents; --",
}


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = Store.open(database_url)
    yield store
    await store.close()


async def test_a_record_comes_back_exactly_as_it_was_given(store: Store) -> None:
    record = a_record(answer=ODD, parent_id=str(uuid4()), user_id="käpt'n 🦜")
    await store.add(record, [])
    found = await store.get_many(record.user_id, [record.content_id])
    assert found == {record.content_id: record}
    again = found[record.content_id]
    assert orjson.dumps(again.answer) == orjson.dumps(ODD)  # the keys' order too
    assert again.created_at.utcoffset() == timedelta(0)


async def test_a_time_of_another_zone_is_the_same_instant(store: Store) -> None:
    at = datetime(2026, 11, 5, 4, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    record = a_record(created_at=at)
    await store.add(record, [])
    [found] = await store.page("mira", first=1)
    assert found.created_at == at


async def test_a_record_is_found_by_its_owner_only(store: Store) -> None:
    record = a_record("mira")
    await store.add(record, [])
    assert await store.get_many("joren", [record.content_id]) == {}
    assert await store.page("joren", first=10) == []


async def test_get_many_takes_any_strings(store: Store) -> None:
    record = a_record()
    await store.add(record, [])
    shouted = record.content_id.upper()
    asked = [record.content_id, "no-uuid", "", "\u0000", shouted, record.content_id, str(uuid4())]
    assert await store.get_many("mira", asked) == {record.content_id: record, shouted: record}
    assert await store.get_many("mira", []) == {}


async def test_get_many_asks_once_for_a_hundred_ids(store: Store) -> None:
    records = [a_record() for _ in range(100)]
    for record in records:
        await store.add(record, [])
    ids = [record.content_id for record in records]
    with engine_events_heard("before_cursor_execute") as statements:
        found = await store.get_many("mira", ids + ids)
    assert len(statements) == 1
    assert list(found) == ids


async def test_get_many_finds_more_than_one_statement_asks_for(store: Store) -> None:
    record = a_record()
    await store.add(record, [])
    others = [str(UUID(int=n)) for n in range(1100)]
    with engine_events_heard("before_cursor_execute") as statements:
        assert list(await store.get_many("mira", [*others, record.content_id])) == [
            record.content_id
        ]
    assert len(statements) == 3


async def test_pages_of_any_size_make_up_the_whole(store: Store) -> None:
    chance = random.Random(7)
    records = await _five_hundred(store, chance)
    for types in (None, ["story"], ["story", "theme"], []):
        mine = [r for r in records if r.user_id == "mira"]
        wanted = [r for r in reversed(mine) if types is None or r.content_type in types]
        assert await _paged(store, chance, types) == wanted


async def _five_hundred(store: Store, chance: random.Random) -> list[Record]:
    kinds = ("story", "theme", "character")
    records = [
        a_record(chance.choice(["mira", "mira", "joren"]), content_type=chance.choice(kinds))
        for _ in range(520)
    ]
    for record in chance.sample(records, len(records)):  # stored in another order
        await store.add(record, [])
    return records


async def _paged(store: Store, chance: random.Random, types: list[str] | None) -> list[Record]:
    found: list[Record] = []
    after = None
    while page := await store.page(
        "mira", first=chance.randint(1, 60), after=after, content_types=types
    ):
        found += page
        after = page[-1].content_id
    return found


async def test_a_page_is_bounded_and_its_cursor_is_checked(store: Store) -> None:
    for _ in range(3):
        await store.add(a_record(), [])
    assert len(await store.page("mira", first=2)) == 2
    assert len(await store.page("mira", first=10**12)) == 3
    with pytest.raises(InvalidRequest, match="after"):
        await store.page("mira", first=1, after="'; --")


async def test_events_stay_unpublished_until_they_are_noted_in_stored_order(store: Store) -> None:
    events = [an_event() for _ in range(9)]
    for start in (0, 3, 6):
        await store.add(a_record(), events[start : start + 3])
    assert await _waiting(store) == events
    assert await _waiting(store, limit=4) == events[:4]
    store.published([events[1].id, events[5].id, events[5].id, "unknown"])
    await store.add(a_record(), [])  # the note rides with the next commit
    assert await _waiting(store) == [e for n, e in enumerate(events) if n not in (1, 5)]


async def _waiting(store: Store, limit: int = 100) -> list[Event]:
    return await store.unpublished(older_than=datetime.now(UTC), limit=limit)


async def test_young_events_are_left_to_those_who_publish_them_now(store: Store) -> None:
    before = datetime.now(UTC)
    await store.add(a_record(), [an_event()])
    assert await store.unpublished(older_than=before, limit=10) == []


async def test_a_duplicate_is_refused_and_nothing_of_it_is_kept(store: Store) -> None:
    event = an_event()
    first = a_record()
    await store.add(first, [event])
    with pytest.raises(DuplicateContent):
        await store.add(a_record(content_id=first.content_id, answer={}), [an_event()])
    with pytest.raises(DuplicateContent):
        await store.add(a_record(), [event])
    assert await store.page("mira", first=10) == [first]
    assert await _waiting(store) == [event]


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": "\ud800"},
        {"content_id": "one"},
        {"parent_id": "two"},
        {"answer": {"content": "\ud800"}},
        {"answer": {"number": 2**70}},
        {"created_at": datetime(2026, 11, 5)},  # noqa: DTZ001 - naive is what is tested
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_what_cannot_be_stored_is_refused(store: Store, fields: dict[str, Any]) -> None:
    with pytest.raises(RecordRefused) as caught:
        await store.add(a_record(**fields), [])
    assert not isinstance(caught.value, DuplicateContent)
    assert await store.page("mira", first=10) == []


async def test_a_closed_store_is_unavailable(store: Store) -> None:
    await store.close()
    with pytest.raises(DependencyUnavailable):
        await store.add(a_record(), [])
    with pytest.raises(DependencyUnavailable):
        await store.ping()
    await store.close()


async def test_it_opens_without_its_database(tmp_path: Any) -> None:
    store = Store.open(f"sqlite+aiosqlite:///{tmp_path}/absent/loregate.db")
    for call in (store.ping(), store.check(), store.page("mira", first=1)):
        with pytest.raises(DependencyUnavailable, match="database"):
            await call
    with pytest.raises(DependencyUnavailable):
        await store.add(a_record(), [an_event()])
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "loregate.db",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:///:memory:",
        "mysql://ann:s3cret@db/loregate",
        "postgresql://ann:s3cret@db/loregate",
        "postgresql+asyncpg://ann:s3cret@db:port/loregate",
    ],
)
async def test_a_wrong_url_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as caught:
        Store.open(url)
    assert "s3cret" not in str(caught.value)


# -- idempotency keys, children, deleting, pruning


async def test_a_key_gives_its_first_answer_and_takes_no_second(store: Store) -> None:
    first = a_record(idempotency_key="k", fingerprint="f")
    await store.add(first, [an_event()])
    with pytest.raises(DuplicateContent):
        await store.add(a_record(idempotency_key="k", fingerprint="f"), [an_event()])
    found = await store.first_answer("mira", "k")
    assert found is not None
    assert (found[0], found[1].content_id) == ("f", first.content_id)
    assert await store.first_answer("joren", "k") is None
    await store.add(a_record("joren", idempotency_key="k"), [])  # a key is its user's own


async def test_a_taken_key_does_not_roll_back_its_neighbours(store: Store) -> None:
    await store.add(a_record(idempotency_key="k"), [])
    good = [a_record() for _ in range(20)]
    bad = a_record(idempotency_key="k")
    records = [*good[:10], bad, *good[10:]]
    outcome = await asyncio.gather(*(store.add(r, []) for r in records), return_exceptions=True)
    assert [type(o) for o in outcome].count(DuplicateContent) == 1
    stored = await store.get_many("mira", [r.content_id for r in records])
    assert set(stored) == {r.content_id for r in good}


async def test_children_are_their_parents_and_their_owners(store: Store) -> None:
    parent, other = a_record(), a_record()
    children = [a_record(parent_id=parent.content_id) for _ in range(3)]
    strangers = a_record("joren", parent_id=parent.content_id)
    for record in (parent, other, *children, strangers):
        await store.add(record, [])
    found = await store.children("mira", [parent.content_id, other.content_id, "no id"])
    assert [r.content_id for r in found[parent.content_id]] == [r.content_id for r in children]
    assert found[other.content_id] == []


async def test_one_parents_crowd_does_not_starve_anothers_child(store: Store) -> None:
    crowded, other = a_record(), a_record()
    crowd = [a_record(parent_id=crowded.content_id) for _ in range(130)]
    child = a_record(parent_id=other.content_id)
    await asyncio.gather(*(store.add(r, []) for r in (crowded, other, *crowd)))
    await store.add(child, [])
    found = await store.children("mira", [crowded.content_id, other.content_id])
    assert [r.content_id for r in found[other.content_id]] == [child.content_id]
    assert len(found[crowded.content_id]) == 100


async def test_what_is_deleted_is_gone_with_its_key_and_only_for_its_owner(store: Store) -> None:
    record = a_record(idempotency_key="k")
    await store.add(record, [])
    assert not await store.delete("joren", record.content_id)
    assert not await store.delete("mira", "no id")
    assert await store.delete("mira", record.content_id)
    assert not await store.delete("mira", record.content_id)
    assert await store.get_many("mira", [record.content_id]) == {}
    assert await store.first_answer("mira", "k") is None
    await store.add(a_record(idempotency_key="k"), [])


async def test_pruning_forgets_published_events_only(store: Store) -> None:
    kept, gone = an_event(), an_event()
    await store.add(a_record(), [kept, gone])
    store.published([gone.id])
    await store.add(a_record(), [])  # the mark goes with the next commit
    later = datetime.now(UTC) + timedelta(seconds=1)
    await store.prune(published_before=later)
    assert await store.unpublished(older_than=later, limit=10) == [kept]
    with pytest.raises(DuplicateContent):
        await store.add(a_record(), [kept])
    await store.add(a_record(), [gone])  # its id is free again: it is forgotten
