"""Single flight: equal requests make one answer, and the others wait for it.

Requests that may share an answer (cacheable ones, or of one idempotency key) form a flight: one
makes it, the others wait, in one process on its task and across processes on its lease in Redis,
which the leader renews. When a leader dies its lease lapses and one of those who wait takes over. A
leader whose own caller leaves goes on: the flight has its admission then.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from app import spans
from app.errors import DependencyUnavailable, IdempotencyConflict
from app.pipeline.admission import Admission
from app.pipeline.answer import Body, CacheStatus, Result
from app.pipeline.idempotency import Idempotency
from app.pipeline.lookup import LEASE_TTL, RUNNING, Disposition, Lookup
from app.policies.cache import unpack
from app.redis.client import Redis
from app.stages import Stage, stage

POLL_INTERVAL = 0.05  # s between looks at what another process is making
FOLLOW_TIMEOUT = 180.0  # s; a leader that renews its lease for longer is not waited for

Make = Callable[[], Awaitable[Body]]  # writes, keeps and publishes


@dataclass(slots=True)
class Flight:
    """An answer that is being made, and how many wait for it; `trace`: where that is told."""

    fingerprint: str
    task: asyncio.Task[Result]
    trace: str | None = None
    waiting: int = 0
    given_up: bool = False  # nobody may join any more

    async def landed(self) -> Result:
        """Its answer. Whoever leaves lets it go on, unless nobody else waits for it.

        Only those are cancelled here who wished to be: the others' work is never.
        """
        self.waiting += 1
        try:
            return await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if not self.task.done():
                if self.waiting > 1:
                    raise
                self.given_up = True
                self.task.cancel()
                await asyncio.wait({self.task})
            if self.task.cancelled():
                raise
            # It is stored, or was being stored: the cancellation came too late.
            if (current := asyncio.current_task()) is not None:
                current.uncancel()
            return self.task.result()
        finally:
            self.waiting -= 1


class SingleFlight:
    """One for the process; holds its flights."""

    def __init__(
        self,
        redis: Redis,
        idempotency: Idempotency,
        *,
        follow_timeout: float = FOLLOW_TIMEOUT,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._redis, self._idempotency = redis, idempotency
        self._follow_timeout, self._now = follow_timeout, now
        self._flights: dict[str, Flight] = {}

    @property
    def waiting(self) -> list[int]:
        """Of each answer that is being made, how many requests wait for it."""
        return [flight.waiting for flight in self._flights.values()]

    async def share(self, admission: Admission, owned: AsyncExitStack, make: Make) -> Result:
        """The answer, made here or by another. `owned` settles the admission: a flight takes it.

        Raises:
            IdempotencyConflict: the key was used for another request.
            GatewayError: whatever making the answer raised, for all who waited for it.
        """
        lookup, disposition = admission.request.lookup, admission.decision.disposition
        name = lookup.flight(disposition) if lookup is not None else None
        if lookup is None or name is None:
            return Result(await make(), _made(lookup))
        flight = self._flights.get(name)
        if flight is not None and not flight.given_up:
            return await self._joined(name, flight, lookup, admission)
        work = self._fly(lookup, admission, owned.pop_all(), make)
        flight = self._flights[name] = Flight(
            lookup.fingerprint, asyncio.create_task(work, name="answer"), spans.traceparent()
        )
        flight.task.add_done_callback(lambda task: self._landed(name, task))
        return await flight.landed()

    async def _joined(
        self, name: str, flight: Flight, lookup: Lookup, admission: Admission
    ) -> Result:
        if flight.fingerprint != lookup.fingerprint:
            raise IdempotencyConflict
        spans.current().link(flight.trace)
        if admission.decision.disposition is Disposition.LEAD:
            # The flight may itself be waiting for what this request was just given to lead.
            await admission.release(name)
        with stage(Stage.WAITING):
            result = await flight.landed()
        await self._idempotency.remember(admission.request, result.body)
        return Result(result.body, CacheStatus.COALESCED)

    def _landed(self, name: str, task: asyncio.Task[Result]) -> None:
        if (flight := self._flights.get(name)) is not None and flight.task is task:
            del self._flights[name]
        if not task.cancelled():
            task.exception()  # whoever waited has it; if all have left, nobody needs it

    async def _fly(
        self, lookup: Lookup, admission: Admission, owned: AsyncExitStack, make: Make
    ) -> Result:
        async with owned:
            leads = admission.decision.disposition is Disposition.LEAD
            if not leads:
                # Without Redis each makes its own.
                with stage(Stage.WAITING), contextlib.suppress(DependencyUnavailable):
                    found = await self._followed(lookup, admission)
                    if found is not None:
                        return found
            async with self._renewing(lookup):
                if (first := await self._idempotency.first(admission.request)) is not None:
                    return first
                if not leads:
                    await admission.charge_model(admission.request.first)
                return Result(await make(), _made(lookup))

    @asynccontextmanager
    async def _renewing(self, lookup: Lookup) -> AsyncIterator[None]:
        """Keeps the lease and the idempotency key ours."""
        renewing = asyncio.create_task(self._renew(lookup), name="lease")
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _renew(self, lookup: Lookup) -> None:
        keys = [k for k in (lookup.lease, lookup.idempotency) if k is not None]
        while True:
            await asyncio.sleep(LEASE_TTL / 3)
            for key in keys:
                with contextlib.suppress(DependencyUnavailable):  # the next round does it
                    await self._redis.call("PEXPIRE", key, round(LEASE_TTL * 1000))

    async def _followed(self, lookup: Lookup, admission: Admission) -> Result | None:
        """What another process makes; None when it gave up or died, and this one is to lead.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        by_key = admission.decision.disposition.by_key
        key, value = lookup.lease, lookup.owner
        if by_key:
            key, value = lookup.idempotency, lookup.running
        oldest = self._now() - lookup.max_age  # what was too old when it was asked for still is
        end = asyncio.get_running_loop().time() + self._follow_timeout
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(POLL_INTERVAL)
            if by_key:
                held = await self._redis.call("GET", key)
                if held is not None and not held.startswith(RUNNING.encode()):
                    return await self._idempotency.replay(admission.request, held)
            else:
                cached, held = await self._redis.call("MGET", lookup.cached, key)
                found = unpack(cached) if cached is not None else None
                if found is not None and found[1] >= oldest:
                    await self._idempotency.remember(admission.request, found[0])
                    return Result(found[0], CacheStatus.COALESCED)
            if held is None and await self._taken_over(key, value, admission):
                return None
        return None

    async def _taken_over(self, key: str | None, value: str, admission: Admission) -> bool:
        """Whether this request is the one that makes it now."""
        taken = await self._redis.call("SET", key, value, "NX", "PX", round(LEASE_TTL * 1000))
        if taken and key is not None:
            admission.held[key] = value
        return bool(taken)

    async def close(self) -> None:
        """End what is still being made; nobody waits for it any more."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _made(lookup: Lookup | None) -> CacheStatus:
    """How a new answer came."""
    return CacheStatus.MISS if lookup is not None and lookup.keep else CacheStatus.BYPASS
