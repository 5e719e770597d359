"""Keeping: a new answer and its events in one transaction, then published.

What tells other requests of it, and what the admission gives back, goes with the publishing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from uuid_utils import uuid7

from app import spans
from app.errors import DependencyUnavailable, UserErased
from app.events.log import EventLog
from app.events.types import SOURCE, Event, made_by
from app.pipeline import lately
from app.pipeline.admission import Admission
from app.pipeline.answer import Body
from app.pipeline.idempotency import Idempotency, mark
from app.pipeline.reading import PreparedRequest
from app.pipeline.unstored import UnstoredAnswers
from app.pipeline.writing import NewAnswer
from app.policies import similar
from app.policies.cache import leads_to, lifetime, pack
from app.redis import steps
from app.redis.budget import NOTE_BYTES, ByteBudget
from app.redis.client import Call
from app.redis.steps import Step
from app.stages import Stage, stage
from app.storage.store import DuplicateContent, Record, Store


class Keeping:
    """Stores, publishes, and lets equal requests know."""

    def __init__(
        self,
        store: Store,
        log: EventLog,
        idempotency: Idempotency,
        unstored: UnstoredAnswers,
        budget: ByteBudget,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._log = store, log
        self._idempotency, self._unstored, self._now = idempotency, unstored, now
        self._budget = budget

    async def keep(self, admission: Admission, new: NewAnswer) -> Body:
        """The answer, stored; or the one that another run of the same key stored first.

        Once it is being stored it is stored: a cancellation comes too late.

        Raises:
            UserErased: the caller was, since the request began.
            DependencyUnavailable: the database is away; under an idempotency key the next try has
                it stored.
        """
        keeping = asyncio.create_task(self._keep(admission, new), name="keep")
        try:
            return await asyncio.shield(keeping)
        except asyncio.CancelledError:
            found = await keeping
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            return found

    async def _keep(self, admission: Admission, new: NewAnswer) -> Body:
        request, events = admission.request, _events(admission.request, new.body)
        try:
            with stage(Stage.STORE):
                usage = admission.usage(new.body)
                await self._store.add(_record(request, new.body), events, usage)
        except DependencyUnavailable:
            await self._unstored.hold(request.lookup, new.body)
            raise
        except UserErased:
            with contextlib.suppress(DependencyUnavailable):
                await self._unstored.drop(request.lookup)
            raise
        except DuplicateContent:
            # Another run of the same key was first; its answer is the answer.
            if (first := await self._idempotency.first(request)) is None:
                raise
            return first.body
        await self._publish(admission, new, events)
        return new.body

    async def _publish(self, admission: Admission, new: NewAnswer, events: Sequence[Event]) -> None:
        """Publish what is stored; what cannot be published now, the relay will."""
        request, lookup = admission.request, admission.request.lookup
        own = self._idempotency.done(lookup, new.body) if lookup else []
        cached = self._cached(request, new) if new.cacheable else []
        told = lately.told(request, new.marks, new.body["content_id"])
        try:
            calls = admission.settlement(*cached, *own, *told)
            if cached and lookup is not None:
                calls.append(await _indexed(request, new.body, lookup.ttl))
            with stage(Stage.PUBLISH):
                admission.settled(await self._log.publish(events, also=calls))
            self._store.published(event.id for event in events)
            if new.unstored:
                await self._unstored.drop(lookup)
        except DependencyUnavailable:
            return

    def _cached(self, request: PreparedRequest, new: NewAnswer) -> list[Step]:
        """What lets equal requests find it; nothing while too much is kept of this user's."""
        lookup = request.lookup
        if lookup is None or lookup.keep is None:
            return []
        if (value := pack(new.body, self._now())) is None:
            return []
        size = len(value) + NOTE_BYTES + len(lookup.keep) + similar.ENTRY_BYTES
        if not self._budget.take(lookup.slot, size, lookup.ttl):
            return []
        ttl, where = lifetime(lookup.ttl), leads_to(lookup.slot, new.body)
        of = new.body["content_id"]
        return [steps.keep(lookup.keep, value, ttl, of), steps.note(where, lookup.keep, ttl, of)]


async def _indexed(request: PreparedRequest, body: Body, ttl: float) -> Call:
    """What lets similar requests find it."""
    entry = similar.entry(body["content_id"], request.frame, await request.signature())
    return similar.index_call(request.caller.id, request.operation.name, entry, ttl)


def _record(request: PreparedRequest, body: Body) -> Record:
    parent = request.operation.parent(request.work.request)
    return Record(
        content_id=body["content_id"],
        user_id=request.caller.id,
        operation=request.operation.name,
        content_type=request.operation.content_type,
        answer=body,
        created_at=datetime.fromisoformat(body["metadata"]["created_at"]),
        parent_id=str(parent) if parent else None,
        idempotency_key=request.directives.idempotency_key,
        fingerprint=mark(request.lookup, body) if request.lookup else "",
    )


def _events(request: PreparedRequest, body: Body) -> list[Event]:
    metadata, trace = body["metadata"], spans.traceparent()
    common = {
        "content_id": body["content_id"],
        "content_type": request.operation.content_type,
        "metadata": made_by(metadata)
        if trace is None
        else {**made_by(metadata), "traceparent": trace},
        "user_id": request.caller.id,
        "request_id": request.request_id,
        "source": SOURCE,
        "occurred_at": metadata["created_at"],
    }
    return [
        Event({"type": fact.type, "id": str(uuid7()), **common, **fact.fields})
        for fact in request.operation.facts(body)
    ]
