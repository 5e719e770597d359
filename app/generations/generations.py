"""Generations: jobs with an id, apart from whoever asked for them.

A generation runs in one process; its transcript is read there from memory and elsewhere from
Redis. A process holds its generations by leases, and each looks for those whose process died and
ends them: with its content where that was stored, else with `failed`, which may be tried again. So
each generation has exactly one last event.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from app.errors import DependencyUnavailable, GatewayError, InternalError, NotFound
from app.generations.cursor import Cursors
from app.generations.deltas import DeltaWriter
from app.generations.generation import Generation, failed, interrupted
from app.generations.log import LEASE_TTL, GenerationLog, Recover, generation_key
from app.generations.reader import GenerationReader
from app.generations.transcript import Event, Transcript
from app.seal import Seal

RENEW_INTERVAL = 0.4  # s between renewals, which also hear of cancellations: within a second
REAP_INTERVAL = 2.0  # s
POLL_INTERVAL = 0.025  # s between looks at what other processes generate, while somebody reads it
RENEWAL_TIMEOUT = 4.0  # s that the living have, once Redis is back, to renew what lapsed with it
SILENT_COPY_TIMEOUT = 2 * LEASE_TTL  # s after which a copy that says nothing is looked for
STOP_TIMEOUT = 10.0  # s for which a stop waits for what runs
CANCEL_TIMEOUT = 2.0  # s for which a wish to cancel is awaited; the promise is one

T = TypeVar("T")

log = logging.getLogger(__name__)


class Generations:
    """One for the process, from `start()` to `stop()`."""

    def __init__(
        self,
        log: GenerationLog,
        *,
        stop_timeout: float = STOP_TIMEOUT,
        reap_interval: float = REAP_INTERVAL,
        renewal_timeout: float = RENEWAL_TIMEOUT,
        recover: Recover | None = None,
        seal: Seal | None = None,
    ) -> None:
        """`recover` tells by a generation's first event what it stored before its process died."""
        self.log, self._recover, self.cursors = log, recover, Cursors(seal)
        self._stop_timeout, self._reap_interval, self._renewal_timeout = (
            stop_timeout,
            reap_interval,
            renewal_timeout,
        )
        self.running_here: dict[str, Generation] = {}
        self.copies: dict[str, tuple[Transcript, float]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._reap_after = 0.0  # the loop's time until which no lease counts as lapsed
        self._work: set[asyncio.Task[Any]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def running(self) -> int:
        """How many pieces of work run, those without an id too."""
        return len(self._work)

    def start(self) -> None:
        self.log.start()
        self._tasks = [
            asyncio.create_task(
                self._forever(self._renew_leases, RENEW_INTERVAL), name="generations-keep"
            ),
            asyncio.create_task(
                self._forever(self._reap, self._reap_interval), name="generations-reap"
            ),
        ]

    async def stop(self) -> None:
        """Let what runs come to its end within the grace; then end it."""
        if self._work:
            await asyncio.wait(self._work, timeout=self._stop_timeout)
        ending = {g.task for g in self.running_here.values() if g.ending}
        for task in self._work - ending:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        beside = [*self._tasks, *([self._polling] if self._polling else [])]
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await self.log.stop()

    async def _forever(self, step: Callable[[], Awaitable[None]], every: float) -> None:
        while True:
            try:
                await step()
            except DependencyUnavailable:  # the next round does it
                pass
            except Exception:  # without renewals each generation here would be taken for dead
                log.exception("unexpected error")
            await asyncio.sleep(every)

    # -- work
    def spawn(self, work: Coroutine[Any, Any, T], name: str = "answer") -> asyncio.Task[T]:
        """Run it to its end, whoever leaves."""
        task = asyncio.create_task(work, name=name)
        self._work.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; if all have left, nobody needs it

    async def begin(
        self,
        user_id: str,
        generation_id: str,
        started: Event,
        *,
        streams: bool,
        field: str | None,
        work: Callable[[Generation], Awaitable[Event]],
        owned: AbstractAsyncContextManager[object],
    ) -> Generation:
        """Start a generation; `work` gives its last event, or raises why there is none.

        `owned` is what it holds while it runs, and is left when that is over, in any case.
        """
        transcript = Transcript(generation_key(user_id, generation_id))
        deltas = DeltaWriter(transcript, self.log.changed, streams=streams, field=field)
        generation = Generation(generation_id, transcript, deltas)
        transcript.append({"type": "started", "generation_id": generation_id, **started})
        self.running_here[transcript.key] = generation
        generation.task = self.spawn(self._run(generation, work, owned), name="generation")
        try:
            await generation.known.wait()
        except asyncio.CancelledError:  # whoever started it has left, and nobody knows its id
            if _needs_readers(transcript):
                generation.cancel()
            raise
        return generation

    async def _announce(self, generation: Generation) -> None:
        """Let other processes know of it. Redis away: they will, as soon as it is back."""
        try:
            await self.log.begin(generation.transcript)
        finally:
            generation.known.set()

    async def _run(
        self,
        generation: Generation,
        work: Callable[[Generation], Awaitable[Event]],
        owned: AbstractAsyncContextManager[object],
    ) -> None:
        key = generation.transcript.key
        try:
            async with owned:
                end = await self._outcome(generation, work)
                generation.ending = True  # a cancellation would come between it and its end
            generation.deltas.close()
            await self.log.end(generation.transcript, end)
            await self.log.release_lease(key)
        finally:
            del self.running_here[key]

    async def _outcome(
        self, generation: Generation, work: Callable[[Generation], Awaitable[Event]]
    ) -> Event:
        # Beside the work, which has its first text one round trip sooner. But not past its end: a
        # lease that is taken late would be one of a generation that is none any more.
        announced = asyncio.create_task(self._announce(generation), name="generation-announced")
        try:
            try:
                return await work(generation)
            finally:
                await announced
        except GatewayError as error:
            return failed(error)
        except asyncio.CancelledError:
            return {"type": "cancelled"} if generation.cancelled else interrupted()
        except Exception:
            log.exception("unexpected error", extra={"generation": generation.id})
            return failed(InternalError())

    # -- leases
    async def _renew_leases(self) -> None:
        for generation in list(self.running_here.values()):
            if generation.transcript.ended:  # by another process, which took this one for dead
                generation.cancel()
        # Not of what has ended and is only let go: a renewal could overtake that.
        if running := [k for k, g in self.running_here.items() if not g.transcript.ended]:
            for key in await self.log.renew_leases(running):
                if key in self.running_here:
                    self.running_here[key].cancel()
        here = (g.transcript for g in self.running_here.values())
        elsewhere = (transcript for transcript, _ in self.copies.values())
        if read := [t.key for t in (*here, *elsewhere) if t.readers and _needs_readers(t)]:
            await self.log.announce_reader(read)

    async def _reap(self) -> None:
        """Not at once after Redis was away: the leases of the living have lapsed with it."""
        loop = asyncio.get_running_loop()
        try:
            if loop.time() < self._reap_after:
                await self.log.check()
                return
            found = await self.log.reap(interrupted(), self._recover)
        except DependencyUnavailable:
            self._reap_after = loop.time() + self._renewal_timeout
            raise
        if found:
            log.warning("ended generations whose process died", extra={"count": found})

    # -- readers
    async def find(self, user_id: str, generation_id: str) -> Transcript:
        """A generation of the user's: its own transcript, or a copy as it is now.

        Raises:
            NotFound: there is none, or it ended longer ago than transcripts are kept.
            DependencyUnavailable: it is not here, and Redis is away.
        """
        key = generation_key(user_id, generation_id)
        if generation := self.running_here.get(key):
            return generation.transcript
        if key in self.copies:
            return self.copies[key][0]
        found = Transcript(key)
        await self.log.read(found)
        if not found.last_position:
            raise NotFound("No generation of yours has this id")
        return found

    async def subscribe(
        self, transcript: Transcript, generation_id: str, after: int = 0
    ) -> GenerationReader:
        """A transcript's events behind a position, to the last one, with their cursors."""
        joined = self._join(transcript)

        async def leave() -> None:
            if self._leave(joined) and _needs_readers(joined):
                # Whoever leaves may be cancelled once more.
                await asyncio.shield(self.spawn(self._cancel_abandoned(joined), "leaving"))

        try:
            if joined.readers == 1 and _needs_readers(joined):
                await self.log.announce_reader([joined.key])
        except asyncio.CancelledError:
            await leave()
            raise
        return GenerationReader(self.cursors, generation_id, after, joined, leave)

    def cursor(self, generation_id: str, transcript: Transcript) -> str:
        """The last event's position, as clients hold it."""
        return self.cursors.encode(generation_id, transcript.last_position)

    def _join(self, transcript: Transcript) -> Transcript:
        """One reader more; of a generation that runs elsewhere, of the one copy of it here."""
        if transcript.key not in self.running_here and not transcript.ended:
            transcript = self._copy(transcript)
        transcript.readers += 1
        return transcript

    def _leave(self, transcript: Transcript) -> bool:
        """One reader less; whether it was the last one here."""
        transcript.readers -= 1
        if transcript.readers == 0:
            self.copies.pop(transcript.key, None)
        return transcript.readers == 0

    async def _cancel_abandoned(self, transcript: Transcript) -> None:
        """Nobody here reads it any more; when nobody does elsewhere, that may be its end."""
        with contextlib.suppress(DependencyUnavailable):  # who else reads it is not known then
            if await self.log.other_readers(transcript.key):
                return
        if not transcript.readers:  # somebody may have come meanwhile
            with contextlib.suppress(DependencyUnavailable):
                await self._cancel(transcript)

    def _copy(self, transcript: Transcript) -> Transcript:
        """The one copy of it that is kept up to date here."""
        now = asyncio.get_running_loop().time()
        found, _ = self.copies.setdefault(transcript.key, (transcript, now))
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll(), name="generations-copies")
        return found

    async def _poll(self) -> None:
        """Until nobody reads a copy."""
        loop = asyncio.get_running_loop()
        while self.copies:
            await asyncio.sleep(POLL_INTERVAL)
            if not self.copies:
                return
            positions = {key: t.last_position for key, (t, _) in self.copies.items()}
            try:
                await self.log.read_all([t for t, _ in self.copies.values()])
            except DependencyUnavailable:
                await asyncio.sleep(10 * POLL_INTERVAL)
                continue
            for key, (transcript, heard) in list(self.copies.items()):
                if transcript.ended:
                    del self.copies[key]
                elif transcript.last_position != positions.get(key):
                    self.copies[key] = transcript, loop.time()
                elif loop.time() - heard > SILENT_COPY_TIMEOUT:
                    await self._check_copy(transcript)

    async def _check_copy(self, transcript: Transcript) -> None:
        """A copy that has been silent: Redis may have lost what it is a copy of."""
        self.copies[transcript.key] = transcript, asyncio.get_running_loop().time()
        with contextlib.suppress(DependencyUnavailable):
            if not await self.log.exists(transcript):
                transcript.append(interrupted())

    # -- ending
    async def cancel(self, transcript: Transcript) -> Transcript:
        """Cancel a generation and wait for its last event, which may be another; its transcript.

        Raises:
            DependencyUnavailable: it runs elsewhere, and Redis is away.
        """
        await self._cancel(transcript)
        joined = self._join(transcript)
        try:
            await joined.wait_ended(CANCEL_TIMEOUT)
        finally:
            self._leave(joined)
        return joined

    async def _cancel(self, transcript: Transcript) -> None:
        if generation := self.running_here.get(transcript.key):
            generation.cancel()
        elif not transcript.ended:
            await self.log.cancel(transcript.key)


def _needs_readers(transcript: Transcript) -> bool:
    """Whether it is to end when nobody reads it: so its request said."""
    return not transcript.ended and transcript.events[0].get("on_disconnect") == "cancel"
