"""Two real `loregate serve` processes that share Redis and the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.rest_bodies import GOOD, TEXT, THEME
from tests.support.service import SECRET, token
from tests.support.upstream import Behaviour, Upstream

pytestmark = pytest.mark.long

Pair = tuple[CliProcess, CliProcess]


@asynccontextmanager
async def two(
    directory: Path, redis_url: str, provider: Upstream, **more: str
) -> AsyncIterator[Pair]:
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "OPENAI_BASE_URL": provider.url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'shared.db'}",
        **more,
    }
    assert (await cli_process.run(directory, "migrate", **given))[0] == 0
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(cli_process.serving(directory, "serve", **given))
            for _ in range(2)
        ]
        yield one, other


@pytest.fixture
async def pair(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Pair]:
    async with two(tmp_path, redis_url, provider) as found:
        yield found


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=200)
    async with httpx2.AsyncClient(timeout=60, limits=limits) as client:
        yield client


async def ask(
    http: httpx2.AsyncClient, at: CliProcess, path: str, cache: str | None = None, key: str = ""
) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token(tier='service')}"}
    if cache:
        headers["Cache-Control"] = cache
    if key:
        headers["Idempotency-Key"] = key
    return await http.post(f"{at.url}{path}", json=GOOD[path], headers=headers)


async def asked(provider: Upstream, count: int) -> None:
    async with asyncio.timeout(20):
        while len(provider.requests) < count:
            await asyncio.sleep(0.02)


async def test_a_hundred_equal_requests_over_two_processes_call_one_model(
    pair: Pair, http: httpx2.AsyncClient, provider: Upstream
) -> None:
    provider.always = Behaviour(delay=0.3)
    answers = await asyncio.gather(*(ask(http, pair[n % 2], THEME) for n in range(100)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["content_id"] for a in answers}) == 1
    assert len(provider.requests) == 1
    unasked = [a.content for a in answers if a.headers["x-cache"] != "HIT"]
    assert len(set(unasked)) == 1
    assert [a.headers["x-cache"] for a in answers].count("MISS") == 1


async def test_with_no_store_each_of_them_calls_it(
    pair: Pair, http: httpx2.AsyncClient, provider: Upstream
) -> None:
    answers = await asyncio.gather(*(ask(http, pair[n % 2], THEME, "no-store") for n in range(100)))
    assert [(a.status_code, a.headers["x-cache"]) for a in answers] == [(200, "BYPASS")] * 100
    assert len({a.json()["content_id"] for a in answers}) == 100
    assert len(provider.requests) == 100


async def test_fifty_who_wait_for_a_killed_process_are_answered(
    pair: Pair, http: httpx2.AsyncClient, provider: Upstream
) -> None:
    leading, other = pair
    provider.then(Behaviour(delay=30))
    leader = asyncio.create_task(ask(http, leading, THEME))
    await asked(provider, 1)
    waiting = [asyncio.create_task(ask(http, other, THEME)) for _ in range(50)]
    done, _ = await asyncio.wait(waiting, timeout=1)
    assert not done
    await leading.kill()
    async with asyncio.timeout(10):  # the lease of 5 s and at most 5 more
        answers = await asyncio.gather(*waiting)
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["content_id"] for a in answers}) == 1
    assert len(provider.requests) == 2
    await asyncio.gather(leader, return_exceptions=True)


async def test_a_key_is_answered_by_the_other_process_after_a_kill(
    pair: Pair, http: httpx2.AsyncClient, provider: Upstream
) -> None:
    leading, other = pair
    first = await ask(http, leading, TEXT, key="done")
    provider.then(Behaviour(delay=30))
    lost = asyncio.create_task(ask(http, leading, TEXT, key="lost"))
    await asked(provider, 2)
    await leading.kill()
    assert (await ask(http, other, TEXT, key="done")).content == first.content
    assert len(provider.requests) == 2
    made = await ask(http, other, TEXT, key="lost")
    assert (await ask(http, other, TEXT, key="lost")).content == made.content
    assert len(provider.requests) == 3
    await asyncio.gather(lost, return_exceptions=True)


CANARY = """[[canaries]]
name = "luna"
share = {share}
model = "gpt-4-turbo"
served_by = "gpt-6-luna"
"""


async def test_a_canary_takes_the_same_users_in_every_process_and_after_every_restart(
    tmp_path: Path, redis_url: str, provider: Upstream, http: httpx2.AsyncClient
) -> None:
    users = [f"user-{n}" for n in range(12)]
    file = tmp_path / "loregate.toml"

    async def asked_models(at: CliProcess) -> list[str]:
        """What was really called for each user."""
        for user in users:
            bearer = {"Authorization": f"Bearer {token(sub=user)}"}
            answer = await http.post(f"{at.url}{TEXT}", json=GOOD[TEXT], headers=bearer)
            assert answer.status_code == 200, answer.text
        found, provider.requests[:] = [r["model"] for r in provider.requests], []
        return found

    seen = []
    for share in (0.5, 0.5, 0.8):
        file.write_text(CANARY.format(share=share))
        given = {"LOREGATE_CONFIG": str(file)}
        async with two(tmp_path, redis_url, provider, **given) as (one, other):
            seen.append(await asked_models(one))
            assert await asked_models(other) == seen[-1]
    first, restarted, grown = ([m == "gpt-6-luna" for m in models] for models in seen)
    assert any(first)
    assert not all(first)
    assert restarted == first
    assert all(now for now, was in zip(grown, first, strict=True) if was)
    assert sum(grown) > sum(first)
