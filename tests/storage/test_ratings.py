"""Ratings in the database: the last word, its event, and sums that are exact."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from app.events.types import Event
from app.storage.ratings import Rating
from app.storage.store import Store
from tests.support.stored_records import a_record

AT = datetime(2026, 11, 20, tzinfo=UTC)
MADE = {"operation": "story", "model": "gpt-4-turbo", "prompt_version": "1", "variant": ""}


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = Store.open(database_url)
    yield store
    await store.close()


def a_rating(content_id: str, score: int = 4, **fields: Any) -> Rating:
    given = {"user_id": "mira", **MADE, "upstream_model": None, "comment": "", "rated_at": AT}
    return Rating(content_id=content_id, score=score, **(given | fields))


def rated(user_id: str = "mira") -> Event:
    return Event({"type": "content.rated", "id": str(uuid7()), "user_id": user_id})


async def content(store: Store, user_id: str = "mira") -> str:
    record = a_record(user_id)
    await store.add(record, [])
    return record.content_id


async def waiting(store: Store) -> list[str]:
    later = datetime.now(UTC) + timedelta(seconds=1)
    return [event.id for event in await store.unpublished(older_than=later, limit=1000)]


async def test_the_last_word_counts_and_each_new_one_has_its_event(store: Store) -> None:
    content_id, first, second = await content(store), rated(), rated()
    assert await store.ratings.put(a_rating(content_id, 2, comment="Dull."), first) is True
    assert await store.ratings.put(a_rating(content_id, 5), second) is True
    found = await store.ratings.of("mira", [content_id])
    assert found == {content_id: a_rating(content_id, 5)}
    assert await waiting(store) == [first.id, second.id]


async def test_the_same_word_again_changes_nothing_and_has_no_event(store: Store) -> None:
    content_id, first = await content(store), rated()
    await store.ratings.put(a_rating(content_id, comment="Good."), first)
    again = a_rating(content_id, comment="Good.", rated_at=AT + timedelta(days=1))
    assert await store.ratings.put(again, rated()) is False
    assert (await store.ratings.of("mira", [content_id]))[content_id].rated_at == AT
    assert await waiting(store) == [first.id]


async def test_what_is_not_there_or_anothers_is_not_rated(store: Store) -> None:
    anothers = await content(store, "joren")
    for content_id in (anothers, str(uuid7())):
        assert await store.ratings.put(a_rating(content_id), rated()) is None
        assert await store.ratings.of("joren", [content_id]) == {}
    assert await waiting(store) == []


async def test_a_deleted_content_leaves_its_score_and_no_word(store: Store) -> None:
    content_id = await content(store)
    await store.ratings.put(a_rating(content_id, 1, comment="My secret."), rated())
    await store.delete("mira", content_id)
    assert await store.ratings.of("mira", [content_id]) == {}
    [group] = await store.ratings.report(since=AT, until=AT + timedelta(days=1), most=10)
    assert group.scores == (1, 0, 0, 0, 0)
    rows = await store.database.read(
        lambda c: c.exec_driver_sql("SELECT comment FROM ratings").scalars().all()
    )
    assert rows == [""]


async def test_a_rating_and_a_deletion_at_once_leave_no_word_behind(store: Store) -> None:
    for _ in range(10):
        content_id = await content(store)
        await asyncio.gather(
            store.ratings.put(a_rating(content_id, comment="My secret."), rated()),
            store.delete("mira", content_id),
        )
    rows = await store.database.read(
        lambda c: c.exec_driver_sql("SELECT DISTINCT comment FROM ratings").scalars().all()
    )
    assert rows in ([], [""])


async def test_the_report_counts_each_last_word_once_in_its_group(store: Store) -> None:
    """Against a count by hand, with words that were changed and times outside of it."""
    chance, wanted = Random(7), dict[tuple[Any, ...], Counter[int]]()
    for _ in range(60):
        content_id = await content(store)
        made = {
            "operation": chance.choice(["story", "npc"]),
            "model": chance.choice(["gpt-4-turbo", "storyteller"]),
            "prompt_version": chance.choice(["1", "2"]),
            "variant": chance.choice(["", "luna"]),
        }
        at = AT + timedelta(days=chance.choice([-1, 0, 3, 10]))
        for score in chance.choices(range(1, 6), k=chance.choice([1, 2])):
            await store.ratings.put(a_rating(content_id, score, rated_at=at, **made), rated())
        if timedelta(0) <= at - AT < timedelta(days=10):
            wanted.setdefault(tuple(made.values()), Counter())[score] += 1
    groups = await store.ratings.report(since=AT, until=AT + timedelta(days=10), most=100)
    found = {
        (g.operation, g.model, g.prompt_version, g.variant or ""): (g.scores, g.count, g.mean)
        for g in groups
    }
    assert found == {
        made: (
            tuple(scores[s] for s in range(1, 6)),
            scores.total(),
            sum(s * k for s, k in scores.items()) / scores.total(),
        )
        for made, scores in wanted.items()
    }
    assert [g.count for g in groups] == sorted((g.count for g in groups), reverse=True)
    few = await store.ratings.report(since=AT, until=AT + timedelta(days=10), most=3)
    assert few == groups[:3]
