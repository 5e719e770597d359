"""UserData: everything that is kept of one user, told or erased, whatever store it stands in.

An erasure marks first and sweeps then. The mark says what is from before (`app/erasure.py`), and
whoever writes looks at it in the very step in which it writes: what was written before the mark is
seen by the sweep, and what would be written behind it is not. So no request under way brings
anything back, in whichever process it runs. Both steps may be done again, as often as it takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from app.erasure import CLOCK_MARGIN, MARK_TTL, before
from app.errors import DependencyUnavailable, InvalidRequest
from app.events.erasing import EventErasure
from app.events.log import EventLog
from app.generations.erasing import GenerationErasure
from app.pipeline.charges import Kind
from app.pipeline.context import RequestContext
from app.redis.client import Redis, user_slot
from app.redis.steps import mark_key
from app.redis.sweep import Sweep
from app.storage.store import Store
from app.storage.user_data import UserRows

DATABASE, REDIS = "database", "redis"
MAX_NAME_LENGTH = 255  # characters, as in tokens
Line = dict[str, Any]
Removed = dict[str, dict[str, int]]  # how many of what, by store


class ErasureUnfinished(DependencyUnavailable):
    """A store could not be reached. `erased`: what was removed from the others."""

    def __init__(self, left: list[str], erased: Removed) -> None:
        super().__init__(left[0])
        done = f"; {' and '.join(erased)} are done" if erased else ""
        self.message = f"The {' and the '.join(left)} cannot be reached now{done}. Erase again"
        self.details |= {"left": left, "erased": erased}


class UserData:
    """Of all users."""

    def __init__(
        self,
        store: Store,
        redis: Redis,
        log: EventLog,
        *,
        margin: float = CLOCK_MARGIN,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`margin` is in seconds, `now` in Unix seconds."""
        self._store, self._rows = store, UserRows(store.database)
        self._redis, self._margin, self._now = redis, margin, now
        self._erasing: set[asyncio.Task[Removed]] = set()
        self._events, self._generations = EventErasure(log), GenerationErasure(redis)

    # -- who may
    async def exported(self, context: RequestContext, user_id: str) -> AsyncGenerator[Line]:
        """The export, begun, of the caller's own data, or as an admin of anybody's.

        Raises:
            Forbidden, InvalidRequest, RateLimited, Unauthenticated, DependencyUnavailable
        """
        own = user_id == context.caller.id
        await context.require("content:read" if own else "gateway:admin")
        await context.charge(Kind.READ)
        return await self.told(user_id)

    async def erased(self, context: RequestContext, user_id: str) -> Removed:
        """What was removed of a user's, for an admin; it goes on when its caller leaves.

        Raises:
            Forbidden, InvalidRequest, RateLimited, Unauthenticated, ErasureUnfinished
        """
        await context.require("gateway:admin")
        await context.charge(Kind.READ)
        task = asyncio.create_task(self.erase(user_id), name="erasure")
        self._erasing.add(task)
        task.add_done_callback(self._erasing.discard)
        return await asyncio.shield(task)

    # -- export
    async def told(self, user_id: str) -> AsyncGenerator[Line]:
        """The export, begun: no more than a cut-off can go wrong with it.

        Raises:
            InvalidRequest: no user has such an id.
            DependencyUnavailable: the database is away.
        """
        _check(user_id)
        lines = self.export(user_id)
        first = await anext(lines)

        async def all_of_them() -> AsyncGenerator[Line]:
            yield first
            async with aclosing(lines):
                async for line in lines:
                    yield line

        return all_of_them()

    async def export(self, user_id: str) -> AsyncGenerator[Line]:
        """One object for each thing that is kept, with its `kind`; the last one is `end`, and
        counts them: an export without it was cut off.

        Raises:
            DependencyUnavailable: the database or Redis is away.
        """
        counts: dict[str, int] = {}
        held = await self._store.holdings.of(user_id, max_age=0.0)
        at = datetime.fromtimestamp(self._now(), UTC)
        yield {"kind": "user", "user_id": user_id, "exported_at": at, "kept": held._asdict()}
        rows = self._rows
        pages = {
            "content": rows.contents(user_id),
            "event": self._told(user_id),
            "idempotency_key": rows.idempotency_keys(user_id),
            "rating": rows.ratings(user_id),
            "usage": rows.usage(user_id),
        }
        for kind, found in pages.items():
            counts[kind] = 0
            async for page in found:
                counts[kind] += len(page)
                for row in page:
                    yield {"kind": kind, **row}
        yield {"kind": "end", "counts": counts}

    async def _told(self, user_id: str) -> AsyncIterator[list[Line]]:
        """Events that the database has, and those that the log has alone."""
        async for payloads in self._rows.events(user_id):
            yield [{"event": payload} for payload in payloads]
        async for entries in self._events.events(user_id):
            stored = await self._rows.stored([entry.event.id for entry in entries])
            yield [{"event": e.event.payload} for e in entries if e.event.id not in stored]

    # -- erasure
    async def erase(self, user_id: str) -> Removed:
        """What was removed, by store; nothing of the user's is kept when this returns.

        Raises:
            InvalidRequest: no user has such an id.
            ErasureUnfinished: a store is away; what could be was removed from the other one.
        """
        _check(user_id)
        mark, failed = before(self._now() + self._margin), dict[str, DependencyUnavailable]()

        async def attempt(store: str, work: Awaitable[dict[str, int] | None]) -> dict[str, int]:
            try:
                return await work or {}
            except DependencyUnavailable as error:
                failed[store] = error
                return {}

        await attempt(DATABASE, self._rows.mark(user_id, mark))
        await attempt(REDIS, self._mark(user_id, mark))
        removed = {
            REDIS: await attempt(REDIS, self._sweep(user_id)),
            DATABASE: await attempt(DATABASE, self._rows.erase(user_id)),
        }
        self._store.holdings.forget([user_id])
        if failed:
            done = {store: found for store, found in removed.items() if store not in failed}
            raise ErasureUnfinished(list(failed), done)
        return removed

    async def rewrite(self) -> None:
        """Have Redis's file forget what Redis forgot. Raises `DependencyUnavailable`."""
        async with Sweep(self._redis) as sweep:
            await sweep.rewrite()

    async def _mark(self, user_id: str, mark: str) -> None:
        key = mark_key(user_slot(user_id))
        await self._redis.call("SET", key, mark, "PX", round(MARK_TTL * 1000))
        await self._events.mark(user_id, mark)

    async def _sweep(self, user_id: str) -> dict[str, int]:
        slot = user_slot(user_id)
        cancelled = await self._generations.cancel(slot)
        async with Sweep(self._redis) as sweep:
            keys = await sweep.remove(f"{slot}:", but=mark_key(slot))
        events = await self._events.erase(user_id)
        return {"generations_cancelled": cancelled, "keys": keys, "events": events}


def _check(user_id: str) -> None:
    """Raises `InvalidRequest` for what no token can name."""
    if not user_id.strip() or len(user_id) > MAX_NAME_LENGTH or not user_id.isprintable():
        raise InvalidRequest.at(("sub",), "1 to 255 printable characters are wanted")
