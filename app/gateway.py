"""Gateway: the one path that every request takes.

An operation: read the input, spend its admission and look whether the answer is there already (one
Redis call), else make it (`making.py`: let a model write, check it, store the result and its events
in one transaction, publish), answer. Edges translate what they hear into these calls and what comes
back into their protocol; they decide nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.caller import PERMISSIONS, Caller
from app.errors import (
    Forbidden,
    GatewayError,
    InternalError,
    InvalidRequest,
    Left,
    NotFound,
    RateLimited,
)
from app.events.cursor import Cursor
from app.events.fanout import Fanout
from app.events.follower import Follower
from app.events.log import EventLog
from app.events.types import EVENT_TYPES
from app.generations import kept, place
from app.generations.following import Following
from app.generations.generation import Generation
from app.generations.generations import Generations
from app.generations.log import generation_key
from app.generations.transcript import Transcript
from app.leases import Leases
from app.llm.base import Finish, Outcome
from app.llm.breaker import BreakerState
from app.llm.fallback import Model, Models
from app.making import EVERY_REQUEST, Answer, Making
from app.observe.health import Health
from app.observe.metrics import Metrics
from app.operations import OPERATIONS, Operation
from app.policies.auth import Authenticator, bearer
from app.policies.cache import CacheStatus, CacheUse, Wish
from app.policies.limiter import RateLimiter
from app.policies.limits import Spent, Standing
from app.policies.once import Made, Once
from app.policies.pseudonyms import Pseudonyms
from app.policies.similar import Similar
from app.preparing import nearest, prepared
from app.storage.store import Record, Store
from app.visit import Admission, Visit

__all__ = [
    "Admission",
    "Answer",
    "Asked",
    "BreakerState",
    "CacheStatus",
    "CacheUse",
    "Finish",
    "Follower",
    "Following",
    "Gateway",
    "Generation",
    "Model",
    "Outcome",
    "Record",
    "Standing",
    "Transcript",
    "Visit",
    "Wish",
]

BATCH_AT_ONCE = 5  # operations of one batch side by side

# An operation, its raw input, and how to find out how it wants to be answered.
Asked = tuple[Operation[Any, Any], bytes | dict[str, Any], Callable[[], Wish]]

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Gateway:
    """Everything a request may need, wired in `main.py`."""

    authenticator: Authenticator
    limiter: RateLimiter
    models: Models
    store: Store
    log: EventLog
    fanout: Fanout
    health: Health
    once: Once
    similar: Similar
    generations: Generations
    metrics: Metrics
    leases: Leases
    pseudonyms: Pseudonyms
    cache_ttl: float = 3600.0  # s; 0: no cache
    cache_times: Mapping[str, float] = field(default_factory=dict)  # s, by operation
    unspent: int = field(default=0, init=False)  # admissions opened and not run; 0 at rest

    # -- who asks
    async def visit(self, authorization: str | None, request_id: str) -> Visit:
        """Raises `Unauthenticated`, or `DependencyUnavailable` when keys cannot be had."""
        return Visit(await self.authenticator.verify(bearer(authorization)), request_id)

    async def count(self, visit: Visit, requests: int = 1) -> None:
        """Count what runs no operation: for the user and for all. Raises `RateLimited`."""
        visit.note(await self.limiter.spend(visit.caller, EVERY_REQUEST, requests=requests))

    async def allow(self, visit: Visit, permission: str | None) -> None:
        """Raise `Forbidden`, counted, unless the caller has the permission."""
        try:
            if permission is not None:
                visit.caller.require(permission)
        except Forbidden:
            await self.count(visit)
            raise

    async def admit(self, visit: Visit, operation: Operation[Any, Any]) -> Admission:
        """An admission for one run. Raises `Forbidden`."""
        await self.allow(visit, operation.permission)
        self.unspent += 1
        return Admission(visit, operation)

    # -- operations
    async def run(
        self,
        raw: bytes | dict[str, Any],
        admission: Admission,
        wished: Callable[[], Wish] = Wish,
    ) -> Answer:
        """The operation's answer, stored and published; or one that was made before.

        Raises:
            InvalidRequest, RateLimited, Unauthenticated, IdempotencyConflict, ContentRejected,
            ModelError, ModelTimeout, ModelUnavailable, DependencyUnavailable
        """
        visit = admission.visit
        making = await self._prepared(raw, admission, wished)
        if (near := await nearest(self, making)) is not None:
            made, likeness = near
            standing = visit.note(await self.limiter.spend(visit.caller, making.own_targets))
            return making.answer(made, standing, likeness)
        task = self.generations.spawn(self._spent_and_made(making, visit))
        made, standing = await self._awaited(task, making, visit)
        return making.answer(made, standing)

    async def start(
        self,
        raw: bytes | dict[str, Any],
        admission: Admission,
        wished: Callable[[], Wish] = Wish,
    ) -> Generation:
        """The same as a job of its own, which is read and cancelled by its id.

        Raises:
            InvalidRequest, RateLimited, Unauthenticated: what comes later is the job's to tell.
        """
        making = await self._prepared(raw, admission, wished)
        near = await nearest(self, making)
        if near is not None:
            spent = await self.limiter.spend(making.caller, making.own_targets)
        else:
            spent = await making.spend()
        admission.visit.note(spent)

        async def work(generation: Generation) -> dict[str, Any]:
            making.listener = generation.telling
            made = near[0] if near is not None else await self._made(making, spent)
            generation.telling.whole(made.body.get("content", ""))
            return kept.completed(made.body, made.status.value)

        operation = making.operation
        started = {
            "operation": operation.name,
            "user_id": making.caller.id,
            "on_disconnect": "continue" if making.wish.stay else "cancel",
        }
        return await self.generations.begin(
            making.caller.id, making.content_id, started,
            streams=operation.streams, field=operation.prose_field, work=work,
        )  # fmt: skip

    async def _prepared(
        self, raw: bytes | dict[str, Any], admission: Admission, wished: Callable[[], Wish]
    ) -> Making:
        if admission.spent:
            raise RuntimeError("an admission runs one operation, once")
        admission.spent = True
        self.unspent -= 1
        try:
            return await prepared(self, raw, admission, wished)
        except InvalidRequest:
            await self.count(admission.visit)
            raise

    async def _spent_and_made(self, making: Making, visit: Visit) -> tuple[Made, Standing]:
        spent = await making.spend()
        standing = visit.note(spent)
        return await self._made(making, spent), standing

    @staticmethod
    async def _awaited(task: asyncio.Task[T], making: Making, visit: Visit) -> T:
        """What the task makes; it goes on when its caller leaves, unless that was not wished."""
        try:
            if making.wish.stay or visit.left is None:
                return await asyncio.shield(task)
            left = asyncio.ensure_future(visit.left())
            try:
                await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                left.cancel()
            if not task.done():
                raise Left
            return task.result()
        except (asyncio.CancelledError, Left):
            if not making.wish.stay:
                task.cancel()
            raise

    async def batch(self, visit: Visit, requests: Sequence[Asked]) -> list[Answer | GatewayError]:
        """Each operation's answer or error, in the given order; each as if it had come alone."""
        gate = asyncio.Semaphore(BATCH_AT_ONCE)

        async def one(asked: Asked) -> Answer | GatewayError:
            operation, raw, wished = asked
            async with gate:
                try:
                    return await self.run(raw, await self.admit(visit, operation), wished)
                except RateLimited as refusal:
                    visit.refuse(refusal)
                    return refusal
                except GatewayError as error:
                    return error
                except Exception:
                    log.exception("unexpected error", extra={"request_id": visit.request_id})
                    return InternalError()

        return await asyncio.gather(*map(one, requests))

    async def _made(self, making: Making, spent: Spent) -> Made:
        if making.ask is None:
            made = Made(await making.make(), CacheStatus.BYPASS)
        else:
            try:
                made = await self.once.answer(making.ask, spent, making)
            finally:
                await making.settle()
        self.metrics.operation(making.operation.name, made.status.value)
        return made

    # -- what was made
    async def contents(self, caller: Caller, ids: Sequence[str]) -> dict[str, Record]:
        """The caller's own records by id; what is missing is not theirs or not there."""
        return await self.store.get_many(caller.id, ids)

    async def content(self, visit: Visit, content_id: str) -> dict[str, Any]:
        """A stored answer as it was given. Raises `NotFound` for what is not the caller's."""
        await self.allow(visit, "content:read")
        await self.count(visit)
        found = await self.store.get_many(visit.caller.id, [content_id])
        if not found:
            raise NotFound("No content of yours has this id")
        body = next(iter(found.values())).answer
        if "child_elements" in body:
            children = (await self.store.children(visit.caller.id, [content_id])).values()
            stories = (c for of in children for c in of if c.operation == "story")
            body["child_elements"] = [c.content_id for c in stories]
        return body

    async def children(self, caller: Caller, ids: Sequence[str]) -> dict[str, list[Record]]:
        """The caller's own records that continue each of these, the oldest first."""
        return await self.store.children(caller.id, ids)

    async def delete(self, visit: Visit, content_id: str) -> None:
        """Delete the caller's content: from the cache and the index first, then for good.

        Raises:
            Forbidden, RateLimited, NotFound, DependencyUnavailable
        """
        await self.allow(visit, "content:write")
        await self.count(visit)
        found = await self.store.get_many(visit.caller.id, [content_id])
        if not found:
            raise NotFound("No content of yours has this id")
        record = next(iter(found.values()))
        await self.once.forget(visit.caller.id, record.operation, record.content_id)
        await self.store.delete(visit.caller.id, record.content_id)

    async def page(
        self,
        caller: Caller,
        *,
        first: int,
        after: str | None,
        content_types: Sequence[str] | None,
    ) -> list[Record]:
        """Up to `first` of the caller's records, the newest first, older than `after`."""
        return await self.store.page(
            caller.id, first=first, after=after, content_types=content_types
        )

    # -- what is being made
    async def transcript(self, caller: Caller, generation_id: str) -> Transcript:
        """A generation of the caller's; long after its end, what its content tells of it.

        Raises:
            NotFound, DependencyUnavailable
        """
        try:
            return await self.generations.find(caller.id, generation_id)
        except NotFound:
            found = await self.store.get_many(caller.id, [generation_id])
            if not found:
                raise
        record = next(iter(found.values()))
        key = generation_key(caller.id, generation_id)
        return kept.transcript(key, generation_id, record.operation, *told(record))

    async def follow(
        self, caller: Caller, generation_id: str, after: str | None = None
    ) -> Following:
        """A generation's events with their cursors: those behind `after`, then live, to the last.

        Raises:
            InvalidRequest: `after` is no cursor of this generation.
            NotFound, DependencyUnavailable
        """
        begin = 0 if after is None else place.decode(generation_id, after)
        found = await self.transcript(caller, generation_id)
        return await self.generations.follow(found, generation_id, begin)

    async def cancel(self, visit: Visit, generation_id: str) -> Transcript:
        """Cancel a generation of the caller's; its transcript, with its end.

        Raises:
            RateLimited, NotFound, DependencyUnavailable
        """
        await self.count(visit)
        found = await self.transcript(visit.caller, generation_id)
        return await self.generations.cancel(found)

    # -- what happened
    async def event_cursor(self, caller: Caller) -> str:
        """The log's end now. Raises `DependencyUnavailable`."""
        everybody = caller.may("events:read-all")
        partitions = range(self.log.partitions) if everybody else [self.log.partition(caller.id)]
        return self.log.cursor(await self.log.end(partitions))

    def watch(
        self,
        caller: Caller,
        types: Sequence[str] | None = None,
        after: str | None = None,
        *,
        everybody: bool = False,
    ) -> Follower:
        """The caller's events with their cursors: those behind `after`, then live.

        Raises:
            InvalidRequest: `after` is no cursor, or a type is unknown.
            Forbidden: everybody's events are asked for without `events:read-all`.
            CursorExpired: raised by the iteration.
        """
        if everybody:
            caller.require("events:read-all")
        cursor = Cursor.decode(after) if after is not None else None
        if unknown := set(types or ()) - set(EVENT_TYPES):
            raise InvalidRequest.at(("types",), f"unknown: {', '.join(sorted(unknown))}")
        wanted = frozenset(types or EVENT_TYPES)
        owner = None if everybody else caller.id
        return self.fanout.follow(owner, cursor, lambda event: event.type in wanted)

    # -- what may be known
    async def rate_limits(self, caller: Caller) -> tuple[Standing, ...]:
        return await self.limiter.look(caller)

    @staticmethod
    def permissions(caller: Caller) -> list[str]:
        return [p for p in PERMISSIONS if caller.may(p)]


def told(record: Record) -> tuple[dict[str, Any], str | None]:
    """A stored answer, and the prose of it that is told while it is written."""
    text = record.answer["content"] if OPERATIONS[record.operation].streams else None
    return record.answer, text
