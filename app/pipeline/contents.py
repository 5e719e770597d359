"""Contents: what was made and is kept for its owner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.caller import Caller
from app.errors import NotFound
from app.generations.log import generation_key
from app.operations import OPERATIONS
from app.pipeline.charges import Kind
from app.pipeline.context import RequestContext
from app.policies.cache import forgetting
from app.policies.similar import index_key
from app.redis.client import Redis
from app.storage.store import Record, Store


class Contents:
    """Reads and deletes. What is not the caller's is not there."""

    def __init__(self, store: Store, redis: Redis) -> None:
        self._store, self._redis = store, redis

    async def by_id(
        self, caller: Caller, ids: Sequence[str], *, whole: bool = True
    ) -> dict[str, Record]:
        """By the ids that were asked for; `whole`: with their answers, here and below."""
        return await self._store.get_many(caller.id, ids, whole=whole)

    async def children(
        self, caller: Caller, ids: Sequence[str], *, first: int, whole: bool = True
    ) -> dict[str, list[Record]]:
        """The oldest that continue each of these, up to `first`."""
        return await self._store.children(caller.id, ids, first=first, whole=whole)

    async def page(
        self,
        caller: Caller,
        *,
        first: int,
        after: str | None,
        content_types: Sequence[str] | None,
        whole: bool = True,
    ) -> list[Record]:
        """Up to `first`, the newest first, older than `after`."""
        return await self._store.page(
            caller.id, first=first, after=after, content_types=content_types, whole=whole
        )

    async def answer(self, context: RequestContext, content_id: str) -> dict[str, Any]:
        """A stored answer as it was given.

        Raises:
            Forbidden, RateLimited, NotFound, DependencyUnavailable
        """
        await context.authorize("content:read")
        body = (await self.own(context.caller, content_id)).answer
        if "child_elements" in body:
            found = await self._store.children(context.caller.id, [content_id], whole=False)
            stories = (c for cs in found.values() for c in cs if c.operation == "story")
            body["child_elements"] = [c.content_id for c in stories]
        return body

    async def delete(self, context: RequestContext, content_id: str) -> None:
        """From the cache, the index and what was heard of its writing first, then for good.

        Raises:
            Forbidden, RateLimited, NotFound, DependencyUnavailable
        """
        await context.require("content:write")
        await context.charge(Kind.READ)
        record = await self.own(context.caller, content_id)
        user_id = context.caller.id
        index = index_key(user_id, record.operation)
        await self._redis.run_all([forgetting(user_id, record.content_id, index)])
        await self._redis.call("DEL", generation_key(user_id, record.content_id))
        await self._store.delete(user_id, record.content_id)

    async def own(self, caller: Caller, content_id: str, *, whole: bool = True) -> Record:
        """One of the caller's; `whole`: with its answer. Raises `NotFound`."""
        found = await self._store.get_many(caller.id, [content_id], whole=whole)
        if not found:
            raise NotFound("No content of yours has this id")
        return next(iter(found.values()))


def prose_of(record: Record) -> tuple[dict[str, Any], str | None]:
    """A stored answer, and the prose of it that is told while it is written."""
    text = record.answer["content"] if OPERATIONS[record.operation].streams else None
    return record.answer, text
