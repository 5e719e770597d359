"""Tracing: OpenTelemetry's tracer behind `app.spans`, exported over OTLP/HTTP.

The SDK reads its own variables (OTEL_*). What it exports waits in a bounded queue for a thread of
its own, so that a collector that is slow or away costs spans and never a request. Imported only
where traces are on: the SDK and its exporter take 0.2 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Mapping
from contextvars import ContextVar, Token
from importlib.metadata import version
from types import TracebackType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    set_span_in_context,
)
from opentelemetry.trace import Span as SdkSpan

from app import spans
from app.errors import GatewayError, SettingsError
from app.observe import trace_context
from app.observe.sampling import EVERYTHING, Bucket, CallersBounded
from app.spans import NOTHING, Facts, Kind, Span

FLUSH_TIMEOUT = 1.5  # s that a stop waits for the last spans; `server.KILL_TIMEOUT` has the sum
MAX_VALUE = 1_024  # characters of an attribute
MAX_TEXT = 65_536  # where texts are told, which are cut to less before
LENGTHS = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
LOG_INTERVAL = 60.0  # s between two lines about an exporter that fails in the same way
DROPPED = "Queue full, dropping %s."  # how the SDK says that spans are lost
SDK_LOGGERS = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
)

KINDS = {kind: SpanKind[kind.name] for kind in Kind}
_current: ContextVar[OpenSpan | None] = ContextVar("span", default=None)


class OpenSpan:
    """`app.spans.Span` as the SDK makes it; current within its block."""

    __slots__ = ("_failed", "_span", "_token", "context", "recording", "texts")

    def __init__(self, span: SdkSpan, *, texts: bool) -> None:
        self._span, self.recording, self._failed = span, span.is_recording(), False
        self.texts = texts and self.recording
        self.context = set_span_in_context(span, Context())

    @property
    def ids(self) -> SpanContext:
        return self._span.get_span_context()

    def __enter__(self) -> Span:
        self._token: Token[OpenSpan | None] = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(ValueError):  # left in another task than it was entered in
            _current.reset(self._token)
        if error is not None and not self._failed:
            name, fault = _failure(error)
            self.failed(name, fault=fault)
        self._span.end()

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def tell(self, facts: Facts) -> None:
        self._span.set_attributes({k: v for k, v in facts.items() if v is not None})

    def event(self, name: str, *, ago: float = 0.0) -> None:
        self._span.add_event(name, timestamp=time.time_ns() - round(ago * 1e9))

    def link(self, traceparent: str | None) -> None:
        if (found := trace_context.read(traceparent)) is not None:
            self._span.add_link(found)

    def failed(self, error_type: str, *, fault: bool = True) -> None:
        self._failed = True
        self._span.set_attribute("error.type", error_type)
        if fault:
            self._span.set_status(Status(StatusCode.ERROR))


def _failure(error: BaseException) -> tuple[str, bool]:
    """An error by its name, as its message may quote a caller; and whether it is a fault."""
    if isinstance(error, GatewayError):
        return error.code, error.status >= 500
    if isinstance(error, asyncio.CancelledError):
        return "cancelled", False
    return type(error).__qualname__, True


class Tracing:
    """Makes this process's spans, from `start()` to `stop()`."""

    def __init__(self, provider: TracerProvider, exporter: SpanExporter, *, texts: bool) -> None:
        self._provider, self._exporter, self._texts = provider, exporter, texts
        self._tracer = provider.get_tracer("loregate", version("loregate"))

    def start(self) -> None:
        spans.install(self)

    async def stop(self) -> None:
        """Export what waits, for `FLUSH_TIMEOUT` at the most: what is left then is lost."""
        if spans.installed() is self:
            spans.install(None)
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def flush() -> None:
            self._provider.shutdown()
            with contextlib.suppress(RuntimeError):  # nobody waits for it any more
                loop.call_soon_threadsafe(done.set)

        # No thread of a pool: the interpreter would wait for that one at its end.
        threading.Thread(target=flush, name="traces-flush", daemon=True).start()
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT):
                await done.wait()
        except TimeoutError:
            logging.getLogger(__name__).warning("the last traces could not be exported in time")
            self._exporter.shutdown()

    # -- app.spans.Tracer
    def span(self, name: str, kind: Kind, facts: Facts, parent: str | None) -> Any:
        """One that is not recorded has none of its own within it: it stands for all of them."""
        around = _current.get()
        if parent is not None and (remote := trace_context.read(parent)) is not None:
            return self._open(name, kind, facts, _context(remote))
        if around is None:
            return self._open(name, kind, facts, Context())
        return self._open(name, kind, facts, around.context) if around.recording else NOTHING

    def server(self, name: str, facts: Facts, traceparent: object, tracestate: object) -> Any:
        remote = trace_context.read(traceparent, tracestate)
        context = Context() if remote is None else _context(remote)
        return self._open(name, Kind.SERVER, facts, context)

    def _open(self, name: str, kind: Kind, facts: Facts, context: Context) -> OpenSpan:
        told = {k: v for k, v in facts.items() if v is not None}
        found = self._tracer.start_span(name, context, KINDS[kind], told)
        return OpenSpan(found, texts=self._texts)

    def current(self) -> Span | None:
        return _current.get()

    def headers(self) -> Mapping[str, str]:
        found = _current.get()
        return {} if found is None else trace_context.written(found.ids)

    def ids(self) -> Mapping[str, str]:
        if (found := _current.get()) is None:
            return {}
        return {"trace_id": f"{found.ids.trace_id:032x}", "span_id": f"{found.ids.span_id:016x}"}


def _context(remote: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(remote), Context())


def tracing(endpoint: str, *, texts: bool, caller_traces: float) -> Tracing:
    """The tracer of this process, as the settings and the SDK's variables say.

    endpoint: where spans are posted. texts: whether spans may tell what callers and models wrote.
    caller_traces: how many traces a second are recorded because their callers wish it.

    Raises:
        SettingsError: a variable of the SDK's is wrong.
    """
    try:
        exporter = OTLPSpanExporter(endpoint)
        provider = TracerProvider(
            resource=_resource(), shutdown_on_exit=False, span_limits=_limits(texts)
        )
        if os.environ.get("OTEL_TRACES_SAMPLER", EVERYTHING[0]).lower() not in EVERYTHING:
            provider.sampler = CallersBounded(provider.sampler, Bucket(caller_traces))
        provider.add_span_processor(BatchSpanProcessor(exporter))
    except (ValueError, TypeError) as error:
        raise SettingsError(f"OTEL_…: {error}") from None
    for name in SDK_LOGGERS:
        logging.getLogger(name).addFilter(Seldom())
    return Tracing(provider, exporter, texts=texts)


def _limits(texts: bool) -> SpanLimits:
    """The SDK's, and a length for what providers say, unless the environment has one."""
    length = MAX_TEXT if texts else MAX_VALUE
    return SpanLimits(
        max_span_attribute_length=None if any(map(os.environ.get, LENGTHS)) else length
    )


def _resource() -> Resource:
    """What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes over our own."""
    found = Resource.create({"service.version": version("loregate")})
    named = not str(found.attributes["service.name"]).startswith("unknown_service")
    return found if named else found.merge(Resource({"service.name": "loregate"}))


class Seldom(logging.Filter):
    """Passes errors on, one of a kind a minute: while a collector is away there is one a batch."""

    def __init__(self, interval: float = LOG_INTERVAL) -> None:
        super().__init__()
        self._interval, self._last = interval, dict[str, float]()

    def filter(self, record: logging.LogRecord) -> bool:
        now, kind = time.monotonic(), str(record.msg)
        if record.levelno < logging.ERROR and record.msg != DROPPED:
            return False  # each retry, and what a stop cuts short
        if now - self._last.get(kind, -self._interval) < self._interval:
            return False
        self._last[kind] = now
        return True
