"""What operators see, wired: the metrics, with what they ask of all the rest, and traces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.llm.model import STORYTELLER
from app.llm.model_spans import provider
from app.model_wiring import ModelRow
from app.observe.metrics import Metrics
from app.operations import OPERATIONS
from app.operations.metadata import AttemptOutcome
from app.pipeline import identity
from app.pipeline.gateway import Gateway
from app.policies.quotas import KINDS, scope
from app.policy_wiring import limits
from app.settings import Settings

if TYPE_CHECKING:
    from app.observe.tracing import Tracing


def metrics(
    settings: Settings, rows: Sequence[ModelRow], gateway: Callable[[], Gateway]
) -> Metrics:
    """The gateway is asked at each scrape: it may come to be after its metrics."""
    return Metrics(
        models=[*(row.name for row in rows), STORYTELLER],
        outcomes=[o.value for o in AttemptOutcome],
        operations=list(OPERATIONS),
        scopes=[*(limit.scope for limit in limits(settings)), *map(scope, KINDS), identity.SCOPE],
        budgets=[budget.name for budget in settings.file.budgets],
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
        subscriptions=lambda: gateway().subscriptions.edges,
        tasks=lambda: len(asyncio.all_tasks()),
    )


@dataclass(frozen=True, slots=True)
class Traces:
    """Who makes this process's spans while it runs."""

    tracing: Tracing

    @staticmethod
    def of(settings: Settings) -> Traces | None:
        """None where they are off. Raises `SettingsError`."""
        if (endpoint := settings.traces_endpoint) is None:
            return None
        from app.observe.tracing import tracing  # 0.2 s of imports that nobody else needs

        texts, caller_traces = settings.trace_texts, settings.caller_traces
        return Traces(tracing(endpoint, texts=texts, caller_traces=caller_traces))

    @asynccontextmanager
    async def made(self) -> AsyncIterator[None]:
        """Spans are made until the block ends, and the last of them exported."""
        self.tracing.start()
        try:
            yield
        finally:
            await self.tracing.stop()
