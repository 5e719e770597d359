"""AttemptFailed: how one attempt on a model ended without an answer, and what follows from it."""

from __future__ import annotations

from typing import Any

from app.errors import BudgetExceeded
from app.operations.metadata import AttemptOutcome

# What may go better when the same model is asked again: nothing of an answer had come.
RETRYABLE = frozenset(
    {AttemptOutcome.UNREACHABLE, AttemptOutcome.OVERLOADED, AttemptOutcome.FAILED}
)
# What speaks against the model; anything else was the request's own, or the caller's.
BREAKER_FAILURES = frozenset(
    {
        AttemptOutcome.UNREACHABLE,
        AttemptOutcome.OVERLOADED,
        AttemptOutcome.FAILED,
        AttemptOutcome.FORBIDDEN,
        AttemptOutcome.SILENT,
        AttemptOutcome.STALLED,
        AttemptOutcome.TIMEOUT,
        AttemptOutcome.CUT,
        AttemptOutcome.MALFORMED,
        AttemptOutcome.EMPTY,
    }
)
NOT_CALLED = frozenset(
    {AttemptOutcome.LIMITED, AttemptOutcome.OPEN, AttemptOutcome.BUSY, AttemptOutcome.UNCONFIGURED}
)

# A provider that refused the call itself takes nothing for it, unless text had come before.
UNPAID = NOT_CALLED | frozenset(
    {
        AttemptOutcome.UNREACHABLE,
        AttemptOutcome.OVERLOADED,
        AttemptOutcome.FAILED,
        AttemptOutcome.FORBIDDEN,
        AttemptOutcome.REFUSED,
        AttemptOutcome.TOO_LONG,
    }
)


class AttemptFailed(Exception):
    """One attempt that gave no answer.

    said: what a caller may be told, without the model's name. retry_after: seconds until another
    try makes sense, where somebody said so. reason: the provider's word for a rejection. partial:
    whether text had come before it. again: whether the same model may be asked again, where the
    outcome alone does not say.

    For the log alone, where they are known: the answer's HTTP status, the provider's code, kind as
    the name of the error that a library gave, remedy as what a person must do.
    """

    def __init__(
        self,
        outcome: AttemptOutcome,
        said: str,
        *,
        retry_after: float | None = None,
        reason: str = "",
        partial: bool = False,
        again: bool | None = None,
        status: int | None = None,
        code: str | None = None,
        kind: str = "",
        remedy: str = "",
    ) -> None:
        super().__init__(said)
        self.outcome, self.said, self.reason, self.partial = outcome, said, reason, partial
        self.retry_after, self._again = retry_after, again
        self.status, self.code, self.kind, self.remedy = status, code, kind, remedy

    @property
    def again(self) -> bool:
        """Whether the same model may be asked again."""
        if self._again is not None:
            return self._again
        return self.outcome in RETRYABLE and not self.partial

    def as_extra(self) -> dict[str, Any]:
        """What a log line may say of it: nothing of a provider's or a user's text."""
        facts = {"status": self.status, "provider_code": self.code, "kind": self.kind or None}
        return {name: fact for name, fact in facts.items() if fact is not None}


class OverBudget(AttemptFailed):
    """A budget had no room for the call, which was not made. `refusal`: as a caller is told."""

    def __init__(self, refusal: BudgetExceeded) -> None:
        said = "has no room in a budget"
        super().__init__(AttemptOutcome.LIMITED, said, retry_after=refusal.retry_after)
        self.refusal = refusal
