"""create_app: the only place where things are wired."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from app.errors import DependencyUnavailable, SettingsError
from app.events.fanout import Fanout
from app.events.log import EventLog
from app.events.relay import Relay
from app.gateway import Gateway, told
from app.generations import kept
from app.generations.generations import Generations
from app.generations.log import GenerationLog
from app.generations.transcript import Event
from app.leases import Leases
from app.llm.base import Outcome
from app.llm.breaker import Breakers, Rules
from app.llm.fallback import Models
from app.llm.model import STORYTELLER
from app.llm.probing import Probing
from app.llm.retirement import Retirement
from app.model_wiring import connect, model, needed, probe_time, rows, storyteller
from app.observe import logs
from app.observe.health import Health
from app.observe.metrics import Metrics
from app.observe.traffic import Traffic
from app.operations import OPERATIONS
from app.origins import Cors, Origins
from app.policies.auth import Authenticator, key_source
from app.policies.limiter import RateLimiter
from app.policies.limits import DEFAULT_LIMITS, DEFAULT_TIERS, Limit
from app.policies.once import Once
from app.policies.pseudonyms import Pseudonyms
from app.policies.similar import Similar
from app.redis import Redis, address
from app.rest import v2
from app.rest.middleware import RequestLine
from app.settings import Settings
from app.stopping import heeded
from app.storage.store import Store
from resolvers import schema
from resolvers.endpoint import Endpoint
from resolvers.execution import Executor
from resolvers.socket import Socket

# Objects allocated before a young collection: 700 by default, at which GraphQL's 68 cyclic
# objects a request cost about 10 %; at 100,000 a collection pauses for 80 ms.
GC_THRESHOLD = 5_000
# The storyteller reads long texts in a thread, which may hold the loop for one such interval.
SWITCH_INTERVAL = 0.001  # s
PROBED = 5.0  # s behind a probe's time after which its prober is given up for dead
EXPOSED = [
    "X-Request-ID",
    "X-Generation-ID",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-RateLimit-Scope",
    "Retry-After",
    "X-Cache",
    "X-Similarity",
    "Age",
]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Parts:
    """What runs beside the requests, from start to stop."""

    settings: Settings
    redis: Redis
    relay: Relay
    breakers: Breakers
    probing: Probing
    gateway: Gateway


def create_app(settings: Settings | None = None, *, alone: bool = True) -> Starlette:
    """The whole service as an ASGI app; from the environment when no settings are given.

    `alone`: the process has no other task, so that its garbage collector is set for this one.

    Raises:
        SettingsError: a setting is wrong; nothing was opened.
    """
    if settings is None:
        settings = Settings.load()
        logs.configure(settings.log_level, settings.log_format)
    traffic = Traffic()
    parts = wire(settings, traffic)
    gateway = parts.gateway
    executor = Executor(
        schema.build(),
        gateway,
        introspection=bool(settings.introspection),
        subscriptions=settings.file.subscriptions,
    )
    endpoint = Endpoint(executor, gateway, page=bool(settings.graphiql))
    origins = Origins(settings.cors_origins, loopback=settings.dev)
    socket = Socket(executor, gateway, origins=origins)
    app = Starlette(
        routes=[
            Route("/graphql", endpoint.handle, methods=["GET", "POST"]),
            WebSocketRoute("/graphql", socket.handle),
            *v2.routes(gateway),
            *_front_door(settings),
        ],
        middleware=[
            Middleware(RequestLine, traffic=traffic, metrics=gateway.metrics),
            Middleware(
                Cors,
                origins=origins,
                allow_methods=["GET", "POST", "DELETE"],
                allow_headers=[
                    "Authorization",
                    "Cache-Control",
                    "Content-Type",
                    "Idempotency-Key",
                    "Last-Event-ID",
                    "X-Allow-Degraded",
                    "X-On-Disconnect",
                    "X-Request-ID",
                ],
                expose_headers=EXPOSED,
                max_age=3600,
            ),
        ],
        exception_handlers={HTTPException: v2.http_error},
        lifespan=lifespan(parts, alone=alone),
    )
    app.state.parts = parts
    return app


def _front_door(settings: Settings) -> list[Route]:
    """In `loregate dev` the address itself leads to a page; in production nothing is there."""

    async def lead(_: Request) -> Response:
        return RedirectResponse("/graphql" if settings.graphiql else "/api/v2/docs")

    return [Route("/", lead)] if settings.dev else []


def wire(settings: Settings, traffic: Traffic) -> Parts:
    """Everything made and connected to each other; nothing of it runs yet."""
    redis = Redis(redis_url(settings))
    store = Store.open(settings.database)
    events = EventLog(
        redis, partitions=settings.event_partitions, retention=settings.event_retention
    )
    tables = rows(settings)
    names = [row.name for row in tables]
    patience = probe_time(tables)
    shared = sorted({row.breaker for row in tables})
    breakers = Breakers(redis, shared, rules=Rules(lease=patience + PROBED))

    async def left(started: Event) -> list[Event] | None:
        """What a generation stored before its process died."""
        user_id, generation_id = started.get("user_id", ""), started.get("generation_id", "")
        found = await store.get_many(user_id, [generation_id])
        return kept.ending(*told(found[generation_id])) if found else None

    generations = Generations(GenerationLog(redis), left=left)
    found = limits(settings)
    metrics = Metrics(
        models=[*names, STORYTELLER],
        outcomes=[o.value for o in Outcome],
        operations=list(OPERATIONS),
        scopes=[limit.scope for limit in found],
        breakers=lambda: {m.name: m.breaker_state.value for m in models if m.breaker},
        retiring=lambda: {m.name: m.retires_at for m in models if m.retires_at},
        gone=lambda: {n: models[n].gone for n in names},
        running=lambda: {m.name: m.bulkhead.running for m in models},
        waiting=lambda: {m.name: m.bulkhead.waiting for m in models},
        generations=lambda: generations.running,
        redis_up=lambda: redis.up,
        streams=lambda: len(leases),
        tasks=lambda: len(asyncio.all_tasks()),
    )
    models = Models(
        [*(model(row, breakers) for row in tables), storyteller()],
        chain=settings.fallback,
        needed=needed(settings),
        watcher=metrics,
    )

    async def redis_answers() -> None:
        if await redis.check() is not None:
            raise DependencyUnavailable("redis")

    limiter = RateLimiter(
        redis,
        limits=found,
        tiers={**DEFAULT_TIERS, **settings.file.tiers},
        processes=settings.replicas * settings.workers,
        refused=metrics.refused,
    )
    leases = Leases(limiter.revoked)
    gateway = Gateway(
        authenticator=authenticator(settings),
        limiter=limiter,
        models=models,
        store=store,
        log=events,
        fanout=Fanout(events),
        once=Once(redis),
        similar=Similar(redis),
        generations=generations,
        metrics=metrics,
        leases=leases,
        pseudonyms=Pseudonyms(redis, settings.key.get_secret_value() if settings.key else None),
        cache_ttl=settings.cache_ttl,
        cache_times=cache_times(settings),
        health=Health(
            database=store.ping,
            redis=redis_answers,
            models=lambda: models.state,
            traffic=traffic,
            stopping=lambda: leases.stopping,
        ),
    )
    relay = Relay(store, events, redis, retention=settings.event_retention)
    return Parts(settings, redis, relay, breakers, Probing(models, patience=patience), gateway)


def redis_url(settings: Settings) -> str:
    """Where Redis is. Raises `SettingsError` when nothing says it."""
    if settings.redis_url is None:
        raise SettingsError("REDIS_URL is needed, such as redis://localhost:6379/0")
    return settings.redis_url.get_secret_value()


def cache_times(settings: Settings) -> Mapping[str, float]:
    """Seconds for which answers are kept, by operation. Raises `SettingsError` for other names."""
    if unknown := set(settings.file.cache) - set(OPERATIONS):
        raise SettingsError(
            f"LOREGATE_CONFIG: [cache] names {', '.join(sorted(unknown))}; "
            f"it may name {', '.join(OPERATIONS)}"
        )
    return settings.file.cache


def authenticator(settings: Settings) -> Authenticator:
    source = key_source(
        secrets=[s.get_secret_value() for s in settings.jwt_secret],
        public_keys=settings.jwt_public_key,
        jwks_url=settings.jwt_jwks_url,
        algorithms=settings.jwt_algorithms,
    )
    return Authenticator(source, issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def limits(settings: Settings) -> list[Limit]:
    """The default limits, replaced or joined by the configured ones."""
    found = {(x.target, x.counts): x for x in DEFAULT_LIMITS}
    for table in settings.file.limits:
        found[(table.target, table.counts)] = Limit(**table.model_dump())
    return list(found.values())


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def lifespan(parts: Parts, *, alone: bool) -> Callable[[Starlette], Any]:
    @asynccontextmanager
    async def run(_: Starlette) -> AsyncIterator[None]:
        async with running(parts):
            if alone:
                sys.setswitchinterval(SWITCH_INTERVAL)
                gc.collect()
                gc.freeze()  # what lives until the end need not be looked at again
                gc.set_threshold(GC_THRESHOLD)
            yield

    return run


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """Everything started; at the end stopped, the last started first."""
    gateway, redis = parts.gateway, parts.redis
    async with AsyncExitStack() as stack:
        stack.push_async_callback(redis.close)
        stack.push_async_callback(gateway.store.close)
        stack.push_async_callback(gateway.authenticator.close)
        if reason := await redis.check():
            log.warning(
                "redis at %s cannot be reached (%s): limits are kept by each process and events "
                "wait in the database until it is back",
                address(redis.url),
                reason,
            )
        await gateway.pseudonyms.start()
        stack.push_async_callback(gateway.pseudonyms.stop)
        lists = await connect(parts.settings, gateway.models, redis)
        stack.push_async_callback(gateway.models.close)
        retirement = Retirement(lists, needed(parts.settings))
        retirement.start()
        stack.push_async_callback(retirement.stop)
        parts.breakers.start()
        stack.push_async_callback(parts.breakers.stop)
        parts.probing.start()
        stack.push_async_callback(parts.probing.stop)
        parts.relay.start()  # before what makes events: it is stopped after that
        stack.push_async_callback(parts.relay.stop)
        stack.push_async_callback(gateway.once.close)
        gateway.generations.start()
        stack.push_async_callback(gateway.generations.stop)
        watching = asyncio.create_task(gateway.metrics.watch(), name="metrics")
        stack.push_async_callback(_ended, watching)
        gateway.fanout.start()
        stack.push_async_callback(gateway.fanout.stop)
        gateway.leases.start()
        stack.push_async_callback(gateway.leases.stop)
        await gateway.health.start()
        stack.push_async_callback(gateway.health.stop)
        stack.enter_context(heeded(gateway.leases))
        yield
