"""Outages: a model that is away for a minute, with one request a second to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.support.content_by_edge import Result
from tests.support.upstream import ANYTHING, Behaviour, Order, refusal
from tests.wall.faults import DEFAULTS, THIRTY, Times
from tests.wall.gateways import HEALTHY, Gateway

AWAY = 60.0  # s
RECOVERY = 10.0  # s from its return to the model's next text
AT_ONCE = 2.0  # s for an answer to whom the model was not called
RETRYING = 3.0  # s that calls, which fail at once, and their waits take
OPENING = 5  # requests that come until three failures in a row are known; three on a quick machine
SEEN = 3  # s more, in which the model must go on writing

SAYS_503 = refusal(503, "overloaded")


@dataclass(frozen=True, slots=True)
class Outage:
    """first: seconds that a call, or a probe, takes to fail."""

    name: str
    order: Order
    times: Times = DEFAULTS
    first: float = 0.0

    @property
    def model(self) -> str:
        return self.name

    @property
    def most_paying(self) -> int:
        """One a second until the first failures are known, and those that open the breaker."""
        return OPENING + round(self.first)

    @property
    def slowest(self) -> float:
        """Seconds for an answer whose request paid."""
        return self.first + RETRYING


OUTAGES = (
    Outage("503", SAYS_503),
    Outage("reset", Behaviour(reset=True)),
    Outage("silence", Behaviour(silent=True), first=DEFAULTS.first),
    Outage("silence", Behaviour(silent=True), THIRTY, first=THIRTY.first),
)


@dataclass(slots=True)
class Second:
    """One request, when it was sent (s from the outage's begin), what `/health` said around it."""

    at: float
    told: Result
    health: set[str] = field(default_factory=set)

    def own(self, model: str) -> list[str]:
        return [outcome for name, outcome in self.told.tried if name == model]

    def paid(self, model: str) -> bool:
        return bool(set(self.own(model)) - {"open", "ok"})

    def refused(self, model: str) -> bool:
        return self.own(model) == ["open"]

    def well(self, model: str) -> bool:
        return self.own(model) == ["ok"]


async def each_second(
    gateway: Gateway, model: str, goes_on: Callable[[float, list[Second]], bool]
) -> list[Second]:
    """One request a second, in the order in which they were sent, as long as it is to go on."""
    loop = asyncio.get_running_loop()
    began, done, tasks = loop.time(), list[Second](), list[asyncio.Task[None]]()

    async def one(at: float) -> None:
        before = await gateway.health()
        told = await gateway.ask(model, "stream" if int(at) % 2 else "post", followed=True)
        done.append(Second(at, told, {before, await gateway.health()}))

    while goes_on(at := loop.time() - began, done):
        tasks.append(asyncio.create_task(one(at)))
        await asyncio.sleep(began + len(tasks) - loop.time())
    await asyncio.gather(*tasks)
    return sorted(done, key=lambda second: second.at)


async def run(gateway: Gateway, outage: Outage) -> Course:
    gateway.provider.models[outage.model] = ANYTHING
    orders = gateway.provider.on(outage.model)
    orders.always = outage.order

    def goes_on(at: float, done: list[Second]) -> bool:
        if at >= AWAY and orders.always is not None:
            orders.always = None
        back = [s for s in done if s.at >= AWAY and s.well(outage.model)]
        return len(back) < SEEN and at < AWAY + RECOVERY + SEEN

    return Course(outage, await each_second(gateway, outage.model, goes_on))


@dataclass(frozen=True, slots=True)
class Course:
    """What happened in an outage."""

    outage: Outage
    seconds: list[Second]

    @property
    def paid(self) -> list[Second]:
        return [s for s in self.seconds if s.paid(self.outage.model)]

    @property
    def refused(self) -> list[Second]:
        return [s for s in self.seconds if s.refused(self.outage.model)]

    @property
    def back(self) -> float | None:
        """Seconds from the model's return to the first request that it wrote for."""
        found = (s.at - AWAY for s in self.seconds if s.at >= AWAY and s.well(self.outage.model))
        return next(found, None)

    @property
    def degraded(self) -> int:
        """Of the requests that found the breaker open, those around which `/health` said so."""
        return sum("degraded" in s.health for s in self.refused)

    def problems(self) -> list[str]:
        name = f"outage: {self.outage.name}, {self.outage.times.name}"
        return [f"{name}: {said}" for said in self._problems()]

    def _problems(self) -> Iterator[str]:
        outage = self.outage
        for second in self.seconds:
            yield from unanswered(second, outage)
        if len(self.paid) > outage.most_paying:
            yield f"{len(self.paid)} requests paid, {outage.most_paying} at the most may"
        if not self.refused or self.degraded < len(self.refused):
            yield f"/health was degraded in {self.degraded} of {len(self.refused)} open seconds"
        back = self.back
        if back is None:
            yield f"the model was not back within {RECOVERY:g} s"
        elif back > RECOVERY:
            yield f"the model was back after {back:.1f} s, {RECOVERY:g} are promised"
        elif self.seconds[-1].health != {"healthy"}:
            yield f"/health is {self.seconds[-1].health} behind it"

    def line(self) -> tuple[str, ...]:
        longest = max((s.told.seconds for s in self.refused), default=0.0)
        back = "never" if self.back is None else f"{self.back:.1f}"
        return (
            self.outage.name,
            self.outage.times.name,
            str(len(self.seconds)),
            str(len(self.paid)),
            f"{max((s.told.seconds for s in self.paid), default=0.0):.1f}",
            str(len(self.refused)),
            f"{longest:.2f}",
            f"{self.degraded} of {len(self.refused)}",
            back,
            "WRONG" if self.problems() else "",
        )


HEADS = (
    "outage of 60 s",
    "time-outs",
    "requests",
    "paid",
    "slowest s",
    "passed on",
    "slowest s",
    "/health degraded",
    "back after s",
    "",
)


def unanswered(second: Second, outage: Outage) -> Iterator[str]:
    """What is wrong with one second's answer."""
    told, at = second.told, f"the request of second {second.at:.0f}"
    if told.code is not None:
        yield f"{at} got {told.code}"
    elif told.model not in (outage.model, HEALTHY):
        yield f"{at} was answered by {told.model}"
    limit = outage.slowest if second.paid(outage.model) else AT_ONCE
    if told.seconds > limit:
        yield f"{at} was answered after {told.seconds:.1f} s"
