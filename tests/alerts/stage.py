"""Stage: two gateways with what they stand on, which a scene may freeze, starve and kill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.storage.migrate import migrate
from tests.alerts.prometheus import Prometheus
from tests.chaos.fleet import Node
from tests.support import upstream
from tests.support.cli_process import free_port
from tests.support.postgres import Postgres, programs
from tests.support.service import SECRET
from tests.support.upstream import ANYTHING, Behaviour, Upstream

STEADY, SHAKY, NARROW, RETIRING, LOST = "steady", "shaky", "narrow", "retiring", "lost"
MODELS = (STEADY, SHAKY, NARROW, RETIRING, LOST)
TIER, THRIFTY = "crowd", "thrifty"  # one that no limit is in the way of, and one with a budget
USER_LIMIT, GLOBAL_LIMIT, WINDOW = 60, 600, 20  # requests, requests, s
BUDGET = 60_000  # tokens of a day
START = 120.0  # s; two, on a machine that has much else to do a minute
LOOK = 0.1  # s
DAYS = 20  # until a model is shut down

CONFIG = f"""
fallback = ["{SHAKY}", "storyteller"]
limits = [
  {{target = "user", max = {USER_LIMIT}, window = {WINDOW}}},
  {{target = "global", max = {GLOBAL_LIMIT}, window = {WINDOW}, per = "global"}},
]
[tiers]
{TIER} = 900
{THRIFTY} = 900
[[budgets]]
name = "thrift"
per = "tier"
tier = "{THRIFTY}"
tokens = {BUDGET}
period = "day"
"""
ROW = """
[[models]]
name = "{name}"
url = "{url}"
provider = "vllm"
input_price = 1
output_price = 5
max_tokens = 1000
"""
NARROWNESS = "concurrency = 2\nqueue = 400\n"


def day(ahead: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=ahead)).isoformat()


class Stage:
    """What scenes act on."""

    def __init__(
        self,
        nodes: Sequence[Node],
        addresses: Sequence[str],
        provider: Upstream,
        valkey: EmbeddedValkey,
        postgres: Postgres,
        http: aiohttp.ClientSession,
    ) -> None:
        """addresses: of the nodes' metrics."""
        self.nodes, self.addresses, self.provider = nodes, addresses, provider
        self.valkey, self.postgres, self.http = valkey, postgres, http
        self.prometheus: Prometheus | None = None

    async def restart(self, node: Node) -> None:
        await node.stop()
        await self.begin(node)

    async def begin(self, node: Node) -> None:
        """Raises `TimeoutError` when it does not get ready."""
        await node.start()
        async with asyncio.timeout(START):
            while not await node.ready(self.http):
                await asyncio.sleep(LOOK)

    @contextlib.contextmanager
    def redis_frozen(self) -> Iterator[None]:
        with frozen(self.valkey.pid):
            yield


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that is there and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _list(provider: Upstream) -> None:
    """What there is; one model has a last day, and one is not in the list any more."""
    for name in MODELS:
        provider.models[name] = ANYTHING
        provider.on(name).always = Behaviour(delay=0.05)
    provider.listed = {name: None for name in MODELS if name != LOST}
    provider.listed[RETIRING] = day(DAYS)


def _settings(folder: Path, redis: str, database: str, provider: Upstream) -> dict[str, str]:
    rows = {name: ROW.format(name=name, url=provider.url) for name in MODELS}
    rows[NARROW] += NARROWNESS
    config = folder / "alerts.toml"
    config.write_text(CONFIG + "".join(rows.values()))
    return {
        "LOREGATE_JWT_SECRET": SECRET,
        "LOREGATE_CONFIG": str(config),
        "LOREGATE_REPLICAS": "2",
        "LOREGATE_CONNECTIONS_PER_ADDRESS": "10000",  # the whole crowd comes from one
        "LOREGATE_LOG_FORMAT": "json",
        "REDIS_URL": redis,
        "DATABASE_URL": database,
    }


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[Postgres]:
    found = programs()
    if found is None:
        raise RuntimeError("PostgreSQL's programs are missing: apt-get install postgresql")
    folder.mkdir()
    folder.chmod(0o755)
    server = Postgres(found, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def running(folder: Path, http: aiohttp.ClientSession) -> AsyncIterator[Stage]:
    """Two gateways, migrated and ready, until the block ends."""
    valkey = await asyncio.to_thread(start_valkey, folder / "valkey", persist=False)
    try:
        with _postgres(folder / "postgres") as postgres:
            async with upstream.running() as provider:
                _list(provider)
                postgres.run("createdb", "-h", postgres.folder, "-U", "loregate", "loregate")
                database = postgres.url("loregate")
                await asyncio.to_thread(migrate, database)
                given = _settings(folder, valkey.url, database, provider)
                addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
                nodes = [
                    Node(f"gateway-{n}", folder, {**given, "LOREGATE_METRICS_ADDRESS": address})
                    for n, address in enumerate(addresses)
                ]
                stage = Stage(nodes, addresses, provider, valkey, postgres, http)
                try:
                    await asyncio.gather(*map(stage.begin, nodes))
                    yield stage
                finally:
                    await asyncio.gather(*(node.kill() for node in nodes))
    finally:
        valkey.stop()
