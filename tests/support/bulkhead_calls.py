"""Calls that hold their place in a bulkhead until they are told to leave."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from app.llm.breaker import Breaker
from app.llm.bulkhead import Bulkhead

LATE = 1e9  # s; a deadline that no call meets


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Call:
    """A call that holds its place until it is told to leave."""

    bulkhead: Bulkhead
    deadline: float = LATE
    breaker: Breaker | None = None
    user: str = ""
    inside: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        async with self.bulkhead.slot(self.deadline, self.breaker, self.user):
            self.inside.set()
            await self.leave.wait()

    async def end(self) -> None:
        self.leave.set()
        await self.task


async def turn() -> None:
    """Let everything that is ready run once."""
    await asyncio.sleep(0)


async def held(bulkhead: Bulkhead, clock: Clock, seconds: float) -> None:
    """One call that held its place for so long."""
    async with bulkhead.slot(LATE):
        clock.now += seconds


def counters(bulkhead: Bulkhead) -> tuple[int, int]:
    return bulkhead.running, bulkhead.waiting
