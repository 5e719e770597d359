"""Unstored answers: what a model wrote and the database could not take, for the key's next try.

A model's text is paid for. When storing it fails, the answer is an error, and the text waits here
under its idempotency key; whoever repeats the request has it stored without another model's call.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from app.errors import DependencyUnavailable
from app.pipeline.answer import Body
from app.pipeline.lookup import Lookup
from app.policies.cache import pack, unpack
from app.redis import steps
from app.redis.budget import ByteBudget
from app.redis.client import Redis

UNSTORED_TTL = 600.0  # s; who has not tried again by then hardly will
MAX_OWN = 64  # answers that this process keeps while Redis is away, 16 MB at the most


class UnstoredAnswers:
    """In Redis, for whichever process is asked next; in this process while Redis is away, or has
    as much of the user's as it may."""

    def __init__(
        self, redis: Redis, budget: ByteBudget, now: Callable[[], float] = time.time
    ) -> None:
        self._redis, self._budget, self._now = redis, budget, now
        self._own: OrderedDict[str, bytes] = OrderedDict()

    async def hold(self, lookup: Lookup | None, body: Body) -> None:
        """Keep an answer that could not be stored. Without a key, or too large, it is lost."""
        value = pack(body, self._now())
        if lookup is None or (key := _key(lookup)) is None or value is None:
            return
        try:
            if not self._budget.take(lookup.slot, len(value), UNSTORED_TTL):
                raise DependencyUnavailable("redis")
            step = steps.keep(key, value, UNSTORED_TTL, body["content_id"])
            await self._redis.run_all(steps.calls([step]))
        except DependencyUnavailable:
            self._own[key] = value
            while len(self._own) > MAX_OWN:
                self._own.popitem(last=False)

    async def find(self, lookup: Lookup | None) -> Body | None:
        """The answer that waits for this request under this key."""
        if (key := _key(lookup)) is None:
            return None
        value = self._own.get(key)
        if value is None:
            try:
                value = await self._redis.call("GET", key)
            except DependencyUnavailable:
                return None
        found = unpack(value) if value is not None else None
        if found is None or self._now() - found[1] > UNSTORED_TTL:
            return None
        return found[0]

    async def drop(self, lookup: Lookup | None) -> None:
        """It is stored. Raises `DependencyUnavailable`: its copy in Redis may be there still."""
        if (key := _key(lookup)) is not None:
            self._own.pop(key, None)
            await self._redis.call("DEL", key)


def _key(lookup: Lookup | None) -> str | None:
    """Beside the idempotency key; another request under the same key has another one."""
    if lookup is None or lookup.idempotency is None:
        return None
    hashed = lookup.idempotency.rpartition(":")[2]
    return f"{lookup.slot}:draft:{hashed}:{lookup.fingerprint}"
