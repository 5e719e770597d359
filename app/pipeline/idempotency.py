"""Idempotency keys: which answer each got, known to Redis and to the database for a day.

The database's unique key decides where Redis was away.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from app.errors import DependencyUnavailable, IdempotencyConflict
from app.pipeline.answer import Body, CacheStatus, Result
from app.pipeline.lookup import Lookup
from app.pipeline.reading import PreparedRequest
from app.policies.cache import age, leads_to
from app.redis import steps
from app.redis.budget import NOTE_BYTES, ByteBudget
from app.redis.client import Redis
from app.redis.steps import Step
from app.storage.store import IDEMPOTENCY_TTL, Store

DONE, CACHED = "d", "c"  # how a remembered answer came: it was made, or it was cached
FINGERPRINT = slice(1, 33)


class Idempotency:
    """Remembers and replays; what it is told of a request without a key is nothing."""

    def __init__(
        self,
        redis: Redis,
        store: Store,
        budget: ByteBudget,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`budget` is for what Redis knows of keys beside the database."""
        self._redis, self._store, self._budget, self._now = redis, store, budget, now

    async def replay(self, request: PreparedRequest, held: bytes) -> Result | None:
        """The answer that Redis has for the key; None when it was deleted.

        Raises:
            IdempotencyConflict: it answered another request, which was first while this one waited.
        """
        value = held.decode()
        if request.lookup is not None and value[FINGERPRINT] != request.lookup.fingerprint:
            raise IdempotencyConflict
        found = await self._store.get_many(request.caller.id, [value[FINGERPRINT.stop :]])
        if not found:
            return None
        body = next(iter(found.values())).answer
        return self._again(body, cached=value.startswith(CACHED))

    async def first(self, request: PreparedRequest) -> Result | None:
        """The answer that the database has for the key, and Redis perhaps not.

        Raises:
            IdempotencyConflict: it answered another request.
        """
        key, lookup = request.directives.idempotency_key, request.lookup
        if key is None or lookup is None:
            return None
        found = await self._store.first_answer(request.caller.id, key)
        if found is None:
            return None
        known, body = found[0], found[1].answer
        if known[FINGERPRINT] != lookup.fingerprint:
            raise IdempotencyConflict
        result = self._again(body, cached=known.startswith(CACHED))
        await self._publish(lookup, body)
        return result

    async def remember(self, request: PreparedRequest, body: Body) -> None:
        """An answer that was not made for this key is its first answer all the same."""
        key, lookup = request.directives.idempotency_key, request.lookup
        if key is not None and lookup is not None:
            await self._publish(lookup, body)
            with contextlib.suppress(DependencyUnavailable):  # one of the two is enough
                user_id, content_id = request.caller.id, body["content_id"]
                await self._store.remember(user_id, key, mark(lookup, body), content_id)

    async def _publish(self, lookup: Lookup, body: Body) -> None:
        with contextlib.suppress(DependencyUnavailable):  # the database knows
            await self._redis.run_all(steps.calls(self.done(lookup, body)))

    def done(self, lookup: Lookup, body: Body) -> list[Step]:
        """What tells Redis which answer the key got; nothing without a key, or where too much is
        told of this user's: the database knows.
        """
        if lookup.idempotency is None:
            return []
        value, where = f"{mark(lookup, body)}{body['content_id']}", leads_to(lookup.slot, body)
        size = len(value) + NOTE_BYTES + len(lookup.idempotency)
        if not self._budget.take(lookup.slot, size, IDEMPOTENCY_TTL):
            return []
        return [
            steps.keep(lookup.idempotency, value, IDEMPOTENCY_TTL, body["content_id"]),
            steps.note(where, lookup.idempotency, IDEMPOTENCY_TTL, body["content_id"]),
        ]

    def _again(self, body: Body, *, cached: bool) -> Result:
        body["metadata"]["cached"] = cached
        return Result(body, CacheStatus.HIT, age(body, self._now()))


def mark(lookup: Lookup, body: Body) -> str:
    """How a key's first answer is known: whether it said that it was cached, and for what."""
    return (CACHED if body["metadata"]["cached"] else DONE) + lookup.fingerprint
