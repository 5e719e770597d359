"""Rolling: the processes of a fleet are replaced one after the other, and nobody notices.

    .venv/bin/python -m tests.chaos.rolling [--rounds 5 --users 10]

Clients have one retry on a broken connection or a 503, and a balancer that asks /health/ready;
subscribers are told 1012 and come back with their cursor. Ends with 1 when a request failed or an
event was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import checks, fleet, report, truth
from tests.chaos.checks import Verdict
from tests.chaos.crowd import Crowd
from tests.chaos.fleet import Fleet
from tests.chaos.hub import Hub
from tests.chaos.ledger import Ledger
from tests.chaos.provider import Steady

BETWEEN = 1.0  # s for which both serve


@dataclass
class Rolled:
    """What came of it."""

    ledger: Ledger
    stops: list[float] = field(default_factory=list)  # s that each graceful stop took
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def broken(self) -> list[str]:
        return [f"{v.promise}: {said}" for v in self.verdicts for said in v.broken]


async def roll(found: Fleet, redis_url: str, rng: random.Random, users: int, rounds: int) -> Rolled:
    """Replace every node so many times under load."""
    rolled = Rolled(Ledger())
    crowd = Crowd(found, rolled.ledger, rng, users)
    await crowd.start()
    try:
        for _ in range(rounds):
            for node in found.nodes:
                await asyncio.sleep(BETWEEN)
                rolled.stops.append(await node.stop())
                await node.start()
                await node.until_ready(found.http)
        await crowd.finish()
        log = await crowd.caught_up(redis_url)
    finally:
        await crowd.stop()
    stored = await truth.stored(found.database)
    left = await truth.unpublished(found.database)
    rolled.verdicts = [
        _none_failed(rolled.ledger),
        checks.nothing_unexpected(rolled.ledger),
        checks.heard_in_order(crowd.subscribers, crowd.starts, log),
        checks.all_published(log, stored, left),
        await checks.content_is_there(found, rolled.ledger, stored),
        await checks.generations_ended_once(rolled.ledger, redis_url),
    ]
    return rolled


def _none_failed(ledger: Ledger) -> Verdict:
    verdict = Verdict("every request was answered, at the second try at the latest")
    for wanted in ledger.wanted:
        well = bool(wanted.answers) and not wanted.dark
        verdict.hold(well, f"{wanted.key} ({wanted.kind}) was not answered")
    return verdict


async def run(directory: Path, users: int, rounds: int, seed: int) -> bool:
    """Whether nobody noticed."""
    hub, provider = Hub(directory / "valkey", Ledger()), Steady(random.Random(seed))
    await hub.start()
    await provider.start()
    try:
        async with fleet.running(directory, hub.url, provider.url) as found:
            rolled = await roll(found, hub.url, random.Random(seed + 1), users, rounds)
    finally:
        await provider.stop()
        await hub.stop()
    stops = ", ".join(f"{seconds:.1f}" for seconds in rolled.stops)
    report.figures({**dict(sorted(rolled.ledger.counts.items())), "stops took (s)": stops})
    return report.verdicts(rolled.verdicts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    given = parser.parse_args()
    print(f"rolling: {given.rounds} rounds, --seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        well = asyncio.run(run(Path(directory), given.users, given.rounds, given.seed))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
