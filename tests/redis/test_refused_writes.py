"""A Redis that is full or read-only: the gateway says so, serves all the same, and heals."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.embedded.valkey import EmbeddedValkey
from app.errors import DependencyUnavailable
from tests.support import service
from tests.support.outages import WRITE_REFUSALS, RedisOutage
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import Service

HEALS = 10.0  # s, by contract


@pytest.fixture
async def alone(tmp_path: Path, own_valkey: EmbeddedValkey) -> AsyncIterator[Service]:
    """The service on a Redis of its own."""
    async with service.running(service.settings(tmp_path, own_valkey.url)) as found:
        yield found


async def until(found: Service, state: str) -> Any:
    """The first report that says so of Redis."""
    async with asyncio.timeout(HEALS):
        while True:
            body = (await found.http.get("/health")).json()
            if {body["components"][name] for name in ("message_hub", "cache")} == {state}:
                return body
            await asyncio.sleep(0.05)  # between two looks at something that is about to change


async def streamed(found: Service) -> str:
    headers = {**found.headers(), "Accept": "text/event-stream"}
    return (await found.http.post(TEXT, json=GOOD[TEXT], headers=headers)).text


async def published(found: Service, content_id: str) -> None:
    """Return when the log has the content's event."""
    log = found.parts.event_log
    async with asyncio.timeout(HEALS):
        while True:
            with contextlib.suppress(DependencyUnavailable):  # the breaker closes within a second
                behind = await log.read(0, (await log.oldest(0)).entry_id)
                if any(e.event.payload["content_id"] == content_id for e in behind.entries):
                    return
            await asyncio.sleep(0.05)  # between two looks


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(name, marks=[] if name == "out_of_memory" else pytest.mark.long)
        for name in WRITE_REFUSALS
    ],
)
async def test_it_degrades_health_stops_nothing_and_heals(
    alone: Service, own_valkey: EmbeddedValkey, tmp_path: Path, refusal: str
) -> None:
    mend = getattr(RedisOutage(own_valkey, tmp_path / "valkey"), refusal)()
    assert (await until(alone, "degraded"))["status"] == "degraded"
    assert (await alone.http.get("/health/ready")).status_code == 200
    left = []
    for _ in range(2):
        answer = await alone.post(TEXT, GOOD[TEXT])
        assert answer.status_code == 200
        left.append(int(answer.headers["x-ratelimit-remaining"]))
    assert left[0] - left[1] == 1, "limits are counted here"
    assert "event: completed" in await streamed(alone)
    mend()
    assert (await until(alone, "healthy"))["status"] == "healthy"
    await published(alone, answer.json()["content_id"])
