"""Sampling: the settings' sampler decides; of what only callers wish to be recorded, so much.

A caller's flag says that its trace is recorded, and a caller chooses its trace's id, by which a
sampler of shares decides. Both are obeyed, as a trace would have holes otherwise, but together for
no more than so many traces a second: whoever can send a header could have all recorded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

EVERYTHING = ("always_on", "parentbased_always_on")  # by which callers force nothing


class Bucket:
    """So many a second, and as many at once as come in one second, or one."""

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._size, self._now = rate, max(1.0, rate) if rate else 0.0, now
        self._left, self._at = self._size, now()

    def take(self) -> bool:
        now = self._now()
        self._left = min(self._size, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class CallersBounded(Sampler):
    """The sampler given, with a bound on the traces that began at callers."""

    def __init__(self, sampler: Sampler, bucket: Bucket) -> None:
        self._sampler, self._bucket = sampler, bucket

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        found = self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )
        if kind is not SpanKind.SERVER or found.decision is not Decision.RECORD_AND_SAMPLE:
            return found
        # Only what comes in over the edge has a caller's parent: a relayed event's is our own.
        if not get_current_span(parent_context).get_span_context().is_valid or self._bucket.take():
            return found
        return SamplingResult(Decision.DROP, None, found.trace_state)

    def get_description(self) -> str:
        return f"CallersBounded{{{self._sampler.get_description()}}}"
