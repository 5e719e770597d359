"""Agreement: after a mixed load with faults over two gateways every count says the same.

    make agreement [ARGS="--requests 600 --seed 7"]

What the clients saw, what /metrics says, what the usage of the database says, what was published,
and what the provider gave out. Ends with 1 when two of them differ. README.md tells what is
compared with what.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2

from app.embedded.valkey import start_valkey
from app.storage.migrate import migrate
from tests.agreement.clients import Counts, Crowd
from tests.agreement.comparison import Comparison, compare
from tests.agreement.provider import CountingProvider
from tests.support.cli_process import serving
from tests.support.service import SECRET

GATEWAYS = 2
AT_ONCE = 24  # requests
QUIET = 15.0  # s in which all that was begun is over, and told to everybody
CONFIG = """
fallback = "gpt-4-turbo>gpt-3.5-turbo>storyteller"
limits = [{target = "global", max = 1000000, per = "global"}]
"""


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--seed", type=int, default=None, help="as an earlier run printed it")
    return parser.parse_args(given)


@contextlib.asynccontextmanager
async def gateways(directory: Path, provider: CountingProvider) -> AsyncIterator[list[str]]:
    """URLs of two gateways on one Valkey, one database and one provider."""
    database = f"sqlite+aiosqlite:///{directory / 'loregate.db'}"
    await asyncio.to_thread(migrate, database)
    config = directory / "config.toml"
    config.write_text(CONFIG)
    async with AsyncExitStack() as stack:
        valkey = start_valkey(directory / "valkey", persist=False)
        stack.callback(valkey.stop)
        given = {
            "LOREGATE_CONFIG": str(config),
            "LOREGATE_DATA_DIR": str(directory),
            "LOREGATE_JWT_SECRET": SECRET,
            "LOREGATE_LOG_FORMAT": "json",
            "LOREGATE_METRICS_ADDRESS": "open",
            "LOREGATE_REPLICAS": str(GATEWAYS),
            "DATABASE_URL": database,
            "REDIS_URL": valkey.url,
            "OPENAI_API_KEY": "nobody's",
            "OPENAI_BASE_URL": provider.url,
        }
        yield [
            (await stack.enter_async_context(serving(directory, "serve", **given))).url
            for _ in range(GATEWAYS)
        ]


async def load(crowd: Crowd, requests: int) -> None:
    """So many requests of all kinds, while two listen; returns when all is quiet."""
    async with asyncio.TaskGroup() as group:
        listening = []
        for listen, name in ((crowd.listen_by_socket, "WebSocket"), (crowd.listen_by_sse, "SSE")):
            ready = asyncio.Event()
            listening.append(group.create_task(listen(name, ready)))
            await asyncio.wait_for(ready.wait(), 10)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one() -> None:
            async with gate:
                await crowd.ask()

        await asyncio.gather(*(one() for _ in range(requests)))
        await asyncio.sleep(QUIET)
        for task in listening:
            task.cancel()


async def run(given: argparse.Namespace, directory: Path) -> Comparison:
    provider = CountingProvider(given.seed)
    await provider.start()
    try:
        async with gateways(directory, provider) as urls, httpx2.AsyncClient() as http:
            crowd = Crowd(urls, Counts(), given.seed + 1)
            try:
                await load(crowd, given.requests)
            finally:
                await crowd.close()
            return await compare(http, urls, crowd.counts, provider)
    finally:
        await provider.stop()


def main(given: argparse.Namespace) -> int:
    if given.seed is None:
        given.seed = random.randrange(10**6)
    print(f"== {given.requests} requests at {GATEWAYS} gateways, seed {given.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        found = asyncio.run(run(given, Path(directory)))
    print(found.table())
    return 0 if found.agrees else 1


if __name__ == "__main__":
    sys.exit(main(arguments()))
