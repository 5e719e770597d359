"""Probes: finding out whether a model that is left alone is back, so that no caller pays for it.

While a breaker is open, its callers go on to the fallback, and one process of all asks the model
for a few tokens from time to time. A probe takes nobody's limit and no place in the bulkhead, and
counts in no metric of attempts; one that fails is a line of the log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from app.llm.breaker import Breaker
from app.llm.failure import AttemptFailed
from app.llm.model import Model
from app.llm.retry import settle
from app.operations.metadata import AttemptOutcome

CHECK_INTERVAL = (
    1.0  # s between two looks at an open breaker: what others heard may move its next probe
)
HEDGE_DELAY = 4.0  # s without an answer until another probe is sent beside the first
MIN_CHECK_INTERVAL = 0.1  # s; the shortest of them, where another process is about to probe

log = logging.getLogger(__name__)


class Prober:
    """One breaker's, for all the models that share it. `timeout`: seconds for a probe."""

    def __init__(self, breaker: Breaker, timeout: float) -> None:
        self._breaker, self._timeout = breaker, timeout
        self.models: list[Model] = []

    async def run(self) -> None:
        while True:
            await asyncio.wait({self._breaker.opening})
            await self.look()
            await asyncio.sleep(
                min(CHECK_INTERVAL, max(MIN_CHECK_INTERVAL, self._breaker.retry_after))
            )

    async def look(self) -> None:
        """Probe, if it is time and no other process does."""
        model = next((m for m in self.models if m.writer is not None), None)
        if model is None or (ticket := await self._breaker.probe()) is None:
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._hedged(model, began + self._timeout)
        except AttemptFailed as failure:
            ms = round(1000 * (loop.time() - began))
            facts = {"model": model.name, "outcome": failure.outcome.value, "ms": ms}
            log.info("the probe of a model failed", extra={**facts, **failure.as_extra()})
            await settle(model, ticket, failure)
        except BaseException:  # the process stops
            await ticket.released()
            raise
        else:
            await ticket.succeeded()

    async def _hedged(self, model: Model, deadline: float) -> None:
        """Ask, and again beside it while no answer comes: what was asked in an outage may hang.

        The first answer decides, be it an error.
        """
        loop = asyncio.get_running_loop()
        asked: set[asyncio.Task[None]] = set()
        try:
            while True:
                asked.add(asyncio.create_task(self._ask(model, deadline), name="probe"))
                last = deadline - loop.time() <= HEDGE_DELAY
                done, _ = await asyncio.wait(
                    asked,
                    timeout=None if last else HEDGE_DELAY,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if done:
                    return done.pop().result()
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    async def _ask(self, model: Model, deadline: float) -> None:
        if model.writer is None:
            return
        try:
            await model.writer.probe(deadline=deadline)
        except AttemptFailed:
            raise
        except Exception as error:  # a prober that died would leave the breaker open for ever
            log.exception("unexpected error", extra={"model": model.name})
            kind = type(error).__name__
            raise AttemptFailed(AttemptOutcome.MALFORMED, "cannot be probed", kind=kind) from None


class Probers:
    """The probers of all models; from `start()` to `stop()` they look by themselves."""

    def __init__(self, models: Iterable[Model], *, timeout: float) -> None:
        self._probers: dict[int, Prober] = {}
        for model in models:
            if (breaker := model.breaker) is not None:
                prober = self._probers.setdefault(id(breaker), Prober(breaker, timeout))
                prober.models.append(model)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(p.run(), name="probing") for p in self._probers.values()]

    async def look(self) -> None:
        """Probe whatever it is time for, side by side."""
        await asyncio.gather(*(p.look() for p in self._probers.values()))

    async def stop(self) -> None:
        """Ends at once; the place of a probe under way is given back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
