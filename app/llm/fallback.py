"""Models: which model writes, and who follows when it cannot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import (
    BudgetExceeded,
    ContentRejected,
    DependencyUnavailable,
    GatewayError,
    InvalidRequest,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
)
from app.llm.breaker import BreakerState
from app.llm.completion import Completion, CompletionRequest, Listener, Usage
from app.llm.failure import BREAKER_FAILURES, NOT_CALLED, AttemptFailed, OverBudget
from app.llm.model import STORYTELLER, Model
from app.llm.retry import Attempt, ModelCalls, ModelMetrics, Reserve, RetryPolicy
from app.llm.spending import Spending
from app.operations import ModelChoice, Operation
from app.operations.fields import Request
from app.operations.metadata import AttemptOutcome, FinishReason

__all__ = ["DEFAULT_MODEL", "STORYTELLER", "CheckedCompletion", "Model", "Models"]

DEFAULT_MODEL = "gpt-4-turbo"
DEFAULT_RETRY_AFTER = 5.0  # s until another try makes sense, where nobody said when
UNCONFIGURED_RETRY_AFTER = 60.0  # s, where a person must mend something first

TIMED_OUT = frozenset({AttemptOutcome.SILENT, AttemptOutcome.STALLED, AttemptOutcome.TIMEOUT})
UNAVAILABLE = NOT_CALLED | {
    AttemptOutcome.UNREACHABLE,
    AttemptOutcome.OVERLOADED,
    AttemptOutcome.FAILED,
    AttemptOutcome.FORBIDDEN,
}

Charge = Callable[[Model], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class CheckedCompletion:
    """A checked draft, who wrote it, the tokens that the answer took, and how it came."""

    draft: Any
    model: Model
    usage: Usage
    degraded: bool
    finish: FinishReason
    attempts: tuple[Attempt, ...]
    completion: Completion

    @property
    def cost(self) -> float | None:
        """US dollars for the answer's own tokens; None when a price is not known."""
        return self.model.prices.cost(self.usage)


class Models:
    """The configured models and their fallback chain."""

    def __init__(
        self,
        models: Sequence[Model],
        chain: Sequence[str],
        *,
        required: Collection[str] = (),
        policy: RetryPolicy | None = None,
        metrics: ModelMetrics | None = None,
    ) -> None:
        """required: the models whose end is the gateway's trouble; nobody may use the others."""
        self._models: Mapping[str, Model] = {m.name: m for m in models}
        self._chain = tuple(name for name in chain if name in self._models)
        first = (
            DEFAULT_MODEL if DEFAULT_MODEL in self._chain else ""
        )  # an operator's own chain has its own
        named = (first, *(n for n in chain if n != STORYTELLER), DEFAULT_MODEL, models[0].name)
        self._default = next(self._models[n] for n in named if n in self._models)
        self._required, self.policy, self._metrics = required, policy or RetryPolicy(), metrics

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def __getitem__(self, name: str) -> Model:
        return self._models[name]

    @property
    def chain(self) -> tuple[str, ...]:
        return self._chain

    def choose(self, operation: Operation[Any, Any], request: Request) -> tuple[Model, ModelChoice]:
        """The model asked for, and its settings within what that model gives.

        Raises:
            InvalidRequest: an unknown model, or more tokens than the model gives.
        """
        choice = operation.choice(request)
        model = self._known(choice.name, "name") if choice.name else self._default
        if choice.fallback_model:
            self._known(choice.fallback_model, "fallback_model")
        if choice.max_tokens > model.max_tokens:
            if operation.caller_chooses and "max_tokens" in choice.model_fields_set:
                said = f"{model.name} gives at most {model.max_tokens}"
                raise InvalidRequest.at(("model", "max_tokens"), said)
            choice = choice.model_copy(update={"max_tokens": model.max_tokens})
        return model, choice

    def _known(self, name: str, field: str) -> Model:
        if name not in self._models:
            known = ", ".join(self._models)
            raise InvalidRequest.at(("model", field), f"unknown model; configured are: {known}")
        return self._models[name]

    # -- the chain
    def candidates(
        self, asked: Model, fallback: str | None, *, degrade: bool, served_by: str | None = None
    ) -> tuple[Model, ...]:
        """Who is asked, in order: the model, the request's own fallback, then the chain behind.

        `served_by` names one that is called in the model's place, which itself comes next. A model
        that is not named in the chain has none behind it, and one whose caller takes no simpler
        answer has none either.
        """
        links = self._links(asked, fallback, degrade=degrade)
        if served_by is None:
            return links
        instead = self._models[served_by].standing_for(asked.name)
        return (instead, *(m for m in links if m.name != served_by))

    def _links(self, asked: Model, fallback: str | None, *, degrade: bool) -> tuple[Model, ...]:
        if not degrade:
            return (asked,)
        names = [asked.name]
        if fallback:
            names.append(fallback)
        for name in names[:]:
            if name in self._chain:
                names += self._chain[self._chain.index(name) + 1 :]
                break
        return tuple(self._models[n] for n in dict.fromkeys(names))

    @staticmethod
    def first(candidates: Sequence[Model]) -> Model:
        """Who is really called first: the first that has a key here, or nobody but the asked."""
        return next((m for m in candidates if m.writer is not None), candidates[0])

    def _larger(self, size: int, behind: Sequence[Model]) -> list[Model]:
        """Who may take a prompt that is too long for `size` tokens.

        The smallest that is known to be larger comes first, and behind those the models whose
        size nobody knows.
        """
        named = {m.name: m for m in behind} | {n: self._models[n] for n in self._chain}
        others = [m for m in named.values() if m.writer is not None and m.name != STORYTELLER]
        found = [m for m in others if m.context_size is None or m.context_size > size]
        found.sort(key=lambda m: (m.context_size is None, m.context_size or 0))
        return [*found, *(m for m in behind if m.name == STORYTELLER)]

    async def complete(
        self,
        candidates: Sequence[Model],
        work: CompletionRequest,
        *,
        charge: Charge,
        reserve: Reserve | None = None,
        degrade: bool = True,
        listener: Listener | None = None,
        spending: Spending | None = None,
        request_id: str = "",
    ) -> CheckedCompletion:
        """A checked draft from the first link that gives one.

        `charge` spends the limit of a later link's model and raises `RateLimited` when it is
        full, or as budgets do (see `Admission.charge_model`); the first one's was spent when the
        request was admitted. `reserve` has what each call may take reserved of budgets
        (`retry.Reserve`). `spending` gets what was spent on each model that was really called.
        `request_id` is the log's.

        Raises:
            BudgetExceeded: a budget has no room for another call of the first.
            ContentRejected, ModelError, ModelTimeout, ModelUnavailable: what became of the first;
                always the last of them where a simpler answer was at hand and is not wanted.
        """
        spending = Spending() if spending is None else spending
        calls = ModelCalls(self.policy, listener, self._metrics, spending, request_id, reserve)
        failures: list[tuple[Model, AttemptFailed]] = []
        first, left, size = self.first(candidates), list(candidates), 0
        while left:
            model = left.pop(0)
            try:
                if model is not first and model.writer is not None:
                    await charge(model)
                draft, completion = await calls.complete(model, _fitting(work, model), left)
            except (RateLimited, BudgetExceeded, DependencyUnavailable) as full:
                late = AttemptFailed(
                    AttemptOutcome.LIMITED, "has no room left", retry_after=full.retry_after
                )
                calls.note(model, late)
                failures.append((model, late))
            except AttemptFailed as failure:
                if failure.outcome is AttemptOutcome.REJECTED:
                    raise _rejection(model, failure, calls) from None
                failures.append((model, failure))
                if failure.outcome is AttemptOutcome.TOO_LONG and degrade:
                    tried = {a.model for a in calls.attempts}
                    size = max(size, model.context_size or 0)
                    left = [m for m in self._larger(size, left) if m.name not in tried]
            else:
                return CheckedCompletion(
                    draft,
                    model,
                    completion.usage,
                    degraded=model.asked_name != candidates[0].asked_name,
                    finish=completion.finish,
                    attempts=tuple(calls.attempts),
                    completion=completion,
                )
        raise _refusal(failures, calls, strict=not degrade)

    # -- how they are
    @property
    def state(self) -> str:
        """The worst of the models that somebody counts on, unless another of them still answers.

        One that only a caller may name can make it no worse than degraded.
        """
        asked = [m for m in self if m.writer is not None and m.name != STORYTELLER]
        states = {m.state for m in asked if not self._required or m.name in self._required}
        if states == {"unhealthy"}:
            return "unhealthy"
        spare = {m.breaker_state for m in asked} - {BreakerState.CLOSED}
        return "degraded" if spare or states - {"healthy"} else "healthy"

    async def close(self) -> None:
        for model in self:
            if model.writer is not None:
                await model.writer.close()


def _fitting(work: CompletionRequest, model: Model) -> CompletionRequest:
    """The work within what this model gives."""
    choice = work.prompt.choice
    if choice.max_tokens <= model.max_tokens:
        return work
    choice = choice.model_copy(update={"max_tokens": model.max_tokens})
    return replace(work, prompt=replace(work.prompt, choice=choice))


def _rejection(model: Model, failure: AttemptFailed, calls: ModelCalls) -> ContentRejected:
    found = ContentRejected(model.asked_name, failure.reason)
    found.details["tried"] = [a.as_dict() for a in calls.attempts]
    return found


def _refusal(
    failures: Sequence[tuple[Model, AttemptFailed]], calls: ModelCalls, *, strict: bool
) -> GatewayError:
    """What became of the model that was asked for; how the others failed stands in `tried`."""
    asked = failures[0][0].asked_name
    # The last of that name: behind who stood in for it came the model itself.
    model, failure = [f for f in failures if f[0].asked_name == asked][-1]
    if isinstance(failure, OverBudget):
        failure.refusal.details["tried"] = [a.as_dict() for a in calls.attempts]
        return failure.refusal
    told = {"attempts": calls.count}
    said = f"{asked} {failure.said}"
    found: GatewayError
    if strict and failure.outcome in BREAKER_FAILURES:
        found = ModelUnavailable(said, asked, **told, retry_after=_retry_after(model, failure))
    elif failure.outcome in TIMED_OUT:
        found = ModelTimeout(said, asked, **told)
    elif failure.outcome in UNAVAILABLE:
        found = ModelUnavailable(said, asked, **told, retry_after=_retry_after(model, failure))
    else:
        found = ModelError(said, asked, **told)
    found.details["tried"] = [a.as_dict() for a in calls.attempts]
    return found


def _retry_after(model: Model, failure: AttemptFailed) -> float:
    """Seconds; at least until the next probe, as before it nobody is let in."""
    known = failure.retry_after
    if known is None:
        known = (
            UNCONFIGURED_RETRY_AFTER
            if failure.outcome is AttemptOutcome.UNCONFIGURED
            else DEFAULT_RETRY_AFTER
        )
    return known if model.breaker is None else max(known, model.breaker.retry_after)
