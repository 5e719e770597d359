"""Quotas: what a user may keep, by tier; over it no model is called, and deleting frees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.config_file import ConfigFile, QuotaTable
from app.policies.quotas import DEFAULT_QUOTAS, Quota, tiers
from app.storage.store import Store
from tests.support import service
from tests.support.graphql_requests import over_each_mutation_transport
from tests.support.replaced import replaced
from tests.support.rest_bodies import GOOD, TEXT, THEME
from tests.support.rest_requests import ask, count_events
from tests.support.service import CHARACTER_INPUT, GENERATE, Service
from tests.support.stored_records import a_record
from tests.support.upstream import Upstream

QUOTAS = ConfigFile(
    tiers={"tiny": 1.0, "thin": 1.0},
    quotas={
        "tiny": QuotaTable(contents=2, bytes=0),
        "thin": QuotaTable(contents=0, bytes=300),
    },
)
TINY = {"tier": "tiny"}


@pytest.fixture
async def small(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Service]:
    """The service with models, and two tiers that may keep little."""
    given = service.settings(tmp_path, redis_url, openai_base_url=provider.url)
    async with service.running(given.model_copy(update={"file": QUOTAS})) as found:
        yield found


async def filled(found: Service, **claims: Any) -> list[str]:
    """The ids of two contents."""
    answers = [await found.post(TEXT, GOOD[TEXT], **(TINY | claims)) for _ in range(2)]
    return [answer.json()["content_id"] for answer in answers]


async def quotas(found: Service, **claims: Any) -> dict[str, tuple[int, int]]:
    """Limit and what is left of each, by the scope."""
    told = await found.data("{ rateLimits { scope limit remaining windowSeconds } }", **claims)
    rows = [x for x in told["rateLimits"] if x["scope"].startswith("quota:")]
    assert all(x["windowSeconds"] == 0 for x in rows)
    return {x["scope"]: (x["limit"], x["remaining"]) for x in rows}


async def test_over_it_no_model_is_called_nor_charged_and_deleting_frees(
    small: Service, provider: Upstream
) -> None:
    ids = await filled(small)
    before = await small.counted("model:gpt-4-turbo"), len(provider.requests)
    answer = await small.post(TEXT, GOOD[TEXT], **TINY)
    assert (answer.status_code, answer.json()["code"]) == (403, "QUOTA_EXCEEDED")
    facts = answer.json()["details"]
    assert {k: facts[k] for k in ("quota", "used", "limit")} == {
        "quota": "contents",
        "used": 2,
        "limit": 2,
    }
    assert "x-ratelimit-remaining" in answer.headers
    assert "retry-after" not in answer.headers
    assert (await small.counted("model:gpt-4-turbo"), len(provider.requests)) == before
    await small.http.delete(f"/api/v2/content/{ids[0]}", headers=small.headers(**TINY))
    assert (await small.post(TEXT, GOOD[TEXT], **TINY)).status_code == 200
    assert (await small.post(TEXT, GOOD[TEXT], **TINY)).status_code == 403


async def test_bytes_are_those_of_the_answers_as_they_are_stored(small: Service) -> None:
    thin = {"tier": "thin", "sub": "ava"}
    answer = await small.post(TEXT, GOOD[TEXT], **thin)
    refused = (await small.post(TEXT, GOOD[TEXT], **thin)).json()
    held = await small.parts.store.holdings.of("ava")
    assert (
        refused["details"] | {"quota": "bytes", "used": held.bytes, "limit": 300}
        == (refused["details"])
    )
    assert held.bytes == len(answer.content) > 300


async def test_what_is_cached_or_was_answered_before_is_given_all_the_same(small: Service) -> None:
    made = [
        await ask(small, THEME, **TINY),
        await ask(small, TEXT, key="once", **TINY),
    ]
    again = [
        await ask(small, THEME, **TINY),
        await ask(small, TEXT, key="once", **TINY),
    ]
    assert [x.json()["content_id"] for x in again] == [x.json()["content_id"] for x in made]
    assert (await ask(small, THEME, cache="no-cache", **TINY)).status_code == 403


async def test_others_are_not_concerned(small: Service) -> None:
    await filled(small)
    for claims in ({"sub": "ava", "tier": "tiny"}, {"tier": "standard"}):
        assert (await small.post(TEXT, GOOD[TEXT], **claims)).status_code == 200


async def test_a_stream_and_a_generation_end_with_it(small: Service) -> None:
    await filled(small)
    headers = {**small.headers(**TINY), "Accept": "text/event-stream"}
    told = (await small.http.post(TEXT, json=GOOD[TEXT], headers=headers)).text
    assert '"code":"QUOTA_EXCEEDED"' in told


@over_each_mutation_transport
async def test_graphql_tells_the_same_facts(ask: Any, loregate: Service) -> None:
    with replaced(loregate.gateway.quotas, by_tier={"standard": Quota(0, None)}):
        body = await ask(loregate, GENERATE, {"input": CHARACTER_INPUT})
    facts = body["errors"][0]["extensions"]
    assert [facts[k] for k in ("code", "quota", "used", "limit")] == [
        "QUOTA_EXCEEDED", "contents", 0, 0,
    ]  # fmt: skip


async def test_headroom_stands_among_the_limits(small: Service) -> None:
    await filled(small)
    assert await quotas(small, **TINY) == {"quota:contents": (2, 0)}
    held = await small.parts.store.holdings.of("alice")
    assert await quotas(small) == {
        "quota:contents": (20_000, 19_998),
        "quota:bytes": (500_000_000, 500_000_000 - held.bytes),
    }
    assert await quotas(small, tier="service") == {}


async def test_more_than_graphqls_int_is_told_as_its_largest(small: Service) -> None:
    large = {"standard": Quota(None, 5_000_000_000)}
    with replaced(small.gateway.quotas, by_tier=large):
        assert await quotas(small) == {"quota:bytes": (2**31 - 1, 2**31 - 1)}


async def test_what_another_process_deleted_is_seen_within_a_second(small: Service) -> None:
    """A refusal is made of what the database says, not of what was known here."""
    ids = await filled(small)
    other = Store.open(small.parts.settings.database)
    await other.delete("alice", ids[0])
    await other.close()
    async with asyncio.timeout(5):
        while (await small.post(TEXT, GOOD[TEXT], **TINY)).status_code != 200:
            await asyncio.sleep(0.1)  # between two looks at what is about to change


async def test_a_user_is_over_it_by_no_more_than_was_under_way(small: Service) -> None:
    answers = await asyncio.gather(*(small.post(TEXT, GOOD[TEXT], **TINY) for _ in range(8)))
    made = sum(a.status_code == 200 for a in answers)
    held = await small.parts.store.holdings.of("alice")
    assert 2 <= held.contents == made <= 8
    assert (await small.post(TEXT, GOOD[TEXT], **TINY)).status_code == 403


async def test_a_refusal_publishes_nothing_and_is_counted(small: Service) -> None:
    await filled(small)
    before = await count_events(small)
    await small.post(TEXT, GOOD[TEXT], **TINY)
    assert await count_events(small) == before == 2
    told = (await small.http.get("/metrics")).text
    assert 'loregate_limit_refusals_total{scope="quota:contents"} 1.0' in told


async def test_what_was_stored_long_ago_counts(small: Service) -> None:
    """Nothing was known of the user here: it is read before a model is called."""
    old = Store.open(small.parts.settings.database)
    for _ in range(2):
        await old.add(a_record("ava", created_at=datetime(2026, 1, 1, tzinfo=UTC)), [])
    await old.close()
    assert (await small.post(TEXT, GOOD[TEXT], sub="ava", **TINY)).status_code == 403


def test_a_tier_changes_what_it_names_and_nought_takes_a_bound_away() -> None:
    given = {
        "free": QuotaTable(contents=5),
        "gold": QuotaTable(bytes=0),
    }
    found = tiers(given)
    assert found["free"] == Quota(5, DEFAULT_QUOTAS["free"].bytes)
    assert found["gold"] == Quota(DEFAULT_QUOTAS["standard"].contents, None)
    assert found["pro"] == DEFAULT_QUOTAS["pro"]
