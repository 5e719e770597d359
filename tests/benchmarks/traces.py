"""Requests per second with traces off and on, the same rows in turns, and their ratios.

    .venv/bin/python -m tests.benchmarks.traces [--rows mutation,hit --rounds 3 --seconds 4]

As `bench.py` has it: the server on core 0, all else on core 1. The collector takes what comes
and answers at once. A ratio is of the medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from app.embedded.valkey import start_valkey
from tests.benchmarks import bench

COLLECTOR = 9403
OFF = "off"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{COLLECTOR}"}
RATIO = {**ENDPOINT, "OTEL_TRACES_SAMPLER": "parentbased_traceidratio"}
MODES: dict[str, dict[str, str]] = {
    OFF: {},
    "off again": {},  # what two measurements of the same differ by
    "1 in 100": {**RATIO, "OTEL_TRACES_SAMPLER_ARG": "0.01"},
    "1 in 10": {**RATIO, "OTEL_TRACES_SAMPLER_ARG": "0.1"},
    "all": ENDPOINT,
    "all, collector away": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"},
}


class Sink(BaseHTTPRequestHandler):
    """Takes an export and forgets it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


def one(name: str, mode: str, redis_url: str, seconds: float) -> dict[str, float]:
    """A row, measured on a server of its own."""
    row = bench.rows()[name]
    with ExitStack() as stack:
        session = stack.enter_context(bench.server(row.app, stack, redis_url, **MODES[mode]))
        if name == "query":
            row = bench.rows(bench.one_content())[name]
        bench.measure(row, session, 16, 1.5)  # warm
        return bench.measure(row, session, 16, seconds)


def table(found: dict[str, list[dict[str, float]]], name: str) -> None:
    """One line for each mode."""

    def median(mode: str, what: str) -> float:
        return statistics.median(cell[what] for cell in found[mode])

    for mode in found:
        ratio = median(mode, "rps") / median(OFF, "rps")
        print(
            f"| {name} | {mode} | {median(mode, 'rps'):.0f} | {ratio:.2f} "
            f"| {median(mode, 'cpu'):.2f} | {median(mode, 'p99'):.1f} "
            f"| {median(mode, 'memory'):.0f} |",
            flush=True,
        )


def run(names: list[str], modes: list[str], rounds: int, seconds: float) -> None:
    print(f"{os.cpu_count()} CPUs, {bench.model()}; {rounds} rounds of {seconds:g} s\n")
    print("| row | traces | req/s c16 | of off | CPU ms/request | p99 ms | RSS MB |")
    print("|---|---|---|---|---|---|---|")
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = start_valkey(data / "v", persist=False)
        stack.callback(valkey.stop)
        os.sched_setaffinity(valkey.pid, bench.LOAD_CORE)
        provider = [
            sys.executable,
            str(Path(__file__).parent / "provider.py"),
            str(bench.PROVIDER),
        ]
        stack.enter_context(bench.running(provider, bench.LOAD_CORE))
        sink = [sys.executable, "-m", "tests.benchmarks.traces", "--collect"]
        stack.enter_context(bench.running(sink, bench.LOAD_CORE))
        bench.wait_for(f"http://127.0.0.1:{bench.PROVIDER}/")
        for name in names:
            found: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
            for _ in range(rounds):
                for mode in modes:
                    found[mode].append(one(name, mode, valkey.url, seconds))
            table(found, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="rest hit,hit,rest,mutation")
    parser.add_argument("--modes", default=";".join(MODES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--collect", action="store_true", help="be the collector")
    given = parser.parse_args()
    if given.collect:
        ThreadingHTTPServer(("127.0.0.1", COLLECTOR), Sink).serve_forever()
    os.sched_setaffinity(0, bench.LOAD_CORE)
    run(given.rows.split(","), given.modes.split(";"), given.rounds, given.seconds)


if __name__ == "__main__":
    main()
