"""The stages from admission to answer with a real Valkey, and a model that tests hold."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

from uuid_utils import uuid7

from app.caller import Caller
from app.errors import ModelError
from app.pipeline.admission import Admission, admit
from app.pipeline.admission_call import AdmissionCall
from app.pipeline.answer import Result
from app.pipeline.context import RequestContext
from app.pipeline.directives import CacheUse, Directives
from app.pipeline.finding import Finding
from app.pipeline.idempotency import Idempotency, mark
from app.pipeline.lookup import lookup
from app.pipeline.single_flight import SingleFlight
from app.policies import similar
from app.policies.cache import fingerprint, leads_to, pack
from app.policies.limits import Limit
from app.redis import steps
from app.redis.budget import ByteBudget
from app.redis.client import Redis
from tests.support.admission import admission_call

ANY = Directives()
FRAME = "f" * similar.FRAME


@dataclass
class SharedState:
    """What the processes have in common: the database, and the model that tests hold."""

    made: list[str] = field(default_factory=list)  # what was asked of the model
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    open: asyncio.Event = field(default_factory=asyncio.Event)  # the model waits for it
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # it was asked
    failing: bool = False

    def __post_init__(self) -> None:
        self.open.set()

    async def get_many(self, user: str, ids: Sequence[str]) -> dict[str, Any]:
        bodies = {i: self.answers[i] for i in ids if self.answers.get(i, {}).get("user") == user}
        return {
            i: SimpleNamespace(answer={**body, "metadata": dict(body["metadata"])})
            for i, body in bodies.items()
        }

    async def first_answer(self, user: str, key: str) -> tuple[str, Any] | None:
        known, content_id = self.keys.get((user, key), ("", ""))
        found = await self.get_many(user, [content_id])
        return (known, found[content_id]) if found else None

    async def remember(self, user: str, key: str, known: str, content_id: str) -> None:
        self.keys.setdefault((user, key), (known, content_id))


@dataclass
class FakeRequest:
    """As much of a `PreparedRequest` as these stages look at."""

    context: RequestContext
    directives: Directives
    lookup: Any
    what: str
    content_id: str = ""
    operation: Any = field(default_factory=lambda: SimpleNamespace(caller_chooses=False))
    work: Any = field(default_factory=lambda: SimpleNamespace(tokens=0))
    first: Any = field(default_factory=lambda: SimpleNamespace(name="m", target="model:m"))
    targets: tuple[str, ...] = ("user", "model:m")

    @property
    def caller(self) -> Caller:
        return self.context.caller


@dataclass
class PipelineProcess:
    """One process's stages, with limits that refuse nobody."""

    redis: Redis
    idempotency: Idempotency
    call: AdmissionCall
    finding: Finding
    single_flight: SingleFlight
    shared: SharedState

    async def get(
        self,
        what: str = "a tale",
        *,
        user: str = "alice",
        wish: Directives = ANY,
        use: CacheUse = CacheUse.USE,
        ttl: float = 60.0,
    ) -> Result:
        context = RequestContext(Caller(user), "an id", self.call)
        asked = lookup(user, fingerprint(user, what), wish, use, ttl)
        request: Any = FakeRequest(context, wish, asked, what)
        async with AsyncExitStack() as stack:
            admission = await stack.enter_async_context(admit(self.call, request))
            found = await self.finding.find(admission)
            make = partial(self._make, request, admission)
            return found or await self.single_flight.share(admission, stack, make)

    async def _make(self, request: FakeRequest, admission: Admission) -> dict[str, Any]:
        shared, user, what = self.shared, request.caller.id, request.what
        shared.made.append(what)
        shared.begun.set()
        await shared.open.wait()
        if shared.failing:
            raise ModelError("no usable answer", "gpt-4-turbo")
        body = {
            "content_id": str(uuid7()),
            "user": user,
            "what": what,
            "metadata": {"cached": False, "created_at": datetime.now(UTC).isoformat()},
        }
        shared.answers[body["content_id"]] = body
        if (key := request.directives.idempotency_key) is not None:
            shared.keys[user, key] = mark(request.lookup, body), body["content_id"]
        await self._publish(request, admission, body)
        return body

    async def _publish(
        self, request: FakeRequest, admission: Admission, body: dict[str, Any]
    ) -> None:
        asked, cached = request.lookup, []
        if asked.keep is not None and (value := pack(body, datetime.now(UTC).timestamp())):
            where = leads_to(asked.slot, body)
            cached = [
                steps.keep(asked.keep, value, 60, body["content_id"]),
                steps.note(where, asked.keep, 60, body["content_id"]),
            ]
        calls = admission.settlement(*cached, *self.idempotency.done(asked, body))
        entry = similar.entry(body["content_id"], FRAME, similar.signature({"x": request.what}))
        calls.append(similar.index_call(request.caller.id, "tale", entry, 60))
        with contextlib.suppress(Exception):
            await self.redis.run_all(calls)

    async def near(self, what: str, user: str) -> list[dict[str, Any]]:
        """The answers that would be offered to a user who takes anything alike."""
        wanted = similar.signature({"x": what})
        found = await similar.SimilarityIndex(self.redis).nearest(user, "tale", FRAME, wanted)
        return [self.shared.answers[content_id] for _, content_id in found]


@contextlib.asynccontextmanager
async def running_processes(url: str, count: int = 1) -> AsyncIterator[list[PipelineProcess]]:
    """So many processes that share a Redis, a database and a model."""
    shared: Any = SharedState()
    found = []
    for _ in range(count):
        redis = Redis(url)
        idempotency = Idempotency(redis, shared, ByteBudget(1_000_000))
        finding = Finding(shared, idempotency, similar.SimilarityIndex(redis))
        call = admission_call(redis, limits=[Limit("user", 10**6)])
        found.append(
            PipelineProcess(
                redis, idempotency, call, finding, SingleFlight(redis, idempotency), shared
            )
        )
    try:
        yield found
    finally:
        for process in found:
            await process.single_flight.close()
            await process.redis.close()
