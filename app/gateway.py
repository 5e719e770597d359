"""Gateway: the one path that every request takes.

An operation: read the input, spend its admission, let a model write, check what it wrote, store
the result and its events in one transaction, publish, answer. Edges translate what they hear into
these calls and what comes back into their protocol; they decide nothing.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from uuid_utils import uuid7

from app.caller import PERMISSIONS, Caller
from app.errors import DependencyUnavailable, Forbidden, InvalidRequest, NotFound
from app.events.cursor import Cursor
from app.events.fanout import Fanout
from app.events.log import EventLog
from app.events.types import EVENT_TYPES, SOURCE, Event
from app.llm.base import Work
from app.llm.fallback import Drafted, Model, Models
from app.observe.health import Health
from app.operations import Operation
from app.policies.auth import Authenticator, bearer
from app.policies.limiter import RateLimiter
from app.policies.limits import Spent, Standing, tightest
from app.storage.store import Record, Store

__all__ = ["Admission", "Answer", "Gateway", "Model", "Standing", "Visit"]

EVERY_REQUEST = ("user", "global")  # the limits that each request counts for

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Visit:
    """One request or document of a caller, and the tightest limit that it touched so far."""

    caller: Caller
    request_id: str
    standing: Standing | None = None
    counted: bool = False

    def note(self, spent: Spent) -> Standing:
        """Remember what was spent; returns the tightest limit of it."""
        self.counted = True
        found = tightest(spent.standings)
        self.standing = tightest([found, self.standing]) if self.standing else found
        return found


@dataclass(slots=True)
class Admission:
    """The proof that a visit may run an operation, once. `Gateway.run` alone spends it."""

    visit: Visit
    operation: Operation[Any, Any]
    spent: bool = field(default=False, init=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An operation's answer: `body` is the REST answer; `standing` the tightest limit it took."""

    operation: Operation[Any, Any]
    body: dict[str, Any]
    standing: Standing
    request_id: str


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
    async def run(self, raw: bytes | dict[str, Any], admission: Admission) -> Answer:
        """The operation's answer, stored and published.

        Raises:
            InvalidRequest, RateLimited, Unauthenticated, ContentRejected, ModelError,
            ModelTimeout, ModelUnavailable, DependencyUnavailable
        """
        visit, operation = admission.visit, admission.operation
        self._use(admission)
        try:
            request = operation.read(raw)
            model, choice = self.models.choose(operation, request)
        except InvalidRequest:
            await self.count(visit)
            raise
        work = Work(operation, request, operation.prompt(request, choice))
        spent = await self._spend(visit, model, work)
        standing = visit.note(spent)
        drafted = await self._draft(visit, model, work, spent)
        body = self._body(visit, operation, operation.answer(request, drafted.draft), drafted)
        await self._keep(visit, operation, body, parent=operation.parent(request))
        return Answer(operation, body, standing, visit.request_id)

    def _use(self, admission: Admission) -> None:
        if admission.spent:
            raise RuntimeError("an admission runs one operation, once")
        admission.spent = True
        self.unspent -= 1

    async def _spend(self, visit: Visit, model: Model, work: Work) -> Spent:
        targets = _targets(work.operation, self.models.first(model))
        return await self.limiter.spend(visit.caller, targets, tokens=work.tokens)

    async def _draft(self, visit: Visit, model: Model, work: Work, spent: Spent) -> Drafted:
        """What a model wrote; of the tokens that were reserved, the unused are given back."""
        called, used = self.models.first(model), 0
        try:
            drafted = await self.models.draft(model, work)
            if drafted.model is called:
                used = drafted.usage.total
            return drafted
        finally:
            targets, unused = _targets(work.operation, called), work.tokens - used
            await self.limiter.settle(visit.caller, targets, spent, unused_tokens=unused)

    @staticmethod
    def _body(
        visit: Visit, operation: Operation[Any, Any], own: dict[str, Any], drafted: Drafted
    ) -> dict[str, Any]:
        metadata = {
            "content_type": operation.content_type,
            "model_used": drafted.model.name,
            "token_usage": drafted.usage.as_dict(),
            "request_id": visit.request_id,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "cached": False,
            "degraded": drafted.degraded,
        }
        return {"content_id": str(uuid7()), **own, "metadata": metadata}

    async def _keep(
        self, visit: Visit, operation: Operation[Any, Any], body: dict[str, Any], parent: Any
    ) -> None:
        events = _events(visit, operation, body)
        record = Record(
            content_id=body["content_id"],
            user_id=visit.caller.id,
            operation=operation.name,
            content_type=operation.content_type,
            answer=body,
            created_at=datetime.fromisoformat(body["metadata"]["created_at"]),
            parent_id=str(parent) if parent else None,
        )
        await self.store.add(record, events)
        await self._publish(events)

    async def _publish(self, events: Sequence[Event]) -> None:
        """Publish what is stored; what cannot be published now, the relay will."""
        try:
            await self.log.publish(events)
        except DependencyUnavailable:
            return
        self.store.published(event.id for event in events)

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
        return next(iter(found.values())).answer

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


def _targets(operation: Operation[Any, Any], called: Model) -> tuple[str, ...]:
    return (f"operation:{operation.limit}", f"model:{called.name}", *EVERY_REQUEST)


def _events(visit: Visit, operation: Operation[Any, Any], body: dict[str, Any]) -> list[Event]:
    metadata = body["metadata"]
    common = {
        "content_id": body["content_id"],
        "content_type": operation.content_type,
        "metadata": {
            "model_used": metadata["model_used"],
            "token_usage": metadata["token_usage"],
        },
        "user_id": visit.caller.id,
        "request_id": visit.request_id,
        "source": SOURCE,
        "occurred_at": metadata["created_at"],
    }
    return [
        Event({"type": fact.type, "id": str(uuid7()), **common, **fact.fields})
        for fact in operation.facts(body)
    ]
