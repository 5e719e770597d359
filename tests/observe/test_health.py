"""Health: what it says, and that it says it at once, whatever hangs behind it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.observe.health import Health
from app.observe.traffic import Traffic
from tests.support import service
from tests.support.postgres import Postgres
from tests.support.rest_bodies import GOOD, STORY, TEXT, strictly
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream, refusal

AT_ONCE = 0.2  # s: the contract's bound
SOON = 10.0  # s in which a change must be seen


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server that this test may stop."""
    server = start_valkey(tmp_path / "valkey", persist=False)
    yield server
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGCONT)
    server.kill()


@pytest.fixture
async def alone(tmp_path: Path, own_valkey: EmbeddedValkey) -> AsyncIterator[Service]:
    """The service on a Redis of its own."""
    async with service.running(service.settings(tmp_path, own_valkey.url)) as found:
        yield found


async def report(found: Service) -> tuple[int, Any]:
    """The status and body of /health, which came at once: who waits for a dependency is late
    each of three times, who shares a busy machine is not.
    """
    took = []
    for _ in range(3):
        began = time.perf_counter()
        answer = await found.http.get("/health")
        took.append(time.perf_counter() - began)
        if took[-1] < AT_ONCE:
            break
    assert min(took) < AT_ONCE
    return answer.status_code, answer.json()


async def until(found: Service, status: str) -> tuple[int, Any]:
    """The first report with this status; each one on the way came at once."""
    async with asyncio.timeout(SOON):
        while True:
            code, body = await report(found)
            if body["status"] == status:
                return code, body
            await asyncio.sleep(0.05)  # between two looks at something that is about to change


async def test_a_healthy_service_says_so_in_the_contracts_shape_and_without_a_token(
    with_models: Service,
) -> None:
    await with_models.post(TEXT, GOOD[TEXT])
    code, body = await report(with_models)
    assert (code, body.keys()) == (200, {"status", "components", "metrics"})
    assert body["status"] == "healthy"
    healthy = {"openai", "message_hub", "cache", "db"}
    assert body["components"] == dict.fromkeys(healthy, "healthy")
    metrics = body["metrics"]
    assert metrics.keys() == {"request_rate", "error_rate", "p95_latency"}
    assert metrics["request_rate"] > 0
    assert metrics["error_rate"] == 0
    assert 0 < metrics["p95_latency"] < 20_000
    for probe, said in (("live", "alive"), ("ready", "ready")):
        answer = await with_models.http.get(f"/health/{probe}")
        assert (answer.status_code, answer.text) == (200, said)


async def test_failed_requests_are_errors_and_refused_ones_are_not(
    with_models: Service, provider: Upstream
) -> None:
    for _ in range(3):
        await with_models.post(TEXT, {})
    provider.always = Behaviour(text="not JSON")
    assert (await strictly(with_models, STORY)).status_code == 502
    assert (await report(with_models))[1]["metrics"]["error_rate"] == 0.25


async def test_health_is_no_traffic(loregate: Service) -> None:
    for _ in range(3):
        _, body = await report(loregate)
    assert body["metrics"]["request_rate"] == 0


async def test_failing_models_degrade_it_and_health_asks_none(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = refusal(503, "overloaded")
    assert (await strictly(with_models, TEXT)).status_code == 503
    asked = len(provider.requests)
    code, body = await report(with_models)
    assert (code, body["status"], body["components"]["openai"]) == (200, "degraded", "degraded")
    states = (await with_models.data("{ models { name state breaker } }"))["models"]
    failed = {"gpt-4-turbo", "gpt-6.1-terra"}  # two names of one model
    assert {m["name"] for m in states if m["state"] != "HEALTHY"} == failed
    assert {m["name"] for m in states if m["breaker"] == "OPEN"} == failed
    assert len(provider.requests) == asked
    assert (await with_models.post(TEXT, GOOD[TEXT])).json()["metadata"]["degraded"]
    assert (await report(with_models))[1]["components"]["openai"] == "unhealthy"


async def test_a_model_that_is_back_is_healthy_again_without_any_request(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = refusal(503, "overloaded")
    assert (await strictly(with_models, TEXT)).status_code == 503
    assert (await report(with_models))[1]["components"]["openai"] == "degraded"
    provider.always = None
    await until(with_models, "healthy")
    states = (await with_models.data("{ models { state breaker } }"))["models"]
    assert {(m["state"], m["breaker"]) for m in states} == {("HEALTHY", "CLOSED")}


async def test_a_paused_redis_degrades_it_and_it_heals(
    alone: Service, own_valkey: EmbeddedValkey
) -> None:
    os.kill(own_valkey.pid, signal.SIGSTOP)
    code, body = await until(alone, "degraded")
    assert code == 200
    assert body["components"] == {
        "openai": "healthy",
        "message_hub": "unhealthy",
        "cache": "unhealthy",
        "db": "healthy",
    }
    assert (await alone.http.get("/health/ready")).status_code == 200
    assert (await alone.post(TEXT, GOOD[TEXT])).status_code == 200, "limits are local now"
    os.kill(own_valkey.pid, signal.SIGCONT)
    await until(alone, "healthy")


async def test_a_killed_redis_degrades_it(alone: Service, own_valkey: EmbeddedValkey) -> None:
    own_valkey.kill()
    code, _ = await until(alone, "degraded")
    assert code == 200


async def test_a_start_without_redis_is_degraded_and_serves(tmp_path: Path) -> None:
    given = service.settings(tmp_path, f"unix://{tmp_path}/nobody.sock")
    async with service.running(given) as found:
        assert (await report(found))[1]["status"] == "degraded"
        assert (await found.post(TEXT, GOOD[TEXT])).status_code == 200


async def test_a_locked_sqlite_file_holds_up_writes_alone(
    loregate: Service, tmp_path: Path
) -> None:
    """Readers of the journal, and so health, go on; a write is refused in the end, not lost."""
    with contextlib.closing(sqlite3.connect(tmp_path / "test.db")) as locker:
        locker.isolation_level = None
        locker.execute("BEGIN EXCLUSIVE")
        refused = asyncio.create_task(loregate.post(TEXT, GOOD[TEXT]))
        while not refused.done():
            assert (await report(loregate))[0] == 200
            await asyncio.sleep(0.1)  # between two looks
        answer = refused.result()
        assert (answer.status_code, answer.json()["code"]) == (503, "DEPENDENCY_UNAVAILABLE")
        assert answer.json()["details"]["dependency"] == "database"
        assert int(answer.headers["retry-after"]) >= 1
        assert "x-ratelimit-remaining" in answer.headers
        locker.execute("ROLLBACK")
    assert (await loregate.post(TEXT, GOOD[TEXT])).status_code == 200


@pytest.mark.servers
async def test_a_paused_database_is_unhealthy_and_not_ready_until_it_is_back(
    postgres_server: Postgres, postgres_database: str, tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url, database_url=postgres_database)
    async with service.running(given) as found:
        assert (await report(found))[1]["status"] == "healthy"
        with postgres_server.paused():
            code, body = await until(found, "unhealthy")
            assert (code, body["components"]["db"]) == (503, "unhealthy")
            assert body["components"]["cache"] == "healthy"
            assert (await found.http.get("/health/ready")).status_code == 503
            assert (await found.http.get("/health/live")).status_code == 200
        await until(found, "healthy")
        assert (await found.http.get("/health/ready")).status_code == 200


async def test_a_look_that_never_ends_is_given_up_and_the_other_goes_on() -> None:
    forever, looked = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        await forever.wait()

    async def answer() -> None:
        looked.set()

    health = Health(
        database=answer,
        redis=hang,
        models=lambda: "healthy",
        traffic=Traffic(),
        interval=0.01,
        timeout=0.05,
    )
    assert (health.ready, health.report()["status"]) == (False, "unhealthy"), "not started yet"
    await asyncio.wait_for(health.start(), 5)
    try:
        assert (health.ready, health.report()["status"]) == (True, "degraded")
        looked.clear()
        await asyncio.wait_for(looked.wait(), 5)
    finally:
        await health.stop()


# -- the metrics
class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_metrics_are_the_last_minutes() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    assert traffic.metrics() == {"request_rate": 0.0, "error_rate": 0.0, "p95_latency": 0.0}
    for second in range(120):
        clock.at = 1000.0 + second
        for _ in range(10):
            traffic.record(0.020, failed=second < 60)
    assert traffic.metrics()["request_rate"] == pytest.approx(10, rel=0.05)
    assert traffic.metrics()["error_rate"] == 0
    clock.at += 61
    assert traffic.metrics()["request_rate"] == 0


def test_the_95th_percentile_is_right_to_a_class() -> None:
    clock = Clock()
    traffic = Traffic(clock)
    for ms in range(1, 1001):
        traffic.record(ms / 1000, failed=False)
    assert traffic.metrics()["p95_latency"] == pytest.approx(950, rel=0.15)
    assert traffic.metrics()["request_rate"] == 1000, "in its first second"
