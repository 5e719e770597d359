"""How `PublishedKeys` and what libraries have in its place bear unknown keys and outages.

    .venv/bin/pip install --no-deps --target build/keys jwks-client==0.1.2 httpware==0.22.2
    PYTHONPATH=build/keys .venv/bin/python -m tests.benchmarks.published_keys

PyJWT's `PyJWKClient` blocks, so it runs in threads (`asyncio.to_thread`). `jwks-client` is no
dependency of the project; without it its column is missing. All have a time-out of 3 s. What the
other two would do in minutes is seen by moving their clock; PyJWKClient gets short times instead.
"""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import httpx2
import jwt

from app.policies.jwks import FETCH_TIMEOUT, FRESH_TTL, MIN_FETCH_INTERVAL, PublishedKeys
from tests.benchmarks.bench import model
from tests.support.issuer import Clock, KeyServer, pair

MANY = 1000
SILENT = 10.0  # s, at most
SHORT = 2.0  # s; PyJWKClient's lifetime of keys and pause between fetches, in place of 300 and 30


class Ours:
    """`PublishedKeys`, with a clock to move."""

    def __init__(self, url: str) -> None:
        self.clock = Clock(0.0)
        self.keys = PublishedKeys(url, clock=self.clock)

    async def find(self, kid: str) -> bool:
        return bool(await self.keys.fitting("RS256", kid))

    async def later(self, seconds: float) -> None:
        self.clock.at += seconds

    async def close(self) -> None:
        await self.keys.close()


class Threads:
    """`PyJWKClient`, in threads. Its keys last for `SHORT`, or as long as the others' do."""

    def __init__(self, url: str) -> None:
        self.client = jwt.PyJWKClient(
            url, timeout=FETCH_TIMEOUT, lifespan=SHORT, cooldown_duration=SHORT
        )

    async def find(self, kid: str) -> bool:
        return bool(await asyncio.to_thread(self.client.get_signing_key, kid))

    async def later(self, seconds: float) -> None:
        if seconds < FRESH_TTL and self.client.jwk_set_cache is not None:
            self.client.jwk_set_cache.lifespan = FRESH_TTL
        await asyncio.sleep(1.05 * SHORT)

    async def close(self) -> None:
        return None


class Async:
    """`JWKSClient` of jwks-client, with a clock to move, without its retries."""

    def __init__(self, url: str) -> None:
        import httpware
        from jwks_client import JWKSClient

        self.clock = Clock(0.0)
        self.http = httpware.AsyncClient(timeout=FETCH_TIMEOUT)
        self.client = JWKSClient(url, http_client=self.http, clock=self.clock)

    async def find(self, kid: str) -> bool:
        return bool(await self.client.get_signing_key(kid))

    async def later(self, seconds: float) -> None:
        self.clock.at += seconds

    async def close(self) -> None:
        await self.http.aclose()


Side = Ours | Threads | Async
SIDES: dict[str, Callable[[str], Side]] = {
    "PublishedKeys": Ours,
    "pyjwt": Threads,
    "jwks-client": Async,
}


async def crowd(side: Side, kid: Callable[[int], str]) -> tuple[int, float]:
    """How many of a thousand at once got a key, and the slowest one's seconds."""
    slowest = 0.0

    async def one(n: int) -> bool:
        nonlocal slowest
        began = time.perf_counter()
        try:
            return await side.find(kid(n))
        except Exception:
            return False
        finally:
            slowest = max(slowest, time.perf_counter() - began)

    return sum(await asyncio.gather(*map(one, range(MANY)))), slowest


def known(_: int) -> str:
    return "one"


def unknown(n: int) -> str:
    return f"unknown {n}"


async def first(side: Side, server: KeyServer) -> dict[str, Any]:
    found, _ = await crowd(side, known)
    assert found == MANY
    return {f"fetches for the first {MANY:,} tokens at once": server.asked}


async def strangers(side: Side, server: KeyServer) -> dict[str, Any]:
    await side.find("one")
    await side.later(MIN_FETCH_INTERVAL)
    asked = server.asked
    await crowd(side, unknown)
    return {f"fetches for {MANY:,} tokens of unknown keys at once": server.asked - asked}


async def outage(side: Side, server: KeyServer) -> dict[str, Any]:
    """The server answers 503 for six hours."""
    await side.find("one")
    server.status = "503 Service Unavailable"
    await side.later(6 * 3600)
    asked = server.asked
    found, _ = await crowd(side, known)
    await asyncio.sleep(0.1)  # a fetch in the background has begun
    what = f"503 for six hours: of {MANY:,} good tokens taken"
    return {what: found, "503 for six hours: fetches meanwhile": server.asked - asked}


async def silence(side: Side, server: KeyServer) -> dict[str, Any]:
    """The server takes requests and says nothing, when keys are due to be fetched anew."""
    await side.find("one")
    await side.later(FRESH_TTL)
    server.open.clear()
    asyncio.get_running_loop().call_later(SILENT, server.open.set)
    found, slowest = await crowd(side, known)
    server.open.set()
    what = f"10 s silent when keys are 5 minutes old: of {MANY:,} good tokens taken, slowest ms"
    return {what: f"{found}, {slowest * 1000:.0f}"}


async def stranger(side: Side, server: KeyServer) -> dict[str, Any]:
    """The server is silent, and the token of an unknown key has it asked beside good tokens."""
    await side.find("one")
    await side.later(MIN_FETCH_INTERVAL)
    server.open.clear()
    server.arrived.clear()
    unknown = asyncio.create_task(side.find("unknown"))
    await server.arrived.wait()
    asyncio.get_running_loop().call_later(SILENT, server.open.set)
    found, slowest = await crowd(side, known)
    server.open.set()
    await asyncio.gather(unknown, return_exceptions=True)
    what = f"10 s silent towards an unknown key: of {MANY:,} good ones taken, slowest ms"
    return {what: f"{found}, {slowest * 1000:.0f}"}


async def measure(make: Callable[[str], Side]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for scene in (first, strangers, outage, silence, stranger):
        async with KeyServer(pair("RS256").jwk("one")) as server:
            side = make(server.url)
            found |= await scene(side, server)
            await side.close()
    return found


def main() -> None:
    logging.disable()  # outages are meant here
    print(f"{os.cpu_count()} CPUs, {model()}, Python {platform.python_version()}")
    print(f"httpx2 {httpx2.__version__}\n")
    columns: dict[str, dict[str, Any]] = {}
    for name, make in SIDES.items():
        try:
            title = f"{name} {version(name)}" if make is not Ours else name
            columns[title] = asyncio.run(measure(make))
        except ImportError:
            print(f"{name} is not installed")
    print(f"| | {' | '.join(columns)} |\n|{'---|' * (1 + len(columns))}")
    for what in columns["PublishedKeys"]:
        print(f"| {what} | {' | '.join(str(found[what]) for found in columns.values())} |")


if __name__ == "__main__":
    main()
