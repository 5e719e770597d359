"""Metrics: the one object that is told what happened, and tells Prometheus.

What there is to tell stands in `metric_names.py`, how it is kept in `series.py`; of several workers
any answers for all (`multiprocess.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Protocol

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from app.observe import loop_lag
from app.observe import metric_names as names
from app.observe.extremes import Extremes
from app.observe.metric_names import OTHER, Configured
from app.observe.multiprocess import SharedCells, shared_directory
from app.observe.series import Cells, Family, Provided, Series

REFRESH_INTERVAL = 5.0  # s between looks at what only a worker knows; scrapes come each 15 to 60
NANO = 1_000_000_000


class Usage(Protocol):
    """Tokens of a call: `cached` and `cache_write` are part of the prompt's, `reasoning` of the
    completion's; `counted`: by the gateway, as the provider did not say."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def cached(self) -> int: ...
    @property
    def cache_write(self) -> int: ...
    @property
    def reasoning(self) -> int: ...
    @property
    def counted(self) -> bool: ...


class Standing(Protocol):
    """How a limit stands."""

    @property
    def scope(self) -> str: ...
    @property
    def limit(self) -> int: ...
    @property
    def remaining(self) -> int: ...


class Metrics:
    """Counts what is told to it, and asks for the rest when it is scraped.

    The collections are the labels' values: the configured models, the outcomes of an attempt, the
    operations, the scopes of limits, the budgets, the versions of prompts. provided: by a model's
    name, its provider's name in OpenTelemetry's conventions, and the model's name there. The
    callables are asked on the event loop, at each scrape and, among several workers, every few
    seconds: the state of each model's breaker, the calls that run and wait for each model, when one
    is shut down and whether it was, how many generations run, whether Redis and the database
    answer, how many sockets and streams are open, how many subscriptions by edge, how many tasks.

    Raises:
        SettingsError: PROMETHEUS_MULTIPROC_DIR names no directory.
    """

    def __init__(
        self,
        *,
        models: Collection[str],
        outcomes: Collection[str],
        operations: Collection[str],
        scopes: Collection[str],
        budgets: Collection[str] = (),
        prompt_versions: Collection[str] = (),
        provided: Provided | None = None,
        breakers: Callable[[], Mapping[str, str]] = dict,
        running: Callable[[], Mapping[str, int]] = dict,
        waiting: Callable[[], Mapping[str, int]] = dict,
        generations: Callable[[], int] = int,
        redis_up: Callable[[], bool] = lambda: True,
        database_up: Callable[[], bool] = lambda: True,
        streams: Callable[[], int] = int,
        subscriptions: Callable[[], Mapping[str, int]] = dict,
        tasks: Callable[[], int] = int,
        retiring: Callable[[], Mapping[str, date]] = dict,
        gone: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        sets = {
            Configured.MODELS: [*models],
            Configured.ANY_MODEL: [*models, OTHER],
            Configured.ATTEMPTS: [*outcomes, OTHER],
            Configured.OPERATIONS: [*operations, OTHER],
            Configured.SCOPES: [*scopes, OTHER],
            Configured.BUDGETS: [*budgets, OTHER] if budgets else [],
            Configured.PROMPT_VERSIONS: [*prompt_versions, OTHER],
        }
        self._ask_breakers, self._ask_running, self._ask_waiting = breakers, running, waiting
        self._ask_retiring, self._ask_gone = retiring, gone
        self._ask_subscriptions = subscriptions
        self._ask_one: list[tuple[names.MetricName, Callable[[], float]]] = [
            (names.GENERATIONS_RUNNING, generations),
            (names.REDIS_UP, redis_up),
            (names.DATABASE_UP, database_up),
            (names.OPEN_STREAMS, streams),
            (names.TASKS, tasks),
        ]
        self._series = series = Series(names.ALL, sets, provided or {})
        directory = shared_directory()
        self._shared = None if directory is None else SharedCells(directory, series)
        self._cells: Cells = self._shared.own if self._shared else series.new()
        self._headroom = Extremes(scopes, lowest=True)
        self._budgets = Extremes(budgets, lowest=False)
        self._refer()

    def _refer(self) -> None:
        """What is counted with every request, found at once."""
        series = self._series
        self._requests, self._took = series[names.REQUESTS], series[names.REQUEST_SECONDS]
        self._operations, self._caches = series[names.OPERATIONS], series[names.CACHE]
        self._own, self._waited = series[names.OWN_OVERHEAD], series[names.WAITING]
        self._redis, self._database = series[names.REDIS_SECONDS], series[names.DATABASE_SECONDS]

    def _add(self, name: names.MetricName, amount: float, *labels: str) -> None:
        self._cells[self._series[name][labels]] += amount

    def _observe(self, name: names.MetricName, seconds: float, *labels: str) -> None:
        self._series[name].observe(self._cells, seconds, *labels)

    # -- requests
    def request(self, edge: str, status: int, seconds: float) -> None:
        """A request was answered with this HTTP status; a WebSocket's is that of its handshake."""
        self._cells[self._requests[edge, f"{status // 100}xx"]] += 1
        self._took.observe(self._cells, seconds, edge)

    def refused_below(self, status: int | None) -> None:
        """Refused below the application with this HTTP status, or without an answer."""
        self._add(names.REFUSED_BELOW, 1, "dropped" if status is None else str(status))

    def unlisted_document(self) -> None:
        """A document was asked for that is not trusted, whether it was refused or not."""
        self._add(names.UNLISTED_DOCUMENTS, 1)

    # -- operations
    def operation(self, edge: str, name: str, outcome: str, *, own: float, waiting: float) -> None:
        """An operation that a caller asked for ended; seconds: the gateway's own, and waiting."""
        cells = self._cells
        cells[self._operations[edge, name, outcome]] += 1
        self._own.observe(cells, own, name)
        self._waited.observe(cells, waiting, name)

    def found(self, operation: str, result: str) -> None:
        """An operation has its answer; `result` is hit, miss, coalesced or bypass."""
        self._cells[self._caches[operation, result]] += 1

    def rated(self, model: str, prompt_version: str, score: int) -> None:
        """A caller rated a content, 1 to 5."""
        self._add(names.RATINGS, 1, model, prompt_version, str(score))

    # -- models
    def attempt(self, model: str, outcome: str, called: float | None) -> None:
        """An attempt on a model ended; called: how many seconds its call took, if there was one."""
        self._add(names.ATTEMPTS, 1, model, outcome)
        if called is not None:
            self._observe(names.INFERENCE, called, model, outcome)

    def first_chunk(self, model: str, seconds: float) -> None:
        """A model's first text came so long after it was called."""
        self._observe(names.FIRST_CHUNK, seconds, model)

    def spent(self, model: str, usage: Usage, nano_usd: int) -> None:
        """A call took tokens and billionths of a US dollar, for an answer or for none."""
        self._add(names.INPUT_TOKENS, usage.prompt_tokens, model)
        self._add(names.OUTPUT_TOKENS, usage.completion_tokens, model)
        self._add(names.CACHE_READ_TOKENS, usage.cached, model)
        self._add(names.CACHE_WRITE_TOKENS, usage.cache_write, model)
        self._add(names.REASONING_TOKENS, usage.reasoning, model)
        if usage.counted:
            total = usage.prompt_tokens + usage.completion_tokens
            self._add(names.ESTIMATED_TOKENS, total, model)
        self._add(names.COST, nano_usd, model)

    # -- limits and budgets
    def refused(self, scope: str) -> None:
        """A limit refused a request."""
        self._add(names.REFUSALS, 1, scope)
        self._headroom.note(scope, 0.0)

    def standing(self, found: Iterable[Standing]) -> None:
        """How limits stand for somebody now."""
        for limit in found:
            self._headroom.note(limit.scope, limit.remaining / limit.limit)

    def budget_used(self, name: str, ratio: float) -> None:
        """So much of a budget is spent or reserved now, 1: all."""
        self._budgets.note(name, ratio)

    def budget_refused(self, name: str) -> None:
        """A budget refused a request."""
        self._of_budget(names.BUDGET_REFUSALS, name)

    def budget_warned(self, name: str) -> None:
        """A budget came near its end in this period."""
        self._of_budget(names.BUDGET_WARNINGS, name)

    def _of_budget(self, counter: names.MetricName, name: str) -> None:
        if self._series[counter].end > self._series[counter].start:  # there are budgets
            self._add(counter, 1, name)

    # -- events
    def delivered(self, edge: str, lag: float | None) -> None:
        """An event was sent to a subscriber, so many seconds after it occurred; None: one that
        had occurred before the subscriber came."""
        self._add(names.DELIVERIES, 1, edge)
        if lag is not None:
            self._observe(names.EVENT_LAG, max(0.0, lag))

    def slow_reader(self) -> None:
        """A subscriber fell behind what the process remembers."""
        self._add(names.SLOW_READERS, 1)

    def outbox(self, events: int, oldest: float) -> None:
        """So many events wait to be published; seconds since the oldest of them was stored."""
        self._set(names.OUTBOX_EVENTS, {(): events})
        self._set(names.OUTBOX_OLDEST, {(): oldest})

    # -- what the gateway stands on
    def redis(self, seconds: float) -> None:
        """A call of Redis ended."""
        self._redis.observe(self._cells, seconds)

    def database(self, seconds: float) -> None:
        """A piece of work in the database ended."""
        self._database.observe(self._cells, seconds)

    def loop_lag(self, seconds: float) -> None:
        """The event loop came to a timer so late."""
        self._observe(names.LOOP_LAG, seconds)

    @property
    def names_kept(self) -> int:
        """How many series were looked up and are remembered: never more than there are."""
        return sum(map(len, self._series.families.values()))

    # -- gauges
    def _set(self, name: names.MetricName, found: Mapping[tuple[str, ...], float]) -> None:
        """All of a gauge's series; those that are not given are nought, others than known summed.

        What is not in a set without an "other" is left out.
        """
        family, cells = self._series[name], self._cells
        sums = dict.fromkeys((at for _, at in family.series()), 0.0)
        for values, value in found.items():
            if (at := _place(family, values)) is not None:
                sums[at] += value
        for at, value in sums.items():
            cells[at] = value

    def _set_models(self, name: names.MetricName, found: Mapping[str, float]) -> None:
        self._set(name, {(model,): value for model, value in found.items()})

    def refresh(self) -> None:
        """Ask the callables."""
        self._set(names.BREAKER_STATE, dict.fromkeys(self._ask_breakers().items(), 1))
        dates = self._ask_retiring()
        self._set_models(names.SHUTDOWN, {model: _midnight(day) for model, day in dates.items()})
        self._set_models(names.GONE, self._ask_gone())
        self._set_models(names.CALLS_RUNNING, self._ask_running())
        self._set_models(names.CALLS_WAITING, self._ask_waiting())
        self._set_models(names.SUBSCRIPTIONS, self._ask_subscriptions())
        for name, ask in self._ask_one:
            self._set(name, {(): ask()})
        # Nobody came near a limit or a budget that nobody touched.
        self._set_extremes(names.HEADROOM, self._headroom, 1.0)
        self._set_extremes(names.BUDGET_USED, self._budgets, 0.0)

    def _set_extremes(self, name: names.MetricName, seen: Extremes, unseen: float) -> None:
        for values, at in self._series[name].series():
            found = seen.of(values[0])
            self._cells[at] = unseen if found is None else found

    # -- telling
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
        if self._shared is None:
            return self._series.text([self._cells])
        living, ended = self._shared.read()
        return self._series.text(living, ended)

    async def watch(self) -> None:
        """Until cancelled, look at the event loop, and keep one of several workers' gauges fresh,
        as a scrape reaches one."""
        self.refresh()
        async with asyncio.TaskGroup() as group:
            group.create_task(loop_lag.watch(self.loop_lag), name="loop-lag")
            if self._shared is not None:
                group.create_task(self._keep_fresh(), name="metrics-refresh")

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_INTERVAL)
            self.refresh()


def _place(family: Family, values: tuple[str, ...]) -> int | None:
    try:
        return family[values]
    except KeyError:  # its set has no "other"
        return None


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
