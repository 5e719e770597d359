"""Fleet: gateways with breakers in common and a clock that the test moves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.llm.breaker import Breaker, BreakerPolicy, Breakers, BreakerState, Ticket
from app.llm.failure import AttemptFailed
from app.operations.metadata import AttemptOutcome
from app.redis.client import Redis

CLOSED, OPEN, HALF_OPEN = BreakerState
MODEL = "gpt-4"
POLICY = BreakerPolicy(jitter=0)


class Fleet:
    """Gateways with a clock in common; time and word pass between them where the test lets them."""

    def __init__(self, *redis: Redis | None) -> None:
        self.now = 1000.0
        self.gateways = [
            Breakers(r, ["other", MODEL], now=lambda: self.now, policy=POLICY) for r in redis
        ]

    def __getitem__(self, at: int) -> Breaker:
        return self.gateways[at % len(self.gateways)][MODEL]

    @property
    def states(self) -> set[BreakerState]:
        return {g[MODEL].state for g in self.gateways}

    async def sync(self) -> None:
        """What their tasks do five times a second; twice, so that each hears what each told."""
        for gateway in 2 * self.gateways:
            await gateway.sync()

    async def later(self, seconds: float) -> None:
        await self.sync()
        self.now += seconds

    async def open(self, retry_after: float | None = None, *, since: float = 0) -> None:
        """It opened `since` seconds ago."""
        for _ in range(3):
            assert await called(self[0], ok=False, retry_after=retry_after)
        await self.sync()
        assert self.states == {OPEN}
        assert {g["other"].state for g in self.gateways} == {CLOSED}
        self.now += since


async def called(breaker: Breaker, *, ok: bool, retry_after: float | None = None) -> bool:
    """Whether the breaker let a call in, which then went well or did not."""
    try:
        ticket = breaker.admit()
    except AttemptFailed:
        return False
    await (ticket.succeeded() if ok else ticket.failed(retry_after))
    return True


async def probed(breaker: Breaker, *, ok: bool, **said: Any) -> bool:
    """Whether the breaker let a probe in, which then went well or did not."""
    ticket = await breaker.probe()
    if ticket is not None:
        await (ticket.succeeded() if ok else ticket.failed(**said))
    return ticket is not None


async def granted(breaker: Breaker) -> Ticket:
    ticket = await breaker.probe()
    assert ticket is not None
    return ticket


def wait_told(breaker: Breaker) -> float | None:
    with pytest.raises(AttemptFailed) as refused:
        breaker.admit()
    assert refused.value.outcome is AttemptOutcome.OPEN
    return refused.value.retry_after


class Held(Redis):
    """Counts how often it is asked; while `hold` is set, replies that `arrived` wait for it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.hold: asyncio.Event | None = None
        self.arrived, self.asked = asyncio.Event(), 0

    async def run(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        hold, reply = self.hold, await super().run(*args, **options)
        if hold is not None:
            self.arrived.set()
            await hold.wait()
        return reply
