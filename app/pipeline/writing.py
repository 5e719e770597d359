"""Writing: a model's checked draft as an answer that is not kept yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from app.llm.completion import Listener
from app.llm.fallback import CheckedCompletion, Models
from app.operations.metadata import FinishReason
from app.pipeline import lately
from app.pipeline.admission import Admission
from app.pipeline.answer import Body
from app.pipeline.reading import PreparedRequest
from app.pipeline.unstored import UnstoredAnswers
from app.policies.quotas import Quotas


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """cacheable: worth keeping for others. marks: by what the user's next texts are to differ.
    unstored: an earlier request had it written.
    """

    body: Body
    cacheable: bool
    marks: tuple[bytes, ...] = ()
    unstored: bool = False


class Writing:
    """Has models write, or finds what one wrote before and the database could not take."""

    def __init__(self, models: Models, unstored: UnstoredAnswers, quotas: Quotas) -> None:
        self._models, self._unstored, self._quotas = models, unstored, quotas

    async def write(self, admission: Admission, listener: Listener | None = None) -> NewAnswer:
        """A new answer; `listener` hears the text while it is written.

        Raises:
            QuotaExceeded: no model was called.
            BudgetExceeded: a budget has no room for another call.
            ContentRejected, ModelError, ModelTimeout, ModelUnavailable
        """
        request = admission.request
        body = await self._unstored.find(request.lookup)
        if body is not None:
            metadata = body["metadata"]
            metadata["request_id"] = request.request_id
            model = metadata["attempts"][-1]["model"]
            finish = FinishReason(metadata["finish_reason"])
            return NewAnswer(body, _cacheable(request, model, finish), unstored=True)
        await self._quotas.check(request.caller)
        drafted = await self._models.complete(
            request.links,
            replace(request.work, lately=lately.pieces(admission.decision.lately)),
            charge=admission.charge_model,
            reserve=admission.reserve if admission.reservation else None,
            degrade=request.directives.allow_degraded,
            listener=listener,
            spending=admission.spending,
            request_id=request.request_id,
        )
        return _new(request, drafted)


def _new(request: PreparedRequest, drafted: CheckedCompletion) -> NewAnswer:
    own = request.operation.answer(request.work.request, drafted.draft)
    body = {"content_id": request.content_id, **own, "metadata": _metadata(request, drafted)}
    cacheable = _cacheable(request, drafted.model.name, drafted.finish)
    return NewAnswer(body, cacheable, drafted.completion.marks)


def _cacheable(request: PreparedRequest, model: str, finish: FinishReason) -> bool:
    """Only what the first configured link of the chain wrote, and whole, is kept for others."""
    return model == request.first.name and finish is FinishReason.STOP


def _metadata(request: PreparedRequest, drafted: CheckedCompletion) -> dict[str, Any]:
    return {
        "content_type": request.operation.content_type,
        "model_used": drafted.model.asked_name,
        "token_usage": drafted.usage.as_dict(),
        "request_id": request.request_id,
        "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "cached": False,
        "degraded": drafted.degraded,
        "finish_reason": drafted.finish.value,
        "attempts": [a.as_dict() for a in drafted.attempts],
        "cost": drafted.cost,
        "upstream_model": drafted.completion.upstream_model,
        "ignored_parameters": list(drafted.completion.ignored),
        "seed": drafted.completion.seed,
        "prompt_version": str(request.work.prompt.version),
        "variant": _variant(request, drafted),
    }


def _variant(request: PreparedRequest, drafted: CheckedCompletion) -> str | None:
    """The canary that made the answer; of one for a model only where that model wrote it."""
    canary = request.canary
    if canary is None or canary.served_by not in (None, drafted.model.name):
        return None
    return canary.name
