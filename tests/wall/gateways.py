"""Gateways: `loregate serve` as its own process, with a Valkey and a fake provider of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from app.embedded.valkey import start_valkey
from app.storage.migrate import migrate
from tests.support import upstream
from tests.support.cli_process import serving
from tests.support.content_by_edge import Result, from_rest, seconds, tried
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import SECRET, token
from tests.support.upstream import ANYTHING, Behaviour, Upstream
from tests.wall.faults import Times

HEALTHY = "healthy"  # the model that follows
ITS_TEXT = "Nobody rowed out to look, and in the morning the bell was gone."
TIER = "wall"
BUSY, CONCURRENCY, QUEUE = "overload", 50, 100

# No limit is in the way. Nobody but a request's own fallback follows a model.
CONFIG = f"""
fallback = "storyteller"
limits = [{{target = "global", max = 1000000, per = "global"}}]
[tiers]
{TIER} = 900
"""
ROW = """
[[models]]
name = "{name}"
url = "{url}"
"""
NARROW = f"concurrency = {CONCURRENCY}\nqueue = {QUEUE}\n"


@dataclass(frozen=True, slots=True)
class Gateway:
    """One that runs. Its provider is to know its models by the same names."""

    times: Times
    url: str
    provider: Upstream
    http: aiohttp.ClientSession

    async def ask(self, model: str, edge: str, *, followed: bool, user: str = "") -> Result:
        """What comes of one request by `post` or as a `stream`, to a user of its own."""
        choice = {"name": model} | ({"fallback_model": HEALTHY} if followed else {})
        headers = {"Authorization": "Bearer " + token(user or model, tier=TIER)}
        if edge == "stream":
            headers["Accept"] = "text/event-stream"
        loop = asyncio.get_running_loop()
        began = loop.time()
        body = {**GOOD[TEXT], "model": choice}
        async with self.http.post(self.url + TEXT, json=body, headers=headers) as response:
            content = await response.read()
            wait = response.headers.get("retry-after")
        streamed = response.content_type == "text/event-stream"
        found = _streamed(content) if streamed else _plain(response.status, content, wait)
        found.seconds = loop.time() - began
        return found

    async def health(self) -> str:
        """`/health`'s word for the models."""
        async with self.http.get(self.url + "/health") as response:
            found: str = (await response.json())["components"]["openai"]
            return found


def _plain(status: int, content: bytes, wait: str | None) -> Result:
    body = orjson.loads(content)
    if status == 200:
        return from_rest(body["metadata"], body["content"])
    after = None if wait is None else int(wait)
    return _failed(body["code"], body["details"], after, status)


def _streamed(content: bytes) -> Result:
    frames = [f for f in content.decode().split("\n\n") if "data: " in f]
    events = [orjson.loads(frame.partition("data: ")[2]) for frame in frames]
    last = events[-1]
    if last["type"] == "failed":
        found = _failed(last["code"], last["details"], seconds(last["retry_after_ms"]))
    else:
        found = from_rest(last["metadata"], "")
    found.events = events
    if last["type"] != "failed":
        found.text = found.heard
    return found


def _failed(code: str, details: dict[str, Any], wait: int | None, status: int = 200) -> Result:
    return Result(code, tried=tried(details.get("tried")), retry_after=wait, status=status)


@contextlib.asynccontextmanager
async def running(
    directory: Path, times: Times, models: Iterable[str], http: aiohttp.ClientSession
) -> AsyncIterator[Gateway]:
    """One with these models and a healthy one, until the block ends."""
    directory.mkdir()
    valkey = await asyncio.to_thread(start_valkey, directory / "valkey", persist=False)
    try:
        async with upstream.running() as provider:
            provider.models[HEALTHY] = ANYTHING
            provider.on(HEALTHY).always = Behaviour(text=ITS_TEXT)
            given = await _settings(directory, valkey.url, provider, models)
            async with serving(directory, "serve", **given, **times.settings) as found:
                yield Gateway(times, found.url, provider, http)
    finally:
        valkey.stop()


async def _settings(
    directory: Path, redis_url: str, provider: Upstream, models: Iterable[str]
) -> dict[str, str]:
    database = f"sqlite+aiosqlite:///{directory / 'wall.db'}"
    await asyncio.to_thread(migrate, database)
    rows = [ROW.format(name=name, url=provider.url) for name in (*models, HEALTHY, BUSY)]
    config = directory / "wall.toml"
    config.write_text(CONFIG + "".join(rows) + NARROW)
    return {
        "LOREGATE_JWT_SECRET": SECRET,
        "LOREGATE_CONFIG": str(config),
        "LOREGATE_CONNECTIONS_PER_ADDRESS": "10000",  # all callers come from one
        "LOREGATE_LOG_FORMAT": "json",
        "REDIS_URL": redis_url,
        "DATABASE_URL": database,
    }
