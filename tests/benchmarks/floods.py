"""What a flood costs: memory, the loop, and the others who are served meanwhile.

    make floods [ARGS="--only pipelining,pings --seconds 4"]

For each flood a gateway of its own runs on core 0 with a watch on its loop; the flooder, Valkey,
the provider and an honest user stand on core 1. Fails where a flood costs more than is promised.
The README says what the columns mean.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import uvloop

from tests.attacks.conftest import warm
from tests.attacks.gateway import Gateway, faults, serving
from tests.benchmarks.flooders import FLOODS
from tests.benchmarks.watched import SIZE, Watch
from tests.support.service import token

MB = 1_000_000
GROWTH = 20 * MB  # of resident memory for each flooding connection, and what may stay
HELD = 0.05  # s of the loop
TIMES = 2.0  # the honest user's p99 beside what it is alone
GIVEN_BACK = 10.0  # s after which the memory must be back
PAUSE = 0.01  # s between two requests of one of the honest user's connections
CONNECTIONS = 2  # of the honest user
QUESTIONS = (
    {"query": "{ viewer { id tier permissions } }"},
    {"query": "{ rateLimits { scope remaining } eventCursor }"},
)
LIMITS = """
[[limits]]
target = "global"
max = 1000000
per = "global"
"""


@dataclass
class Honest:
    """What became of an honest user's requests; seconds each."""

    took: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def p50(self) -> float:
        return statistics.median(self.took) if self.took else float("inf")

    @property
    def p99(self) -> float:
        return statistics.quantiles(self.took, n=100)[98] if len(self.took) > 1 else float("inf")


@dataclass
class Row:
    """One flood's figures: bytes and seconds."""

    name: str
    connections: int
    before: int  # of resident memory
    peak: int
    after: int
    held: float  # the loop, at worst
    holder: str  # by what
    alone: Honest
    during: Honest
    got: dict[str, int]
    errors: int

    @property
    def shortfalls(self) -> list[str]:
        found = {
            "grows": (self.peak - self.before) / self.connections > GROWTH,
            "keeps": self.after - self.before > GROWTH,
            "holds": self.held > HELD,
            "delays": self.during.p99 > TIMES * self.alone.p99,
            "fails": self.alone.failed + self.during.failed > 0,
            "errors": self.errors > 0,
        }
        return [name for name, short in found.items() if short]


@contextmanager
def watched(directory: Path, core: int) -> Iterator[tuple[Gateway, Watch]]:
    """A gateway with limits that no honest user meets, and its watch."""
    file, config = directory / "held", directory / "limits.toml"
    file.write_bytes(bytes(SIZE))
    config.write_text(LIMITS)
    command = (sys.executable, "-m", "tests.benchmarks.watched", str(core), str(file))
    with serving(directory, command=command, LOREGATE_CONFIG=str(config)) as gateway:
        warm(gateway)
        yield gateway, Watch(file)


async def honest(port: int, seconds: float) -> Honest:
    """One user, two connections, about a hundred requests a second."""
    found, end = Honest(), time.monotonic() + seconds
    headers = {"Authorization": f"Bearer {token('honest', tier='service')}"}

    async def ask(http: httpx2.AsyncClient) -> None:
        count = 0
        while time.monotonic() < end:
            began, count = time.perf_counter(), count + 1
            try:
                answer = await http.post("/graphql", json=QUESTIONS[count % 2], headers=headers)
                failed = answer.status_code != 200
            except httpx2.TransportError:
                failed = True
            found.failed += failed
            found.took.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE)

    async def connection() -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            await ask(http)

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return found


async def peak(gateway: Gateway, until: asyncio.Event) -> int:
    found = 0
    while not until.is_set():
        found = max(found, gateway.memory)
        await asyncio.sleep(0.02)
    return found


async def flooded(name: str, port: int, seconds: float) -> dict[str, int]:
    signed = token("flooder", tier="free" if name.startswith("limited") else "standard")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.flooders", name, str(port), str(seconds), signed),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    found: dict[str, int] = json.loads(out)
    return found


async def measured(name: str, gateway: Gateway, watch: Watch, seconds: float) -> Row:
    await honest(gateway.port, 1.0)  # which warms it
    alone = await honest(gateway.port, seconds)
    before, over = gateway.memory, asyncio.Event()
    watch.reset()
    gateway.new_lines()
    looking = asyncio.create_task(peak(gateway, over))
    flooding = asyncio.create_task(flooded(name, gateway.port, seconds + 1))
    await asyncio.sleep(1.0)  # in which the flooder starts
    during = await honest(gateway.port, seconds)
    got = await flooding
    held, holder = watch.worst, watch.where
    over.set()
    end = time.monotonic() + GIVEN_BACK
    while gateway.memory - before > GROWTH and time.monotonic() < end:
        await asyncio.sleep(0.1)
    afterwards = await honest(gateway.port, seconds / 2)
    alone = Honest(alone.took + afterwards.took, alone.failed + afterwards.failed)
    said = faults(gateway.new_lines())
    if said:
        print(f"   the log: {said[0][:2000]}")
    return Row(
        name,
        FLOODS[name].connections,
        before,
        await looking,
        gateway.memory,
        held,
        holder,
        alone,
        during,
        got,
        len(said),
    )


HEAD = (
    f"{'flood':<18}{'conns':>6}{'MB each':>9}{'kept MB':>9}{'held ms':>9}"
    f"{'p50':>7}{'p99 alone':>11}{'p50':>8}{'p99 flooded':>13}  what it got"
)


def line(row: Row) -> str:
    each = (row.peak - row.before) / row.connections / MB
    got = ", ".join(f"{k} {_short(v)}" for k, v in sorted(row.got.items()))
    failed = f", the honest user failed {row.during.failed}" if row.during.failed else ""
    bad = f"   << {', '.join(row.shortfalls)}" if row.shortfalls else ""
    bad += f"\n   held by {row.holder}" if row.holder else ""
    return (
        f"{row.name:<18}{row.connections:>6}{each:>9.2f}{(row.after - row.before) / MB:>9.1f}"
        f"{row.held * 1000:>9.1f}{row.alone.p50 * 1000:>7.1f}{row.alone.p99 * 1000:>11.1f}"
        f"{row.during.p50 * 1000:>8.1f}{row.during.p99 * 1000:>13.1f}  {got}{failed}{bad}"
    )


def _short(number: int) -> str:
    return f"{number / MB:.0f}M" if number >= 10 * MB else str(number)


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="names, with commas between them", default="")
    parser.add_argument("--seconds", type=float, default=4.0)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    asked = options(arguments)
    names = [name.strip() for name in asked.only.split(",") if name.strip()] or list(FLOODS)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        print("one core only: the flooder shares it with the gateway, and its delays are its own")
    os.sched_setaffinity(0, {cores[-1]})
    print(HEAD, flush=True)
    short = 0
    for name in names:
        with TemporaryDirectory() as directory, watched(Path(directory), cores[0]) as (it, watch):
            row = uvloop.run(measured(name, it, watch, asked.seconds))
        short += bool(row.shortfalls)
        print(line(row), flush=True)
    print(f"{short} of {len(names)} floods cost more than is promised")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
