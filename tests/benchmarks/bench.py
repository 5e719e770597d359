"""Requests per second of one core, latency and CPU per request, beside two bare apps.

    make bench [ARGS="--rows mutation,rest --seconds 8 --connections 1,16,64"]

The server has core 0 with all that it starts. Core 1 has this client, the fake provider and
Valkey. CPU is user and system time of the server's processes; compare rows of one run only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from redis import Redis

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from app.embedded.valkey import start_valkey  # noqa: E402  # after the path
from tests.support.service import CHARACTER, CHARACTER_INPUT, GENERATE, SECRET, token  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PROVIDER, SERVER = 9401, 9402
SERVER_CORE, LOAD_CORE = {0}, {1}
USERS = 20

# As many as a log takes: the limits are decided as in production, and never in the way.
CONFIG = """
subscriptions = 100000
limits = [
  {target = "user", max = 20000},
  {target = "operation:text_generation", max = 20000},
  {target = "model:gpt-4-turbo", max = 20000},
  {target = "global", max = 1000000, per = "global"},
]
"""


@dataclass
class Row:
    """What is measured: a server, and the request that it gets."""

    name: str
    app: str
    path: str
    body: Any
    says: str


def rows(content_id: str = "") -> dict[str, Row]:
    mutation = {"query": GENERATE, "variables": {"input": CHARACTER_INPUT}}
    query = {
        "query": "query ($id: ID!) { content(id: $id) { contentId contentType createdAt "
        "... on GeneratedContent { text } metadata { modelUsed } } }",
        "variables": {"id": content_id},
    }
    bare = {
        "query": "mutation ($input: Asked!) { complete(input: $input) "
        "{ id text usage { totalTokens } } }",
        "variables": {"input": {"model": "bench", "prompt": "backstory"}},
    }
    use = {**CHARACTER_INPUT, "cache": "USE"}
    hit = {"query": GENERATE, "variables": {"input": use}}
    found = [
        Row("bare graphql", "graphql", "/graphql", bare, "GraphQL and the SDK, nothing else"),
        Row("mutation", "loregate", "/graphql", mutation, "GraphQL mutation, model's answer"),
        Row("bare rest", "rest", "/chat", CHARACTER, "Starlette and the SDK, nothing else"),
        Row("rest", "loregate", "/api/v2/text/character", CHARACTER, "REST v2, model's answer"),
        Row("query", "loregate", "/graphql", query, "GraphQL query, one content by id"),
        Row("bare hit", "cached", "/graphql", bare, "GraphQL, one Redis pipeline, nothing else"),
        Row("hit", "loregate", "/graphql", hit, "GraphQL mutation from the cache"),
        Row("rest hit", "loregate", "/api/v2/text/character", CHARACTER, "REST v2 from the cache"),
    ]
    return {row.name: row for row in found}


# -- processes


def start(command: list[str], cores: set[int], **environment: str) -> subprocess.Popen[bytes]:
    log = (Path(tempfile.gettempdir()) / "loregate-bench.log").open("ab")
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )


@contextmanager
def running(command: list[str], cores: set[int], **environment: str) -> Iterator[int]:
    process = start(command, cores, **environment)
    try:
        yield process.pid
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with suppress(ProcessLookupError):  # what it started may outlive it
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def used(session: int) -> tuple[float, float]:
    """CPU seconds and resident megabytes of a session's processes."""
    ticks = pages = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[3] == str(session):
                ticks += sum(map(int, fields[11:15]))
                pages += int(fields[21])
    return ticks / TICK, pages * PAGE / 2**20


# All of the load comes from one address, and subscribers' sockets from one user.
UNBOUNDED = {
    "LOREGATE_CONNECTIONS_PER_ADDRESS": "100000",
    "LOREGATE_CONNECTIONS": "100000",
    "LOREGATE_SOCKETS_PER_USER": "100000",
    "LOREGATE_LOG_LEVEL": "warning",
}


def prepared(stack: ExitStack, redis_url: str, **settings: str) -> dict[str, str]:
    """The environment of a gateway with a fresh database, which is migrated."""
    directory = stack.enter_context(tempfile.TemporaryDirectory())
    (Path(directory) / "config.toml").write_text(CONFIG)
    environment = {
        "OPENAI_BASE_URL": f"http://127.0.0.1:{PROVIDER}/v1",
        "REDIS_URL": redis_url,
        "LOREGATE_PORT": str(SERVER),
        "LOREGATE_DATA_DIR": directory,
        "LOREGATE_CONFIG": f"{directory}/config.toml",
        "LOREGATE_JWT_SECRET": SECRET,
        **UNBOUNDED,
        **settings,
    }
    migrate = [sys.executable, "-m", "app.cli", "migrate"]
    everything = {**os.environ, **environment}
    subprocess.run(migrate, cwd=ROOT, env=everything, check=True, stdout=subprocess.DEVNULL)
    return environment


@contextmanager
def server(app: str, stack: ExitStack, redis_url: str, **settings: str) -> Iterator[int]:
    """The gateway on a fresh database, or a bare app; answers when this returns."""
    must_be_free(SERVER)
    python = [sys.executable, "-m"]
    if app == "loregate":
        environment = prepared(stack, redis_url, **settings)
        command, health = [*python, "app.cli", "serve"], "/health/live"
    else:
        environment = {"OPENAI_BASE_URL": f"http://127.0.0.1:{PROVIDER}/v1", "REDIS_URL": redis_url}
        factory = f"tests.benchmarks.bare:{app}"
        options = ["--port", str(SERVER), "--loop", "uvloop", "--http", "httptools"]
        quiet = ["--log-level", "warning", "--no-access-log"]
        command, health = [*python, "uvicorn", "--factory", factory, *options, *quiet], "/"
    with running(command, SERVER_CORE, **environment) as session:
        wait_for(f"http://127.0.0.1:{SERVER}{health}")
        yield session


def must_be_free(port: int) -> None:
    """Ends the run where a server of an earlier one, or a stranger, would be measured."""
    with socket.socket() as found:
        if not found.connect_ex(("127.0.0.1", port)):
            raise SystemExit(f"another server is at port {port}: see `ss -ltnp`")


def ended(*_: Any) -> None:
    """For SIGTERM: the servers end too, which have sessions of their own."""
    raise SystemExit("ended")


def wait_for(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{url} does not answer; see loregate-bench.log in the temporary folder")


# -- load


class Client(asyncio.Protocol):
    """One connection that sends its request again as soon as it was answered."""

    def __init__(self, load: Load, request: bytes) -> None:
        self.load, self.request, self.got = load, request, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send()

    def send(self) -> None:
        self.began = time.perf_counter()
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.got += data
        end = self.got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.got[:end].lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self.got) < end + 4 + length:
            return
        good = b" 200 " in head[:16] and b'"errors"' not in self.got
        self.load.done(time.perf_counter() - self.began, good, self.got)
        self.got = b""
        if self.load.on:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.load.closed += 1


class Load:
    def __init__(self) -> None:
        self.on, self.bad, self.closed, self.last = True, 0, 0, b""
        self.took: list[float] = []

    def done(self, seconds: float, good: bool, answer: bytes) -> None:
        self.took.append(seconds)
        self.bad += not good
        self.last = answer if good else self.last or answer


async def load(row: Row, connections: int, seconds: float, tokens: list[str]) -> Load:
    found, loop = Load(), asyncio.get_running_loop()
    body = json.dumps(row.body).encode()
    for n in range(connections):
        request = (
            f"POST {row.path} HTTP/1.1\r\nhost: 127.0.0.1:{SERVER}\r\n"
            f"authorization: Bearer {tokens[n % len(tokens)]}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"{'cache-control: max-age=3600' if row.name == 'rest hit' else 'x: y'}\r\n\r\n"
        ).encode() + body

        def make(request: bytes = request) -> Client:
            return Client(found, request)

        await loop.create_connection(make, "127.0.0.1", SERVER)
    await asyncio.sleep(seconds)
    found.on = False
    for _ in range(500):
        if found.closed == connections:
            break
        await asyncio.sleep(0.01)
    return found


def measure(row: Row, session: int, connections: int, seconds: float) -> dict[str, float]:
    # Users of the row's own: what another row took from their limits is not in the way.
    tokens = [token(f"{row.name}{n}") for n in range(USERS)]
    if row.name == "query":
        tokens = [token("user0", tier="service")]  # one owner: 20,000 a minute are soon used up
    before, began = used(session)[0], time.perf_counter()
    found = uvloop.run(load(row, connections, seconds, tokens))
    elapsed = time.perf_counter() - began
    cpu, memory = used(session)
    if found.bad or not found.took:
        raise SystemExit(f"{row.name}: {found.bad} wrong answers, such as {found.last[:600]!r}")
    took = sorted(found.took)
    return {
        "count": len(took),
        "rps": len(took) / elapsed,
        "p50": statistics.median(took) * 1000,
        "p99": took[int(len(took) * 0.99)] * 1000,
        "cpu": (cpu - before) * 1000 / len(took),
        "busy": (cpu - before) / elapsed,
        "memory": memory,
    }


def round_trips(redis_url: str) -> int:
    """Reads from its clients that the server made so far, but for the stream's own reader.

    A pipeline is one read, as it is one round trip.
    """
    with Redis.from_url(redis_url) as client:
        reads: int = client.info("stats")["total_reads_processed"]
        stream: int = client.info("commandstats").get("cmdstat_xread", {"calls": 0})["calls"]
        return reads - stream


def one_content() -> str:
    """The id of a content of `user0`, for the query."""
    body = json.dumps({"query": GENERATE, "variables": {"input": CHARACTER_INPUT}}).encode()
    headers = {"authorization": f"Bearer {token('user0')}", "content-type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{SERVER}/graphql", body, headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    found: str = answer["data"]["generateCharacterContent"]["content"]["contentId"]
    return found


def bench(names: list[str], connections: list[int], seconds: float) -> None:
    machine = f"{os.cpu_count()} CPUs, {model()}, Python {platform.python_version()}"
    print(f"{machine}; {seconds:g} s a cell\n")
    cells = " | ".join(f"req/s c{c} | p50 / p99 ms c{c}" for c in connections)
    print(
        f"| row | {cells} | CPU ms/request | core busy | RSS MB, rest / load | Redis trips | what |"
    )
    print("|" + "---|" * (6 + 2 * len(connections)))
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = start_valkey(data / "v", persist=False)
        stack.callback(valkey.stop)
        os.sched_setaffinity(valkey.pid, LOAD_CORE)
        must_be_free(PROVIDER)
        provider = [sys.executable, str(Path(__file__).parent / "provider.py"), str(PROVIDER)]
        stack.enter_context(running(provider, LOAD_CORE))
        wait_for(f"http://127.0.0.1:{PROVIDER}/")
        for name in names:
            row = rows()[name]
            with server(row.app, stack, valkey.url) as session:
                if name == "query":
                    row = rows(one_content())[name]
                rest = used(session)[1]
                measure(row, session, 16, 2)  # warm
                before = round_trips(valkey.url)
                lone = measure(row, session, 1, 2)
                trips = (round_trips(valkey.url) - before) / lone["count"]
                found = [measure(row, session, c, seconds) for c in connections]
            shown = " | ".join(f"{f['rps']:.0f} | {f['p50']:.1f} / {f['p99']:.1f}" for f in found)
            last = found[-1]
            print(
                f"| {name} | {shown} | {last['cpu']:.2f} | {last['busy']:.0%} "
                f"| {rest:.0f} / {last['memory']:.0f} | {trips:.2f} | {row.says} |",
                flush=True,
            )


def model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((x.split(": ")[1] for x in lines if x.startswith("model name")), "unknown CPU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(rows()))
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, ended)
    os.sched_setaffinity(0, LOAD_CORE)
    bench(given.rows.split(","), [int(c) for c in given.connections.split(",")], given.seconds)


if __name__ == "__main__":
    main()
