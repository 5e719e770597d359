"""Table: every fault, by both edges, alone and followed, side by side, each by its own model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.support.content_by_edge import STATUS, Result
from tests.support.upstream import ANYTHING, PROSE
from tests.wall.faults import FAULTS, Ending
from tests.wall.gateways import HEALTHY, ITS_TEXT, Gateway
from tests.wall.report import shown_attempts

EDGES = ("post", "stream")
CHAINS = ("alone", "followed")
APART = 0.1  # s between two requests
EARLY, LATE = 0.25, 4.0  # s that an end may come before and after its time


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and the model that has the fault for it alone."""

    fault: str
    times: str
    edge: str
    chain: str

    @property
    def model(self) -> str:
        return f"{re.sub('[^a-z0-9]+', '-', self.fault.lower())}.{self.edge}.{self.chain}"

    @property
    def followed(self) -> bool:
        return self.chain == "followed"

    @property
    def must(self) -> Ending:
        found = FAULTS[self.fault]
        return (found.followed if self.followed else found.alone)[self.times]

    @property
    def name(self) -> str:
        return f"{self.fault}, {self.times}, {self.edge}, {self.chain}"


Found = tuple[Case, Result]


def cases(faults: Sequence[str], times: str) -> list[Case]:
    return [Case(f, times, edge, chain) for f in faults for edge in EDGES for chain in CHAINS]


async def run(gateway: Gateway, faults: Sequence[str]) -> list[Found]:
    """What came of each."""
    found = cases(faults, gateway.times.name)
    told = await asyncio.gather(*(_one(gateway, *counted) for counted in enumerate(found)))
    return list(zip(found, told, strict=True))


async def _one(gateway: Gateway, number: int, case: Case) -> Result:
    fault, provider = FAULTS[case.fault], gateway.provider
    if not fault.missing:
        provider.models[case.model] = ANYTHING
    provider.on(case.model).always = fault.always
    provider.on(case.model).then(*fault.orders)
    await asyncio.sleep(APART * number)
    return await gateway.ask(case.model, case.edge, followed=case.followed)


# -- what must be
def problems(case: Case, told: Result) -> list[str]:
    """Everything that is not as it must be."""
    return [f"{case.name}: {said}" for said in _problems(case, told)]


def _problems(case: Case, told: Result) -> Iterator[str]:
    must = case.must
    if told.code != must.code:
        yield f"{told.code or told.model} came, {must.code or 'a text'} must"
    own = [outcome for model, outcome in told.tried if model == case.model]
    if tuple(own) != must.tried:
        yield f"the model's attempts were {own}, and must be {list(must.tried)}"
    if not must.seconds - EARLY <= told.seconds <= must.seconds + LATE:
        yield f"it took {told.seconds:.1f} s, and must take {must.seconds:g}"
    yield from (_wrong_text(case, told) if told.code is None else _wrong_error(told))


def _wrong_text(case: Case, told: Result) -> Iterator[str]:
    own = case.must.tried[-1] == "ok"
    writer, text = (case.model, PROSE) if own else (HEALTHY, ITS_TEXT)
    if (told.model, told.degraded) != (writer, not own):
        yield f"{told.model} wrote (degraded: {told.degraded}), {writer} must"
    if told.text != text:
        yield f"its text is {told.text!r}"
    if (told.tried or [None])[-1] != (writer, "ok"):
        yield f"its attempts end with {told.tried[-1:]}"


def _wrong_error(told: Result) -> Iterator[str]:
    if told.events is None and told.status != STATUS.get(str(told.code)):
        yield f"{told.code} came with status {told.status}"
    if (told.code == "MODEL_UNAVAILABLE") != (told.retry_after is not None):
        yield f"{told.code} came with Retry-After: {told.retry_after}"


# -- how it is shown
HEADS = ("fault", "time-outs", "edge", "alone", "attempts", "s", "followed", "attempts", "s", "")


def lines(found: Sequence[Found]) -> Iterator[tuple[str, ...]]:
    """One line for the two chains of each."""
    for (fault, times, edge), pair in groupby(found, lambda f: (f[0].fault, f[0].times, f[0].edge)):
        both = list(pair)
        cells = [cell for case, told in both for cell in _cells(case, told)]
        wrong = any(problems(case, told) for case, told in both)
        yield (fault, times, edge, *cells, "WRONG" if wrong else "")


def _cells(case: Case, told: Result) -> tuple[str, str, str]:
    writer = "its own text" if told.model == case.model else told.model
    attempts = shown_attempts([o for model, o in told.tried if model == case.model])
    return told.code or writer, attempts, f"{told.seconds:.1f}"
