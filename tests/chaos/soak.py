"""Soak: hours in minutes. A steady mixed load on one gateway; nothing of it may stay.

    make soak [ARGS="--minutes 10 --users 20"]

Every ten seconds memory, files, tasks and Redis clients are noted. Then the load ends, and what
was taken must have been given back. README.md has the columns. Ends with 1 when it was not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from tests.chaos import checks, fleet, report
from tests.chaos.checks import Verdict
from tests.chaos.crowd import beside
from tests.chaos.fleet import Fleet, Node
from tests.chaos.hammer import PATH
from tests.chaos.hub import Hub
from tests.chaos.ledger import Ledger
from tests.chaos.provider import Steady
from tests.chaos.subscribers import OverSSE, OverWebSocket, event_cursor
from tests.chaos.writers import Writer, bearer

EVERY = 10.0  # s between samples
WARM = 15.0  # s of load before the first sample
BURST = 300  # requests at once, before it: six for each connection that the pool may have
REST = 20.0  # s without load before the last one
STAY = (1.0, 15.0)  # s for which a subscription runs
SLOPE = 30.0  # MB an hour; a KB that stays of each of 20 requests a second would be 70
# The heap's noise from sample to sample is about 1 MB: over less time than this it drowns a slope.
TELLING = 240.0  # s of samples
GROWN = 0.15  # of the memory at the middle, in runs too short for a slope
SLACK = {"tasks": 4, "files": 12, "Redis clients": 4}  # pools keep some connections open
PAGE = os.sysconf("SC_PAGE_SIZE")
TASKS = re.compile(r"^loregate_tasks(?:\{[^}]*\})? ([\d.e+]+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """How much the gateway holds."""

    at: float  # s since the begin
    rss: float  # MB
    files: int
    tasks: int | None  # None where /metrics does not tell
    clients: Counter[str]  # Redis's clients by their names

    @property
    def redis(self) -> int:
        return sum(self.clients.values())


class Soak:
    """One gateway, its load, and the samples."""

    def __init__(self, found: Fleet, redis_url: str, rng: random.Random, users: int) -> None:
        self._fleet, self._redis_url, self._random, self._users = found, redis_url, rng, users
        self.ledger = Ledger()
        self.samples: list[Sample] = []
        self._began = time.monotonic()

    @property
    def _node(self) -> Node:
        return self._fleet.nodes[0]

    async def run(self, seconds: float) -> tuple[Sample, Sample]:
        """The load for so long; a sample from before it, and one from after it."""
        writers = [
            Writer(f"user-{n}", self._fleet, self.ledger, random.Random(self._random.random()))
            for n in range(self._users)
        ]
        # What is made once is made now, and pools grow to their full size.
        async with beside(*(w.run() for w in writers)):
            await asyncio.gather(*(self._ask(writers[0]) for _ in range(BURST)))
            await asyncio.sleep(WARM)
        await asyncio.sleep(REST)
        before = await self.sample()
        async with beside(self._look(), *map(self._come_and_go, writers)):
            writing = [asyncio.create_task(w.run()) for w in writers]
            await asyncio.sleep(seconds)
            self.ledger.closed = True
            await asyncio.gather(*writing)
        await asyncio.sleep(REST)
        return before, await self.sample()

    async def _ask(self, writer: Writer) -> None:
        headers = {"Authorization": bearer(writer.user)}
        async with self._fleet.http.get(f"{self._node.url}{PATH}", headers=headers) as response:
            await response.read()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.samples.append(await self.sample())
            told = self.samples[-1]
            clients = " ".join(f"{n}:{c}" for n, c in sorted(told.clients.items()))
            print(
                f"  {told.at:>6.0f} s  {told.rss:>7.1f} MB  {told.files:>4} files  "
                f"{told.tasks if told.tasks is not None else '-':>5} tasks  Redis {clients}",
                flush=True,
            )

    async def _come_and_go(self, writer: Writer) -> None:
        """A user's subscription, now of one kind, now of the other, left now and then midway."""
        while True:
            kind = self._random.choice((OverWebSocket, OverSSE))
            cursor = await event_cursor(self._fleet, writer.user)
            subscriber = kind(writer.user, self._fleet, self.ledger, cursor)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._random.uniform(*STAY)):
                    await subscriber.run()
            self.ledger.counts[f"{kind.kind} subscriptions"] += 1
            self.ledger.counts["events heard"] += len(subscriber.heard)

    # -- samples
    async def sample(self) -> Sample:
        proc = Path(f"/proc/{self._node.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        files = len(list((proc / "fd").iterdir()))
        rss = pages * PAGE / 2**20
        at = time.monotonic() - self._began
        return Sample(at, rss, files, await self._tasks(), await self._clients())

    async def _tasks(self) -> int | None:
        async with self._fleet.http.get(f"{self._node.url}/metrics") as response:
            found = TASKS.search(await response.text())
        return round(float(found[1])) if found else None

    async def _clients(self) -> Counter[str]:
        async with Redis.from_url(self._redis_url, client_name="soak") as redis:
            names = [client.get("name") or "unnamed" for client in await redis.client_list()]
        return Counter(name for name in names if name != "soak")


def slope(samples: Sequence[Sample]) -> float:
    """MB an hour, by least squares over the second half."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        return 0.0
    found = statistics.linear_regression([s.at for s in half], [s.rss for s in half])
    return found.slope * 3600


def given_back(before: Sample, after: Sample, samples: Sequence[Sample]) -> list[Verdict]:
    verdicts = []
    pairs = {
        "tasks": (before.tasks, after.tasks),
        "files": (before.files, after.files),
        "Redis clients": (before.redis, after.redis),
    }
    for name, (then, now) in pairs.items():
        if then is not None and now is not None:
            verdict = Verdict(f"{name} are as many as before ({then}; {now} now)")
            verdict.hold(now <= then + SLACK[name], f"{then} before, {now} now")
            verdicts.append(verdict)
    verdicts.append(_memory(samples))
    return verdicts


def _memory(samples: Sequence[Sample]) -> Verdict:
    verdict = Verdict("memory does not grow")
    if len(samples) < 2:
        raise SystemExit("too short: there are no two samples")
    half = samples[len(samples) // 2 :]
    if half[-1].at - half[0].at >= TELLING:
        found = slope(samples)
        verdict.hold(found <= SLOPE, f"{found:.1f} MB an hour, more than {SLOPE:g}")
    else:
        grown = half[-1].rss / half[0].rss - 1
        verdict.hold(grown <= GROWN, f"{grown:.0%} in the second half")
    return verdict


async def run(directory: Path, minutes: float, users: int, seed: int) -> bool:
    """Whether everything was given back."""
    hub, provider = Hub(directory / "valkey", Ledger()), Steady(random.Random(seed))
    await hub.start()
    await provider.start()
    try:
        async with fleet.running(directory, hub.url, provider.url, count=1) as found:
            soak = Soak(found, hub.url, random.Random(seed + 1), users)
            before, after = await soak.run(minutes * 60)
    finally:
        await provider.stop()
        await hub.stop()
    ledger, grown = soak.ledger, slope(soak.samples)
    figures = {
        **dict(sorted(ledger.counts.items())),
        "memory (MB): before, last under load, after": (
            f"{before.rss:.1f}, {soak.samples[-1].rss:.1f}, {after.rss:.1f}"
        ),
        "memory's slope in the second half (MB an hour)": f"{grown:.1f}",
    }
    report.figures(figures)
    return report.verdicts(
        [*given_back(before, after, soak.samples), checks.nothing_unexpected(ledger)]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    print(f"soak: {given.minutes:g} minutes, {given.users} users, --seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        well = asyncio.run(run(Path(directory), given.minutes, given.users, given.seed))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
