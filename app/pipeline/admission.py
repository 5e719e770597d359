"""Admission: what a request holds until it has been answered, given back once, however it ends.

It holds its part of the limits (of tokens more than it may use), what its calls of models may take
of budgets, perhaps the lease on an answer
that it makes, and its idempotency key. What is left of them goes with the publishing of a new
answer, in the same round trip, or else when the block is left. It is given back at most once: what
was sent and got no reply lapses by itself, since a second time would give back too much.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from app.errors import BudgetExceeded, DependencyUnavailable, Unauthenticated
from app.limit_standing import Standing
from app.llm.completion import CompletionRequest
from app.llm.failure import AttemptFailed, OverBudget
from app.llm.fallback import Model
from app.llm.spending import Spending
from app.llm.worst_case import worst_case
from app.operations.metadata import AttemptOutcome
from app.pipeline import lately
from app.pipeline.admission_call import AdmissionCall, Decision, letting_go
from app.pipeline.answer import Body
from app.pipeline.charges import CHARGES, Kind
from app.pipeline.reading import PreparedRequest
from app.pipeline.reservations import Claims, Reservation, Spender
from app.pipeline.usage import UsageRecorder, began
from app.policies.budgets import Cost
from app.policies.limits import Limit
from app.redis import steps
from app.redis.client import Call
from app.redis.steps import Step
from app.stages import Stage, stage
from app.storage.ledger import written
from app.storage.usage import UsageRow


@dataclass
class Admission:
    """Of one request; `admit` makes it and settles it."""

    call: AdmissionCall
    request: PreparedRequest
    decision: Decision
    standing: Standing  # the tightest limit that it took
    recorder: UsageRecorder | None = None
    spending: Spending = field(default_factory=Spending)
    reservation: Reservation | None = None
    held: dict[str, str] = field(default_factory=dict)  # our values, by their keys in Redis
    _taken: list[tuple[str | None, Decision]] = field(default_factory=list)
    _recorded: bool = False
    _settling: list[Call] = field(default_factory=list)

    async def charge_model(self, model: Model) -> None:
        """Take another model's part, and reserve what one call of it may take.

        Raises:
            RateLimited, BudgetExceeded, DependencyUnavailable: budgets cannot be asked.
        """
        tokens = self.request.work.tokens
        claims = self._claims(model, self.request.work)
        decision = await self.call.spend(
            self.request.caller, (model.target,), tokens=tokens, claims=claims
        )
        self.took(model, decision)
        self.reserved(decision, claims)

    async def reserve(self, model: Model, work: CompletionRequest) -> None:
        """Reserve what one more call may take, where that is more than is reserved.

        Raises:
            AttemptFailed: a budget has no room, or cannot be asked.
        """
        if (claims := self._claims(model, work)) is None:
            return
        try:
            decision = await self.call.spend(self.request.caller, (), claims=claims)
        except BudgetExceeded as full:
            raise OverBudget(full) from None
        except (DependencyUnavailable, Unauthenticated):
            said = "cannot be counted for its budgets now"
            raise AttemptFailed(AttemptOutcome.LIMITED, said) from None
        self.reserved(decision, claims)

    def _claims(self, model: Model, work: CompletionRequest) -> Claims | None:
        return claims_of(self.reservation, model, work)

    def reserved(self, decision: Decision, claims: Claims | None) -> None:
        """This is reserved now, where the decision was to call the model."""
        if self.reservation is not None and claims is not None and decision.accounts:
            self.reservation.took(claims)
            self.request.context.heard(reply.balance for reply in decision.accounts)

    def took(self, model: Model | None, decision: Decision) -> None:
        self._taken.append((model.name if model else None, decision))

    async def release(self, key: str) -> None:
        """Let others make what this request was given to make under that key."""
        if (value := self.held.pop(key, None)) is not None:
            await self.call.send(steps.calls(letting_go({key: value})))

    def settlement(self, *more: Step) -> list[Call]:
        """What gives back all that was not used and lets go of what is held, only once.

        `more` goes with the letting go, before it. What settles budgets comes first: `settled` is
        to be told of the replies.
        """
        self._settling = self.reservation.settlement() if self.reservation else []
        calls = [*self._settling, *steps.calls([*more, *letting_go(self.held)])]
        for name, decision in self._taken:
            calls += decision.refunds(self._unused(name, decision))
        self._taken.clear()
        self.held.clear()
        return calls

    def usage(self, answer: Body | None = None) -> list[UsageRow]:
        """What it spent, to be written, only once; `answer`: what is stored with it."""
        if self.recorder is None or self._recorded:
            return []
        self._recorded = True
        return self.recorder.rows(self.request, self.spending, answer)

    async def end(self, *, left: bool) -> None:
        """Give back what is left, and have written what was spent for no answer.

        `left`: nobody waits for it, so neither does this.
        """
        writing = self.recorder.spent(self.usage()) if self.recorder else None
        if settlement := self.settlement():
            with stage(Stage.PUBLISH):
                self.settled(await self.call.send(settlement))
        if writing is not None and not left:
            with stage(Stage.STORE):
                await written(writing)

    def settled(self, replies: Sequence[Any] | None) -> None:
        """This came back for a settlement; None: something was not heard."""
        if self.reservation is not None and self._settling and replies is not None:
            self.reservation.confirm(replies[: len(self._settling)])
        self._settling = []

    def _unused(self, name: str | None, decision: Decision) -> Iterator[tuple[Limit, int]]:
        everything, own = self.spending.tokens(), self.spending.tokens(name or "")
        for limit, cost in decision.taken:
            if limit.counts == "tokens":
                yield limit, cost - (own if limit.of_model else everything)
            elif limit.of_model and (name or "") not in self.spending:
                yield limit, cost  # it was not called after all


@asynccontextmanager
async def admit(
    call: AdmissionCall, request: PreparedRequest, recorder: UsageRecorder | None = None
) -> AsyncIterator[Admission]:
    """The request's admission, for the length of the block.

    Raises:
        RateLimited, Unauthenticated, BudgetExceeded
        DependencyUnavailable: budgets cannot be asked.
    """
    request.context.charged = True
    spending, keeper = Spending(), call.reservations
    reservation = keeper.of(_spender(request), spending) if keeper else None
    claims = claims_of(reservation, request.first, request.work)
    with stage(Stage.ADMISSION):
        decision = await call.spend(
            request.caller,
            request.targets,
            requests=CHARGES[Kind.OPERATION],
            tokens=request.work.tokens,
            lookup=request.lookup,
            claims=claims,
            ring=lately.ring_to_read(request),
        )
    standing = request.context.note(decision.standings)
    admission = Admission(call, request, decision, standing, recorder, spending, reservation)
    admission.took(request.first, decision)
    admission.reserved(decision, claims)
    if request.lookup is not None:
        admission.held.update(request.lookup.held(decision.disposition))
    left = False
    try:
        yield admission
    except asyncio.CancelledError:
        left = True
        raise
    finally:
        await admission.end(left=left)


def _spender(request: PreparedRequest) -> Spender:
    return Spender(
        request.caller,
        request.content_id,
        began(request.content_id),
        request.operation.content_type,
        request.request_id,
        request.first.name,
        str(request.work.prompt.version),
    )


def claims_of(
    reservation: Reservation | None, model: Model, work: CompletionRequest
) -> Claims | None:
    """What budgets have to have room for, for one more call."""
    if reservation is None or model.writer is None:
        return None
    return reservation.claims(model.name, lambda: Cost(*worst_case(model, work)))
