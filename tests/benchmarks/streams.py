"""What a streamed answer costs, and how late its first text comes beside a direct call.

    make bench-streams [ARGS="--rows 'bare stream,rest stream' --seconds 8 --streams 1,16,64"]

The answers have 200 tokens, one each 5 ms. Cores, processes and CPU are as in `bench.py`, whose
README says what the columns mean.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from app.embedded.valkey import start_valkey
from tests.benchmarks import bench
from tests.benchmarks.bare import MESSAGES
from tests.benchmarks.provider import TOKENS
from tests.benchmarks.stream_clients import Ask, Stream, Wrong, events, generations, whole
from tests.support.service import CHARACTER, CHARACTER_INPUT, SECRET, token

BEFORE, PACE = 20, 5  # ms: before the first token, and between two
UPSTREAM = f"mock-d{BEFORE}-i{PACE}"  # how `provider.py` is told
LENGTH = (BEFORE + PACE * len(TOKENS)) / 1000  # s of a stream that nothing delays
NOBODY = -1  # a session without processes: the provider is not what is measured
PATIENCE = 60.0  # s for one stream; with less than 1 % of a core it would take longer

MODELS = "".join(
    f'[[models]]\nname = "{name}"\nupstream = "{UPSTREAM}"\n'
    for name in ("gpt-4-turbo", "gpt-3.5-turbo")
)
CHAT = {"model": UPSTREAM, "messages": MESSAGES, "stream": True}


@dataclass
class Row:
    """What is measured: a server, what it is asked, and by whom. Without an app: the provider."""

    name: str
    app: str | None
    path: str
    body: Any
    says: str
    client: Callable[[int, str, Any, str], AbstractAsyncContextManager[Ask]] = events


ASKED = {"input": {"characterContent": CHARACTER_INPUT}}
CASES = [
    Row("direct", None, "/v1/chat/completions", CHAT, "the provider itself"),
    Row("bare stream", "stream", "/chat", CHAT, "Starlette and the SDK, nothing else"),
    Row("rest stream", "loregate", "/api/v2/text/character", CHARACTER, "REST v2, events"),
    Row("rest whole", "loregate", "/api/v2/text/character", CHARACTER, "no events", whole),
    Row("graphql stream", "loregate", "/graphql", ASKED, "started, then followed", generations),
]
ROWS = {row.name: row for row in CASES}


# -- load


@dataclass
class Found:
    """What a line of the table is made of. CPU in seconds, memory in megabytes."""

    streams: list[Stream]
    opened: float
    closed: float
    cpu: float
    memory: float
    pieces: float = 0.0  # events with text of a stream

    def waits(self) -> tuple[float, float]:
        """Milliseconds to the first text, median and p99, of those that began in the time."""
        begun = [s for s in self.streams if self.opened <= s.began < self.closed]
        if not begun:
            raise Wrong("no stream began in the measured time; it takes more --seconds")
        found = sorted((s.first - s.began) * 1000 for s in begun)
        return statistics.median(found), found[int(len(found) * 0.99)]

    @property
    def count(self) -> float:
        """Streams of the measured time; of those across its borders the part inside."""
        return sum(s.within(self.opened, self.closed) for s in self.streams)


class Load:
    """So many clients, each with one stream after another."""

    def __init__(self, row: Row, port: int, at_once: int) -> None:
        self.row, self.port, self.at_once = row, port, at_once
        self.on = True
        self.streams: list[Stream] = []

    async def client(self, number: int) -> None:
        # Spread over a stream's length, or all would begin at once, again and again.
        await asyncio.sleep(number * LENGTH / self.at_once)
        row, bearer = self.row, token(f"{self.row.name}{number % bench.USERS}")
        async with row.client(self.port, row.path, row.body, bearer) as ask:
            while self.on:
                async with asyncio.timeout(PATIENCE):
                    self.streams.append(await ask())

    async def run(self, seconds: float, session: int) -> Found:
        clients = [asyncio.create_task(self.client(n)) for n in range(self.at_once)]
        await asyncio.wait(clients, timeout=LENGTH, return_when="FIRST_EXCEPTION")
        before = await asyncio.to_thread(bench.used, session)
        opened = time.perf_counter()
        await asyncio.wait(clients, timeout=seconds, return_when="FIRST_EXCEPTION")
        after = await asyncio.to_thread(bench.used, session)
        closed = time.perf_counter()
        self.on = False
        await asyncio.gather(*clients)
        return Found(self.streams, opened, closed, after[0] - before[0], after[1])


def answered(provider: int) -> int:
    """How many answers the provider has begun so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{provider}/", timeout=5) as response:
        return int(response.read())


def measure(load: Load, seconds: float, provider: int, session: int) -> Found:
    """Raises `Wrong` unless each stream is whole, and was one call of the provider."""
    before = answered(provider)
    found = uvloop.run(load.run(seconds, session))
    if (calls := answered(provider) - before) != len(found.streams):
        raise Wrong(f"{calls} calls of the provider for {len(found.streams)} streams")
    found.pieces = statistics.mean(stream.check() for stream in found.streams)
    return found


# -- processes


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def server(app: str | None, port: int, provider: int, redis_url: str) -> Iterator[int]:
    """The session of the gateway on a fresh database, or of a bare app; it answers by then."""
    if app is None:
        yield NOBODY
        return
    environment = {"OPENAI_BASE_URL": f"http://127.0.0.1:{provider}/v1", "REDIS_URL": redis_url}
    with TemporaryDirectory() as directory:
        if app == "loregate":
            (Path(directory) / "config.toml").write_text(bench.CONFIG + MODELS)
            environment |= {
                "LOREGATE_PORT": str(port),
                "LOREGATE_DATA_DIR": directory,
                "LOREGATE_CONFIG": f"{directory}/config.toml",
                "LOREGATE_JWT_SECRET": SECRET,
                **bench.UNBOUNDED,
            }
            command, health = [sys.executable, "-m", "app.cli", "serve"], "/health/live"
            migrate = [sys.executable, "-m", "app.cli", "migrate"]
            everything, quiet = {**os.environ, **environment}, subprocess.DEVNULL
            subprocess.run(migrate, cwd=bench.ROOT, env=everything, check=True, stdout=quiet)
        else:
            factory = f"--factory tests.benchmarks.bare:{app} --port {port} --no-access-log"
            options = f"{factory} --loop uvloop --http httptools --log-level warning"
            command, health = [sys.executable, "-m", "uvicorn", *options.split()], "/"
        with bench.running(command, bench.SERVER_CORE, **environment) as session:
            bench.wait_for(f"http://127.0.0.1:{port}{health}")
            yield session


# -- table


def machine() -> str:
    libraries = ("starlette", "uvicorn", "openai", "strawberry-graphql", "redis", "websockets")
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    return f"{os.cpu_count()} CPUs, {bench.model()}, Python {platform.python_version()}; {versions}"


def line(row: Row, at_once: int, found: Found, rest: float, direct: float) -> str:
    p50, p99 = found.waits()
    count, elapsed = found.count, found.closed - found.opened
    cells = [f"{found.cpu * 1000 / count:.1f}", f"{found.cpu / elapsed:.0%}"]
    cells += [f"{p50 - direct:.1f} / {p99 - direct:.1f}", f"{rest:.0f} / {found.memory:.0f}"]
    cpu, busy, added, memory = cells if row.app else "––––"
    return (
        f"| {row.name} | {at_once} | {count / elapsed:.1f} | {cpu} | {busy} | {found.pieces:.0f} "
        f"| {p50:.1f} / {p99:.1f} | {added} | {memory} | {row.says} |"
    )


HEAD = """\
| row | at once | streams/s | CPU ms/stream | core busy | events/stream \
| first text ms, p50 / p99 | added ms, p50 / p99 | RSS MB, rest / load | what |
|---|---|---|---|---|---|---|---|---|---|"""


def run(names: Sequence[str], at_once: Sequence[int], seconds: float) -> None:
    print(f"{machine()}; {seconds:g} s a cell\n\n{HEAD}", flush=True)
    direct: dict[int, float] = {}
    provider, port = free_port(), free_port()
    with ExitStack() as stack:
        data = Path(stack.enter_context(TemporaryDirectory()))
        valkey = start_valkey(data / "v", persist=False)
        stack.callback(valkey.stop)
        os.sched_setaffinity(valkey.pid, bench.LOAD_CORE)
        command = [sys.executable, "-m", "tests.benchmarks.provider", str(provider)]
        stack.enter_context(bench.running(command, bench.LOAD_CORE))
        bench.wait_for(f"http://127.0.0.1:{provider}/")
        for row in [ROWS["direct"], *(ROWS[name] for name in names)]:
            with server(row.app, port, provider, valkey.url) as session:
                at = provider if row.app is None else port
                rest = bench.used(session)[1]
                measure(Load(row, at, 16), 0.5, provider, session)  # warm
                for n in at_once:
                    found = measure(Load(row, at, n), seconds, provider, session)
                    if row.app is None:
                        direct[n] = found.waits()[0]
                    print(line(row, n, found, rest, direct[n]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(r.name for r in CASES if r.app))
    parser.add_argument("--streams", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    os.sched_setaffinity(0, bench.LOAD_CORE)
    gc.freeze()  # a collection among all that was imported would be 100 ms of somebody's wait
    try:
        run(given.rows.split(","), [int(n) for n in given.streams.split(",")], given.seconds)
    except (Wrong, OSError) as wrong:  # the latter: a time-out too, or a connection that broke
        raise SystemExit(f"streams: {wrong!r}") from None


if __name__ == "__main__":
    main()
