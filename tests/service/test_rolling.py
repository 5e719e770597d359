"""A rolling restart of two real processes under load: no request fails, no event is missed."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.chaos import fleet
from tests.chaos.fleet import Fleet
from tests.chaos.provider import Steady
from tests.chaos.rolling import roll

pytestmark = pytest.mark.long

SEED, USERS = 9, 5


@pytest.fixture
async def writing() -> AsyncIterator[Steady]:
    provider = Steady(random.Random(SEED))
    await provider.start()
    yield provider
    await provider.stop()


@pytest.fixture
async def pair(tmp_path: Path, redis_url: str, writing: Steady) -> AsyncIterator[Fleet]:
    async with fleet.running(tmp_path, redis_url, writing.url) as found:
        yield found


async def test_clients_with_one_retry_do_not_notice_a_rolling_restart(
    pair: Fleet, redis_url: str
) -> None:
    rolled = await roll(pair, redis_url, random.Random(SEED), USERS, rounds=1)
    assert rolled.broken == []
    counts = rolled.ledger.counts
    assert counts["acknowledged"] >= USERS
    # Each subscriber was connected, and each lost its process at least once.
    assert counts["WebSocket closes 1012"] >= USERS
    assert counts["SSE reconnects"] >= USERS
    assert [node.starts for node in pair.nodes] == [2, 2]
