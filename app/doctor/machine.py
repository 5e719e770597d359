"""The machine: its clock, the port, the data directory; and the gateway that may run there."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import orjson

from app import cli_gateway, server
from app.doctor.finding import CHECK_TIMEOUT, Case, Finding, State
from app.errors import DependencyUnavailable, SettingsError
from app.redis.client import Redis
from app.settings import Settings

ASK_TIMEOUT = 0.8  # s for each clock that is asked
MAX_SKEW, LEEWAY = 2.0, 10.0  # s; tokens are read with the latter
TICK = 1.0  # s; HTTP tells whole seconds
LITTLE = 200 * 2**20  # bytes left on a disk
SECRET_FILES = ("jwt-secret", "key")


async def clock(case: Case) -> AsyncIterator[Finding]:
    redis, gateway = await asyncio.gather(_redis_skew(case.settings), _gateway_skew())
    found = {"Redis": redis, "the gateway": gateway}
    skews = {whom: skew for whom, skew in found.items() if skew is not None}
    if not skews:
        yield Finding("clock", "ok", f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
    for whom, skew in skews.items():
        far = abs(skew)
        state: State = "failure" if far > LEEWAY else "warning" if far > MAX_SKEW else "ok"
        said = f"{far:.1f} s {'ahead of' if skew > 0 else 'behind'} {whom}"
        yield Finding("clock", state, said, "" if state == "ok" else "let NTP set both clocks")


async def _redis_skew(settings: Settings) -> float | None:
    """How far this clock is ahead of Redis's, in seconds; None where that does not tell it."""
    if settings.redis_url is None:
        return None
    redis = Redis(settings.redis_url.get_secret_value())
    try:
        seconds, micros = await redis.call("TIME", budget=ASK_TIMEOUT)
    except DependencyUnavailable:  # the check of Redis says it
        return None
    finally:
        await redis.close()
    return time.time() - (int(seconds) + int(micros) / 1e6)


async def _gateway_skew() -> float | None:
    """The same of the gateway's clock, of which whole seconds are known."""
    date = await _gateway_date()
    if date is None:
        return None
    skew = (datetime.now(UTC) - date).total_seconds()
    return skew if skew < 0 else max(0.0, skew - TICK)


async def _gateway_date() -> datetime | None:
    """The time by the gateway's clock, in whole seconds; None where no gateway answers."""
    try:
        async with httpx2.AsyncClient(timeout=ASK_TIMEOUT) as http:
            response = await http.get(f"{cli_gateway.url()}/health/live")
        return parsedate_to_datetime(response.headers["date"])
    except (httpx2.HTTPError, SettingsError, KeyError, ValueError):
        return None


async def port(case: Case) -> AsyncIterator[Finding]:
    where = f"{case.settings.host}:{case.settings.port}"
    taken = _taken(case.settings)
    if taken is None:
        yield Finding("port", "ok", f"{where} is free")
    elif await _gateway_date() is not None:
        yield Finding("port", "ok", f"{where} is a gateway's")
    else:
        yield Finding("port", "failure", taken, "end what listens there, or set LOREGATE_PORT")


def _taken(settings: Settings) -> str | None:
    """Why nobody can listen there now, or None."""
    try:
        server.listen(settings).close()
    except SettingsError as error:
        return str(error).partition(": ")[2]
    return None


async def data(case: Case) -> AsyncIterator[Finding]:
    path = case.settings.data_dir
    if not path.exists():
        yield Finding("data", "ok", f"{path} is made when it is needed")
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        fix = f'give it to the user that serves: chown -R "$(id -un)" {path}'
        yield Finding("data", "failure", f"{path} cannot be written by this user", fix)
        return
    opened = [p for p in (path, *(path / n for n in SECRET_FILES)) if _others_may(p)]
    for one in opened:
        fix = f"chmod go= {one}"
        yield Finding("data", "warning", f"{one} is open to other users of this machine", fix)
    free = shutil.disk_usage(path).free
    if free < LITTLE:
        fix = "make room: nothing can be stored on a full disk"
        yield Finding("data", "warning", f"{path}: {free // 2**20} MB are left", fix)
    elif not opened:
        yield Finding("data", "ok", f"{path}, {free / 2**30:.1f} GB are left")


async def gateway(_: Case) -> AsyncIterator[Finding]:
    try:
        url = cli_gateway.url()
    except SettingsError as error:
        yield Finding("gateway", "failure", str(error), "mend LOREGATE_URL")
        return
    try:
        async with httpx2.AsyncClient(timeout=CHECK_TIMEOUT * 0.8) as http:
            response = await http.get(f"{url}/health")
        report = orjson.loads(response.content)
        status, parts = str(report["status"]), dict(report["components"])
    except (httpx2.HTTPError, orjson.JSONDecodeError, LookupError, TypeError) as error:
        yield _no_gateway(url, error)
        return
    states: dict[str, State] = {"healthy": "ok", "degraded": "warning"}
    ill = ", ".join(f"{n} {s}" for n, s in parts.items() if s != "healthy")
    said = f"{url} is {status}" + (f": {ill}" if ill else "")
    yield Finding("gateway", states.get(status, "failure"), said, ill and "see its log")


def _no_gateway(url: str, error: Exception) -> Finding:
    if not os.environ.get("LOREGATE_URL"):
        return Finding("gateway", "ok", f"none runs at {url}")
    why = str(error) or type(error).__name__
    fix = "start it, or mend LOREGATE_URL"
    return Finding("gateway", "failure", f"LOREGATE_URL is {url}: {why}", fix)


def _others_may(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except FileNotFoundError:
        return False
