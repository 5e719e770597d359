"""Desks: `Once` with a real Valkey and makers that tests hold, as one process has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from uuid_utils import uuid7

from app.caller import Caller
from app.errors import ModelError
from app.policies import similar
from app.policies.cache import CacheUse, Wish, fingerprint
from app.policies.limiter import RateLimiter
from app.policies.limits import Ask
from app.policies.once import Made, Once, mark
from app.redis import Redis

ANY = Wish()
FRAME = "f" * similar.FRAME


@dataclass
class Shelf:
    """What the desks have in common: the database, and the model that tests hold."""

    made: list[str] = field(default_factory=list)  # what was asked of the model
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    open: asyncio.Event = field(default_factory=asyncio.Event)  # makers wait for it
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # one has started
    failing: bool = False

    def __post_init__(self) -> None:
        self.open.set()


@dataclass
class FakeMaker:
    """Makes an answer that says for whom and for what it was made."""

    desk: Desk
    ask: Ask
    user: str
    what: str
    key: str | None
    model_taken: int = 0

    async def make(self) -> dict[str, Any]:
        shelf = self.desk.shelf
        shelf.made.append(self.what)
        shelf.begun.set()
        await shelf.open.wait()
        if shelf.failing:
            raise ModelError("no usable answer", "gpt-4-turbo")
        body = self._body()
        shelf.answers[body["content_id"]] = body
        if self.key is not None:
            shelf.keys[self.user, self.key] = mark(self.ask, body), body["content_id"]
        with contextlib.suppress(Exception):
            calls = self.desk.once.finish(self.ask, body, worth_keeping=True)
            kept = similar.entry(body["content_id"], FRAME, similar.signature({"x": self.what}))
            calls.append(similar.keeping(self.user, "tale", kept, 60))
            await self.desk.redis.run_all(calls)
        return body

    def _body(self) -> dict[str, Any]:
        at = datetime.now(UTC).isoformat()
        told = {"user": self.user, "what": self.what}
        return {"content_id": str(uuid7()), **told, "metadata": {"cached": False, "created_at": at}}

    async def load(self, content_id: str) -> dict[str, Any] | None:
        body = self.desk.shelf.answers.get(content_id)
        if body is None or body["user"] != self.user:
            return None
        return {**body, "metadata": dict(body["metadata"])}

    async def first_answer(self) -> tuple[str, dict[str, Any]] | None:
        found = self.desk.shelf.keys.get((self.user, self.key or ""))
        if found is None:
            return None
        body = await self.load(found[1])
        return (found[0], body) if body else None

    async def remember(self, known: str, content_id: str) -> None:
        if self.key is not None:
            self.desk.shelf.keys.setdefault((self.user, self.key), (known, content_id))

    async def take_model(self) -> None:
        self.model_taken += 1


@dataclass
class Desk:
    """One process's `Once`, with a limiter that limits nothing."""

    redis: Redis
    once: Once
    limiter: RateLimiter
    shelf: Shelf

    async def get(
        self,
        what: str = "a tale",
        *,
        user: str = "alice",
        wish: Wish = ANY,
        use: CacheUse = CacheUse.USE,
        ttl: float = 60.0,
    ) -> Made:
        ask = self.once.ask(user, fingerprint(user, what), wish, use, ttl)
        spent = await self.limiter.spend(Caller(user), (), ask=ask)
        maker = FakeMaker(self, ask, user, what, wish.idempotency_key)
        return await self.once.answer(ask, spent, maker)

    async def near(self, what: str, user: str) -> list[dict[str, Any]]:
        """The answers that would be offered to a user who takes anything alike."""
        wanted = similar.signature({"x": what})
        found = await similar.Similar(self.redis).nearest(user, "tale", FRAME, wanted)
        return [self.shelf.answers[content_id] for _, content_id in found]


@contextlib.asynccontextmanager
async def desks(url: str, count: int = 1) -> AsyncIterator[list[Desk]]:
    """So many processes that share a Redis and a shelf."""
    shelf, found = Shelf(), []
    for _ in range(count):
        redis = Redis(url)
        found.append(Desk(redis, Once(redis), RateLimiter(redis, limits=()), shelf))
    try:
        yield found
    finally:
        for desk in found:
            await desk.once.close()
            await desk.redis.close()
