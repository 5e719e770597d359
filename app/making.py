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
from app.llm.base import Finish, Listener, Work
from app.llm.fallback import Drafted, Model, Models
from app.operations import Operation
from app.policies import similar
from app.policies.cache import CacheStatus, Wish
from app.policies.limiter import RateLimiter
from app.policies.limits import Ask, Mode, Spent, Standing
from app.policies.once import Calls, Made, Once, mark
from app.storage.store import DuplicateContent, Record, Store

COUNTED = ("prompt_tokens", "completion_tokens", "total_tokens")  # what events tell of tokens
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


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer that is not stored yet.

    whole: whether it is worth keeping for others. held: whether an earlier request had it written.
    """

    body: dict[str, Any]
    whole: bool
    held: bool = False


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
    links: tuple[Model, ...]  # the model that was asked for, and who follows it
    work: Work
    ask: Ask | None
    wish: Wish
    told: str | None = None  # the text that the request continues
    content_id: str = field(default_factory=lambda: str(uuid7()))
    listener: Listener | None = None  # hears the text while it is written
    _signature: bytes | None = field(default=None, init=False)
    # Which model's limit was taken, if one's, and what with it.
    taken: list[tuple[str | None, tuple[str, ...], Spent]] = field(default_factory=list, init=False)
    billed: dict[str, int] = field(default_factory=dict, init=False)  # tokens, by model called

    @property
    def operation(self) -> Operation[Any, Any]:
        return self.work.operation

    @property
    def own_targets(self) -> tuple[str, ...]:
        """The limits that the request counts for whether or not a model is called."""
        return (f"operation:{self.operation.limit}", *EVERY_REQUEST)

    @property
    def first(self) -> Model:
        """Who is called first."""
        return self.models.first(self.links)

    async def signature(self) -> bytes:
        if self._signature is None:
            words = self.operation.data(self.work.request)
            self._signature = await asyncio.to_thread(similar.signature, words)
        return self._signature

    @cached_property
    def frame(self) -> str:
        """What a request must share with this one for their answers to be alike."""
        return similar.frame(
            self.work.request.model_dump(), self.operation.version, self.first.name, self.told
        )

    # -- limits
    async def spend(self) -> Spent:
        """Take what the request counts for; the same call looks for an answer.

        Raises:
            RateLimited, Unauthenticated
        """
        operation, *others = self.own_targets
        targets = (operation, _target(self.first), *others)
        tokens = self.work.tokens
        spent = await self.limiter.spend(self.caller, targets, tokens=tokens, ask=self.ask)
        led = spent.mode is Mode.LEAD
        name = self.first.name if led else None
        self.taken.append((name, targets if led else self.own_targets, spent))
        return spent

    async def take_model(self) -> None:
        """Spend the model's limit, for a request that only now turns out to need it."""
        await self._charge(self.first)

    async def _charge(self, model: Model) -> None:
        targets = (_target(model),)
        spent = await self.limiter.spend(self.caller, targets, tokens=self.work.tokens)
        self.taken.append((model.name, targets, spent))

    async def settle(self) -> None:
        """Give back reserved tokens that were not used, and requests of uncalled models."""
        reserved = self.work.tokens
        used = sum(self.billed.values())
        for name, targets, spent in self.taken:
            own = self.billed.get(name, 0) if name else 0
            for target in targets:
                unused = reserved - (own if target.startswith("model:") else used)
                await self.limiter.settle(self.caller, (target,), spent, unused_tokens=unused)
            if name is not None and name not in self.billed:
                await self.limiter.spare(self.caller, f"model:{name}", spent)
        self.taken.clear()

    # -- the answer
    async def make(self) -> dict[str, Any]:
        """A new answer: written, checked, stored, published.

        Cancelled while it is written, nothing is left; once it is being stored it is stored, and
        the cancellation came too late.
        """
        draft = await self._held() or self._drawn(await self._draft())
        keeping = asyncio.create_task(self._keep(draft), name="keep")
        try:
            return await asyncio.shield(keeping)
        except asyncio.CancelledError:
            found = await keeping
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            return found

    async def _held(self) -> Draft | None:
        """What a model wrote for the same key before, and the database could not take."""
        body = await self.once.drafts.find(self.ask) if self.ask is not None else None
        if body is None:
            return None
        body["metadata"]["request_id"] = self.request_id
        model, finish = body["metadata"]["model_used"], body["metadata"]["finish_reason"]
        return Draft(body, whole=self._is_first(model, Finish(finish)), held=True)

    def _drawn(self, drafted: Drafted) -> Draft:
        own = self.operation.answer(self.work.request, drafted.draft)
        body = {"content_id": self.content_id, **own, "metadata": self._metadata(drafted)}
        return Draft(body, whole=self._is_first(drafted.model.name, drafted.finish))

    def _is_first(self, model: str, finish: Finish) -> bool:
        """Only what the first configured link of the chain wrote, and whole, is kept."""
        return model == self.first.name and finish is Finish.STOP

    async def _keep(self, draft: Draft) -> dict[str, Any]:
        body = draft.body
        events = self._events(body)
        try:
            await self.store.add(self._record(body), events)
        except DependencyUnavailable:
            if self.ask is not None:
                await self.once.drafts.hold(self.ask, body)
            raise
        except DuplicateContent:
            # Another run of the same key was first; its answer is the answer.
            if self.ask is None or (first := await self.first_answer()) is None:
                raise
            return await self.once.again(self.ask, *first)
        await self._publish(draft, events)
        return body

    async def _draft(self) -> Drafted:
        try:
            drafted = await self.models.draft(
                self.links,
                self.work,
                charge=self._charge,
                degrade=self.wish.degrade,
                listener=self.listener,
                called=self.billed,
                request_id=self.request_id,
            )
            self.billed[drafted.model.name] = drafted.usage.total
            return drafted
        finally:
            await self.settle()

    def _metadata(self, drafted: Drafted) -> dict[str, Any]:
        return {
            "content_type": self.operation.content_type,
            "model_used": drafted.model.name,
            "token_usage": drafted.usage.as_dict(),
            "request_id": self.request_id,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "cached": False,
            "degraded": drafted.degraded,
            "finish_reason": drafted.finish.value,
            "attempts": [a.as_dict() for a in drafted.attempts],
            "cost": drafted.cost,
            "upstream_model": drafted.completion.upstream_model,
            "ignored_parameters": list(drafted.completion.ignored),
            "seed": drafted.completion.seed,
            "prompt_version": str(self.operation.version),
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
            idempotency_key=self.wish.idempotency_key,
            fingerprint=mark(self.ask, body) if self.ask else "",
        )

    async def _publish(self, draft: Draft, events: Sequence[Event]) -> None:
        """Publish what is stored; what cannot be published now, the relay will."""
        try:
            await self.log.publish(events, also=await self._finish(draft))
            self.store.published(event.id for event in events)
            if draft.held and self.ask is not None:
                await self.once.drafts.drop(self.ask)
        except DependencyUnavailable:
            return

    async def _finish(self, draft: Draft) -> Calls:
        if self.ask is None:
            return []
        body = draft.body
        calls = self.once.finish(self.ask, body, worth_keeping=draft.whole)
        if self.ask.keep is not None and draft.whole:
            kept = similar.entry(body["content_id"], self.frame, await self.signature())
            calls.append(similar.keeping(self.caller.id, self.operation.name, kept, self.ask.ttl))
        return calls

    def _events(self, body: dict[str, Any]) -> list[Event]:
        metadata = body["metadata"]
        common = {
            "content_id": body["content_id"],
            "content_type": self.operation.content_type,
            "metadata": {
                "model_used": metadata["model_used"],
                "token_usage": {k: metadata["token_usage"][k] for k in COUNTED},
            },
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
        if self.wish.idempotency_key is None:
            return None
        found = await self.store.first_answer(self.caller.id, self.wish.idempotency_key)
        return (found[0], found[1].answer) if found else None

    async def remember(self, known: str, content_id: str) -> None:
        if self.wish.idempotency_key is not None:
            await self.store.remember(self.caller.id, self.wish.idempotency_key, known, content_id)

    def answer(self, made: Made, standing: Standing, similarity: float | None = None) -> Answer:
        return Answer(
            self.operation, made.body, standing, self.request_id, made.status, made.age, similarity
        )


def _target(model: Model) -> str:
    return f"model:{model.name}"
