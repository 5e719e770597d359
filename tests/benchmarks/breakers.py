"""What a call through a circuit breaker costs, ours beside those of libraries.

    .venv/bin/pip install --no-deps --target build/breakers purgatory==3.0.1 asyncbreaker==2.1.1
    PYTHONPATH=build/breakers .venv/bin/python -m tests.benchmarks.breakers [--seconds 3]

The libraries are no dependency of the project; one that cannot be imported has no row. All share
their state in one Valkey on a unix socket. The call itself does nothing.

- *µs a call*, *p99*: one call at a time, then 64 at once; the breaker is closed.
- *Redis trips*: reads that Valkey made from its clients for each call, all tasks counted.
- *let in when due*: the breaker has been open for its time, and 50 calls come at once to each of
  two gateways: how many reach the model. Ours lets in a probe of the gateway's own, and no call.
- *Redis silent*: what a call does while Valkey is stopped by a signal for up to 20 s, with Redis
  clients as each library makes them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import platform
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import redis
import redis.asyncio
import uvloop

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.llm.breaker import BreakerPolicy, Breakers
from app.redis.client import Redis
from tests.benchmarks.bench import model, round_trips

FAILURES, WAIT = 3, 1.0  # in a row; s until a probe
AT_ONCE, DUE = 64, 50
SILENCE = 20.0  # s

Call = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


class Broken(Exception):
    """The model failed."""


@asynccontextmanager
async def ours(url: str) -> AsyncIterator[Call]:
    door = Redis(url)
    breakers = Breakers(door, ["m"], policy=BreakerPolicy(failures=FAILURES, first=WAIT, jitter=0))
    breakers.start()

    async def call(work: Callable[[], Awaitable[None]]) -> None:
        ticket = breakers["m"].admit()
        try:
            await work()
        except Broken:
            await ticket.failed()
            raise
        await ticket.succeeded()

    yield call
    await breakers.stop()
    await door.close()


@asynccontextmanager
async def purgatory(url: str) -> AsyncIterator[Call]:
    from purgatory import AsyncCircuitBreakerFactory, AsyncRedisUnitOfWork

    unit = AsyncRedisUnitOfWork(url)
    factory = AsyncCircuitBreakerFactory(FAILURES, WAIT, uow=unit)
    await factory.initialize()

    async def call(work: Callable[[], Awaitable[None]]) -> None:
        async with await factory.get_breaker("m"):
            await work()

    yield call
    await unit.contexts.redis.aclose()


@asynccontextmanager
async def asyncbreaker(url: str) -> AsyncIterator[Call]:
    from datetime import timedelta

    from asyncbreaker import CircuitBreaker
    from asyncbreaker.storage.redis import RedisStorage

    client = redis.asyncio.from_url(url)
    storage = RedisStorage(redis=client, namespace="m")
    await storage.initialize()
    breaker = CircuitBreaker(FAILURES, timedelta(seconds=WAIT), state_storage=storage)

    async def call(work: Callable[[], Awaitable[None]]) -> None:
        await breaker.call(work)

    yield call
    await client.aclose()


WAYS = {"ours": ours, "purgatory": purgatory, "asyncbreaker": asyncbreaker}


async def well() -> None:
    return None


async def speed(call: Call, at_once: int, seconds: float) -> tuple[float, float, int]:
    """Microseconds a call, their p99 and how many there were."""
    took: list[float] = []
    began = time.perf_counter()

    async def one() -> None:
        while (at := time.perf_counter()) < began + seconds:
            await call(well)
            took.append(time.perf_counter() - at)
            await asyncio.sleep(0)  # a call to a model would give way too

    await asyncio.gather(*(one() for _ in range(at_once)))
    elapsed = time.perf_counter() - began
    p99 = statistics.quantiles(took, n=100)[98]
    return elapsed / len(took) * 1e6, p99 * 1e6, len(took)


async def broken(call: Call) -> None:
    """Fail until it is open; who counts what was read before the call needs one failure more."""

    async def fail() -> None:
        raise Broken

    for _ in range(FAILURES + 1):
        with contextlib.suppress(Exception):
            await call(fail)


async def due(calls: list[Call]) -> str:
    """How many of those who come at once when the wait is over reach the model."""
    reached = 0

    async def slow() -> None:
        nonlocal reached
        reached += 1
        await asyncio.sleep(0.3)  # a model takes its time, and the others come meanwhile

    await asyncio.sleep(2.5 * WAIT)
    crowd = [call(slow) for call in calls for _ in range(DUE)]
    await asyncio.gather(*crowd, return_exceptions=True)
    return f"{reached} of {DUE * len(calls)}"


async def silent(call: Call, server: EmbeddedValkey) -> str:
    """What a call sees while Redis says nothing, and how long that takes."""
    # From a thread: a library that blocks would never let the loop resume the server.
    resume = threading.Timer(SILENCE, os.kill, [server.pid, signal.SIGCONT])
    os.kill(server.pid, signal.SIGSTOP)
    resume.start()
    began, said = time.perf_counter(), "goes on"
    try:
        await call(well)
    except Exception as error:
        said = f"fails with {type(error).__name__}"
    elapsed = time.perf_counter() - began
    resume.cancel()
    os.kill(server.pid, signal.SIGCONT)
    return f"{said} after {elapsed * 1000:.1f} ms"


async def measure(name: str, server: EmbeddedValkey, seconds: float) -> list[str]:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    async with WAYS[name](server.url) as one, WAYS[name](server.url) as other:
        await speed(one, 1, 0.3)
        before = round_trips(server.url)
        lone, lone_p99, count = await speed(one, 1, seconds)
        trips = (round_trips(server.url) - before) / count
        many, many_p99, _ = await speed(one, AT_ONCE, seconds)
        found = [f"{lone:.0f} / {lone_p99:.0f}", f"{many:.0f} / {many_p99:.0f}", f"{trips:.4f}"]
        await broken(one)
        found.append(await due([one, other]))
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    async with WAYS[name](server.url) as call:
        await call(well)
        found.append(await silent(call, server))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    logging.disable()  # an outage of Redis is meant here
    machine = f"{os.cpu_count()} CPUs, {model()}, Python {platform.python_version()}"
    print(f"{machine}; {given.seconds:g} s a cell\n")
    heads = ["µs a call / p99, one", f"the same, {AT_ONCE} at once", "Redis trips a call"]
    heads += ["let in when due", "Redis silent"]
    print(f"| breaker | {' | '.join(heads)} |\n|{'---|' * (1 + len(heads))}")
    with tempfile.TemporaryDirectory() as folder:
        server = start_valkey(Path(folder) / "v", persist=False)
        try:
            for name in WAYS:
                try:
                    shown = f"{name} {version(name)}" if name != "ours" else name
                    found = uvloop.run(measure(name, server, given.seconds))
                except ImportError:
                    print(f"| {name} | not installed |", flush=True)
                    continue
                print(f"| {shown} | {' | '.join(found)} |", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
