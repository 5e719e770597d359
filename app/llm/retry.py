"""Retry: one call to a model, under one policy: its retries, its breaker, its bulkhead.

All attempts share one time. Only what broke before any answer came is tried again, at most
twice, after a growing and jittered wait or the longer one that the provider asked for. Where that
wait does not fit what is left of the time, or is above a second while a model behind is ready, the
call has failed at once, and the next model's turn comes. What is called is decided anew for each
attempt: a breaker that opens ends the waits for a retry and for a place too.

Each attempt that failed is one line of the log, by `ModelCalls.note` alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)
from tenacity.stop import stop_base

from app.llm import model_spans
from app.llm.breaker import BreakerState, Ticket
from app.llm.completion import Completion, CompletionRequest, Listener, Progress, Usage, Writer
from app.llm.failure import BREAKER_FAILURES, NOT_CALLED, AttemptFailed
from app.llm.model import Model
from app.llm.spending import Spending
from app.llm.tokens import spent
from app.operations import DraftRejected
from app.operations.metadata import AttemptOutcome, FinishReason
from app.stages import Stage, stage

MAX_RETRIES = 2
BACKOFF = 0.25  # s before the first retry; doubled for the next, and as much again of jitter
MAX_BACKOFF = 4.0  # s
MAX_WAIT_BESIDE_READY = 1.0  # s; no longer wait is waited for while another model is ready
QUIET = NOT_CALLED | {
    AttemptOutcome.CANCELLED
}  # at a busy time there are thousands, and none is a fault
PARTS = ("prompt_tokens", "completion_tokens", "total_tokens")  # that a failed attempt tells

# Has what one more call may take reserved of budgets. Raises `AttemptFailed`: it cannot be had.
Reserve = Callable[[Model, CompletionRequest], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """backoff: seconds; see `BACKOFF`. How long a call may take is its model's."""

    retries: int = MAX_RETRIES
    backoff: float = BACKOFF


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt; `ms` is how long it took, 0 when nothing was called.

    usage: the tokens that it took, where any are to be paid.
    """

    model: str
    outcome: AttemptOutcome
    ms: int = 0
    usage: Usage | None = None

    def as_dict(self) -> dict[str, Any]:
        """With its usage where it gave no answer: that of an answer is told beside it."""
        found = {"model": self.model, "outcome": self.outcome.value, "ms": self.ms}
        if self.usage is None or self.outcome is AttemptOutcome.OK:
            return found
        told = {part: self.usage.as_dict()[part] for part in PARTS}
        return {**found, "usage": told, "estimated": self.usage.counted}


class ModelMetrics(Protocol):
    """Who counts attempts and what they took, for metrics."""

    def attempt(self, model: str, outcome: str, called: float | None) -> None: ...

    def first_chunk(self, model: str, seconds: float) -> None: ...

    def spent(self, model: str, usage: Usage, nano_usd: int) -> None: ...


class UnusableAnswer(AttemptFailed):
    """The model wrote what the operation cannot use, and may be told why."""

    def __init__(self, completion: Completion, problems: list[str]) -> None:
        super().__init__(AttemptOutcome.INVALID, "gave no usable answer, also when asked again")
        self.completion, self.problems = completion, problems


@dataclass(slots=True)
class ModelCalls:
    """The calls that one request makes, on one model after the other."""

    policy: RetryPolicy
    listener: Listener | None = None
    metrics: ModelMetrics | None = None
    spending: Spending = field(default_factory=Spending)
    request_id: str = ""
    reserve: Reserve | None = None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How often a model was really called."""
        return sum(a.outcome not in NOT_CALLED for a in self.attempts)

    async def complete(
        self, model: Model, work: CompletionRequest, behind: Sequence[Model] = ()
    ) -> tuple[Any, Completion]:
        """A checked draft; the model is asked once more, with the errors, when it is wrong.

        `behind` are those whose turn comes when it fails.

        Raises:
            AttemptFailed: saying how the last attempt ended.
        """
        deadline = asyncio.get_running_loop().time() + model.timeout
        try:
            return await self._call(model, work, deadline, behind)
        except UnusableAnswer as wrong:
            first = wrong.completion
            prompt = work.prompt.repaired(first.text, wrong.problems)
        draft, second = await self._call(model, replace(work, prompt=prompt), deadline, behind)
        return draft, replace(second, usage=first.usage + second.usage)

    async def _call(
        self, model: Model, work: CompletionRequest, deadline: float, behind: Sequence[Model]
    ) -> tuple[Any, Completion]:
        try:  # most calls need no more, and no policy
            return await self._attempt(model, work, deadline)
        except AttemptFailed as error:
            if not _again(error, model, behind):
                raise
            failed: list[AttemptFailed] = [error]

        async def again() -> tuple[Any, Completion]:
            if failed:
                raise failed.pop()  # the first attempt, for who counts them
            return await self._attempt(model, work, deadline)

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: _again(error, model, behind)),
            stop=stop_after_attempt(1 + self.policy.retries) | _StopAtDeadline(deadline),
            wait=_wait(self.policy.backoff),
            sleep=_pause(model),
            reraise=True,
        )
        found: tuple[Any, Completion] = await retrying(again)
        return found

    async def _attempt(
        self, model: Model, work: CompletionRequest, deadline: float
    ) -> tuple[Any, Completion]:
        if self.attempts and self.listener is not None:
            self.listener.on_reset(self.attempts[-1].outcome.value)
        loop = asyncio.get_running_loop()
        began = loop.time()
        ended: AttemptFailed | None = AttemptFailed(AttemptOutcome.CANCELLED, "was cancelled")
        work, completion = replace(work, progress=Progress()), None
        with model_spans.attempt(model, work) as span:
            try:
                if self.reserve is not None:
                    await self.reserve(model, work)
                completion = await self._written(model, work, deadline)
                draft = _checked(work, completion)
            except AttemptFailed as failure:
                ended = failure
                raise
            else:
                ended = None
            finally:
                usage = completion.usage if completion else spent(work, ended) if ended else None
                self.note(model, ended, loop.time() - began, usage, called=work.progress.seconds)
                if self.metrics is not None and completion and completion.first_token is not None:
                    self.metrics.first_chunk(model.name, completion.first_token)
                model_spans.tell(span, work, ended, completion, usage)
        return draft, completion

    def note(
        self,
        model: Model,
        failure: AttemptFailed | None,
        seconds: float = 0.0,
        usage: Usage | None = None,
        *,
        called: float | None = None,
    ) -> None:
        """Remember what became of an attempt and what it took, and log it unless it went well.

        `called`: how many of the seconds the model's call itself took, where there was one.
        """
        outcome = AttemptOutcome.OK if failure is None else failure.outcome
        ms = 0 if outcome in NOT_CALLED else round(seconds * 1000)
        attempt = Attempt(model.name, outcome, ms, usage)
        self.attempts.append(attempt)
        if usage is not None:
            nano_usd = self.spending.add(model.name, usage, model.prices)
            if self.metrics is not None:
                self.metrics.spent(model.name, usage, nano_usd)
        if self.metrics is not None:
            self.metrics.attempt(model.name, outcome.value, called)
        if failure is not None:
            level = logging.DEBUG if outcome in QUIET else logging.WARNING
            facts = {**attempt.as_dict(), "request_id": self.request_id, **failure.as_extra()}
            log.log(level, "an attempt on a model failed", extra=facts)

    async def _written(self, model: Model, work: CompletionRequest, deadline: float) -> Completion:
        if model.writer is None:
            raise AttemptFailed(AttemptOutcome.UNCONFIGURED, "is not configured here")
        if model.breaker is not None and model.breaker_state is not BreakerState.CLOSED:
            raise model.breaker.refusal()  # without a place in the queue first
        async with model.bulkhead.slot(deadline, model.breaker, work.owner):
            if model.breaker is None:
                return await self._called(model.name, model.writer, work, deadline)
            ticket = model.breaker.admit()
            try:
                completion = await self._called(model.name, model.writer, work, deadline)
            except AttemptFailed as failure:
                await settle(model, ticket, failure)
                raise
            except BaseException:  # the caller's own doing, and no word about the model
                await ticket.released()
                raise
            await ticket.succeeded()
            return completion

    async def _called(
        self, name: str, writer: Writer, work: CompletionRequest, deadline: float
    ) -> Completion:
        """The call itself; how long it took is known however it ends."""
        self.spending.called(name)
        began = time.perf_counter()
        try:
            with stage(Stage.MODEL):
                return await writer.write(work, deadline=deadline, listener=self.listener)
        finally:
            work.progress.seconds = time.perf_counter() - began


async def settle(model: Model, ticket: Ticket, failure: AttemptFailed) -> None:
    """Tell the breaker how a call or a probe failed, and the operator what only they can mend."""
    if failure.outcome not in BREAKER_FAILURES:
        await ticket.succeeded()  # it answered, if only to refuse this request
        return
    lasting = failure.outcome is AttemptOutcome.FORBIDDEN
    opened = await ticket.failed(failure.retry_after, lasting=lasting)
    if lasting and (opened or ticket.probe):
        said = {"model": model.name, "upstream": model.upstream, "remedy": failure.remedy}
        extra = {**said, **failure.as_extra()}
        log.warning("a model is left alone until somebody mends it", extra=extra)


def _checked(work: CompletionRequest, completion: Completion) -> Any:
    try:
        return work.operation.check(work.request, completion.text)
    except DraftRejected as error:
        if completion.finish is FinishReason.LENGTH:
            # Asked again with the same `max_tokens` it would only end there again.
            said = "reached max_tokens before its answer was whole"
            raise AttemptFailed(AttemptOutcome.TRUNCATED, said) from None
        raise UnusableAnswer(completion, error.problems) from None


def _again(error: BaseException, model: Model, behind: Sequence[Model]) -> bool:
    """Whether the model is asked again, rather than somebody behind it."""
    if not isinstance(error, AttemptFailed) or not error.again:
        return False
    if model.breaker_state is not BreakerState.CLOSED:
        return False
    return (error.retry_after or 0.0) <= MAX_WAIT_BESIDE_READY or not any(
        _ready(m, model) for m in behind
    )


def _ready(other: Model, model: Model) -> bool:
    """Whether it may well answer where the model does not; the storyteller is no such model."""
    if other.writer is None or other.breaker is None or other.breaker is model.breaker:
        return False
    return other.breaker_state is BreakerState.CLOSED


def _wait(backoff: float) -> Callable[[RetryCallState], float]:
    growing = wait_exponential_jitter(multiplier=backoff, max=MAX_BACKOFF, jitter=backoff)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, AttemptFailed) else None
        return max(growing(state), asked or 0.0)

    return wait


def _pause(model: Model) -> Callable[[float], Awaitable[None]]:
    """A sleep that ends when the model's breaker opens."""

    async def pause(seconds: float) -> None:
        with stage(Stage.WAITING):
            if model.breaker is None:
                await asyncio.sleep(seconds)
            else:
                await asyncio.wait({model.breaker.opening}, timeout=seconds)

    return pause


class _StopAtDeadline(stop_base):
    """Stops where the next wait would end past the call's time."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: RetryCallState) -> bool:
        now = asyncio.get_running_loop().time()
        return now + retry_state.upcoming_sleep >= self._deadline
