"""CPU of one call of a model: the writer's, beside the SDK as it comes.

    .venv/bin/python -m tests.benchmarks.calls [--calls 400] [--at-once 32]

The provider (`provider.py`, a process of its own) streams 200 tokens, in one burst or one each
5 ms. Compare columns of one run only.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import openai
import uvloop

from app.llm.completion import CompletionRequest
from app.llm.openai import OpenAIProvider
from app.llm.profiles import profile
from app.llm.providers import Account
from app.llm.unsupported import UnsupportedParameters
from tests.benchmarks import bench
from tests.benchmarks.bare import MESSAGES
from tests.benchmarks.streams import UPSTREAM, free_port
from tests.support.operations import CAMPAIGN
from tests.support.rest_bodies import GOOD

BURST = "mock"
Call = Callable[[], Awaitable[object]]
HEAD = "| the provider's stream | the SDK's own, CPU ms | ours, CPU ms | ratio |\n|---|---|---|---|"


async def measured(call: Call, calls: int, at_once: int) -> float:
    """CPU milliseconds of one of so many."""

    async def lane(count: int) -> None:
        for _ in range(count):
            await call()

    await asyncio.gather(*[lane(2) for _ in range(at_once)])  # warm
    each, began = max(1, calls // at_once), time.process_time()
    await asyncio.gather(*[lane(each) for _ in range(at_once)])
    return (time.process_time() - began) * 1000 / (each * at_once)


def stock(client: openai.AsyncOpenAI, upstream: str) -> Call:
    async def call() -> None:
        chunks = await client.chat.completions.create(
            model=upstream,
            messages=MESSAGES,
            stream=True,
            stream_options={"include_usage": True},
        )
        async for _ in chunks:
            pass

    return call


def ours(provider: OpenAIProvider, url: str, upstream: str, work: CompletionRequest) -> Call:
    unsupported = UnsupportedParameters(None, url, upstream)
    writer = provider.writer(upstream, profile(url, upstream), unsupported)
    loop = asyncio.get_running_loop()
    return lambda: writer.write(work, deadline=loop.time() + 60.0)


async def run(url: str, calls: int, at_once: int) -> None:
    request = CAMPAIGN.read(GOOD[CAMPAIGN.path])
    work = CompletionRequest(CAMPAIGN, request, CAMPAIGN.prompt(request))
    provider = OpenAIProvider(Account(url, "none"))
    http = openai.DefaultAioHttpClient()
    client = openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=http)
    print(HEAD)
    for says, upstream, count in (
        ("one burst", BURST, calls),
        ("a token each 5 ms", UPSTREAM, calls // 8),
    ):
        theirs = await measured(stock(client, upstream), count // 4, at_once)
        own = await measured(ours(provider, url, upstream, work), count, at_once)
        print(f"| {says} | {theirs:.2f} | {own:.2f} | {theirs / own:.1f} |", flush=True)
    await provider.close()
    await client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--at-once", type=int, default=32)
    given = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "tests.benchmarks.provider", str(port)]
    with bench.running(command, bench.LOAD_CORE):
        bench.wait_for(f"http://127.0.0.1:{port}/")
        uvloop.run(run(f"http://127.0.0.1:{port}/v1", given.calls, given.at_once))


if __name__ == "__main__":
    main()
