"""Gateway: the one path that every request takes.

An operation: read the input, spend its admission and look whether the answer is there already (one
Redis call), else make it (`making.py`: let a model write, check it, store the result and its events
in one transaction, publish), answer. Edges translate what they hear into these calls and what comes
back into their protocol; they decide nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.caller import PERMISSIONS, Caller
from app.errors import (
    Forbidden,
    GatewayError,
    InternalError,
    InvalidRequest,
    NotFound,
    RateLimited,
)
from app.events.cursor import Cursor
from app.events.fanout import Fanout
from app.events.log import EventLog
from app.events.types import EVENT_TYPES, Event
from app.llm.base import Work
from app.llm.fallback import Model, Models
from app.making import EVERY_REQUEST, Answer, Making
from app.observe.health import Health
from app.operations import OPERATIONS, ModelChoice, Operation
from app.operations.fields import Request
from app.policies.auth import Authenticator, bearer
from app.policies.cache import CacheStatus, CacheUse, Wish, age, fingerprint
from app.policies.limiter import RateLimiter
from app.policies.limits import Spent, Standing, tightest
from app.policies.once import Made, Once
from app.policies.similar import Similar
from app.storage.store import Record, Store

__all__ = [
    "Admission",
    "Answer",
    "Asked",
    "CacheStatus",
    "CacheUse",
    "Gateway",
    "Model",
    "Record",
    "Standing",
    "Visit",
    "Wish",
]

PARENT_TEXT = 4_000  # characters, about 1,000 tokens
NEAREST = 5  # similar answers that are looked at; what expired stands among them
BATCH_AT_ONCE = 5  # operations of one batch side by side

# An operation, its raw input, and how to find out how it wants to be answered.
Asked = tuple[Operation[Any, Any], bytes | dict[str, Any], Callable[[], Wish]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Visit:
    """One request or document of a caller, and the tightest limit that it touched so far."""

    caller: Caller
    request_id: str
    standing: Standing | None = None
    counted: bool = False

    @property
    def counted_standing(self) -> Standing:
        """The tightest limit, of a visit that has been counted."""
        if self.standing is None:
            raise RuntimeError("nothing was counted yet")
        return self.standing

    def note(self, spent: Spent) -> Standing:
        """Remember what was spent; returns the tightest limit of it."""
        self.counted = True
        found = tightest(spent.standings)
        self.standing = tightest([found, self.standing]) if self.standing else found
        return found

    def refuse(self, refusal: RateLimited) -> None:
        """Remember the limit that refused a part of it, which is the tightest there is."""
        self.standing = Standing(refusal.scope, refusal.limit, 0, refusal.reset_at, refusal.window)


@dataclass(slots=True)
class Admission:
    """The proof that a visit may run an operation, once. `Gateway.run` alone spends it."""

    visit: Visit
    operation: Operation[Any, Any]
    spent: bool = field(default=False, init=False)


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
        visit, operation = admission.visit, admission.operation
        self._use(admission)
        try:
            wish, request = wished(), operation.read(raw)
            model, choice = self.models.choose(operation, request)
            parent = await self._parent(visit.caller, operation, request)
        except InvalidRequest:
            await self.count(visit)
            raise
        making = self._making(visit, operation, request, model, choice, parent, wish)
        if (near := await self._near(making, wish)) is not None:
            made, likeness = near
            standing = visit.note(await self.limiter.spend(visit.caller, making.own_targets))
            return making.answer(made, standing, likeness)
        spent = await making.spend()
        standing = visit.note(spent)
        return making.answer(await self._made(making, spent), standing)

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
            return Made(await making.make(), CacheStatus.BYPASS)
        try:
            made = await self.once.answer(making.ask, spent, making)
        except GatewayError:
            await making.spare()
            raise
        await making.spare()
        return made

    def _use(self, admission: Admission) -> None:
        if admission.spent:
            raise RuntimeError("an admission runs one operation, once")
        admission.spent = True
        self.unspent -= 1

    def _making(
        self,
        visit: Visit,
        operation: Operation[Any, Any],
        request: Request,
        model: Model,
        choice: ModelChoice,
        parent: Record | None,
        wish: Wish,
    ) -> Making:
        told = operation_text(parent) if parent else None
        work = Work(operation, request, operation.prompt(request, choice, told))
        ttl = self.cache_times.get(operation.name, self.cache_ttl)
        default = CacheUse.USE if operation.cached else CacheUse.BYPASS
        use = (wish.cache or default) if ttl > 0 else CacheUse.BYPASS
        ask = None
        if use is not CacheUse.BYPASS or wish.idempotency_key:
            said = request.model_dump(mode="json")
            writer = self.models.first(model).name
            known = fingerprint(
                operation.name, operation.version, said, model.name, writer, visit.caller.id, told
            )
            ask = self.once.ask(visit.caller.id, known, wish, use, ttl)
        return Making(
            self.limiter, self.models, self.store, self.log, self.once,
            caller=visit.caller, request_id=visit.request_id, model=model, work=work,
            ask=ask, idempotency_key=wish.idempotency_key, told=told,
        )  # fmt: skip

    async def _parent(
        self, caller: Caller, operation: Operation[Any, Any], request: Request
    ) -> Record | None:
        """The content that the request continues. Raises `InvalidRequest` unless it is there."""
        wanted = operation.parent(request)
        if wanted is None:
            return None
        found = await self.store.get_many(caller.id, [str(wanted)])
        if not found:
            raise InvalidRequest.at((operation.parent_field,), "no content of yours has this id")
        return found[str(wanted)]

    async def _near(self, making: Making, wish: Wish) -> tuple[Made, float] | None:
        """An earlier answer to a request that is alike enough, and how alike.

        A request with an idempotency key gets none: its key stands for an answer of its own.
        """
        ask = making.ask
        if wish.similar is None or ask is None or ask.cached is None or ask.once is not None:
            return None
        ranked = await self.similar.nearest(
            making.caller.id, making.operation.name, making.frame, await making.signature()
        )
        for likeness, content_id in ranked[:NEAREST]:
            if likeness < wish.similar:
                return None
            body = await making.load(content_id)
            if body is not None and (old := age(body, time.time())) <= ask.max_age:
                body["metadata"]["cached"] = True
                return Made(body, CacheStatus.HIT, old), likeness
        return None

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
    ) -> AsyncIterator[tuple[str, Event]]:
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


def operation_text(record: Record) -> str:
    """As much of a stored text as a model gets of it: its end, which is what is continued."""
    text = OPERATIONS[record.operation].text(record.answer)
    if len(text) <= PARENT_TEXT:
        return text
    cut = text[-PARENT_TEXT:]
    return cut[cut.find(" ") + 1 :]
