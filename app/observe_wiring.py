"""What is measured, wired: the metrics, with what they ask of all the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from app.llm.model import STORYTELLER
from app.model_wiring import ModelRow
from app.observe.metric_names import provider
from app.observe.metrics import Metrics
from app.operations import OPERATIONS
from app.operations.metadata import AttemptOutcome
from app.pipeline import identity
from app.pipeline.gateway import Gateway
from app.policies.quotas import KINDS, scope
from app.policy_wiring import limits
from app.settings import Settings


def metrics(
    settings: Settings, rows: Sequence[ModelRow], gateway: Callable[[], Gateway]
) -> Metrics:
    """The gateway is asked at each scrape: it may come to be after its metrics."""
    return Metrics(
        models=[*(row.name for row in rows), STORYTELLER],
        outcomes=[o.value for o in AttemptOutcome],
        operations=list(OPERATIONS),
        scopes=[*(limit.scope for limit in limits(settings)), *map(scope, KINDS), identity.SCOPE],
        prompt_versions=sorted({str(v) for o in OPERATIONS.values() for v in o.versions}),
        provided={
            row.name: (provider(row.profile.provider), row.table.upstream_name) for row in rows
        },
        breakers=lambda: {m.name: m.breaker_state.value for m in gateway().models if m.breaker},
        retiring=lambda: {m.name: m.retires_at for m in gateway().models if m.retires_at},
        gone=lambda: {m.name: m.gone for m in gateway().models if m.name != STORYTELLER},
        running=lambda: {m.name: m.bulkhead.running for m in gateway().models},
        waiting=lambda: {m.name: m.bulkhead.waiting for m in gateway().models},
        generations=lambda: gateway().generations.running,
        redis_up=lambda: gateway().admission_call.redis.up,
        database_up=lambda: gateway().health.database_up,
        streams=lambda: len(gateway().open_streams),
        tasks=lambda: len(asyncio.all_tasks()),
    )
