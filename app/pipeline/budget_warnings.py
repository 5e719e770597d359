"""Budget warnings: an event for the first who finds that a budget is nearly spent.

Redis says once in a period and to one process that it is to be told; one that dies before it did is
followed by another ten seconds later.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any, Protocol

from uuid_utils import uuid7

from app.errors import DependencyUnavailable
from app.events.log import EventLog
from app.events.types import BUDGET_WARNED, COUNTED, SOURCE, Event
from app.pipeline.reservations import Spender
from app.policies.budget_accounts import Reply, telling
from app.policies.budgets import Balance
from app.redis.client import Redis


class WarningMetrics(Protocol):
    """Who counts for metrics."""

    def budget_warned(self, name: str) -> None: ...


class BudgetWarnings:
    """One for the process."""

    def __init__(self, redis: Redis, log: EventLog, metrics: WarningMetrics) -> None:
        self._redis, self._log, self._metrics = redis, log, metrics
        self._telling: set[asyncio.Task[None]] = set()

    def crossed(self, reply: Reply, spender: Spender) -> None:
        """Have it told, beside what goes on."""
        task = asyncio.create_task(self._tell(reply.balance, spender), name="budget-warning")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """When what is being told has been; each is one round trip or two."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _tell(self, balance: Balance, spender: Spender) -> None:
        with contextlib.suppress(DependencyUnavailable):  # then somebody else tells it
            await self._log.publish([Event(_payload(balance, spender))])
            self._metrics.budget_warned(balance.account.budget.name)
            call = telling(balance.account)
            await self._redis.run(call.script, call.keys, call.args)


def _payload(balance: Balance, spender: Spender) -> dict[str, Any]:
    budget = balance.account.budget
    return {
        "type": BUDGET_WARNED,
        "id": str(uuid7()),
        "content_id": spender.content_id,
        "content_type": spender.content_type,
        "metadata": {
            "model_used": spender.model,
            "token_usage": dict.fromkeys(COUNTED, 0),
            "prompt_version": spender.prompt_version,
            "variant": None,
        },
        "budget": budget.name,
        "period": budget.period,
        "unit": budget.unit,
        "limit": budget.shown(budget.limit),
        "spent": budget.shown(balance.spent),
        "share": round(balance.share, 4),
        "renews_at": balance.account.renews_at,
        "user_id": spender.caller.id,
        "request_id": spender.request_id,
        "source": SOURCE,
        "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
