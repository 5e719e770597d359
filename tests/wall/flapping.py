"""Flapping: a model that is five seconds away and five well, for a minute."""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.upstream import ANYTHING, Flapping
from tests.wall.gateways import HEALTHY, Gateway
from tests.wall.outages import AWAY, SAYS_503, Outage, Second, each_second, unanswered

TURN = 5.0  # s
FLAPPING = Outage("flapping", Flapping(SAYS_503, (TURN, TURN)))
MOST_PAYING = 3 * round(AWAY / (2 * TURN))  # three in each turn
HEADS = ("flapping", "time-outs", "requests", "its own text", HEALTHY, "paid", "slowest s", "")


async def run(gateway: Gateway) -> list[Second]:
    gateway.provider.models[FLAPPING.model] = ANYTHING
    gateway.provider.on(FLAPPING.model).always = FLAPPING.order
    return await each_second(gateway, FLAPPING.model, lambda at, _: at < AWAY)


def problems(seconds: list[Second]) -> list[str]:
    return [f"flapping: {said}" for said in _problems(seconds)]


def _problems(seconds: list[Second]) -> Iterator[str]:
    for second in seconds:
        yield from unanswered(second, FLAPPING)
    if (paid := sum(s.paid(FLAPPING.model) for s in seconds)) > MOST_PAYING:
        yield f"{paid} requests paid, {MOST_PAYING} at the most may"
    if not any(s.well(FLAPPING.model) for s in seconds):
        yield "the model never wrote"


def line(seconds: list[Second]) -> tuple[str, ...]:
    own = sum(s.told.model == FLAPPING.model for s in seconds)
    return (
        f"{TURN:g} s away, {TURN:g} s well",
        FLAPPING.times.name,
        str(len(seconds)),
        str(own),
        str(len(seconds) - own),
        str(sum(s.paid(FLAPPING.model) for s in seconds)),
        f"{max(s.told.seconds for s in seconds):.1f}",
        "WRONG" if problems(seconds) else "",
    )
