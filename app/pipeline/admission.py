"""Admission: what a request holds until it has been answered, given back once, however it ends.

It holds its part of the limits (of tokens more than it may use), perhaps the lease on an answer
that it makes, and its idempotency key. What is left of them goes with the publishing of a new
answer, in the same round trip, or else when the block is left. It is given back at most once: what
was sent and got no reply lapses by itself, since a second time would give back too much.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from app.limit_standing import Standing
from app.llm.fallback import Model
from app.llm.spending import Spending
from app.pipeline.admission_call import AdmissionCall, Decision, letting_go
from app.pipeline.answer import Body
from app.pipeline.charges import CHARGES, Kind
from app.pipeline.reading import PreparedRequest
from app.pipeline.usage import UsageRecorder
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
    held: dict[str, str] = field(default_factory=dict)  # our values, by their keys in Redis
    _taken: list[tuple[str | None, Decision]] = field(default_factory=list)
    _recorded: bool = False

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
                await self.call.send(settlement)
        if writing is not None and not left:
            with stage(Stage.STORE):
                await written(writing)

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
        RateLimited, Unauthenticated
    """
    request.context.charged = True
    with stage(Stage.ADMISSION):
        decision = await call.spend(
            request.caller,
            request.targets,
            requests=CHARGES[Kind.OPERATION],
            tokens=request.work.tokens,
            lookup=request.lookup,
        )
    standing = request.context.note(decision.standings)
    admission = Admission(call, request, decision, standing, recorder)
    admission.took(request.first, decision)
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
