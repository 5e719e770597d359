"""Spans: what a trace tells of a request. Nothing is made of them until a tracer is installed.

Whoever does a part of a request's work opens a span around it and tells facts of it: names out of
closed sets, counts, outcomes. A caller's or a model's text is told only where `Span.texts` says so.
`observe.tracing` brings the tracer; without one a span costs a look at a variable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from enum import Enum
from types import TracebackType
from typing import Protocol

Fact = bool | int | float | str | Sequence[str]
Facts = Mapping[str, Fact | None]  # by OpenTelemetry's names; None is not known, and not told


class Kind(Enum):
    """OpenTelemetry's kinds of spans that the gateway has."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    INTERNAL = "internal"


class Span(Protocol):
    """A part of a request. It ends when its block is left, failed if an error left it."""

    @property
    def recording(self) -> bool:
        """Whether anything that is told of it will be kept."""

    @property
    def texts(self) -> bool:
        """Whether it may be told what callers and models wrote."""

    def rename(self, name: str) -> None: ...

    def tell(self, facts: Facts) -> None: ...

    def event(self, name: str, *, ago: float = 0.0) -> None:
        """Something happened in it, so many seconds ago."""

    def link(self, traceparent: str | None) -> None:
        """It has to do with a span of another trace, or waits for it."""

    def failed(self, error_type: str, *, fault: bool = True) -> None:
        """How it ended, by a name of a closed set. `fault`: whether ours or a provider's."""


class Tracer(Protocol):
    """Who makes spans."""

    def span(
        self, name: str, kind: Kind, facts: Facts, parent: str | None
    ) -> AbstractContextManager[Span]: ...

    def server(
        self, name: str, facts: Facts, traceparent: object, tracestate: object
    ) -> AbstractContextManager[Span]: ...

    def current(self) -> Span | None: ...

    def headers(self) -> Mapping[str, str]: ...

    def ids(self) -> Mapping[str, str]: ...


class Nothing:
    """A span that nobody makes."""

    recording = texts = False

    def __enter__(self) -> Span:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def rename(self, name: str) -> None: ...

    def tell(self, facts: Facts) -> None: ...

    def event(self, name: str, *, ago: float = 0.0) -> None: ...

    def link(self, traceparent: str | None) -> None: ...

    def failed(self, error_type: str, *, fault: bool = True) -> None: ...


NOTHING = Nothing()
_tracer: Tracer | None = None


def install(tracer: Tracer | None) -> None:
    """From now on this one makes this process's spans; None: nobody does."""
    global _tracer
    _tracer = tracer


def installed() -> Tracer | None:
    return _tracer


def span(
    name: str,
    kind: Kind = Kind.INTERNAL,
    facts: Facts | None = None,
    *,
    parent: str | None = None,
) -> AbstractContextManager[Span]:
    """A part of what is done now; with `parent`, of what another process or time began.

    `parent` is a `traceparent` that this gateway made itself.
    """
    if _tracer is None:
        return NOTHING
    return _tracer.span(name, kind, facts or {}, parent)


def server(
    name: str, traceparent: object, tracestate: object, facts: Facts | None = None
) -> AbstractContextManager[Span]:
    """A request as it came, in the trace that its caller says it belongs to.

    What the caller says is checked: what is no trace context is as good as none.
    """
    if _tracer is None:
        return NOTHING
    return _tracer.server(name, facts or {}, traceparent, tracestate)


def current() -> Span:
    """The innermost span around what is done now."""
    return (_tracer.current() if _tracer is not None else None) or NOTHING


def headers() -> Mapping[str, str]:
    """What tells another service of the current span: `traceparent`, and perhaps `tracestate`."""
    return {} if _tracer is None else _tracer.headers()


def traceparent() -> str | None:
    """The current span's, to go on from at another time or in another process."""
    return headers().get("traceparent")


def ids() -> Mapping[str, str]:
    """The current span's `trace_id` and `span_id`, for a line of the log."""
    return {} if _tracer is None else _tracer.ids()


@contextmanager
def later(name: str, parents: Iterable[str | None], kind: Kind = Kind.INTERNAL) -> Iterator[None]:
    """One span in each of these traces, for what is done for all of them at once."""
    if _tracer is None:
        yield
        return
    with ExitStack() as stack:
        for parent in parents:
            if parent is not None:
                stack.enter_context(_tracer.span(name, kind, {"loregate.late": True}, parent))
        yield
