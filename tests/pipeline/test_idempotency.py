"""Idempotency keys: a repeated request gets the first answer, byte for byte."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import update

from app.embedded.valkey import start_valkey
from app.storage.store import IDEMPOTENCY_TTL
from app.storage.tables import idempotency
from tests.support import service
from tests.support.rest_bodies import CAMPAIGN, GOOD, TEXT, THEME, changed
from tests.support.rest_requests import ask, cache_and_id, count_events, redis_of
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream, refusal

pytestmark = pytest.mark.also_on("postgresql")

OTHER = changed(TEXT, type="combat")


async def empty(found: Service) -> None:
    async with redis_of(found) as redis:
        await redis.flushall()


async def age_keys(found: Service) -> None:
    """Make every key that the database knows a day old."""
    old = datetime.now(UTC) - timedelta(seconds=IDEMPOTENCY_TTL) - timedelta(minutes=1)

    def work(connection: object) -> None:
        connection.execute(update(idempotency).values(created_at=old))  # type: ignore[attr-defined]

    await found.parts.store.database.write(work)


def conflicts(answer: httpx2.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


async def test_the_first_answer_comes_again_byte_for_byte(
    with_models: Service, provider: Upstream
) -> None:
    first = await ask(with_models, TEXT, key="k")
    assert first.headers["x-cache"] == "BYPASS"
    before = await with_models.counted("model:gpt-4-turbo")
    again = await ask(with_models, TEXT, key="k")
    assert (again.content, again.headers["x-cache"]) == (first.content, "HIT")
    assert len(provider.requests) == 1
    assert await count_events(with_models) == 1
    assert await with_models.counted("model:gpt-4-turbo") == before == 1
    assert await with_models.counted("operation:text_generation") == 2


async def test_the_database_still_knows_when_redis_was_emptied(
    with_models: Service, provider: Upstream
) -> None:
    first = await ask(with_models, TEXT, key="k")
    await empty(with_models)
    assert conflicts(await ask(with_models, TEXT, OTHER, key="k"))
    await empty(with_models)
    again = await ask(with_models, TEXT, key="k")
    assert again.content == first.content
    assert len(provider.requests) == 1
    # No model was called for it, so none was counted.
    assert await with_models.counted("model:gpt-4-turbo") == 0
    assert await with_models.counted("operation:text_generation") == 1


async def test_a_restart_forgets_nothing(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    given = service.settings(tmp_path, redis_url, openai_base_url=provider.url)
    async with service.running(given) as found:
        first = await ask(found, TEXT, key="k")
    async with service.running(given) as found:
        assert (await ask(found, TEXT, key="k")).content == first.content
        await empty(found)
        assert (await ask(found, TEXT, key="k")).content == first.content
    assert len(provider.requests) == 1


async def test_a_key_that_was_answered_from_the_cache_is_remembered_too(
    with_models: Service, provider: Upstream
) -> None:
    made = await ask(with_models, THEME)
    first = await ask(with_models, THEME, key="k")
    assert cache_and_id(first) == ("HIT", cache_and_id(made)[1])
    assert first.json()["metadata"]["cached"] is True
    assert (await ask(with_models, THEME, key="k")).content == first.content
    await empty(with_models)
    assert (await ask(with_models, THEME, key="k")).content == first.content
    assert conflicts(await ask(with_models, THEME, changed(THEME, content="else"), key="k"))
    assert len(provider.requests) == 1


async def test_another_body_or_operation_under_a_key_is_a_conflict(
    with_models: Service, provider: Upstream
) -> None:
    await ask(with_models, TEXT, key="k")
    assert conflicts(await ask(with_models, TEXT, OTHER, key="k"))
    assert conflicts(await ask(with_models, CAMPAIGN, key="k"))
    assert conflicts(await ask(with_models, THEME, key="k"))
    assert len(provider.requests) == 1
    assert (await ask(with_models, TEXT, OTHER, key="K")).status_code == 200


async def test_a_key_is_its_users_own(with_models: Service) -> None:
    first = await ask(with_models, TEXT, key="k")
    for body in (None, OTHER):
        other = await ask(with_models, TEXT, body, key="k", sub="bob" if body else "eve")
        assert cache_and_id(other)[0] == "BYPASS"
        assert cache_and_id(other)[1] != cache_and_id(first)[1]


async def test_the_second_waits_while_the_first_runs(
    with_models: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(delay=0.5))
    one, two = await asyncio.gather(*(ask(with_models, TEXT, key="k") for _ in range(2)))
    assert one.content == two.content
    assert len(provider.requests) == 1


async def test_a_caller_that_gave_up_gets_the_finished_answer(
    with_models: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(delay=0.6))
    headers = {**with_models.headers(), "Idempotency-Key": "k"}
    with pytest.raises(httpx2.ReadTimeout):
        await with_models.http.post(TEXT, json=GOOD[TEXT], headers=headers, timeout=0.3)
    assert (await ask(with_models, TEXT, key="k")).status_code == 200
    assert len(provider.requests) == 1
    assert await count_events(with_models) == 1


async def test_a_key_whose_first_run_failed_may_be_tried_again(
    with_models: Service, provider: Upstream
) -> None:
    provider.then(refusal(400, "content_policy_violation"))
    assert (await ask(with_models, TEXT, key="k")).status_code == 400
    assert (await ask(with_models, TEXT, OTHER, key="k")).status_code == 200
    assert (await ask(with_models, TEXT, changed(TEXT, type="wrong"), key="k2")).status_code == 400
    assert (await ask(with_models, TEXT, key="k2")).status_code == 200


async def test_a_key_is_free_again_after_a_day(with_models: Service, provider: Upstream) -> None:
    """Also where it has not been pruned yet, and whether it comes from a model or the cache."""
    for path, body in ((TEXT, OTHER), (THEME, changed(THEME, content="else"))):
        first = await ask(with_models, path, key=path)
        await empty(with_models)
        await age_keys(with_models)
        second = await ask(with_models, path, body, key=path)
        assert cache_and_id(second)[1] != cache_and_id(first)[1]
        await empty(with_models)
        assert (await ask(with_models, path, body, key=path)).content == second.content
    assert len(provider.requests) == 4
    await age_keys(with_models)
    await with_models.parts.store.prune(published_before=datetime.now(UTC))
    assert await with_models.parts.store.first_answer("alice", TEXT) is None


@pytest.mark.parametrize("key", ["", "a b", "k" * 256, "ключ", "tab\there"])
async def test_a_key_has_1_to_255_visible_characters(loregate: Service, key: str) -> None:
    headers = [(k.encode(), v.encode()) for k, v in loregate.headers().items()]
    headers.append((b"Idempotency-Key", key.encode()))
    answer = await loregate.http.post(TEXT, json=GOOD[TEXT], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert answer.json()["details"]["field"] == "Idempotency-Key"


async def test_the_longest_key_is_good(loregate: Service) -> None:
    first = await ask(loregate, TEXT, key="k" * 255)
    assert (await ask(loregate, TEXT, key="k" * 255)).content == first.content


async def test_without_redis_the_databases_unique_key_decides(
    tmp_path: Path, provider: Upstream
) -> None:
    """Two processes at once: both models write, one answer wins, and both callers get it."""
    server = start_valkey(tmp_path / "valkey", persist=False)
    given = service.settings(tmp_path, server.url, openai_base_url=provider.url)
    async with service.running(given) as one, service.running(given) as two:
        server.stop()
        for _ in range(5):  # opens the breakers
            await asyncio.gather(ask(one, TEXT), ask(two, TEXT))
        called = len(provider.requests)
        provider.then(*[Behaviour(delay=0.3)] * 2)
        first, second = await asyncio.gather(*(ask(x, TEXT, key="k") for x in (one, two)))
        assert first.status_code == 200
        assert first.content == second.content
        assert len(provider.requests) - called == 2
        assert (await ask(two, TEXT, key="k")).content == first.content
        assert conflicts(await ask(one, TEXT, OTHER, key="k"))
        provider.then(*[Behaviour(delay=0.3)] * 2)
        answers = await asyncio.gather(ask(one, TEXT, key="n"), ask(two, TEXT, OTHER, key="n"))
        assert sorted(a.status_code for a in answers) == [200, 409]
