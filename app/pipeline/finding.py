"""Finding: the answer that is there already, to an equal request or to one that is alike."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.errors import IdempotencyConflict
from app.pipeline.admission import Admission
from app.pipeline.answer import CacheStatus, Result
from app.pipeline.idempotency import Idempotency
from app.pipeline.lookup import Disposition
from app.pipeline.reading import PreparedRequest
from app.policies.cache import age, unpack
from app.policies.similar import SimilarityIndex
from app.storage.store import Store

MAX_NEAREST = 5  # similar answers that are looked at; what expired stands among them


class Finding:
    """In the cache, under an idempotency key, or in the index of similar requests."""

    def __init__(
        self,
        store: Store,
        idempotency: Idempotency,
        similar: SimilarityIndex,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._idempotency, self._similar = store, idempotency, similar
        self._now = now

    async def find(self, admission: Admission) -> Result | None:
        """What the admission's one call found. Raises `IdempotencyConflict`."""
        request, decision = admission.request, admission.decision
        if decision.disposition is Disposition.CONFLICT:
            raise IdempotencyConflict
        if decision.disposition is Disposition.REPLAY:
            return await self._idempotency.replay(request, decision.payload)
        if decision.disposition is not Disposition.HIT:
            return None
        if (found := unpack(decision.payload)) is None:
            return None
        body, at = found
        body["metadata"]["cached"] = True
        await self._idempotency.remember(request, body)
        return Result(body, CacheStatus.HIT, max(0.0, self._now() - at))

    async def nearest(self, request: PreparedRequest) -> Result | None:
        """An earlier answer to a request that is alike enough, where that is wished for.

        A request with an idempotency key gets none: its key stands for an answer of its own.
        """
        lookup, wanted = request.lookup, request.directives.similar
        if wanted is None or lookup is None or not lookup.cached or lookup.idempotency:
            return None
        user_id, name = request.caller.id, request.operation.name
        signature = await request.signature()
        ranked = await self._similar.nearest(user_id, name, request.frame, signature)
        for likeness, content_id in ranked[:MAX_NEAREST]:
            if likeness < wanted:
                return None
            found = await self._store.get_many(user_id, [content_id])
            for body in (record.answer for record in found.values()):
                if (old := age(body, self._now())) <= lookup.max_age:
                    body["metadata"]["cached"] = True
                    return Result(body, CacheStatus.HIT, old, likeness)
        return None
