"""What the service does on SQLite it does on PostgreSQL too."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from app.embedded.valkey import start_valkey
from app.errors import DependencyUnavailable
from app.events.log import START
from tests.support import service
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.rest_requests import ask, cache_and_id
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream

pytestmark = pytest.mark.servers


@pytest.fixture
def service_database(postgres_database: str) -> str:
    return postgres_database


async def test_the_service_runs_on_postgresql(loregate: Service, postgres_database: str) -> None:
    assert loregate.parts.settings.database == postgres_database


@contextlib.asynccontextmanager
async def two(
    directory: Path, redis_url: str, database_url: str, provider: Upstream
) -> AsyncIterator[list[Service]]:
    """Two gateways that share Redis and the database."""
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for n in range(2):
            (directory / str(n)).mkdir()
            given = service.settings(
                directory / str(n),
                redis_url,
                database_url=database_url,
                openai_base_url=provider.url,
            )
            found.append(await stack.enter_async_context(service.running(given)))
        yield found


async def test_a_key_is_answered_once_by_two_gateways_without_redis(
    tmp_path: Path, postgres_database: str, provider: Upstream
) -> None:
    """The database's unique key decides between two models' answers."""
    server = start_valkey(tmp_path / "valkey", persist=False)
    try:
        async with two(tmp_path, server.url, postgres_database, provider) as (one, other):
            server.stop()
            provider.then(*[Behaviour(delay=0.3)] * 2)
            answers = await asyncio.gather(*(ask(x, TEXT, key="k") for x in (one, other)))
            assert answers[0].status_code == 200
            assert answers[0].content == answers[1].content
            assert (await ask(other, TEXT, key="k")).content == answers[0].content
    finally:
        server.stop()


async def test_what_was_stored_while_redis_was_away_is_published_after_it(
    tmp_path: Path, postgres_database: str, provider: Upstream
) -> None:
    """Each event once, in stored order, and to a subscriber that has waited through it."""
    server = start_valkey(tmp_path / "valkey", persist=True)
    given = service.settings(
        tmp_path, server.url, database_url=postgres_database, openai_base_url=provider.url
    )
    try:
        async with service.running(given) as found:
            before = cache_and_id(await ask(found, TEXT))[1]
            server.stop()
            lost = [cache_and_id(await ask(found, TEXT))[1] for _ in range(3)]
            server = start_valkey(tmp_path / "valkey", persist=True)
            async with asyncio.timeout(20):
                while len(page := await events(found)) < 4:
                    await asyncio.sleep(0.1)
        assert page == [before, *lost]
    finally:
        server.stop()


async def events(found: Service) -> list[str]:
    """The published contents' ids, in the log's order; none while Redis is not back yet."""
    with contextlib.suppress(DependencyUnavailable):
        page = await found.parts.event_log.read(0, START)
        return [e.event.payload["content_id"] for e in page.entries]
    return []


async def test_what_is_deleted_on_one_gateway_is_gone_on_the_other(
    tmp_path: Path, redis_url: str, postgres_database: str, provider: Upstream
) -> None:
    async with two(tmp_path, redis_url, postgres_database, provider) as (one, other):
        _, content_id = cache_and_id(await ask(one, TEXT, cache="max-age=60"))
        path = f"/api/v2/content/{content_id}"
        assert (await other.get(path)).json()["content_id"] == content_id
        deleted = await other.http.delete(path, headers=other.headers())
        assert deleted.status_code in (200, 204)
        assert (await one.get(path)).status_code == 404
        again_made = await one.http.post(
            TEXT, json=GOOD[TEXT], headers={**one.headers(), "Cache-Control": "max-age=60"}
        )
        assert cache_and_id(again_made)[1] != content_id


@contextlib.asynccontextmanager
async def read_only(database_url: str) -> AsyncIterator[None]:
    """The server takes no writes, as a standby or one whose disk is full."""
    admin = await asyncpg.connect(database_url.replace("+asyncpg", ""))
    await admin.execute("SET default_transaction_read_only = off")
    await admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    await admin.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await admin.execute("SELECT pg_reload_conf()")
        await admin.close()


async def test_health_tells_of_a_server_that_takes_no_writes(
    loregate: Service, postgres_database: str
) -> None:
    async with read_only(postgres_database), asyncio.timeout(20):
        while (await ask(loregate, TEXT)).status_code == 200:
            await asyncio.sleep(0.05)  # its processes hear of the setting by and by
        while await health(loregate) != ("degraded", "degraded"):
            await asyncio.sleep(0.05)
    async with asyncio.timeout(20):
        while await health(loregate) != ("healthy", "healthy"):
            await asyncio.sleep(0.05)
    assert (await ask(loregate, TEXT)).status_code == 200


async def health(found: Service) -> tuple[str, str]:
    body = (await found.http.get("/health")).json()
    return body["status"], body["components"]["db"]
