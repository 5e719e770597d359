"""W3C trace context: what callers send is read within bounds, and what is malformed is ignored."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.observe import trace_context
from app.observe.trace_context import MAX_MEMBERS, MAX_STATE

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("given", "sampled"),
    [
        (GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f" {GOOD}\t", True),
        (f"00-{TRACE}-{SPAN}-ff", True),  # flags that nobody knows yet
        (f"cc-{TRACE}-{SPAN}-01-what-comes-later", True),
    ],
)
def test_a_traceparent_is_read(given: str, sampled: bool) -> None:
    found = trace_context.read(given)
    assert found is not None
    assert (f"{found.trace_id:032x}", f"{found.span_id:016x}") == (TRACE, SPAN)
    assert (found.trace_flags.sampled, found.is_remote) == (sampled, True)


@pytest.mark.parametrize(
    "given",
    [
        None,
        5,
        [GOOD],
        {"traceparent": GOOD},
        "",
        "00",
        GOOD.upper(),
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"cc-{TRACE}-{SPAN}-01-{'x' * 600}",
        f"00-{TRACE[:-1]}é-{SPAN}-01",
    ],
)
def test_what_is_no_traceparent_is_as_good_as_none(given: Any) -> None:
    assert trace_context.read(given, "a=1") is None


@pytest.mark.parametrize(
    "state", ["congo=t61rcWkgMzE", "a=1,b=2", "a=1, b=2 ,", "fw529a3039@dt=FfJl", ""]
)
def test_a_tracestate_goes_on(state: str) -> None:
    found = trace_context.read(GOOD, state)
    assert found is not None
    kept = trace_context.written(found).get("tracestate", "")
    assert kept.split(",") == [m.strip() for m in state.strip(" ,").split(",")]


@pytest.mark.parametrize(
    "state",
    [
        7,
        ",".join(f"k{n}=1" for n in range(MAX_MEMBERS + 1)),
        "k=" + "v" * (MAX_STATE - 1),
        "a=1,a=2",
        "a",
        "A=1",
        "a=1=2",
        "a=\u00e9",
        "a=1,b",
    ],
)
def test_a_tracestate_that_is_malformed_or_too_long_is_left_out(state: Any) -> None:
    found = trace_context.read(GOOD, state)
    assert found is not None
    assert trace_context.written(found) == {"traceparent": GOOD}


@given(some.text(max_size=600), some.text(max_size=600))
def test_no_text_breaks_the_reading(parent: str, state: str) -> None:
    trace_context.read(parent)
    found = trace_context.read(GOOD, state)
    assert found is not None
    assert len(trace_context.written(found).get("tracestate", "")) <= MAX_STATE
