"""One budget over three real processes: never exceeded, and nothing of it leaks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.embedded.valkey import EmbeddedValkey
from app.policies.budgets import NANO
from app.redis.client import Redis
from tests.support.budget_processes import FaultyAtRandom, budget_processes

pytestmark = pytest.mark.long

# A call may take about 2,000 bytes of prompt and 300 tokens: $0.24 of it; an answer takes $0.016.
USD = 0.6
LAPSED = 7.0  # s; a dead process's reservations are free by then


async def test_a_hundred_calls_at_once_over_three_processes_never_exceed_one_budget(
    tmp_path: Path, own_valkey: EmbeddedValkey
) -> None:
    provider = FaultyAtRandom(seed=14)
    await provider.start()
    redis = Redis(own_valkey.url)
    try:
        async with budget_processes(tmp_path, own_valkey.url, provider, usd=USD) as fleet:
            first, second, _ = fleet.running
            asked = [asyncio.create_task(fleet.ask(fleet.running[n % 3], n)) for n in range(100)]
            async with asyncio.timeout(30):
                while len(provider.requests) < 4:
                    await asyncio.sleep(0.01)
            await fleet.kill(first)
            await redis.call("FLUSHALL", budget=2.0)
            await fleet.start()
            await fleet.kill(second)
            await fleet.start()
            statuses = await asyncio.gather(*asked)
            assert set(statuses) <= {0, 200, 402, 502, 503, 504}
            provider.faulty = False
            for wave in range(100):  # until nothing more fits, once breakers have closed again
                some = [fleet.ask(p, 1000 * (wave + 1) + n) for n, p in enumerate(fleet.running)]
                statuses = await asyncio.gather(*some)
                assert fleet.ledger() <= USD * NANO
                if set(statuses) == {402}:
                    break
                await asyncio.sleep(0.5 if 503 in statuses else 0)
            assert set(statuses) == {402}
            await asyncio.sleep(LAPSED)
            # Exactly the rest is usable again: nothing is reserved, and Redis has the ledger's sum.
            assert await fleet.balance(redis) == (fleet.ledger(), 0)
    finally:
        await redis.close()
        await provider.stop()
