"""What one process began and another finishes stays one trace: real `loregate serve` processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.collector import Collector, Exported
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import SECRET, token
from tests.support.upstream import Behaviour, Upstream

pytestmark = pytest.mark.long

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"Authorization": f"Bearer {token()}", "traceparent": f"00-{TRACE}-{CALLER}-01"}
AWAY = "redis://127.0.0.1:9"


class Processes:
    """Of one service: they share a database, a provider and a collector."""

    def __init__(self, directory: Path, given: dict[str, str], stack: AsyncExitStack) -> None:
        self._directory, self._given, self._stack = directory, given, stack

    async def start(self, **given: str) -> CliProcess:
        serving = cli_process.serving(self._directory, "serve", **{**self._given, **given})
        return await self._stack.enter_async_context(serving)


@asynccontextmanager
async def processes(
    directory: Path, redis_url: str, provider: Upstream, collected: Collector
) -> AsyncIterator[Processes]:
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "REDIS_URL": redis_url,
        "OPENAI_BASE_URL": provider.url,
        "DATABASE_URL": f"sqlite+aiosqlite:///{directory / 'shared.db'}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
        "OTEL_SERVICE_NAME": "lore",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
    }
    assert (await cli_process.run(directory, "migrate", **given))[0] == 0
    async with AsyncExitStack() as stack:
        yield Processes(directory, given, stack)


@pytest.fixture
async def serving(
    tmp_path: Path, redis_url: str, provider: Upstream, collected: Collector
) -> AsyncIterator[Processes]:
    async with processes(tmp_path, redis_url, provider, collected) as found:
        yield found


async def ask(at: CliProcess, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=30) as http:
        return await http.post(f"{at.url}{TEXT}", json=GOOD[TEXT], headers={**HEADERS, **headers})


def instance(span: Exported) -> Any:
    return span.resource["service.instance.id"]


async def test_an_event_that_another_process_publishes_stays_in_its_requests_trace(
    serving: Processes, collected: Collector
) -> None:
    without_redis = await serving.start(REDIS_URL=AWAY)
    answer = await ask(without_redis)
    assert answer.status_code == 200
    operation = await collected.one("character")
    await without_redis.kill()
    await serving.start()

    def relayed() -> list[Exported]:
        return [s for s in collected.spans if s.kind == "producer"]

    [late] = await collected.until(relayed)
    assert (late.name, late.trace_id, late.parent_id) == ("publish", TRACE, operation.span_id)
    assert late.attributes["loregate.late"] is True
    assert instance(late) != instance(operation)
    assert late.resource["service.name"] == operation.resource["service.name"] == "lore"


async def test_a_generation_whose_process_was_killed_ends_in_its_requests_trace(
    serving: Processes, collected: Collector, provider: Upstream
) -> None:
    provider.always = Behaviour(delay=60)
    dying, other = await serving.start(), await serving.start()
    del other
    async with httpx2.AsyncClient(timeout=60) as http:
        body, headers = GOOD[TEXT], {**HEADERS, "X-On-Disconnect": "continue"}
        async with http.stream(
            "POST", f"{dying.url}{TEXT}/stream", json=body, headers=headers
        ) as r:
            assert r.status_code == 200
            operation = await collected.one("character")
            async with asyncio.timeout(10):
                while not provider.requests:
                    await asyncio.sleep(0.02)
            await dying.kill()
    recovered = (await collected.until(lambda: collected.named("recover generation"), 30))[0]
    assert (recovered.trace_id, recovered.parent_id) == (TRACE, operation.span_id)
    assert instance(recovered) != instance(operation)


async def test_who_reads_a_generation_of_another_process_is_linked_to_it(
    serving: Processes, collected: Collector
) -> None:
    one, other = await serving.start(), await serving.start()
    async with httpx2.AsyncClient(timeout=30) as http:
        answer = await http.post(f"{one.url}{TEXT}/stream", json=GOOD[TEXT], headers=HEADERS)
        generation = answer.headers["x-generation-id"]
        reading = {"Authorization": HEADERS["Authorization"]}
        address = f"{other.url}/api/v2/generations/{generation}/events"
        assert (await http.get(address, headers=reading)).status_code == 200
    reader = await collected.one("GET /api/v2/generations/{generation_id}/events")
    operation = await collected.one("character")
    assert reader.trace_id != TRACE
    assert reader.links == (f"{TRACE}-{operation.span_id}",)


async def test_a_line_of_the_log_names_the_span_that_it_tells_of(
    serving: Processes, collected: Collector
) -> None:
    process = await serving.start()
    await ask(process, **{"X-Request-ID": "trace-7"})
    root = await collected.one(f"POST {TEXT}")
    [line] = [line for line in process.said.splitlines() if '"trace-7"' in line]
    assert f'"trace_id": "{TRACE}"' in line
    assert f'"span_id": "{root.span_id}"' in line
