"""Metrics: what Prometheus scrapes.

Labels come from closed sets that are known at the start; anything else counts as "other".

Several workers share one scrape through files in the directory that PROMETHEUS_MULTIPROC_DIR names.
prometheus_client looks for the variable when it is imported, so it has to stand in the environment
that a worker starts with. The directory should be new at each start of the service.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase, disable_created_metrics
from prometheus_client.multiprocess import MultiProcessCollector

from app.errors import SettingsError

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
REFRESH_INTERVAL = (
    5.0  # s between looks at what only a worker itself knows; scrapes come each 15 to 60
)
OTHER = "other"
EDGES = ("rest", "graphql", "websocket", OTHER)
STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx", OTHER)
CACHES = ("hit", "miss", "coalesced", "bypass", OTHER)
KINDS = ("prompt", "completion", "cached", "reasoning", "estimated")
STATES = ("closed", "open", "half_open")
REQUEST_BUCKETS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
)  # s
MODEL_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 120)  # s
FIRST_TOKEN_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10, 20)  # s

M = TypeVar("M", bound=MetricWrapperBase)


class _Children(dict[tuple[str, ...], M]):
    """A metric's children, one for each combination of its labels' values, made once.

    All of them begin at nought: Prometheus would not see the first rise of one that appears.
    """

    def __init__(self, metric: M, known: Collection[Collection[str]]) -> None:
        keys, self._known = itertools.product(*known), known
        super().__init__((k, metric.labels(*k) if k else metric) for k in keys)

    def __missing__(self, key: tuple[str, ...]) -> M:
        found = zip(key, self._known, strict=True)
        return self[tuple(v if v in known else OTHER for v, known in found)]


class Metrics:
    """Counts what is told to it, and reads the rest when it is scraped.

    The collections are the labels' values: the configured models, the outcomes of an attempt, the
    operations, the scopes of limits. The callables are asked on the event loop, at each scrape and,
    among several workers, every few seconds: the state of each model's breaker, the calls that
    run and wait for each model, when one is shut down and whether it was, how many generations
    run, whether Redis answers, how many sockets and streams are open, how many tasks there are.

    Raises:
        SettingsError: PROMETHEUS_MULTIPROC_DIR is set and cannot be used.
    """

    def __init__(
        self,
        *,
        models: Collection[str],
        outcomes: Collection[str],
        operations: Collection[str],
        scopes: Collection[str],
        breakers: Callable[[], Mapping[str, str]] = dict,
        running: Callable[[], Mapping[str, int]] = dict,
        waiting: Callable[[], Mapping[str, int]] = dict,
        generations: Callable[[], int] = int,
        redis_up: Callable[[], bool] = lambda: True,
        streams: Callable[[], int] = int,
        tasks: Callable[[], int] = int,
        retiring: Callable[[], Mapping[str, date]] = dict,
        gone: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        self._directory = shared_directory()
        self._registry = CollectorRegistry()
        self._ask_breakers, self._ask_running, self._ask_waiting = breakers, running, waiting
        self._ask_generations, self._ask_redis = generations, redis_up
        self._ask_streams, self._ask_tasks = streams, tasks
        self._ask_retiring, self._ask_gone = retiring, gone
        # A second series for each, which only OpenMetrics knows.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
        self._make_counters((*models, OTHER), (*outcomes, OTHER))
        self._make_gauges(models, (*models, OTHER))
        self._make_others((*operations, OTHER), (*scopes, OTHER))

    def _make(
        self, kind: Callable[..., M], name: str, said: str, /, **labels: Collection[str]
    ) -> _Children[M]:
        metric = kind(f"loregate_{name}", said, tuple(labels), registry=self._registry)
        return _Children(metric, labels.values())

    def _make_counters(self, models: Collection[str], outcomes: Collection[str]) -> None:
        make, timed = self._make, partial(Histogram, buckets=MODEL_BUCKETS)
        tries, tokens = {"model": models, "outcome": outcomes}, {"model": models, "kind": KINDS}
        self._attempts = make(Counter, "model_attempts_total", "Attempts on a model", **tries)
        self._tries = make(timed, "model_seconds", "Time of an attempt on a model", model=models)
        self._tokens = make(Counter, "model_tokens_total", "Tokens of answers", **tokens)
        self._cost = make(Counter, "model_cost_usd_total", "US dollars for answers", model=models)
        timed, said = (
            partial(Histogram, buckets=FIRST_TOKEN_BUCKETS),
            "Time to a model's first token",
        )
        self._began = make(timed, "model_first_token_seconds", said, model=models)

    def _make_others(self, operations: Collection[str], scopes: Collection[str]) -> None:
        make, timed = self._make, partial(Histogram, buckets=REQUEST_BUCKETS)
        asked = {"edge": EDGES, "status": STATUSES}
        done = {"operation": operations, "cache": CACHES}
        self._requests = make(Counter, "requests_total", "Requests answered", **asked)
        self._took = make(timed, "request_seconds", "Time to answer a request", edge=EDGES)
        self._operations = make(Counter, "operations_total", "Operations run", **done)
        said = "Requests for a document that is not listed"
        self._unlisted = make(Counter, "unlisted_documents_total", said)
        said = "Requests that a limit refused"
        self._refusals = make(Counter, "limit_refusals_total", said, scope=scopes)

    def _make_gauges(self, models: Collection[str], any_model: Collection[str]) -> None:
        # Of several workers the living count: their sum, any that says so, any that does not.
        total = partial(Gauge, multiprocess_mode="livesum")
        yes, no = (partial(Gauge, multiprocess_mode=m) for m in ("livemax", "livemin"))
        make, said = self._make, "Whether a model's circuit breaker is in this state"
        self._states = make(yes, "breaker_state", said, model=models, state=STATES)
        said = "When a model is shut down, Unix seconds; 0 unless its provider says so"
        self._shutdown = make(yes, "model_shutdown_timestamp_seconds", said, model=models)
        said = "Whether a model's provider no longer has it"
        self._gone = make(yes, "model_gone", said, model=models)
        self._running = make(total, "model_calls_running", "Calls that run now", model=any_model)
        self._waiting = make(total, "model_calls_waiting", "Calls that wait now", model=any_model)
        self._generations = make(total, "generations_running", "Generations that run now")
        self._redis = make(no, "redis_up", "Whether Redis answers")
        self._streams = make(total, "open_streams", "WebSockets and event streams that are open")
        self._tasks = make(total, "tasks", "Tasks of the event loop")

    def request(self, edge: str, status: int, seconds: float) -> None:
        """A request was answered with this HTTP status; a WebSocket's is that of its handshake."""
        self._requests[edge, f"{status // 100}xx"].inc()
        self._took[edge,].observe(seconds)

    def attempt(self, model: str, outcome: str, seconds: float) -> None:
        """An attempt on a model ended."""
        self._attempts[model, outcome].inc()
        self._tries[model,].observe(seconds)

    def answered(
        self,
        model: str,
        *,
        prompt: int = 0,
        completion: int = 0,
        cached: int = 0,
        reasoning: int = 0,
        cost: float | None = None,
        first_token_seconds: float | None = None,
    ) -> None:
        """A model answered: tokens, US dollars where the price is known, how soon it began."""
        self.spent(
            model,
            prompt=prompt,
            completion=completion,
            cached=cached,
            reasoning=reasoning,
            cost=cost,
        )
        if first_token_seconds is not None:
            self._began[model,].observe(first_token_seconds)

    def spent(
        self,
        model: str,
        *,
        prompt: int = 0,
        completion: int = 0,
        cached: int = 0,
        reasoning: int = 0,
        cost: float | None = None,
        estimated: bool = False,
    ) -> None:
        """Tokens and US dollars were spent, for an answer or for none; `estimated`: as we count."""
        self._tokens[model, "prompt"].inc(prompt)
        self._tokens[model, "completion"].inc(completion)
        if cached:
            self._tokens[model, "cached"].inc(cached)
        if reasoning:
            self._tokens[model, "reasoning"].inc(reasoning)
        if cost:
            self._cost[model,].inc(cost)
        if estimated:
            self._tokens[model, "estimated"].inc(prompt + completion)

    def unlisted_document(self) -> None:
        """A document was asked for that is not trusted, whether it was refused or not."""
        self._unlisted[()].inc()

    def operation(self, name: str, cache: str) -> None:
        """An operation was run; `cache` is hit, miss, coalesced or bypass."""
        self._operations[name, cache].inc()

    def refused(self, scope: str) -> None:
        """A limit refused a request."""
        self._refusals[scope,].inc()

    def refresh(self) -> None:
        """Ask the callables."""
        breakers = self._ask_breakers()
        for (model, state), gauge in self._states.items():
            gauge.set(breakers.get(model) == state)
        dates, gone = self._ask_retiring(), self._ask_gone()
        for (model,), gauge in self._shutdown.items():
            gauge.set(_midnight(dates[model]) if model in dates else 0)
        for (model,), gauge in self._gone.items():
            gauge.set(gone.get(model, False))
        _set_all(self._running, self._ask_running())
        _set_all(self._waiting, self._ask_waiting())
        self._generations[()].set(self._ask_generations())
        self._redis[()].set(self._ask_redis())
        self._streams[()].set(self._ask_streams())
        self._tasks[()].set(self._ask_tasks())

    def render(self) -> tuple[bytes, str]:
        """What Prometheus reads, and its content type. It takes 5 ms, and among several workers
        reads their files: on an event loop use `scrape`.
        """
        self.refresh()
        return self._text(), CONTENT_TYPE_LATEST

    async def scrape(self) -> tuple[bytes, str]:
        """As `render`, with the text made in a thread."""
        self.refresh()
        return await asyncio.to_thread(self._text), CONTENT_TYPE_LATEST

    def _text(self) -> bytes:
        if self._directory is None:
            return generate_latest(self._registry)
        _forget_gauges(self._directory, lambda pid: not _lives(pid))
        everybodys = CollectorRegistry()
        MultiProcessCollector(everybodys, str(self._directory))  # type: ignore[no-untyped-call]  # it has no types
        return generate_latest(everybodys)

    async def watch(self) -> None:
        """Until cancelled, keep one of several workers' gauges fresh, as a scrape reaches one."""
        if self._directory is None:
            return  # a scrape reaches this one
        try:
            while True:
                self.refresh()
                await asyncio.sleep(REFRESH_INTERVAL)
        finally:
            _forget_gauges(self._directory, lambda pid: pid == os.getpid())


def shared_directory() -> Path | None:
    """Where several workers keep their metrics; None for one that is alone.

    Raises:
        SettingsError: no such directory, or the variable was set too late to be heeded.
    """
    name = os.environ.get(DIRECTORY)
    shared = values.ValueClass is not values.MutexValue  # what the library decided at its import
    if name is None and not shared:
        return None
    if not name or not Path(name).is_dir():
        raise SettingsError(f"{DIRECTORY} is {name!r}; it must name a directory that exists")
    if not shared:
        raise SettingsError(f"{DIRECTORY} must be set before the process starts")
    return Path(name)


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _set_all(gauges: _Children[Gauge], counts: Mapping[str, int]) -> None:
    sums = dict.fromkeys(gauges, 0)
    for model, count in counts.items():
        sums[(model,) if (model,) in sums else (OTHER,)] += count
    for key, total in sums.items():
        gauges[key].set(total)


def _forget_gauges(directory: Path, of: Callable[[int], bool]) -> None:
    """Remove the gauges of some processes; their counters still count."""
    for path in directory.glob("gauge_live*.db"):
        if of(int(path.stem.rpartition("_")[2])):
            path.unlink(missing_ok=True)  # another worker may be doing the same


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # it is another user's
    return True
