"""Admission: what a request holds until it has been answered, given back once, however it ends.

It holds its part of the limits (of tokens more than it may use), perhaps the lease on an answer
that it makes, and its idempotency key. What is left of them goes with the publishing of a new
answer, in the same round trip, or else when the block is left. It is given back at most once: what
was sent and got no reply lapses by itself, since a second time would give back too much.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.limit_standing import Standing
from app.llm.fallback import Model
from app.llm.spending import Spending
from app.pipeline.admission_call import AdmissionCall, Decision, letting_go
from app.pipeline.charges import CHARGES, Kind
from app.pipeline.reading import PreparedRequest
from app.policies.limits import Limit
from app.redis import steps
from app.redis.client import Call
from app.redis.steps import Step


@dataclass
class Admission:
    """Of one request; `admit` makes it and settles it."""

    call: AdmissionCall
    request: PreparedRequest
    decision: Decision
    standing: Standing  # the tightest limit that it took
    spending: Spending = field(default_factory=Spending)
    held: dict[str, str] = field(default_factory=dict)  # our values, by their keys in Redis
    _taken: list[tuple[str | None, Decision]] = field(default_factory=list)

    async def charge_model(self, model: Model) -> None:
        """Take another model's part. Raises `RateLimited`."""
        tokens = self.request.work.tokens
        caller = self.request.caller
        self.took(model, await self.call.spend(caller, (model.target,), tokens=tokens))

    def took(self, model: Model | None, decision: Decision) -> None:
        self._taken.append((model.name if model else None, decision))

    async def release(self, key: str) -> None:
        """Let others make what this request was given to make under that key."""
        if (value := self.held.pop(key, None)) is not None:
            await self.call.send(steps.calls(letting_go({key: value})))

    def settlement(self, *more: Step) -> list[Call]:
        """What gives back all that was not used and lets go of what is held, only once.

        `more` goes with the letting go, before it.
        """
        calls = steps.calls([*more, *letting_go(self.held)])
        for name, decision in self._taken:
            calls += decision.refunds(self._unused(name, decision))
        self._taken.clear()
        self.held.clear()
        return calls

    def _unused(self, name: str | None, decision: Decision) -> Iterator[tuple[Limit, int]]:
        everything, own = self.spending.tokens(), self.spending.tokens(name or "")
        for limit, cost in decision.taken:
            if limit.counts == "tokens":
                yield limit, cost - (own if limit.of_model else everything)
            elif limit.of_model and (name or "") not in self.spending:
                yield limit, cost  # it was not called after all


@asynccontextmanager
async def admit(call: AdmissionCall, request: PreparedRequest) -> AsyncIterator[Admission]:
    """The request's admission, for the length of the block.

    Raises:
        RateLimited, Unauthenticated
    """
    request.context.charged = True
    decision = await call.spend(
        request.caller,
        request.targets,
        requests=CHARGES[Kind.OPERATION],
        tokens=request.work.tokens,
        lookup=request.lookup,
    )
    standing = request.context.note(decision.standings)
    admission = Admission(call, request, decision, standing)
    admission.took(request.first, decision)
    if request.lookup is not None:
        admission.held.update(request.lookup.held(decision.disposition))
    try:
        yield admission
    finally:
        await call.send(admission.settlement())
