"""Making: one answer from its admission to its publishing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from uuid_utils import uuid7

from app.caller import Caller
from app.errors import DependencyUnavailable
from app.events.log import EventLog
from app.events.types import SOURCE, Event
from app.llm.base import Work
from app.llm.fallback import Drafted, Model, Models
from app.operations import Operation
from app.policies import similar
from app.policies.cache import CacheStatus
from app.policies.limiter import RateLimiter
from app.policies.limits import Ask, Mode, Spent, Standing
from app.policies.once import Calls, Made, Once, mark
from app.storage.store import DuplicateContent, Record, Store

EVERY_REQUEST = ("user", "global")  # the limits that each request counts for


@dataclass(frozen=True, slots=True)
class Answer:
    """An operation's answer: `body` is the REST answer; `standing` the tightest limit it took.

    age: seconds, of an answer from the cache. similarity: how alike the request was that it was
    made for, 0 to 1, where it was made for another.
    """

    operation: Operation[Any, Any]
    body: dict[str, Any]
    standing: Standing
    request_id: str
    cache_status: CacheStatus
    age: float = 0.0
    similarity: float | None = None


@dataclass
class Making:
    """What is needed to make one answer, and how far it came."""

    limiter: RateLimiter
    models: Models
    store: Store
    log: EventLog
    once: Once
    caller: Caller
    request_id: str
    model: Model
    work: Work
    ask: Ask | None
    idempotency_key: str | None
    told: str | None = None  # the text that the request continues
    called: bool = field(default=False, init=False)  # whether a model was
    _signature: bytes | None = field(default=None, init=False)
    taken: list[tuple[tuple[str, ...], Spent]] = field(default_factory=list, init=False)

    @property
    def operation(self) -> Operation[Any, Any]:
        return self.work.operation

    @property
    def own_targets(self) -> tuple[str, ...]:
        """The limits that the request counts for whether or not a model is called."""
        return (f"operation:{self.operation.limit}", *EVERY_REQUEST)

    @property
    def model_target(self) -> str:
        return f"model:{self.models.first(self.model).name}"

    async def signature(self) -> bytes:
        if self._signature is None:
            words = self.operation.data(self.work.request)
            self._signature = await asyncio.to_thread(similar.signature, words)
        return self._signature

    @cached_property
    def frame(self) -> str:
        """What a request must share with this one for their answers to be alike."""
        model = self.models.first(self.model).name
        return similar.frame(
            self.work.request.model_dump(), self.operation.version, model, self.told
        )

    # -- limits
    async def spend(self) -> Spent:
        """Take what the request counts for; the same call looks for an answer.

        Raises:
            RateLimited, Unauthenticated
        """
        operation, *others = self.own_targets
        targets = (operation, self.model_target, *others)
        tokens = self.work.tokens
        spent = await self.limiter.spend(self.caller, targets, tokens=tokens, ask=self.ask)
        if spent.mode is not Mode.LEAD:
            targets = self.own_targets
        self.taken.append((targets, spent))
        return spent

    async def take_model(self) -> None:
        """Spend the model's limit, for a request that only now turns out to need it."""
        target, tokens = (self.model_target,), self.work.tokens
        self.taken.append((target, await self.limiter.spend(self.caller, target, tokens=tokens)))

    async def _settle(self, used: int) -> None:
        """Give back the tokens that were reserved and not used."""
        unused = self.work.tokens - used
        for targets, spent in self.taken:
            await self.limiter.settle(self.caller, targets, spent, unused_tokens=unused)

    async def spare(self) -> None:
        """Give back what was taken for a model, unless one was called for this request."""
        if self.called:
            return
        await self._settle(0)
        for targets, spent in self.taken:
            if self.model_target in targets:
                await self.limiter.spare(self.caller, self.model_target, spent)

    # -- the answer
    async def make(self) -> dict[str, Any]:
        """A new answer: written, checked, stored, published."""
        drafted = await self._draft()
        own = self.operation.answer(self.work.request, drafted.draft)
        body = {"content_id": str(uuid7()), **own, "metadata": self._metadata(drafted)}
        events = self._events(body)
        try:
            await self.store.add(self._record(body), events)
        except DuplicateContent:
            # Another run of the same key was first; its answer is the answer.
            if self.ask is None or (first := await self.first_answer()) is None:
                raise
            return await self.once.again(self.ask, *first)
        await self._publish(body, events, drafted)
        return body

    async def _draft(self) -> Drafted:
        called, used = self.models.first(self.model), 0
        self.called = True
        try:
            drafted = await self.models.draft(self.model, self.work)
            if drafted.model is called:
                used = drafted.usage.total
            return drafted
        finally:
            await self._settle(used)

    def _metadata(self, drafted: Drafted) -> dict[str, Any]:
        return {
            "content_type": self.operation.content_type,
            "model_used": drafted.model.name,
            "token_usage": drafted.usage.as_dict(),
            "request_id": self.request_id,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "cached": False,
            "degraded": drafted.degraded,
        }

    def _record(self, body: dict[str, Any]) -> Record:
        parent = self.operation.parent(self.work.request)
        return Record(
            content_id=body["content_id"],
            user_id=self.caller.id,
            operation=self.operation.name,
            content_type=self.operation.content_type,
            answer=body,
            created_at=datetime.fromisoformat(body["metadata"]["created_at"]),
            parent_id=str(parent) if parent else None,
            idempotency_key=self.idempotency_key,
            fingerprint=mark(self.ask, body) if self.ask else "",
        )

    async def _publish(
        self, body: dict[str, Any], events: Sequence[Event], drafted: Drafted
    ) -> None:
        """Publish what is stored; what cannot be published now, the relay will."""
        try:
            await self.log.publish(events, also=await self._finish(body, drafted))
        except DependencyUnavailable:
            return
        self.store.published(event.id for event in events)

    async def _finish(self, body: dict[str, Any], drafted: Drafted) -> Calls:
        if self.ask is None:
            return []
        # Only what the first configured link of the chain wrote is kept.
        first = drafted.model is self.models.first(self.model)
        calls = self.once.finish(self.ask, body, worth_keeping=first)
        if self.ask.keep is not None and first:
            kept = similar.entry(body["content_id"], self.frame, await self.signature())
            calls.append(similar.keeping(self.caller.id, self.operation.name, kept, self.ask.ttl))
        return calls

    def _events(self, body: dict[str, Any]) -> list[Event]:
        metadata = body["metadata"]
        common = {
            "content_id": body["content_id"],
            "content_type": self.operation.content_type,
            "metadata": {k: metadata[k] for k in ("model_used", "token_usage")},
            "user_id": self.caller.id,
            "request_id": self.request_id,
            "source": SOURCE,
            "occurred_at": metadata["created_at"],
        }
        return [
            Event({"type": fact.type, "id": str(uuid7()), **common, **fact.fields})
            for fact in self.operation.facts(body)
        ]

    async def load(self, content_id: str) -> dict[str, Any] | None:
        found = await self.store.get_many(self.caller.id, [content_id])
        return found[content_id].answer if content_id in found else None

    async def first_answer(self) -> tuple[str, dict[str, Any]] | None:
        if self.idempotency_key is None:
            return None
        found = await self.store.first_answer(self.caller.id, self.idempotency_key)
        return (found[0], found[1].answer) if found else None

    async def remember(self, known: str, content_id: str) -> None:
        if self.idempotency_key is not None:
            await self.store.remember(self.caller.id, self.idempotency_key, known, content_id)

    def answer(self, made: Made, standing: Standing, similarity: float | None = None) -> Answer:
        return Answer(
            self.operation, made.body, standing, self.request_id, made.status, made.age, similarity
        )
