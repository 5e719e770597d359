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
from starlette.routing import Route, WebSocketRoute

from app import account_wiring, document_wiring, metrics_server, observe_wiring, policy_wiring
from app.console.pages import Pages
from app.errors import SettingsError
from app.events.fanout import Fanout
from app.events.log import EventLog
from app.events.relay import Relay
from app.generations import replay
from app.generations.generations import Generations
from app.generations.log import GenerationLog
from app.generations.transcript import Event
from app.hosts import Hosts
from app.llm.breaker import BreakerPolicy, Breakers
from app.llm.fallback import Models
from app.llm.probes import Probers
from app.llm.retirement import Retirement
from app.model_wiring import connect, model, model_rows, probe_timeout, required_models, storyteller
from app.observe import logs
from app.observe.health import Health
from app.observe.server_spans import ServerSpans
from app.observe.traffic import Traffic
from app.open_streams import OpenStreams
from app.operations import OPERATIONS
from app.origins import Cors, Origins
from app.pipeline.admission_call import AdmissionCall
from app.pipeline.charges import Charges
from app.pipeline.contents import Contents, prose_of
from app.pipeline.events import Events
from app.pipeline.finding import Finding
from app.pipeline.gateway import Gateway
from app.pipeline.idempotency import Idempotency
from app.pipeline.identity import Identity
from app.pipeline.keeping import Keeping
from app.pipeline.ratings import Ratings
from app.pipeline.reading import Reading
from app.pipeline.single_flight import SingleFlight
from app.pipeline.subscriptions import Subscriptions
from app.pipeline.unstored import UnstoredAnswers
from app.pipeline.usage import UsageRecorder
from app.pipeline.usage_report import UsageReports
from app.pipeline.user_data import UserData
from app.pipeline.writing import Writing
from app.policies.pseudonyms import Pseudonyms
from app.policies.revocation import Revocations
from app.policies.similar import SimilarityIndex
from app.policies.trusted_documents import DocumentWatch
from app.policy_wiring import authenticator, byte_budgets, quotas, rate_limiter
from app.redis.client import Redis, address
from app.rest import v2
from app.rest.access_log import AccessLog
from app.rest.host_check import HostCheck
from app.rest.trailing_slash import TrailingSlash
from app.settings import Settings
from app.shutdown import graceful_shutdown
from app.storage.backlog import backlog
from app.storage.store import Store
from resolvers import schema
from resolvers.endpoint import METHODS, Endpoint
from resolvers.execution import Executor
from resolvers.websocket import WebSocketEndpoint

# Objects before a young collection, 700 by default: GraphQL's 68 cyclic ones a request cost 10 %.
# Young ones before a middle one, 10 by default: that held the loop for 12 ms. Then a full one.
GC_THRESHOLDS = (5_000, 3, 50)
# The storyteller reads long texts in a thread, which may hold the loop for one such interval.
SWITCH_INTERVAL = 0.001  # s
PROBE_LEASE_MARGIN = 5.0  # s behind a probe's time after which its prober is given up for dead
EXPOSED_HEADERS = [
    "X-Request-ID",
    "X-Generation-ID",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-RateLimit-Scope",
    "RateLimit",
    "RateLimit-Policy",
    "X-Budget-Warning",
    "Retry-After",
    "Server-Timing",
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
    store: Store
    event_log: EventLog
    pseudonyms: Pseudonyms
    fanout: Fanout
    relay: Relay
    breakers: Breakers
    probing: Probers
    gateway: Gateway
    documents: DocumentWatch | None = None
    traces: observe_wiring.Traces | None = None


def create_app(
    settings: Settings | None = None,
    *,
    alone: bool = True,
    development_token: Callable[[], str] | None = None,
) -> Starlette:
    """The whole service as an ASGI app; from the environment when no settings are given.

    `alone`: the process has no other task, so that its garbage collector is set for this one.
    `development_token`: signs a token for who opens a page on this machine.

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
        open_introspection=settings.dev,
        suggestions=settings.dev,
        max_cost=settings.max_cost,
        trust=settings.documents.mode,
        compiled=settings.compiled_documents,
    )
    parts.traces = observe_wiring.Traces.of(settings)
    parts.documents = document_wiring.watch(settings, executor.trusted, parts.redis)
    pages = Pages(
        console=bool(settings.console),
        graphiql=bool(settings.graphiql),
        development_token=development_token,
    )
    endpoint = Endpoint(executor, gateway, page=pages.graphiql)
    origins = Origins(settings.cors_origins, loopback=settings.dev)
    hosts = Hosts(settings.allowed_hosts, served=settings.host, always=settings.dev)
    socket = WebSocketEndpoint(executor, gateway, origins=origins, hosts=hosts)
    metrics = settings.metrics_address or "closed"
    app = Starlette(
        routes=[
            Route("/graphql", endpoint.handle, methods=METHODS),
            WebSocketRoute("/graphql", socket.handle),
            *pages.routes(),
            *v2.routes(gateway, reference=pages.reference, metrics=metrics),
            *([pages.front_door()] if settings.dev else []),
        ],
        middleware=[
            *([Middleware(ServerSpans)] if parts.traces else []),
            Middleware(TrailingSlash),
            Middleware(AccessLog, traffic=traffic, metrics=gateway.metrics),
            Middleware(HostCheck, hosts=hosts, origins=origins),
            Middleware(
                Cors,
                origins=origins,
                allow_methods=["GET", "POST", "PUT", "DELETE"],
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
                expose_headers=EXPOSED_HEADERS,
                max_age=3600,
            ),
        ],
        exception_handlers={HTTPException: v2.http_errors(gateway)},
        lifespan=lifespan(parts, alone=alone),
    )
    app.router.redirect_slashes = False  # its Location would name the host that the caller named
    app.state.parts = parts
    return app


def wire(settings: Settings, traffic: Traffic) -> Parts:
    """Everything made and connected to each other; nothing of it runs yet."""
    redis = Redis(redis_url(settings))
    store = Store.open(settings.database)
    pseudonyms = Pseudonyms(redis, settings.key.get_secret_value() if settings.key else None)
    events = EventLog(
        redis,
        partitions=settings.event_partitions,
        retention=settings.event_retention,
        seal=pseudonyms.seal("events"),
        max_bytes=settings.event_bytes,
    )
    copies, transcripts = byte_budgets(settings)
    tables = model_rows(settings)
    timeout = probe_timeout(tables)
    shared = sorted({row.breaker for row in tables})
    breakers = Breakers(redis, shared, policy=BreakerPolicy(lease=timeout + PROBE_LEASE_MARGIN))

    async def recover(started: Event) -> list[Event] | None:
        """What a generation stored before its process died."""
        user_id, generation_id = started.get("user_id", ""), started.get("generation_id", "")
        found = await store.get_many(user_id, [generation_id])
        return replay.events(*prose_of(found[generation_id])) if found else None

    generations = Generations(
        GenerationLog(redis, transcripts),
        recover=recover,
        seal=pseudonyms.seal("generations"),
    )
    metrics = observe_wiring.metrics(settings, tables, lambda: gateway)
    models = Models(
        [*(model(row, breakers) for row in tables), storyteller()],
        chain=settings.fallback,
        required=required_models(settings),
        metrics=metrics,
    )

    redis.timed, store.database.timed = metrics.redis, metrics.database
    limiter = rate_limiter(settings)
    reserving = account_wiring.reservations(settings, redis, store, limiter, events, metrics)
    revocations = Revocations(redis)
    open_streams = OpenStreams(revocations.among, most_sockets=settings.sockets_per_user)
    idempotency, unstored = Idempotency(redis, store, copies), UnstoredAnswers(redis, copies)
    kept = quotas(settings, store.holdings, on_refusal=metrics.refused)
    gateway = Gateway(
        authenticator=(tokens := authenticator(settings)),
        identity=Identity(
            tokens, anonymous_limit=settings.anonymous_limit, on_refusal=metrics.refused
        ),
        revocations=revocations,
        limiter=limiter,
        admission_call=AdmissionCall(
            redis,
            limiter,
            revocations,
            charges=Charges(free=settings.file.subscriptions),
            reservations=reserving,
            on_refusal=metrics.refused,
            on_standings=metrics.standing,
        ),
        reading=Reading(
            models,
            store,
            pseudonyms,
            canaries=policy_wiring.canaries(settings),
            cache_ttl=settings.cache_ttl,
            cache_ttls=cache_ttls(settings),
        ),
        finding=Finding(store, idempotency, SimilarityIndex(redis)),
        single_flight=SingleFlight(redis, idempotency),
        writing=Writing(models, unstored, kept),
        keeping=Keeping(store, events, idempotency, unstored, copies),
        recorder=UsageRecorder(store.ledger, limiter),
        usage=UsageReports(store.ledger),
        contents=(contents := Contents(store, redis)),
        ratings=Ratings(store, contents, events, rated=metrics.rated),
        user_data=UserData(store, redis, events),
        quotas=kept,
        events=Events(events, fanout := Fanout(events, metrics.slow_reader), metrics),
        models=models,
        generations=generations,
        open_streams=open_streams,
        subscriptions=Subscriptions(settings.file.subscriptions),
        metrics=metrics,
        health=Health(
            database=store.ping,
            redis=redis.ping,
            models=lambda: models.state,
            traffic=traffic,
            stopping=lambda: open_streams.stopping,
        ),
    )
    relay = Relay(
        store,
        events,
        redis,
        retention=settings.event_retention,
        backlog=lambda: backlog(store.database),
        on_backlog=metrics.outbox,
    )
    probing = Probers(models, timeout=timeout)
    return Parts(
        settings, redis, store, events, pseudonyms, fanout, relay, breakers, probing, gateway
    )


def redis_url(settings: Settings) -> str:
    """Where Redis is. Raises `SettingsError` when nothing says it."""
    if settings.redis_url is None:
        raise SettingsError("REDIS_URL is needed, such as redis://localhost:6379/0")
    return settings.redis_url.get_secret_value()


def cache_ttls(settings: Settings) -> Mapping[str, float]:
    """Seconds for which answers are kept, by operation. Raises `SettingsError` for other names."""
    if unknown := set(settings.file.cache) - set(OPERATIONS):
        raise SettingsError(
            f"LOREGATE_CONFIG: [cache] names {', '.join(sorted(unknown))}; "
            f"it may name {', '.join(OPERATIONS)}"
        )
    return settings.file.cache


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def lifespan(parts: Parts, *, alone: bool) -> Callable[[Starlette], Any]:
    @asynccontextmanager
    async def run(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with running(parts):
            if alone:
                sys.setswitchinterval(SWITCH_INTERVAL)
                gc.collect()
                gc.freeze()  # what lives until the end need not be looked at again
                gc.set_threshold(*GC_THRESHOLDS)
            yield {"refused_below": parts.gateway.metrics.refused_below}

    return run


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """Everything started; at the end stopped, the last started first."""
    gateway, redis = parts.gateway, parts.redis
    async with AsyncExitStack() as stack:
        if parts.traces is not None:
            await stack.enter_async_context(parts.traces.made())
        stack.push_async_callback(redis.close)
        stack.push_async_callback(parts.store.close)
        stack.push_async_callback(gateway.authenticator.close)
        if reason := await redis.check():
            log.warning(
                "redis at %s cannot be reached (%s): limits are kept by each process and events "
                "wait in the database until it is back",
                address(redis.url),
                reason,
            )
        if parts.documents is not None:
            await parts.documents.start()
            stack.push_async_callback(parts.documents.stop)
        await parts.pseudonyms.start()
        stack.push_async_callback(parts.pseudonyms.stop)
        lists = await connect(parts.settings, gateway.models, redis)
        stack.push_async_callback(gateway.models.close)
        retirement = Retirement(lists, required_models(parts.settings))
        retirement.start()
        stack.push_async_callback(retirement.stop)
        parts.breakers.start()
        stack.push_async_callback(parts.breakers.stop)
        parts.probing.start()
        stack.push_async_callback(parts.probing.stop)
        parts.relay.start()  # before what makes events: it is stopped after that
        stack.push_async_callback(parts.relay.stop)
        stack.push_async_callback(gateway.single_flight.close)
        gateway.generations.start()
        stack.push_async_callback(gateway.generations.stop)
        if ":" in (address_of := parts.settings.metrics_address or ""):
            await stack.enter_async_context(
                metrics_server.serving(address_of, gateway.metrics.scrape)
            )
        watching = asyncio.create_task(gateway.metrics.watch(), name="metrics")
        stack.push_async_callback(_ended, watching)
        parts.fanout.start()
        stack.push_async_callback(parts.fanout.stop)
        gateway.open_streams.start()
        stack.push_async_callback(gateway.open_streams.stop)
        if (reservations := gateway.admission_call.reservations) is not None:
            reservations.start()
            stack.push_async_callback(reservations.stop)
        await gateway.health.start()
        stack.push_async_callback(gateway.health.stop)
        stack.enter_context(graceful_shutdown(gateway.open_streams))
        yield
