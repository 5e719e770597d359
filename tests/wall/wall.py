"""Wall: providers as they fail, against real gateways, at the time-outs that people set.

    make wall [ARGS="--quick" | ARGS="--only stall,429,outage"]

README.md tells what is done and what must come of it. Ends with 1 when an outcome is not what it
must be.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import aiohttp

from tests.support import random_closer
from tests.wall import flapping, outages, overload, report, table
from tests.wall.faults import FAULTS, KINDS, Times
from tests.wall.flapping import FLAPPING
from tests.wall.gateways import Gateway, running
from tests.wall.outages import OUTAGES, Outage

QUICK = 3.0  # s; what takes longer is left out of the quick form
REQUESTS, QUICK_REQUESTS = 10_000, 1_000
PATIENCE = aiohttp.ClientTimeout(total=120.0)  # s; longer than any request may take
QUICK_PARTS = ("overload", "closing")
PARTS = ("outage", "flapping", *QUICK_PARTS)
CLOSING = ("requests", "failed", "repeated", "connections", "closed by the provider", "s", "")


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out all that waits")
    named = f"words in faults' names, and of {', '.join(PARTS)}; all of them by default"
    parser.add_argument("--only", default="", help=named)
    return parser.parse_args(given)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a run does: the faults of the table, the other parts, and how many requests close."""

    faults: list[str]
    parts: list[str]
    requests: int

    @property
    def walls(self) -> tuple[Times, ...]:
        """The time-outs at which a gateway with all models is wanted."""
        wanted = self.faults or {"flapping", "overload"} & set(self.parts)
        return KINDS if wanted else ()

    @property
    def outages(self) -> tuple[Outage, ...]:
        return OUTAGES if "outage" in self.parts else ()


def chosen(given: argparse.Namespace) -> Chosen:
    words = [word.strip() for word in given.only.split(",") if word.strip()]

    def named(name: str) -> bool:
        return not words or any(word in name for word in words)

    faults = [n for n, f in FAULTS.items() if named(n) and (f.longest < QUICK or not given.quick)]
    parts = [part for part in (QUICK_PARTS if given.quick else PARTS) if named(part)]
    return Chosen(faults, parts, QUICK_REQUESTS if given.quick else REQUESTS)


async def run(chosen: Chosen, directory: Path) -> list[str]:
    """Everything that was not as it must be."""
    problems = []
    if chosen.walls or chosen.outages:
        problems += await _at_gateways(chosen, directory)
    if "closing" in chosen.parts:
        problems += await _closing(chosen.requests)
    return problems


async def _at_gateways(chosen: Chosen, directory: Path) -> list[str]:
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=PATIENCE) as http,
        AsyncExitStack() as stack,
    ):
        models = [FLAPPING.model, *(c.model for c in table.cases(chosen.faults, ""))]
        wanted = [(times, models) for times in chosen.walls]
        wanted += [(outage.times, [outage.model]) for outage in chosen.outages]
        gateways = [
            await stack.enter_async_context(running(directory / str(n), times, names, http))
            for n, (times, names) in enumerate(wanted)  # one by one: each takes 3 s of a CPU
        ]
        walls, others = gateways[: len(chosen.walls)], gateways[len(chosen.walls) :]
        beside = [_faults(walls, chosen.faults), _outages(others, chosen.outages)]
        if "flapping" in chosen.parts:
            beside.append(_flapping(walls[0]))
        problems = [*chain.from_iterable(await asyncio.gather(*beside))]
        if "overload" in chosen.parts:
            problems += await _overload(walls)
        return problems


async def _faults(gateways: Sequence[Gateway], faults: Sequence[str]) -> list[str]:
    both = await asyncio.gather(*(table.run(gateway, faults) for gateway in gateways))
    order = list(FAULTS)
    found = sorted(chain.from_iterable(both), key=lambda f: order.index(f[0].fault))
    if found:
        report.table("FAULTS", table.HEADS, table.lines(found))
    return [said for case, told in found for said in table.problems(case, told)]


async def _outages(gateways: Sequence[Gateway], wanted: Sequence[Outage]) -> list[str]:
    found = await asyncio.gather(*map(outages.run, gateways, wanted))
    if found:
        report.table("OUTAGES", outages.HEADS, (course.line() for course in found))
    return [said for course in found for said in course.problems()]


async def _flapping(gateway: Gateway) -> list[str]:
    seconds = await flapping.run(gateway)
    report.table("FLAPPING", flapping.HEADS, [flapping.line(seconds)])
    return flapping.problems(seconds)


async def _overload(gateways: Sequence[Gateway]) -> list[str]:
    found = [await overload.run(gateway) for gateway in gateways]
    report.table("OVERLOAD", overload.HEADS, (crowd.line() for crowd in found))
    return [said for crowd in found for said in crowd.problems()]


async def _closing(requests: int) -> list[str]:
    began = time.monotonic()
    found = await random_closer.asks(requests)
    seconds = f"{time.monotonic() - began:.1f}"
    repeats = found.asked - requests
    ends = ", ".join(f"{count} {when}" for when, count in sorted(found.closed.items()))
    counts = [str(n) for n in (requests, len(found.failed), repeats, found.accepted)]
    report.table("CLOSING", CLOSING, [(*counts, ends, seconds, "WRONG" if found.failed else "")])
    failed = Counter(str(failure.outcome) for failure in found.failed)
    return [f"closing: {n} attempts ended {outcome}" for outcome, n in failed.items()]


def main() -> int:
    began, wanted = time.monotonic(), chosen(arguments())
    if not (wanted.faults or wanted.parts):
        raise SystemExit("--only names nothing that there is")
    print(report.machine(), flush=True)  # what follows takes minutes
    directory = Path(tempfile.mkdtemp(prefix="wall-"))  # short: a socket's path is bounded
    try:
        problems = asyncio.run(run(wanted, directory))
    finally:
        shutil.rmtree(directory)
    well = report.verdict(problems)
    print(f"  {time.monotonic() - began:.0f} s in all")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
