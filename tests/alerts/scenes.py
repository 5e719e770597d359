"""Scenes: for each alert the cause that it is for, and the end of that cause."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from tests.alerts.crowd import USUAL, Crowd
from tests.alerts.stage import (
    DAYS,
    GLOBAL_LIMIT,
    LOST,
    MODELS,
    NARROW,
    RETIRING,
    SHAKY,
    STEADY,
    THRIFTY,
    WINDOW,
    Stage,
    frozen,
)
from tests.support.upstream import Behaviour, refusal

Act = Callable[[Stage, Crowd], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Scene:
    """cause: in words. act: is so from its begin to its end, and mended behind it."""

    cause: str
    alerts: tuple[str, ...]
    act: Act


@asynccontextmanager
async def goes_on(doing: Callable[[], Awaitable[object]], callers: int = 1) -> AsyncIterator[None]:
    """Does that again and again, so many at once, until the block ends."""

    async def ever() -> None:
        while True:
            await doing()

    tasks = [asyncio.create_task(ever()) for _ in range(callers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for done in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(done, Exception):
                raise done


@asynccontextmanager
async def old_models(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    """It is so when the gateways start; what the list says is read again when they restart."""
    yield
    stage.provider.listed = dict.fromkeys(MODELS)
    for node in stage.nodes:
        await stage.restart(node)


@asynccontextmanager
async def killed(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    node = stage.nodes[1]
    await node.kill()
    yield
    await stage.begin(node)


@asynccontextmanager
async def forgotten(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    assert stage.prometheus
    stage.prometheus.aim(())
    yield
    stage.prometheus.aim(stage.addresses)


@asynccontextmanager
async def late_loop(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    async def pulse() -> None:
        with frozen(stage.nodes[0].pid):
            await asyncio.sleep(0.4)
        await asyncio.sleep(0.8)

    async with goes_on(pulse):
        yield


@asynccontextmanager
async def slow_database(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    async def pulse() -> None:
        with stage.postgres.paused():
            await asyncio.sleep(0.8)
        await asyncio.sleep(0.1)

    async with goes_on(pulse):
        yield


@asynccontextmanager
async def database_away(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    with stage.postgres.paused():
        yield


@asynccontextmanager
async def slow_redis(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    async def pulse() -> None:
        with stage.redis_frozen():
            await asyncio.sleep(0.04)
        await asyncio.sleep(0.01)

    async with goes_on(pulse):
        yield


@asynccontextmanager
async def redis_away(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    with stage.redis_frozen():
        yield


@asynccontextmanager
async def redis_comes_and_goes(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    async def pulse() -> None:
        with stage.redis_frozen():
            await asyncio.sleep(5)
        await asyncio.sleep(1.5)

    async with goes_on(pulse):
        yield


@asynccontextmanager
async def failing_model(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    stage.provider.on(SHAKY).always = refusal(503, "overloaded")
    crowd.models = (SHAKY,)
    yield
    stage.provider.on(SHAKY).always = Behaviour()
    crowd.models = USUAL


@asynccontextmanager
async def narrow_model(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    stage.provider.on(NARROW).always = Behaviour(delay=1.0)
    names = iter(range(1_000_000))

    async def ask() -> None:
        await crowd.rest(f"narrow-{next(names)}", NARROW)

    async with goes_on(ask, 16):
        yield
    stage.provider.on(NARROW).always = Behaviour()


@asynccontextmanager
async def many_tokens(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    usage = {"prompt_tokens": 9_000, "completion_tokens": 900, "total_tokens": 9_900}
    stage.provider.on(STEADY).always = Behaviour(usage=usage)
    yield
    stage.provider.on(STEADY).always = Behaviour(delay=0.05)


@asynccontextmanager
async def everybody_asks(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    names = iter(range(1_000_000))

    async def one() -> None:
        await crowd.looks(f"many-{next(names)}")

    async with goes_on(one, 6):
        yield


@asynccontextmanager
async def somebody_asks_too_much(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    async def one() -> None:
        await crowd.looks("greedy", "standard")
        await asyncio.sleep(0.05)

    async with goes_on(one):
        yield


@asynccontextmanager
async def spent_budget(stage: Stage, crowd: Crowd) -> AsyncIterator[None]:
    usage = {"prompt_tokens": 1_500, "completion_tokens": 900, "total_tokens": 2_400}
    stage.provider.on(SHAKY).always = Behaviour(usage=usage)
    names = iter(range(1_000_000))

    async def one() -> None:
        await crowd.rest(f"thrifty-{next(names)}", SHAKY, tier=THRIFTY)
        await asyncio.sleep(0.1)

    async with goes_on(one):
        yield
    stage.provider.on(SHAKY).always = Behaviour()


def _named(*names: str) -> tuple[str, ...]:
    return tuple(f"Loregate{name}" for name in names)


SCENES = (
    Scene(
        f"the provider's list gives {RETIRING!r} {DAYS} days and has no {LOST!r}; "
        "mended: the list is well, and the gateways restart one after the other",
        _named("ModelRetiring", "ModelGone"),
        old_models,
    ),
    Scene("one of two gateways is killed; mended: it is started", _named("Down"), killed),
    Scene("Prometheus is told of no gateway; mended: of both", _named("Absent"), forgotten),
    Scene("a gateway is frozen for 0.4 s again and again", _named("LoopLag"), late_loop),
    Scene(
        "PostgreSQL is frozen for 0.8 s again and again",
        _named("DatabaseSlow", "OwnOverhead"),
        slow_database,
    ),
    Scene(
        "PostgreSQL is frozen",
        _named("DatabaseAway", "Errors", "OperationsFailing"),
        database_away,
    ),
    Scene("Valkey is frozen for 40 ms of each 50", _named("RedisSlow"), slow_redis),
    Scene("Valkey is frozen", _named("RedisAway", "OutboxGrowing"), redis_away),
    Scene("Valkey is frozen for 5 s of each 6.5", _named("EventLag"), redis_comes_and_goes),
    Scene(
        "the asked model answers 503, and the next of the chain writes",
        _named("BreakerOpen", "MostlyDegraded", "Degraded"),
        failing_model,
    ),
    Scene(
        "16 callers at a model with two places in each gateway",
        _named("CallsWaiting"),
        narrow_model,
    ),
    Scene("answers of 9,900 tokens", _named("TokenSpike"), many_tokens),
    Scene(
        f"many users ask, to the end of the limit of all together ({GLOBAL_LIMIT} in {WINDOW} s)",
        _named("GlobalLimitNearEnd"),
        everybody_asks,
    ),
    Scene(
        "one user asks without a pause, and heeds no Retry-After",
        _named("LimitNearEnd", "Refusals"),
        somebody_asks_too_much,
    ),
    Scene(
        "a tier uses up its tokens of the day and goes on",
        _named("BudgetNearEnd", "BudgetExceeded", "BudgetStopsMany"),
        spent_budget,
    ),
)
