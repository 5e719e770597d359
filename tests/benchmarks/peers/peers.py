"""Loregate beside other gateways and bare apps, in one run.

    make bench-peers [ARGS="--rows 'loregate rest,portkey' --seconds 3 --rounds 3"]

Installs the peers first, from PyPI and npm. Cores are as in `bench.py`; each round starts every
server anew. What is found goes to `--out` as results.json, results.md and frontier.svg; with
`--publish` to the documentation. `--draw` writes a page from an earlier results.json.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import shlex
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from app.embedded.valkey import start_valkey
from tests.benchmarks import bench, stream_clients, streams
from tests.benchmarks.peers import page, plot, streamed, whole
from tests.benchmarks.peers.installs import NotInstalled, install, versions
from tests.benchmarks.peers.results import Results, Setting
from tests.benchmarks.peers.rows import ROWS, Row, encoded
from tests.benchmarks.peers.servers import LOREGATE, SERVERS
from tests.support.service import token

READY = 120.0  # s in which a server must give its first right answer
WARM = 1.0  # s of load before a row is measured
LIBRARIES = ("starlette", "uvicorn", "openai", "strawberry-graphql", "redis")


class Wrong(Exception):
    """A row that does not do what it is compared for."""


# -- one cell


def told(setting: Setting) -> None:
    """Says to the provider how long it waits."""
    where = f"http://127.0.0.1:{bench.PROVIDER}/pace/{setting.delay}/{setting.pace}"
    urllib.request.urlopen(where, timeout=5).close()


def measured(row: Row, setting: Setting, seconds: float, session: int) -> dict[str, float]:
    told(setting)
    if not row.streamed:
        return _whole(row, setting, seconds, session)
    found = streamed.measure(row, setting.connections, seconds, session)
    elapsed = found.closed - found.opened
    took = sorted((s.ended - s.began) * 1000 for s in found.streams)
    return {
        "rps": found.count / elapsed,
        "cpu": found.cpu * 1000 / found.count,
        "busy": found.cpu / elapsed,
        "p50": took[len(took) // 2],
        "p99": took[int(len(took) * 0.99)],
        "first": statistics.median((s.first - s.began) * 1000 for s in found.streams),
        "memory": found.memory,
    }


def _whole(row: Row, setting: Setting, seconds: float, session: int) -> dict[str, float]:
    bearers = [token(f"{row.name}{n % bench.USERS}") for n in range(setting.connections)]
    calls, began = streams.answered(bench.PROVIDER), time.perf_counter()
    before = bench.used(session)[0]
    answers = whole.ask([encoded(row, bearer) for bearer in bearers], seconds)
    elapsed, (after, memory) = time.perf_counter() - began, bench.used(session)
    count, calls = len(answers.took), streams.answered(bench.PROVIDER) - calls
    if answers.bad or not count:
        raise Wrong(f"{answers.bad} wrong answers, such as {answers.example!r}")
    if not row.hits and calls != count:
        raise Wrong(f"{calls} calls of the model for {count} answers")
    return {
        "rps": count / elapsed,
        "cpu": (after - before) * 1000 / count,
        "busy": (after - before) / elapsed,
        "p50": answers.p50,
        "p99": answers.p99,
        "memory": memory,
    }


# -- servers


@contextmanager
def serving(name: str, redis_url: str) -> Iterator[int]:
    """The session of a server, which may not answer yet."""
    server = SERVERS[name]
    bench.must_be_free(bench.SERVER)
    with ExitStack() as stack:
        if name == LOREGATE:
            yield stack.enter_context(bench.server(LOREGATE, stack, redis_url))
        else:
            given = {"OPENAI_BASE_URL": f"http://127.0.0.1:{bench.PROVIDER}/v1"}
            environment = {**given, **server.environment}
            command = shlex.split(server.command)
            yield stack.enter_context(bench.running(command, bench.SERVER_CORE, **environment))


def warmed(row: Row, session: int) -> None:
    """Returns once the server answers rightly, and has done so for a while. Raises `Wrong`."""
    told(Setting(16, 0))
    end, said = time.monotonic() + READY, "nothing"
    while time.monotonic() < end:
        try:
            if row.streamed:
                streamed.measure(row, 16, WARM, session)
            else:
                _whole(row, Setting(16, 0), WARM, session)
        except (Wrong, stream_clients.Wrong, OSError, IndexError) as error:
            said = repr(error)
            time.sleep(0.5)
        else:
            return
    raise Wrong(f"{row.name} is not ready after {READY:.0f} s: {said}")


def settings_of(row: Row, connections: Sequence[int], delays: Sequence[int]) -> list[Setting]:
    waits = [0] if row.hits else delays  # nobody waits for a model
    return [Setting(c, d, row.streamed) for d in waits for c in connections]


def measure(rows: Sequence[Row], given: argparse.Namespace, redis_url: str, into: Results) -> None:
    """One round of the rows of one server."""
    with serving(rows[0].server, redis_url) as session:
        for row in rows:
            warmed(row, session)
            for setting in settings_of(row, given.connections, given.delays):
                try:
                    found = measured(row, setting, given.seconds, session)
                except (Wrong, stream_clients.Wrong) as wrong:
                    raise Wrong(f"{row.name} at {setting}: {wrong}") from None
                into.cell(row.name, setting).add(found)
                said = ", ".join(f"{k} {v:.2f}" for k, v in found.items())
                print(f"{row.name:26} c{setting.connections} d{setting.delay}: {said}", flush=True)


def by_server(names: Sequence[str], into: Results) -> list[list[Row]]:
    """The rows, together with those of their server; what cannot be installed is told."""
    groups: dict[str, list[Row]] = {}
    for name in names:
        groups.setdefault(ROWS[name].server, []).append(ROWS[name])
    for name in list(groups):
        package = SERVERS[name].package
        try:
            if package is not None:
                print(f"== {SERVERS[name].name}", flush=True)
                install(package, f"http://127.0.0.1:{bench.PROVIDER}")
        except NotInstalled as error:
            into.absent[name] = f"could not be installed: {error}"
            print(f"ABSENT: {SERVERS[name].name}: {error}", flush=True)
            del groups[name]
    return list(groups.values())


def run(given: argparse.Namespace) -> Results:
    machine = f"{os.cpu_count()} CPUs, {bench.model()}, Python {platform.python_version()}"
    found = Results(machine, given.seconds, given.rounds)
    groups = by_server(given.rows, found)
    found.versions = {name: version(name) for name in LIBRARIES} | versions()
    os.sched_setaffinity(0, bench.LOAD_CORE)
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = start_valkey(data / "v", persist=False)
        stack.callback(valkey.stop)
        os.sched_setaffinity(valkey.pid, bench.LOAD_CORE)
        bench.must_be_free(bench.PROVIDER)
        provider = [sys.executable, "-m", "tests.benchmarks.provider", str(bench.PROVIDER)]
        stack.enter_context(bench.running(provider, bench.LOAD_CORE))
        bench.wait_for(f"http://127.0.0.1:{bench.PROVIDER}/")
        for _ in range(given.rounds):
            for rows in groups:
                measure(rows, given, valkey.url, found)
    return found


def numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=lambda t: t.split(","), default=list(ROWS))
    parser.add_argument("--connections", type=numbers, default=[1, 64])
    parser.add_argument("--delays", type=numbers, default=[0, 300], help="ms of the model")
    parser.add_argument("--seconds", type=float, default=2.5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=bench.ROOT / "build/peers")
    parser.add_argument("--publish", action="store_true", help="into the documentation")
    parser.add_argument("--draw", type=Path, help="a results.json; nothing is measured")
    given = parser.parse_args()
    if unknown := set(given.rows) - set(ROWS):
        raise SystemExit(f"no such rows: {sorted(unknown)}; there are {', '.join(ROWS)}")
    signal.signal(signal.SIGTERM, bench.ended)
    gc.freeze()  # a collection among all that was imported would be 100 ms of somebody's wait
    try:
        found = Results.read(given.draw) if given.draw else run(given)
    except (Wrong, OSError) as wrong:
        raise SystemExit(f"peers: {wrong}") from None
    given.out.mkdir(parents=True, exist_ok=True)
    found.write(given.out / "results.json")
    (given.out / "results.md").write_text(page.tables(found))
    (given.out / "frontier.svg").write_text(plot.drawn(found))
    print(page.tables(found))
    if given.publish:
        page.publish(found)


if __name__ == "__main__":
    main()
