"""However a request ends, what it spent is written once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.embedded.valkey import start_valkey
from app.llm import tokens
from app.pipeline.usage import began
from app.storage.usage import UsageRow
from tests.support import service
from tests.support.full_database import full
from tests.support.rest_bodies import GOOD, STORY, TEXT, THEME, context
from tests.support.rest_requests import ask, says_unavailable
from tests.support.service import Service
from tests.support.stored_records import engine_events_heard
from tests.support.upstream import USAGE, Behaviour, Upstream, prose, refusal
from tests.support.usage_rows import usage_rows
from tests.support.waiting import until

FIRST, SECOND = "gpt-4-turbo", "gpt-3.5-turbo"
LONG = prose(60)
DOWN = refusal(503, "overloaded")


@pytest.fixture
async def metered(
    tmp_path: Path, redis_url: str, service_database: str | None, provider: Upstream
) -> AsyncIterator[Service]:
    """Two models, and nobody behind them."""
    given = service.settings(
        tmp_path,
        redis_url,
        database_url=service_database,
        openai_base_url=provider.url,
        fallback=(FIRST, SECOND),
        first_token_timeout=0.5,
        stall_timeout=0.5,
    )
    async with service.running(given) as found:
        yield found


async def rows(found: Service) -> list[UsageRow]:
    return await usage_rows(found.parts.store)


def told(row: UsageRow) -> tuple[str, int, int, int]:
    """Of which model, how many answers, calls and tokens."""
    return row.model, row.answers, row.calls, row.prompt_tokens + row.completion_tokens


async def test_an_answer_is_written_with_what_it_cost(metered: Service) -> None:
    answer = (await ask(metered, TEXT, tier="gold")).json()
    [row] = await rows(metered)
    assert told(row) == (FIRST, 1, 1, USAGE["total_tokens"])
    assert row.nano_usd == round(answer["metadata"]["cost"] * 1e9) > 0
    assert (row.content_id, row.user_id) == (answer["content_id"], "alice")
    assert (row.operation, row.tier) == ("character", "standard")
    assert row.prompt_version == answer["metadata"]["prompt_version"]
    assert row.at == began(answer["content_id"])
    assert row.estimated_tokens == 0


async def test_an_answer_makes_no_transaction_more_for_it(metered: Service) -> None:
    with engine_events_heard("commit") as commits:
        await ask(metered, TEXT)
    assert len(commits) == 1
    assert len(await rows(metered)) == 1


async def test_what_calls_no_model_writes_nothing(metered: Service, provider: Upstream) -> None:
    provider.then(Behaviour(delay=0.3))
    first = asyncio.create_task(ask(metered, THEME, key="k"))
    await until(lambda: bool(provider.requests))
    coalesced = await ask(metered, THEME)
    await first
    hit, replayed = await ask(metered, THEME), await ask(metered, THEME, key="k")
    assert (await ask(metered, THEME, {"content": ""})).status_code == 400
    assert coalesced.headers["x-cache"] == "COALESCED"
    assert (hit.headers["x-cache"], replayed.status_code) == ("HIT", 200)
    assert len(await rows(metered)) == 1


async def test_a_retry_is_one_more_call_of_the_same_row(
    metered: Service, provider: Upstream
) -> None:
    provider.then(DOWN)
    await ask(metered, TEXT)
    [row] = await rows(metered)
    assert told(row) == (FIRST, 1, 2, USAGE["total_tokens"])


async def test_a_repair_is_paid_twice(metered: Service, provider: Upstream) -> None:
    provider.then(Behaviour(text="{}"))
    await ask(metered, STORY)
    [row] = await rows(metered)
    assert told(row) == (FIRST, 1, 2, 2 * USAGE["total_tokens"])


async def test_each_model_of_a_chain_has_its_own_row(metered: Service, provider: Upstream) -> None:
    provider.then(Behaviour(text=" ", finish_reason="length"))
    await ask(metered, TEXT)
    paid = USAGE["total_tokens"]
    assert [told(r) for r in await rows(metered)] == [(FIRST, 0, 1, paid), (SECOND, 1, 1, paid)]


async def test_what_fails_on_all_links_is_written(metered: Service, provider: Upstream) -> None:
    provider.always = Behaviour(text=" ", finish_reason="length")
    with engine_events_heard("commit") as commits:
        assert (await ask(metered, TEXT)).status_code == 502
    assert len(commits) == 1
    paid = USAGE["total_tokens"]
    assert [told(r) for r in await rows(metered)] == [(FIRST, 0, 1, paid), (SECOND, 0, 1, paid)]


async def test_a_call_that_costs_nothing_is_counted_all_the_same(
    metered: Service, provider: Upstream
) -> None:
    provider.always = refusal(401, "invalid_api_key")
    assert (await ask(metered, TEXT)).status_code == 503
    found = await rows(metered)
    assert [told(row) for row in found] == [(FIRST, 0, 1, 0), (SECOND, 0, 1, 0)]
    assert [row.nano_usd for row in found] == [0, 0]


async def test_rejected_content_is_written(metered: Service, provider: Upstream) -> None:
    provider.then(refusal(400, "content_filter"))
    assert (await ask(metered, TEXT)).status_code == 400
    [row] = await rows(metered)
    assert told(row)[:3] == (FIRST, 0, 1)
    assert row.estimated_tokens == row.prompt_tokens > 0


async def test_who_leaves_has_spent_what_came(metered: Service, provider: Upstream) -> None:
    provider.then(Behaviour(text=LONG, pace=0.02))
    headers = {**metered.headers(), "X-On-Disconnect": "cancel"}
    asking = asyncio.create_task(metered.http.post(TEXT, json=GOOD[TEXT], headers=headers))
    await until(lambda: bool(provider.requests))
    await asyncio.sleep(0.3)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: bool(provider.aborted) and not metered.gateway.generations.running)
    await until(lambda: not metered.parts.store.ledger.waiting)
    await ask(metered, THEME)  # its commit is behind the one that was not waited for
    row = (await rows(metered))[0]
    assert told(row)[:3] == (FIRST, 0, 1)
    assert 0 < row.completion_tokens < tokens.count(LONG)
    assert row.estimated_tokens == row.prompt_tokens + row.completion_tokens


async def test_a_job_that_is_cancelled_is_written(metered: Service, provider: Upstream) -> None:
    provider.then(Behaviour(text=LONG, pace=0.05))
    start = """mutation { startGeneration(input: {characterContent: {
      type: BACKSTORY, characterContext: {characterClass: "bard"}}}) { generation { id } } }"""
    found = (await metered.data(start))["startGeneration"]["generation"]["id"]
    await until(lambda: bool(provider.requests))
    await metered.data(f'mutation {{ cancelGeneration(id: "{found}") {{ requestId }} }}')
    await until(lambda: not metered.gateway.generations.running)
    await ask(metered, THEME)
    row = (await rows(metered))[0]
    assert (row.content_id, row.answers, row.calls) == (found, 0, 1)


async def test_the_storyteller_costs_nothing(loregate: Service) -> None:
    await ask(loregate, TEXT)
    [row] = await rows(loregate)
    assert told(row)[:3] == ("storyteller", 1, 1)
    assert row.completion_tokens > 0
    assert row.nano_usd == 0


async def test_what_lost_to_another_run_of_its_key_was_paid(
    tmp_path: Path, provider: Upstream
) -> None:
    """Without Redis two processes run it at once, and the database's unique key decides."""
    server = start_valkey(tmp_path / "own", persist=False)
    given = service.settings(tmp_path, server.url, openai_base_url=provider.url)
    async with service.running(given) as one, service.running(given) as two:
        server.stop()
        provider.always = Behaviour(delay=0.3)
        first, second = await asyncio.gather(*(ask(x, TEXT, key="k") for x in (one, two)))
        assert first.content == second.content
        found = await rows(one)
    assert sorted(row.answers for row in found) == [0, 1]
    assert [told(row)[2:] for row in found] == [(1, USAGE["total_tokens"])] * 2


async def test_an_answer_that_a_retry_stores_is_paid_once(metered: Service) -> None:
    async with full(metered):
        before = len(await rows(metered))
        body = context(character_class="ferryman")
        says_unavailable(await ask(metered, TEXT, body, key="k"))
        waiting = metered.parts.store.ledger.waiting
        assert waiting
    made = (await ask(metered, TEXT, body, key="k")).json()
    await until(lambda: not metered.parts.store.ledger.waiting)
    await ask(metered, THEME)
    found = (await rows(metered))[before:]
    [paid] = [r for r in found if r.content_id == made["content_id"] and r.calls]
    [stored] = [r for r in found if r.content_id == made["content_id"] and not r.calls]
    assert told(paid) == (FIRST, 0, 1, USAGE["total_tokens"])
    assert told(stored) == (FIRST, 1, 0, 0)
    assert stored.nano_usd == 0
