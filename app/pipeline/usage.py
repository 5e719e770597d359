"""Usage: what requests spent on models, as rows that are written once, however each ended."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils import uuid7

from app.llm.spending import Spending, Spent
from app.pipeline.answer import Body
from app.pipeline.reading import PreparedRequest
from app.policies.limiter import RateLimiter
from app.storage.ledger import Ledger
from app.storage.usage import UsageRow


class UsageRecorder:
    """One for the process."""

    def __init__(self, ledger: Ledger, limiter: RateLimiter) -> None:
        self._ledger, self._limiter = ledger, limiter

    def rows(
        self, request: PreparedRequest, spending: Spending, answer: Body | None = None
    ) -> list[UsageRow]:
        """What the request spent; with `answer`, the model that gave it has it counted, also where
        an earlier request paid for it."""
        found = dict(spending)
        answered = answer["metadata"]["attempts"][-1]["model"] if answer else None
        if answered is not None:
            found.setdefault(answered, Spent())
        content_id = answer["content_id"] if answer else request.content_id
        return [
            self._row(request, content_id, model, spent, answers=int(model == answered))
            for model, spent in found.items()
        ]

    def spent(self, rows: list[UsageRow]) -> asyncio.Future[None] | None:
        """Has rows written that belong to no answer; None where there are none."""
        return self._ledger.spent(rows) if rows else None

    def _row(
        self, request: PreparedRequest, content_id: str, model: str, spent: Spent, *, answers: int
    ) -> UsageRow:
        usage = spent.usage
        return UsageRow(
            id=str(uuid7()),
            at=began(request.content_id),
            content_id=content_id,
            user_id=request.caller.id,
            tier=self._limiter.tier(request.caller),
            operation=request.operation.name,
            model=model,
            prompt_version=str(request.work.prompt.version),
            answers=answers,
            calls=spent.calls,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached,
            cache_write_tokens=usage.cache_write,
            reasoning_tokens=usage.reasoning,
            estimated_tokens=spent.estimated,
            nano_usd=spent.nano_usd if spent.priced else None,
        )


def began(content_id: str) -> datetime:
    """When the request began that a content is of: its uuid7 tells."""
    milliseconds = UUID(content_id).int >> 80
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
