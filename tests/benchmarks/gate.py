"""Whether Loregate still costs no more than so many times a bare app; exit code 1 when it does.

    make bench-gate [ARGS="--rounds 3 --seconds 3"]

CPU time of the server's processes for each answer, beside that of the bare row in the same round of
the same run, so that a slower machine slows both. The median of the rounds' ratios counts. Seconds
are never compared, and CI does not run this: a machine that does other things disturbs even CPU
time, by what it takes of the caches.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from app.embedded.valkey import start_valkey
from tests.benchmarks import bench

# Row, the bare row beside it, and how many times its CPU the row may take; behind it what was
# measured on a quiet machine. To be lowered whenever something became cheaper.
BOUNDS: list[tuple[str, str, float]] = [
    ("rest", "bare rest", 1.10),  # 0.97
    ("mutation", "bare graphql", 0.95),  # 0.78
    ("rest hit", "bare hit", 1.00),  # 0.90
    ("hit", "bare hit", 1.15),  # 1.02
    ("query", "bare hit", 1.55),  # 1.43
]
TOLERANCE = 1.10  # of a bound: medians of two runs differ by up to this
CONNECTIONS = 32
WARM = 1.0  # s

Costs = dict[str, list[float]]  # of each row: ms of CPU for an answer, a value for each round


def one_round(names: Sequence[str], seconds: float, redis_url: str, into: Costs) -> None:
    """Each server once, with all of its rows."""
    rows = bench.rows()
    for app in dict.fromkeys(rows[name].app for name in names):
        with ExitStack() as stack:
            session = stack.enter_context(bench.server(app, stack, redis_url))
            for name in (n for n in names if rows[n].app == app):
                row = bench.rows(bench.one_content())[name] if name == "query" else rows[name]
                bench.measure(row, session, 16, WARM)
                found = bench.measure(row, session, CONNECTIONS, seconds)
                into.setdefault(name, []).append(found["cpu"])


def measured(names: Sequence[str], seconds: float, rounds: int) -> Costs:
    found: Costs = {}
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = start_valkey(data / "v", persist=False)
        stack.callback(valkey.stop)
        os.sched_setaffinity(valkey.pid, bench.LOAD_CORE)
        bench.must_be_free(bench.PROVIDER)
        provider = [sys.executable, "-m", "tests.benchmarks.provider", str(bench.PROVIDER)]
        stack.enter_context(bench.running(provider, bench.LOAD_CORE))
        bench.wait_for(f"http://127.0.0.1:{bench.PROVIDER}/")
        for number in range(rounds):
            print(f"round {number + 1} of {rounds}", flush=True)
            one_round(names, seconds, valkey.url, found)
    return found


def over(costs: Costs, bounds: Sequence[tuple[str, str, float]]) -> list[str]:
    """The rows that cost more than they may, and a table of all on the way."""
    print("\n| row | beside | CPU ms, theirs | ratio | of the rounds | bound | |")
    print("|---|---|---|---|---|---|---|")
    found = []
    for row, bare, bound in bounds:
        ratios = sorted(mine / its for mine, its in zip(costs[row], costs[bare], strict=True))
        ratio = statistics.median(ratios)
        if ratio > bound * TOLERANCE:
            found.append(row)
        mine, its = statistics.median(costs[row]), statistics.median(costs[bare])
        print(
            f"| {row} | {bare} | {mine:.2f}, {its:.2f} | {ratio:.2f} | {ratios[0]:.2f} to "
            f"{ratios[-1]:.2f} | {bound:.2f} | {'OVER' if row in found else 'ok'} |"
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(row for row, _, _ in BOUNDS))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, bench.ended)
    os.sched_setaffinity(0, bench.LOAD_CORE)
    bounds = [bound for bound in BOUNDS if bound[0] in given.rows.split(",")]
    names = list(dict.fromkeys(name for row, bare, _ in bounds for name in (bare, row)))
    found = over(measured(names, given.seconds, given.rounds), bounds)
    if found:
        raise SystemExit(f"over their bounds by more than {TOLERANCE:.2f} times: {found}")


if __name__ == "__main__":
    main()
