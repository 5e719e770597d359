"""W3C trace context as callers send it, read within bounds (https://www.w3.org/TR/trace-context/).

Nothing of it is logged: it is a caller's text.
"""

from __future__ import annotations

import re

from opentelemetry.trace import SpanContext, TraceFlags, TraceState

MAX_MEMBERS = 32  # of a tracestate (section 3.3.1.1)
MAX_STATE = 512  # characters of it, which everybody must pass on (section 3.3.1.5)
TRACEPARENT = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[ -~]{0,400})?"
)
_SIMPLE = r"[a-z][_0-9a-z\-*/]{0,255}"
_TENANT = r"[a-z0-9][_0-9a-z\-*/]{0,240}@[a-z][_0-9a-z\-*/]{0,13}"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
MEMBER = re.compile(f"({_SIMPLE}|{_TENANT})=({_VALUE})")
KNOWN_FLAGS = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID


def read(traceparent: object, tracestate: object = None) -> SpanContext | None:
    """The caller's span; None where it names none, or what it says is malformed.

    A tracestate that is too long, has too many members or a malformed one is left out whole.
    """
    if not isinstance(traceparent, str) or len(traceparent) > MAX_STATE:
        return None
    found = TRACEPARENT.fullmatch(traceparent.strip(" \t"))
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    flags = TraceFlags(int(found[4], 16) & KNOWN_FLAGS)
    return SpanContext(trace_id, span_id, True, flags, _state(tracestate))


def _state(given: object) -> TraceState:
    if not isinstance(given, str) or len(given) > MAX_STATE:
        return TraceState()
    members = [m for part in given.split(",") if (m := part.strip(" \t"))]
    found = [MEMBER.fullmatch(m) for m in members]
    if len(members) > MAX_MEMBERS or not all(found):
        return TraceState()
    pairs = [(m[1], m[2]) for m in found if m is not None]
    if len({key for key, _ in pairs}) < len(pairs):
        return TraceState()
    return TraceState(pairs)


def written(context: SpanContext) -> dict[str, str]:
    """The headers that tell of it."""
    found = {
        "traceparent": (
            f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        )
    }
    if context.trace_state:
        found["tracestate"] = context.trace_state.to_header()
    return found
