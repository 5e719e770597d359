"""Chaos: processes and connections die under load, Redis comes and goes; then what was promised
is held against what happened.

    make chaos [ARGS="--minutes 2 --kills 40 --seed 7"]

README.md tells what is done, what is checked and what the figures mean. Ends with 1 when a
promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos import checks, fleet, report, truth
from tests.chaos.crowd import Crowd, beside
from tests.chaos.fleet import Fleet
from tests.chaos.group import Group
from tests.chaos.hammer import hammer
from tests.chaos.hub import SYNCED, Hub
from tests.chaos.ledger import Ledger
from tests.chaos.provider import Steady
from tests.support import postgres

HAMMERS = 4
GATEWAYS = 0.45  # of the kills; the others are of clients' connections
OUTAGE_EVERY = 28.0  # s, so that some windows of the limits have none
PAUSES = (0.2, 3.0)  # s that Redis says nothing
DOWN = (0.0, 2.0)  # s that it is gone
QUIET = 12.0  # s behind the last blow: within 10 everything is to be well again


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="as an earlier run printed it")
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    parser.add_argument("--lose-redis", action="store_true", help="Redis loses its data midway")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    return parser.parse_args(given)


class Run:
    """One run: what strikes, and what is looked at behind it."""

    def __init__(self, given: argparse.Namespace, found: Fleet, hub: Hub, ledger: Ledger) -> None:
        self._given, self._fleet, self._hub, self._ledger = given, found, hub, ledger
        self._seconds = given.minutes * 60
        self._random = random.Random(given.seed)
        self._crowd = Crowd(found, ledger, random.Random(given.seed + 1), given.users)

    async def strike(self) -> None:
        """The load, and every blow; returns when all is quiet again and all have caught up."""
        group = Group(self._hub.url, self._ledger, random.Random(self._given.seed + 2))
        await self._crowd.start()
        hammers = [hammer(self._fleet, self._ledger) for _ in range(HAMMERS)]
        try:
            async with beside(group.run(), *hammers):
                await asyncio.gather(self._kill(), self._take_away())
                for node in self._fleet.nodes:
                    await node.until_ready(self._fleet.http)
                await asyncio.sleep(QUIET)
                await self._crowd.finish()
                self.log = await self._crowd.caught_up(self._hub.url)
                await self._taken()
        finally:
            await self._crowd.stop()

    async def _taken(self) -> None:
        until = time.monotonic() + 10
        wanted = {entry.id for entry in self.log}
        while not wanted <= self._ledger.taken and time.monotonic() < until:
            await asyncio.sleep(0.2)

    async def _kill(self) -> None:
        for _ in range(self._given.kills):
            await asyncio.sleep(self._seconds / self._given.kills * self._random.uniform(0.5, 1.5))
            if self._random.random() < GATEWAYS:
                await self._kill_gateway()
            elif self._crowd.drop_one(self._random):
                self._ledger.counts["connections killed"] += 1

    async def _kill_gateway(self) -> None:
        node = self._random.choice(self._fleet.nodes)
        if node.process is not None and node.process.returncode is not None:
            self._ledger.unexpected["a gateway ended by itself"] += 1
        self._ledger.deaths.append((time.time(), node.name))
        await node.kill()
        await node.start()
        self._ledger.counts["gateways killed"] += 1

    async def _take_away(self) -> None:
        """Redis paused, restarted or killed; and once robbed of its data, if that was asked for."""
        until, lose_at = time.monotonic() + self._seconds, time.monotonic() + self._seconds / 2
        losing = self._given.lose_redis
        every = min(OUTAGE_EVERY, self._seconds / 4)
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, every * self._random.uniform(0.7, 1.3)))
            if losing and time.monotonic() > lose_at:
                losing = False
                await self._hub.lose()
            else:
                await self._outage()

    async def _outage(self) -> None:
        kind = self._random.choice((self._hub.pause, self._hub.restart, self._hub.crash))
        spans = PAUSES if kind == self._hub.pause else DOWN
        await kind(self._random.uniform(*spans))

    async def judged(self) -> list[checks.Verdict]:
        """What was promised."""
        fleet_, ledger, crowd, log = self._fleet, self._ledger, self._crowd, self.log
        stored = await truth.stored(fleet_.database)
        left = await truth.unpublished(fleet_.database)
        found = [checks.heard_in_order(crowd.subscribers, crowd.starts, log)]
        if self._given.lose_redis:  # what was published before is gone by design
            found.append(checks.told_of_the_loss(crowd.subscribers, left))
        else:
            found.append(checks.all_published(log, stored, left))
            found.append(checks.relayed_in_stored_order(log, stored))
            found.append(checks.group_took_all(ledger, log))
        found += [
            await checks.content_is_there(fleet_, ledger, stored),
            await checks.generations_ended_once(ledger, self._hub.url),
            await checks.keys_got_the_same(crowd.writers, fleet_, ledger, stored),
            checks.limits_held(ledger, len(fleet_.nodes)),
            checks.nothing_unexpected(ledger),
        ]
        repeats = len(log) - len({entry.id for entry in log})
        overtook = len(checks.overtakers(log, stored))
        ledger.counts.update({"events in the log": len(log), "of them repeats": repeats})
        ledger.counts["of them before an older one"] = overtook
        return found


@contextmanager
def database(given: argparse.Namespace) -> Iterator[str | None]:
    """A PostgreSQL database's URL where one is wished for."""
    with ExitStack() as stack:
        if not given.postgres:
            yield None
            return
        programs = postgres.programs()
        if programs is None:
            raise SystemExit("PostgreSQL's programs (initdb, pg_ctl, postgres) are not installed")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-pg-"))
        server = postgres.Postgres(programs, Path(folder))
        server.start()
        stack.callback(server.stop)
        yield server.create("chaos", "template0")


async def run(given: argparse.Namespace, directory: Path, url: str | None) -> bool:
    """Whether every promise was kept."""
    ledger, provider = Ledger(), Steady(random.Random(given.seed + 3))
    hub = Hub(directory / "valkey", ledger, SYNCED)
    await hub.start()
    await provider.start()
    try:
        async with fleet.running(directory, hub.url, provider.url, url) as found:
            running = Run(given, found, hub, ledger)
            await running.strike()
            judged = await running.judged()
    finally:
        await provider.stop()
        await hub.stop()
    report.figures({"model calls": provider.calls, **dict(sorted(ledger.counts.items()))})
    return report.verdicts(judged)


def main() -> int:
    given = arguments()
    if given.seed is None:
        given.seed = random.SystemRandom().randrange(1_000_000)
    print(f"chaos: {given.minutes:g} minutes, {given.kills} kills, --seed {given.seed}", flush=True)
    with database(given) as url:
        directory = Path(tempfile.mkdtemp(prefix="chaos-"))  # short: a socket's path is bounded
        well = False
        try:
            well = asyncio.run(run(given, directory, url))
        finally:
            if well and not given.keep:
                shutil.rmtree(directory)
            else:
                print(f"  the processes' logs are in {directory}")
    print("\n  every promise was kept" if well else "\n  PROMISES WERE BROKEN")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
