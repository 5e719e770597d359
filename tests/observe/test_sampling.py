"""Sampling: callers' wishes are obeyed within a bound, and what the operator wishes has none."""

from __future__ import annotations

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from app.observe.sampling import Bucket, CallersBounded

CHOSEN = 1  # a trace's id that every sampler of shares takes


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def caller(flags: int = TraceFlags.SAMPLED) -> Context:
    said = SpanContext(CHOSEN, 2, is_remote=True, trace_flags=TraceFlags(flags))
    return set_span_in_context(NonRecordingSpan(said))


def recorded(
    sampler: Sampler, parent: Context, kind: SpanKind = SpanKind.SERVER, times: int = 100
) -> int:
    """How many of so many requests are recorded."""
    found = [sampler.should_sample(parent, CHOSEN, "a name", kind) for _ in range(times)]
    return sum(one.decision.is_recording() for one in found)  # type: ignore[no-untyped-call]  # theirs


@pytest.mark.parametrize("inner", [ParentBased(ALWAYS_OFF), TraceIdRatioBased(0.001)])
def test_callers_have_so_many_traces_recorded_a_second_and_no_more(
    clock: Clock, inner: Sampler
) -> None:
    sampler = CallersBounded(inner, Bucket(10, clock))
    assert recorded(sampler, caller()) == 10
    clock.now += 0.5
    assert recorded(sampler, caller()) == 5
    clock.now += 3600
    assert recorded(sampler, caller()) == 10


def test_nobodys_wish_is_obeyed_where_none_is_to_be(clock: Clock) -> None:
    sampler = CallersBounded(ParentBased(ALWAYS_OFF), Bucket(0, clock))
    clock.now += 3600
    assert recorded(sampler, caller()) == 0


def test_a_rate_below_one_a_second_lets_one_by_now_and_then(clock: Clock) -> None:
    sampler = CallersBounded(ParentBased(ALWAYS_OFF), Bucket(0.1, clock))
    assert recorded(sampler, caller()) == 1
    clock.now += 5
    assert recorded(sampler, caller()) == 0
    clock.now += 5
    assert recorded(sampler, caller()) == 1


def test_a_caller_who_wishes_no_record_is_obeyed_without_a_bound(clock: Clock) -> None:
    sampler = CallersBounded(ParentBased(ALWAYS_OFF), Bucket(10, clock))
    assert recorded(sampler, caller(flags=0)) == 0
    assert recorded(sampler, caller()) == 10, "it took nothing"


def test_requests_without_a_trace_of_their_callers_are_the_samplers_alone(clock: Clock) -> None:
    sampler = CallersBounded(TraceIdRatioBased(0.5), Bucket(0, clock))
    assert recorded(sampler, Context()) == 100


def test_what_goes_on_inside_is_as_its_beginning_was(clock: Clock) -> None:
    """A relayed event's span has a parent that is remote as well, and our own."""
    sampler = CallersBounded(ParentBased(ALWAYS_OFF), Bucket(0, clock))
    assert recorded(sampler, caller(), SpanKind.PRODUCER) == 100
