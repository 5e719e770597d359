"""How soon a gateway answers after its start, and what memory a worker has at rest.

    .venv/bin/python -m tests.benchmarks.start [--rounds 5]

A fresh `loregate serve` on core 0, with its database migrated before, Valkey and the fake provider
on core 1. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from app.embedded.valkey import start_valkey
from tests.benchmarks import bench
from tests.support.service import CHARACTER, token

REST = 3.0  # s after the first answer, until memory is looked at
PAUSE = 0.005  # s between tries


def asked(method: str, path: str, body: object = None) -> bool:
    """Whether the gateway answered with 200."""
    headers = {"authorization": f"Bearer {token('user0')}", "content-type": "application/json"}
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", bench.SERVER, timeout=10)) as client:
            client.request(method, path, json.dumps(body) if body else None, headers)
            return client.getresponse().status == 200
    except OSError:
        return False


def seconds(began: float, method: str, path: str, body: object = None) -> float:
    """From `began` until the gateway answers that."""
    while not asked(method, path, body):
        if time.perf_counter() - began > 60:
            raise SystemExit("it does not answer; see loregate-bench.log in the temporary folder")
        time.sleep(PAUSE)
    return time.perf_counter() - began


def measure(stack: ExitStack, redis_url: str) -> tuple[float, float, float, float]:
    """Seconds to the first answer at all and to the first of a model, megabytes, CPU seconds."""
    environment = bench.prepared(stack, redis_url)
    command = [sys.executable, "-m", "app.cli", "serve"]
    began = time.perf_counter()
    with bench.running(command, bench.SERVER_CORE, **environment) as session:
        alive = seconds(began, "GET", "/health/live")
        answer = seconds(began, "POST", "/api/v2/text/character", CHARACTER)
        cpu = bench.used(session)[0]
        time.sleep(REST)
        return alive, answer, bench.used(session)[1], cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    os.sched_setaffinity(0, bench.LOAD_CORE)
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = start_valkey(data / "v", persist=False)
        stack.callback(valkey.stop)
        os.sched_setaffinity(valkey.pid, bench.LOAD_CORE)
        provider = [sys.executable, str(Path(bench.__file__).parent / "provider.py")]
        stack.enter_context(bench.running([*provider, str(bench.PROVIDER)], bench.LOAD_CORE))
        bench.wait_for(f"http://127.0.0.1:{bench.PROVIDER}/")
        found = [measure(stack, valkey.url) for _ in range(rounds)]
    names = ("first answer, s", "first model's answer, s", "RSS at rest, MB", "CPU of the start, s")
    print("| what | median | least - most |\n|---|---|---|")
    for name, values in zip(names, zip(*found, strict=True), strict=True):
        low, high = min(values), max(values)
        print(f"| {name} | {statistics.median(values):.2f} | {low:.2f} - {high:.2f} |")


if __name__ == "__main__":
    main()
