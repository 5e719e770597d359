"""Reading: from what an edge hears to a `PreparedRequest`, before anything is charged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from uuid_utils import uuid7

from app import spans
from app.caller import Caller
from app.errors import InvalidRequest
from app.limit_standing import Standing
from app.llm.completion import CompletionRequest
from app.llm.fallback import Model, Models
from app.operations import OPERATIONS, Operation
from app.operations.fields import Request
from app.pipeline.answer import Answer, Result
from app.pipeline.context import EVERY_REQUEST, RequestContext
from app.pipeline.directives import CacheUse, Directives
from app.pipeline.lookup import Lookup, lookup
from app.policies import similar
from app.policies.cache import fingerprint
from app.policies.canaries import Canaries, Canary
from app.policies.pseudonyms import Pseudonyms
from app.storage.store import Record, Store

MAX_PARENT_TEXT = 4_000  # characters, about 1,000 tokens


@dataclass
class PreparedRequest:
    """A request that was read and checked, with all that it takes to answer it."""

    context: RequestContext
    directives: Directives
    work: CompletionRequest
    links: tuple[Model, ...]  # the model that was asked for, and who follows it
    first: Model  # who of them is called first
    lookup: Lookup | None = None
    continues: str | None = None  # the text that it goes on from
    canary: Canary | None = None  # what it tries
    content_id: str = field(default_factory=lambda: str(uuid7()))
    _signature: bytes | None = field(default=None, init=False)

    @property
    def operation(self) -> Operation[Any, Any]:
        return self.work.operation

    @property
    def caller(self) -> Caller:
        return self.context.caller

    @property
    def request_id(self) -> str:
        return self.context.request_id

    @property
    def own_targets(self) -> tuple[str, ...]:
        """The limits that it counts for whether or not a model is called."""
        return (f"operation:{self.operation.limit}", *EVERY_REQUEST)

    @property
    def targets(self) -> tuple[str, ...]:
        operation, *others = self.own_targets
        return (operation, self.first.target, *others)

    async def signature(self) -> bytes:
        """Its words, for likeness."""
        if self._signature is None:
            words = self.operation.data(self.work.request)
            self._signature = await asyncio.to_thread(similar.signature, words)
        return self._signature

    @cached_property
    def frame(self) -> str:
        """What a request must share with this one for their answers to be alike."""
        return similar.frame(
            self.work.request.model_dump(),
            self.work.prompt.version,
            self.first.name,
            self.continues,
            *_variant(self),
        )

    @property
    def first_event(self) -> dict[str, Any]:
        """A generation's; `traceparent`: for whoever goes on with it after a death."""
        trace = spans.traceparent()
        return {
            **({} if trace is None else {"traceparent": trace}),
            "operation": self.operation.name,
            "user_id": self.caller.id,
            "on_disconnect": "continue" if self.directives.detached else "cancel",
        }

    def answer(self, result: Result, standing: Standing) -> Answer:
        return Answer(self.operation, result, standing, self.request_id)


class Reading:
    """Reads requests; `cache_ttls` are seconds by operation, others keep answers for `cache_ttl`.

    A time of nought: answers are not cached.
    """

    def __init__(
        self,
        models: Models,
        store: Store,
        pseudonyms: Pseudonyms,
        *,
        canaries: Canaries | None = None,
        cache_ttl: float = 3600.0,
        cache_ttls: Mapping[str, float] | None = None,
    ) -> None:
        self._models, self._store, self._pseudonyms = models, store, pseudonyms
        self._canaries = canaries or Canaries()
        self._cache_ttl, self._cache_ttls = cache_ttl, cache_ttls or {}

    async def read(
        self,
        context: RequestContext,
        operation: Operation[Any, Any],
        raw: bytes | dict[str, Any],
        given: Callable[[], Directives],
    ) -> PreparedRequest:
        """The request, checked. Raises `InvalidRequest` naming what is wrong with it."""
        directives, request = given(), operation.read(raw)
        model, choice = self._models.choose(operation, request)
        continues = await self._continued(context.caller, operation, request)
        canary = self._canaries.of(context.caller, operation.name, model.name)
        links = self._models.candidates(
            model,
            choice.fallback_model,
            degrade=directives.allow_degraded,
            served_by=canary.served_by if canary else None,
        )
        version = canary.prompt_version if canary else None
        prompt = operation.prompt(request, choice, continues, version)
        user_id = context.caller.id
        work = CompletionRequest(
            operation, request, prompt,
            user=self._pseudonyms.of(user_id), owner=user_id, continues=continues,
        )  # fmt: skip
        found = PreparedRequest(
            context, directives, work, links, self._models.first(links),
            continues=continues, canary=canary,
        )  # fmt: skip
        found.lookup = self._lookup(found)
        return found

    async def _continued(
        self, caller: Caller, operation: Operation[Any, Any], request: Request
    ) -> str | None:
        """The text that the request continues. Raises `InvalidRequest` unless it is there."""
        wanted = operation.parent(request)
        if wanted is None:
            return None
        found = await self._store.get_many(caller.id, [str(wanted)])
        if not found:
            raise InvalidRequest.at((operation.parent_field,), "no content of yours has this id")
        return _end_of(found[str(wanted)])

    def _lookup(self, request: PreparedRequest) -> Lookup | None:
        operation, directives, user_id = request.operation, request.directives, request.caller.id
        ttl = self._cache_ttls.get(operation.name, self._cache_ttl)
        default = CacheUse.USE if operation.cached else CacheUse.BYPASS
        use = (directives.cache or default) if ttl > 0 else CacheUse.BYPASS
        if use is CacheUse.BYPASS and not directives.idempotency_key:
            return None
        said = request.work.request.model_dump(mode="json")
        writers = request.links[0].name, request.first.name, user_id
        strict = [] if directives.allow_degraded else [1]
        version, variant = request.work.prompt.version, _variant(request)
        known = fingerprint(
            operation.name, version, said, *writers, request.continues, *strict, *variant
        )
        return lookup(user_id, known, directives, use, ttl)


def _variant(request: PreparedRequest) -> list[dict[str, str]]:
    """What sets a canary's requests apart from all others; nothing for those of none."""
    return [{"variant": request.canary.name}] if request.canary else []


def _end_of(record: Record) -> str:
    """As much of a stored text as a model gets of it: its end, which is what is continued."""
    text = OPERATIONS[record.operation].text(record.answer)
    if len(text) <= MAX_PARENT_TEXT:
        return text
    cut = text[-MAX_PARENT_TEXT:]
    return cut[cut.find(" ") + 1 :]
