"""Gateway: the one path that every request takes, and all that edges may ask for.

An operation is read, admitted, looked up or joined, else written, kept and published, and answered;
each stage stands in its file. Edges translate what they hear into these calls and what comes back
into their protocol. They decide nothing and count nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from app import spans
from app.caller import PERMISSIONS, Caller
from app.errors import GatewayError, InternalError, InvalidRequest, NotFound, RateLimited
from app.generations import replay
from app.generations.generation import Generation, completed
from app.generations.generations import Generations
from app.generations.log import generation_key
from app.generations.reader import GenerationReader
from app.generations.transcript import Transcript
from app.limit_standing import Standing
from app.llm.completion import Listener
from app.llm.fallback import Models
from app.observe.health import Health
from app.observe.metrics import Metrics
from app.open_streams import OpenStreams
from app.operations import Operation
from app.pipeline.admission import Admission, admit
from app.pipeline.admission_call import AdmissionCall
from app.pipeline.answer import Answer, Body, Result
from app.pipeline.charges import CHARGES, Kind
from app.pipeline.contents import Contents, prose_of
from app.pipeline.context import EVERY_REQUEST, RequestContext, request_context
from app.pipeline.directives import Directives
from app.pipeline.ending import NO_OPERATION, Ending, before_its_turn, ending
from app.pipeline.events import Events
from app.pipeline.finding import Finding
from app.pipeline.identity import Identity
from app.pipeline.keeping import Keeping
from app.pipeline.leaving import unless_left
from app.pipeline.ratings import Ratings
from app.pipeline.reading import PreparedRequest, Reading
from app.pipeline.single_flight import SingleFlight
from app.pipeline.subscriptions import Subscriptions
from app.pipeline.usage import UsageRecorder
from app.pipeline.usage_report import UsageReports
from app.pipeline.user_data import UserData
from app.pipeline.writing import Writing
from app.policies.auth import Authenticator
from app.policies.limiter import RateLimiter
from app.policies.quotas import Quotas
from app.policies.revocation import Revocations
from app.stages import apart

MAX_BATCH = 20  # operations
BATCH_AT_ONCE = 5  # of them side by side

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation, its raw input, and how to find out how it wants to be answered."""

    operation: Operation[Any, Any]
    raw: bytes | dict[str, Any]
    directives: Callable[[], Directives] = Directives


@dataclass(slots=True)
class Gateway:
    """Everything a request may need, wired in `main.py`."""

    authenticator: Authenticator
    identity: Identity
    revocations: Revocations
    limiter: RateLimiter
    admission_call: AdmissionCall
    reading: Reading
    finding: Finding
    single_flight: SingleFlight
    writing: Writing
    keeping: Keeping
    recorder: UsageRecorder
    usage: UsageReports
    contents: Contents
    ratings: Ratings
    user_data: UserData
    quotas: Quotas
    events: Events
    models: Models
    generations: Generations
    open_streams: OpenStreams
    subscriptions: Subscriptions
    health: Health
    metrics: Metrics

    # -- who asks
    async def authenticate(self, authorization: str | None, address: str | None = None) -> Caller:
        """Whose token that is; whether it was revoked is seen when something is asked for.

        Raises:
            Unauthenticated; RateLimited: too often from this address.
            DependencyUnavailable: keys cannot be had.
        """
        return await self.identity.authenticate(authorization, address)

    async def connect(self, authorization: str | None, address: str | None = None) -> Caller:
        """The same for what stays open, and counts little by itself: not revoked either.

        Raises:
            RateLimited: too many were opened, and no request is left to pay for one more.
        """
        caller = await self.authenticate(authorization, address)
        if self.admission_call.charges.of(Kind.SOCKET, caller):
            await self.admission_call.spend(caller, EVERY_REQUEST)
        else:
            await self.revocations.check(caller)
        return caller

    def request(
        self, caller: Caller, request_id: str, kind: Kind = Kind.REFUSED, *, edge: str = "rest"
    ) -> AbstractAsyncContextManager[RequestContext]:
        """A block for one request, which counts as its kind does if nothing else of it counted.
        `edge`: rest, graphql or websocket, for metrics.

        Raises:
            RateLimited, Unauthenticated: on leaving the block, perhaps in place of another error.
        """
        return request_context(self.admission_call, caller, request_id, kind, edge)

    # -- operations
    async def run(self, context: RequestContext, asked: Asked) -> Answer:
        """The operation's answer, stored and published; or one that was made before.

        Raises:
            Forbidden, InvalidRequest, RateLimited, Unauthenticated, IdempotencyConflict,
            QuotaExceeded, ContentRejected, ModelError, ModelTimeout, ModelUnavailable,
            DependencyUnavailable
        """
        with _span(asked), ending(self.metrics, context, asked.operation.name) as end:
            request = await self._read(context, asked)
            if (near := await self._near(request)) is not None:
                answer = request.answer(near, await self._charged_for(request))
                end.answered(near)
                return answer
            if context.disconnected is None:  # whoever leaves cancels this task, at any moment
                return await self._detached(request, self._answered(request), end)
            async with AsyncExitStack() as stack:
                admission = await stack.enter_async_context(self._admitted(request))
                if (found := await self._found(admission)) is not None:
                    end.answered(found)
                    return request.answer(found, admission.standing)
                owned = stack.pop_all()
            # Only what must be made needs a task of its own, which may outlive its caller.
            return await self._detached(request, self._made_for(admission, owned), end)

    async def start(self, context: RequestContext, asked: Asked) -> Generation:
        """The same as a job of its own, which is read and cancelled by its id.

        Raises:
            Forbidden, InvalidRequest, RateLimited, Unauthenticated: later ones are the job's.
        """
        name = asked.operation.name
        with _span(asked), ending(self.metrics, context, name, after=True) as end:
            request = await self._read(context, asked)
            near = await self._near(request)
            async with AsyncExitStack() as stack:
                if near is not None:
                    await self._charged_for(request)
                else:
                    admission = await stack.enter_async_context(self._admitted(request))
                owned = stack.pop_all()

            async def work(generation: Generation) -> dict[str, Any]:
                with spans.span("generation"), end.of_work(lambda: generation.cancelled):
                    result = near or await self._result(admission, owned, generation.deltas)
                    end.answered(result)
                generation.deltas.complete(result.body.get("content", ""))
                return completed(result.body, result.status.value)

            return await self.generations.begin(
                context.caller.id, request.content_id, request.first_event,
                streams=asked.operation.streams, field=asked.operation.prose_field,
                work=work, owned=end.after(owned),
            )  # fmt: skip

    async def stream(
        self, context: RequestContext, asked: Asked
    ) -> tuple[Generation, GenerationReader]:
        """A job that was just started, and its events from the first."""
        started = await self.start(context, asked)
        return started, await self.generations.subscribe(started.transcript, started.id, 0)

    async def batch(
        self, context: RequestContext, requests: Sequence[Asked | GatewayError]
    ) -> list[Answer | GatewayError]:
        """Each operation's answer or error, in the given order; each as if it had come alone.

        An error in place of an operation is what the edge could not read; it counts all the same.

        Raises:
            InvalidRequest: too many of them, or none.
        """
        if not 1 <= len(requests) <= MAX_BATCH:
            await context.charge(Kind.REFUSED)
            raise InvalidRequest.at(("requests",), f"1 to {MAX_BATCH} requests are wanted")
        gate = asyncio.Semaphore(BATCH_AT_ONCE)
        apart()
        outcomes = await asyncio.gather(*(self._one(context, gate, asked) for asked in requests))
        refusals = [outcome for outcome in outcomes if isinstance(outcome, RateLimited)]
        if refusals:
            context.refuse(max(refusals, key=lambda refusal: refusal.retry_after_ms))
        if context.standing is None:  # nothing of it came so far as to be counted
            await context.charge(Kind.REFUSED)
        return outcomes

    async def _one(
        self, context: RequestContext, gate: asyncio.Semaphore, asked: Asked | GatewayError
    ) -> Answer | GatewayError:
        name = asked.operation.name if isinstance(asked, Asked) else NO_OPERATION
        with before_its_turn(self.metrics, context, name):
            await gate.acquire()
        try:
            if isinstance(asked, Asked):
                return await self.run(context, asked)
            with ending(self.metrics, context, name):
                await context.charge(Kind.REFUSED)
                raise asked
        except GatewayError as error:
            return error
        except Exception:
            log.exception("unexpected error", extra={"request_id": context.request_id})
            return InternalError()
        finally:
            gate.release()

    # -- an operation's way
    async def _read(self, context: RequestContext, asked: Asked) -> PreparedRequest:
        await context.require(asked.operation.permission)
        try:
            return await self.reading.read(context, asked.operation, asked.raw, asked.directives)
        except InvalidRequest:
            await context.charge(Kind.REFUSED)
            raise

    async def _charged_for(self, request: PreparedRequest) -> Standing:
        """An answer to another request counts for all but a model."""
        request.context.charged = True
        counts = CHARGES[Kind.OPERATION]
        decision = await self.admission_call.spend(
            request.caller, request.own_targets, requests=counts
        )
        return request.context.note(decision.standings)

    async def _near(self, request: PreparedRequest) -> Result | None:
        found = await self.finding.nearest(request)
        return found and self._told(request, found)

    def _admitted(self, request: PreparedRequest) -> AbstractAsyncContextManager[Admission]:
        return admit(self.admission_call, request, self.recorder)

    async def _answered(self, request: PreparedRequest) -> Answer:
        async with AsyncExitStack() as stack:
            admission = await stack.enter_async_context(self._admitted(request))
            return request.answer(await self._result(admission, stack), admission.standing)

    async def _made_for(self, admission: Admission, owned: AsyncExitStack) -> Answer:
        async with owned:
            found = await self._shared(admission, owned)
            return admission.request.answer(found, admission.standing)

    async def _result(
        self, admission: Admission, owned: AsyncExitStack, listener: Listener | None = None
    ) -> Result:
        """What there is, or what is made now; `owned` settles the admission."""
        found = await self._found(admission)
        return found or await self._shared(admission, owned, listener)

    async def _found(self, admission: Admission) -> Result | None:
        found = await self.finding.find(admission)
        return found and self._told(admission.request, found)

    async def _shared(
        self, admission: Admission, owned: AsyncExitStack, listener: Listener | None = None
    ) -> Result:
        make = partial(self._made, admission, listener)
        result = await self.single_flight.share(admission, owned, make)
        return self._told(admission.request, result)

    def _told(self, request: PreparedRequest, result: Result) -> Result:
        self.metrics.found(request.operation.name, result.status.value)
        spans.current().tell(_facts(result))
        return result

    async def _made(self, admission: Admission, listener: Listener | None) -> Body:
        return await self.keeping.keep(admission, await self.writing.write(admission, listener))

    async def _detached(
        self, request: PreparedRequest, work: Coroutine[Any, Any, Answer], end: Ending
    ) -> Answer:
        task = self.generations.spawn(work)
        end.comes_with(task)
        return await unless_left(task, request.context, goes_on=request.directives.detached)

    # -- what is being made
    async def transcript(self, caller: Caller, generation_id: str) -> Transcript:
        """A generation of the caller's; long after its end, what its content tells of it.

        Raises:
            NotFound, DependencyUnavailable
        """
        try:
            told = await self.generations.find(caller.id, generation_id)
        except NotFound:
            found = await self.contents.by_id(caller, [generation_id])
            if not found:
                raise
        else:
            await self._still_stored(caller, generation_id, told)
            return told
        record = next(iter(found.values()))
        key = generation_key(caller.id, generation_id)
        return replay.transcript(key, generation_id, record.operation, *prose_of(record))

    async def _still_stored(self, caller: Caller, generation_id: str, told: Transcript) -> None:
        """A deleted content is told by no generation, not by one that found it in the cache either.

        Raises `NotFound`.
        """
        content_id = told.events[-1].get("content_id", generation_id)
        if content_id != generation_id and not await self.contents.by_id(caller, [content_id]):
            raise NotFound("No generation of yours has this id")

    async def follow(
        self, context: RequestContext, generation_id: str, after: str | None = None
    ) -> GenerationReader:
        """A generation's events with their cursors: those behind `after`, then live, to the last.

        Going on behind `after` counts nothing.

        Raises:
            InvalidRequest: `after` is no cursor of this generation.
            CursorExpired: `after` is an old one, or was not given out.
            RateLimited, Unauthenticated, NotFound, DependencyUnavailable
        """
        begin = 0 if after is None else self.generations.cursors.decode(generation_id, after)
        kind = context.stream(after)
        if kind is Kind.STREAM:
            await context.charge(kind)
        found = await self.transcript(context.caller, generation_id)
        spans.current().link(found.events[0].get("traceparent"))
        if kind is not Kind.STREAM:  # one that is not there is no stream
            await context.charge(kind)
        return await self.generations.subscribe(found, generation_id, begin)

    async def cancel(self, context: RequestContext, generation_id: str) -> Transcript:
        """Cancel a generation of the caller's; its transcript, with its end.

        Raises:
            RateLimited, Unauthenticated, NotFound, DependencyUnavailable
        """
        await context.charge(Kind.READ)
        found = await self.transcript(context.caller, generation_id)
        return await self.generations.cancel(found)

    # -- what may be known
    async def rate_limits(self, caller: Caller) -> tuple[Standing, ...]:
        """Every limit, and behind them the caller's quotas."""
        return await self.admission_call.look(caller) + await self.quotas.look(caller)

    @staticmethod
    def permissions(caller: Caller) -> list[str]:
        return [p for p in PERMISSIONS if caller.may(p)]


def _span(asked: Asked) -> AbstractContextManager[spans.Span]:
    """Of one operation, from its input to its answer."""
    return spans.span(asked.operation.name, facts={"loregate.operation": asked.operation.name})


def _facts(result: Result) -> spans.Facts:
    metadata = result.body["metadata"]
    return {
        "loregate.cache": result.status.value,
        "loregate.content.id": result.body["content_id"],
        "loregate.degraded": metadata["degraded"],
    }
