"""How late a loop is while a thread reads documents: the two share one interpreter.

    .venv/bin/python -m tests.benchmarks.lateness [--seconds 3]

A loop that does nothing but sleep for a millisecond says how much later it woke. Beside it a thread
reads documents of 380 fields, each new, one after the other, as `Documents.read_aside` lets it. The
thread keeps the interpreter for one switch interval whenever the loop wants it back. The figures
are of the clock, and worth something on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from app.main import GC_THRESHOLDS, SWITCH_INTERVAL
from resolvers.documents import Documents
from tests.support.graphql_requests import aliased
from tests.support.graphql_schema import BUILT

SLEEP = 0.001  # s
FIELDS = aliased("status", 380)
INTERVALS = sorted({0.005, SWITCH_INTERVAL, 0.0005}, reverse=True)  # s; 5 ms is Python's own


async def woken(seconds: float) -> list[float]:
    """Milliseconds that each sleep took longer, in order of their size."""
    late, end = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        await asyncio.sleep(SLEEP)
        late.append((time.perf_counter() - began - SLEEP) * 1e3)
    return sorted(late)


async def beside_a_reader(seconds: float, documents: Documents) -> list[float]:
    loop, names = asyncio.get_running_loop(), itertools.count()

    async def read() -> None:
        while True:
            text = f"query q{next(names)} {{ health {{ {FIELDS} }} }}"
            await loop.run_in_executor(thread, documents.parsed, text)

    with ThreadPoolExecutor(1) as thread:
        reading = asyncio.create_task(read())
        try:
            return await woken(seconds)
        finally:
            reading.cancel()


def line(name: str, late: list[float]) -> str:
    p99 = late[int(len(late) * 0.99)]
    return f"{name:40} p50 {late[len(late) // 2]:6.2f}  p99 {p99:6.2f}  most {late[-1]:6.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_args().seconds
    documents = Documents(BUILT, introspection=True)
    gc.collect()
    gc.freeze()  # as the gateway does
    gc.set_threshold(*GC_THRESHOLDS)
    print(line("alone", asyncio.run(woken(seconds))))
    for interval in INTERVALS:
        sys.setswitchinterval(interval)
        late = asyncio.run(beside_a_reader(seconds, documents))
        print(line(f"beside a reader, switching at {interval * 1e3:g} ms", late), flush=True)


if __name__ == "__main__":
    main()
