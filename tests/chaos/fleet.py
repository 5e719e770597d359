"""Fleet: real gateway processes that share Redis and a database, and a balancer before them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp

from app.storage.migrate import migrate
from tests.support.cli_process import COMMAND, environment, free_port
from tests.support.service import SECRET

START = 40.0  # s; a start takes about two, on a busy machine ten
STOP = 45.0  # s; a graceful stop may take its 30 for what is in flight
LOOK = 0.1  # s between two looks at /health/ready
LOOKING = aiohttp.ClientTimeout(total=1.0)

WINDOW, MOST = 5, 20  # s, and how often in it a user of the standard tier may ask
# Everybody else is of a tier that no limit is in the way of; the hammering user is standard.
TIER, FACTOR = "load", 900
CONFIG = f"""
subscriptions = 10000
limits = [
  {{target = "user", max = {MOST}, window = {WINDOW}}},
  {{target = "global", max = 1000000, per = "global"}},
]
[tiers]
{TIER} = {FACTOR}
"""


class Node:
    """One gateway at a port of its own, where it is started again as often as it ends."""

    def __init__(self, name: str, directory: Path, given: dict[str, str]) -> None:
        self.name, self.port = name, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = directory / f"{name}.log"
        self._directory, self._given = directory, given
        self.process: asyncio.subprocess.Process | None = None
        self.starts = 0

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process.pid

    async def start(self) -> None:
        self.starts += 1
        with self.output.open("ab") as file:
            self.process = await asyncio.create_subprocess_exec(
                *COMMAND,
                "serve",
                cwd=self._directory,
                env=environment(LOREGATE_PORT=str(self.port), **self._given),
                stdout=file,
                stderr=file,
            )

    async def kill(self) -> None:
        """As a crash would."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
        if self.process is not None:
            await self.process.wait()

    async def stop(self) -> float:
        """In good order; how many seconds it took. Raises `TimeoutError` when it does not end."""
        began = time.monotonic()
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOP):
                await self.process.wait()
        return time.monotonic() - began

    async def ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.url}/health/ready", timeout=LOOKING) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def until_ready(self, http: aiohttp.ClientSession) -> None:
        """Raises `RuntimeError` with its last words when it ended, `TimeoutError` when it hangs."""
        async with asyncio.timeout(START):
            while not await self.ready(http):
                if self.process is None or self.process.returncode is not None:
                    raise RuntimeError(self.output.read_text()[-2000:])
                await asyncio.sleep(LOOK)


class Balancer:
    """Round robin over the nodes that say that they are ready."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._ready = {node.url: True for node in nodes}
        self._turn = itertools.count()

    async def run(self, http: aiohttp.ClientSession) -> None:
        while True:
            found = await asyncio.gather(*(node.ready(http) for node in self._nodes))
            self._ready = {n.url: well for n, well in zip(self._nodes, found, strict=True)}
            await asyncio.sleep(LOOK)

    def pick(self, but: str | None = None) -> str:
        """The next one's URL; another than `but`, as far as there is one."""
        others = [node.url for node in self._nodes if node.url != but] or [self._nodes[0].url]
        found = [url for url in others if self._ready[url]] or others
        return found[next(self._turn) % len(found)]


class Fleet:
    """The gateways, their balancer, and the one HTTP client that everybody uses."""

    def __init__(self, nodes: Sequence[Node], http: aiohttp.ClientSession, database: str) -> None:
        self.nodes, self.http, self.database = nodes, http, database
        self.balancer = Balancer(nodes)


@contextlib.asynccontextmanager
async def running(
    directory: Path, redis_url: str, provider_url: str, database: str | None = None, count: int = 2
) -> AsyncIterator[Fleet]:
    """So many gateways, migrated and ready, until the block ends. SQLite unless told otherwise."""
    database = database or f"sqlite+aiosqlite:///{directory / 'shared.db'}"
    await asyncio.to_thread(migrate, database)
    config = directory / "limits.toml"
    config.write_text(CONFIG)
    given = {
        "LOREGATE_JWT_SECRET": SECRET,
        "LOREGATE_CONFIG": str(config),
        "LOREGATE_REPLICAS": str(count),
        "LOREGATE_CONNECTIONS_PER_ADDRESS": "10000",  # the whole crowd comes from one
        "LOREGATE_LOG_FORMAT": "json",
        "LOREGATE_METRICS_ADDRESS": "open",
        "REDIS_URL": redis_url,
        "OPENAI_BASE_URL": provider_url,
        "DATABASE_URL": database,
    }
    nodes = [Node(f"gateway-{n}", directory, given) for n in range(count)]
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        fleet = Fleet(nodes, http, database)
        try:
            await asyncio.gather(*(node.start() for node in nodes))
            await asyncio.gather(*(node.until_ready(http) for node in nodes))
            balancing = asyncio.create_task(fleet.balancer.run(http), name="balancer")
            yield fleet
            balancing.cancel()
            await asyncio.gather(balancing, return_exceptions=True)
        finally:
            await asyncio.gather(*(node.kill() for node in nodes))
