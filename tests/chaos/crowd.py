"""Crowd: all clients of a fleet together, and how they come to rest."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

from app.events.cursor import Position
from tests.chaos import truth
from tests.chaos.fleet import Fleet
from tests.chaos.ledger import Ledger
from tests.chaos.subscribers import OverSSE, OverWebSocket, Subscriber, event_cursor, mark_of
from tests.chaos.truth import Published
from tests.chaos.writers import Writer

FINISH = 90.0  # s for writers to come to their end
CATCH_UP = 40.0  # s for the outbox to be empty, and for subscribers to hear the last event
LOOK = 0.3  # s


class Crowd:
    """Writers, and two subscribers for each user."""

    def __init__(self, fleet: Fleet, ledger: Ledger, rng: random.Random, users: int) -> None:
        self._fleet, self._ledger = fleet, ledger
        names = [f"user-{n}" for n in range(users)]
        seeds = [random.Random(rng.random()) for _ in names]
        self.writers = [
            Writer(name, fleet, ledger, seed) for name, seed in zip(names, seeds, strict=True)
        ]
        self.subscribers: list[Subscriber] = []
        self.starts: dict[str, Position] = {}
        self._listening: list[asyncio.Task[None]] = []
        self._writing: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Subscribers first, each behind the log's end as it is before anything is written."""
        for writer in self.writers:
            cursor = await event_cursor(self._fleet, writer.user)
            self.starts[writer.user] = mark_of(cursor)
            for kind in (OverWebSocket, OverSSE):
                self.subscribers.append(kind(writer.user, self._fleet, self._ledger, cursor))
        self._listening = [asyncio.create_task(s.run()) for s in self.subscribers]
        self._writing = [asyncio.create_task(w.run()) for w in self.writers]

    def drop_one(self, rng: random.Random) -> bool:
        """Break somebody's connection; whether there was any."""
        someone: list[Subscriber | Writer] = [*self.subscribers, *self.writers]
        rng.shuffle(someone)
        return any(one.drop() for one in someone)

    async def finish(self) -> None:
        """Have the writers come to their end. Raises what ended one of them before."""
        self._ledger.closed = True
        async with asyncio.timeout(FINISH):
            await asyncio.gather(*self._writing)

    async def caught_up(self, redis_url: str) -> Sequence[Published]:
        """The log once everybody has heard all of it, or when the time for that is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP):
                while await truth.unpublished(self._fleet.database):
                    await asyncio.sleep(LOOK)
                while not self._at_end(await truth.published(redis_url)):
                    await asyncio.sleep(LOOK)
        log = await truth.published(redis_url)
        await self._quit(self._listening)
        return log

    def _at_end(self, log: Sequence[Published]) -> bool:
        last = {entry.user: entry.position for entry in log}
        heard = {s: s.heard[-1].position if s.heard else None for s in self.subscribers}
        return all(last.get(s.user) in (None, self.starts[s.user], m) for s, m in heard.items())

    async def stop(self) -> None:
        await self._quit([*self._writing, *self._listening])

    async def _quit(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        failed = [t for t in tasks if t.done() and not t.cancelled() and t.exception()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for task in failed:  # a client of ours that fell over has proved nothing
            task.result()


@contextlib.asynccontextmanager
async def beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Work that runs until the block ends; what it raised before is raised there."""
    tasks = [asyncio.create_task(w) for w in work]
    try:
        yield
    finally:
        failed = [t for t in tasks if t.done() and not t.cancelled() and t.exception()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in failed:
        task.result()
