"""Overload: six hundred requests at once on a model that takes fifty and lets a hundred wait.

They are those of a hundred users: of one alone it would take three quarters.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.content_by_edge import Result
from tests.support.upstream import ANYTHING, Behaviour
from tests.wall.faults import Times
from tests.wall.gateways import BUSY, CONCURRENCY, HEALTHY, QUEUE, Gateway

REQUESTS, USERS = 600, 100
TAKES = 2.0  # s for an answer


@dataclass(slots=True)
class Metered:
    """Answers slowly, and notes when it was asked."""

    asked: list[float] = field(default_factory=list)

    def __call__(self) -> Behaviour:
        self.asked.append(time.monotonic())
        return Behaviour(first=TAKES)

    @property
    def peak(self) -> int:
        """The most that it had in hand at once: each is in hand for `TAKES` at the least."""
        return max(sum(at - TAKES < other <= at for other in self.asked) for at in self.asked)


@dataclass(frozen=True, slots=True)
class Crowd:
    """What came of all of them."""

    times: Times
    told: list[Result]
    asked: int
    peak: int
    seconds: float

    @property
    def counts(self) -> Counter[str]:
        return Counter(t.code or t.model for t in self.told)

    def problems(self) -> list[str]:
        return [f"overload, {self.times.name}: {said}" for said in self._problems()]

    def _problems(self) -> Iterator[str]:
        counts, places = self.counts, CONCURRENCY + QUEUE
        if unknown := set(counts) - {BUSY, HEALTHY, "MODEL_UNAVAILABLE"}:
            yield f"there came {sorted(unknown)}"
        if counts[BUSY] < places:
            yield f"{counts[BUSY]} were answered, {places} have a place"
        if self.peak > CONCURRENCY:
            yield f"{self.peak} calls ran at once"
        if self.asked != counts[BUSY]:
            yield f"{self.asked} calls were made for {counts[BUSY]} answers"
        if any(t.retry_after is None for t in self.told if t.code == "MODEL_UNAVAILABLE"):
            yield "a refusal says no Retry-After"
        if any(t.tried[0] not in ((BUSY, "ok"), (BUSY, "busy")) for t in self.told):
            yield "an attempt on the model ended otherwise than with `ok` or `busy`"
        if self.seconds > self.times.whole:
            yield f"it took {self.seconds:.1f} s"

    def line(self) -> tuple[str, ...]:
        counts = self.counts
        return (
            f"{len(self.told)} at once",
            self.times.name,
            *(str(counts[name]) for name in (BUSY, HEALTHY, "MODEL_UNAVAILABLE")),
            str(self.peak),
            f"{self.seconds:.1f}",
            "WRONG" if self.problems() else "",
        )


HEADS = (
    "overload",
    "time-outs",
    "its own text",
    HEALTHY,
    "503",
    "most calls at once",
    "s",
    "",
)


async def run(gateway: Gateway) -> Crowd:
    """By turns over both edges, half of them with a model that follows."""
    metered = Metered()
    gateway.provider.models[BUSY] = ANYTHING
    gateway.provider.on(BUSY).always = metered  # a copy, with the same list
    began = time.monotonic()
    told = await asyncio.gather(*(_one(gateway, number) for number in range(REQUESTS)))
    seconds = time.monotonic() - began
    return Crowd(gateway.times, told, len(metered.asked), metered.peak, seconds)


async def _one(gateway: Gateway, number: int) -> Result:
    edge = "stream" if number % 2 else "post"
    followed = bool(number // 2 % 2)
    return await gateway.ask(BUSY, edge, followed=followed, user=f"user-{number % USERS}")
