"""Behaviour: how the fake provider answers one request; FAULTS: everything that it can do wrong."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from app.embedded.answers import USAGE

LAST = 1_000_000  # tokens, more than any answer has: after all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered, well by default.

    Times are seconds. `…_after` counts tokens, at most as many as the answer has. A streamed
    answer follows all of it; one in whole JSON what makes sense there: it takes as long, and is
    cut or stalls at its half.
    """

    # The answer
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)  # `_` for `-`
    body: Any = None  # JSON instead of a completion, never streamed
    raw: bytes | None = None  # instead of any JSON, never streamed
    text: str | None = None
    tokens: Sequence[str] | None = None  # the text in just these pieces
    endless: bool = False
    refusal: str | None = None
    finish_reason: str | None = "stop"
    usage: Mapping[str, Any] | None = field(default_factory=lambda: USAGE)
    whole: bool = False  # JSON, though a stream was asked for

    # Before its first byte
    delay: float = 0.0
    reset: bool = False
    silent: bool = False  # nothing ever comes
    drip: float = 0.0  # between two bytes of the headers

    # While it is told
    first: float = 0.0  # from the headers to the first token
    pace: float = 0.0  # between two tokens
    stall_after: int | None = None
    cut_after: int | None = None
    cut: int | None = None  # bytes of the body
    abort: bool = False  # what is cut is reset; otherwise closed in good order
    malformed_after: int | None = None
    error_after: int | None = None
    comments: bool = False  # keep-alive lines between the tokens
    split: int | None = None  # bytes that are sent at once, each lot an HTTP chunk

    # How a stream ends: with [DONE], without it, or never
    end: Literal["done", "closed", "silent"] = "done"
    lasts: float | None = None  # then the connection is reset, whatever goes on


Order = Behaviour | Callable[[], Behaviour]
GOOD = Behaviour()


def now(order: Order) -> Behaviour:
    """What was ordered, as it is at this moment."""
    return order if isinstance(order, Behaviour) else order()


def fresh(order: Order) -> Order:
    """The same order, of which nothing has begun: a schedule counts from its first use."""
    return copy(order)


def refusal(status: int, code: str | None, message: str = "no", **headers: str) -> Behaviour:
    """An error as OpenAI words it."""
    error = {"message": message, "type": "error", "param": None, "code": code}
    return Behaviour(status=status, body={"error": error}, headers=headers)


def dated(seconds: float) -> Behaviour:
    """A 429 that says with a date when to come again."""
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    said = format_datetime(then, usegmt=True)
    return refusal(429, "rate_limit_exceeded", retry_after=said)


@dataclass(slots=True)
class Flapping:
    """Fails and answers by turns, for so many seconds each, again and again from its first use."""

    fails: Behaviour
    spans: Sequence[float] = (1.0, 1.0)  # failing, well, failing, …: an even number
    clock: Callable[[], float] = time.monotonic
    _began: float | None = field(default=None, init=False)

    def __call__(self) -> Behaviour:
        if self._began is None:
            self._began = self.clock()
        at = (self.clock() - self._began) % sum(self.spans)
        turn = 0
        while at >= self.spans[turn]:
            at -= self.spans[turn]
            turn += 1
        return GOOD if turn % 2 else self.fails


NO_SCHEMAS = Behaviour(
    status=400,
    body={
        "error": {
            "message": "Invalid parameter: this model takes no such format",
            "type": "invalid_request_error",
            "param": "response_format",
            "code": None,
        }
    },
)
ERROR = {"error": {"message": "The server had an error", "type": "server_error", "code": None}}
PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

STATUSES: dict[str, Order] = {
    "400": refusal(400, "invalid_value"),
    "401": refusal(401, "invalid_api_key"),
    "403": refusal(403, "unsupported_country_region_territory"),
    "404": refusal(404, "model_not_found"),
    "408": refusal(408, "timeout"),
    "409": refusal(409, "conflict"),
    "422": refusal(422, "unprocessable"),
    "429": refusal(429, "rate_limit_exceeded"),
    "429_seconds": refusal(429, "rate_limit_exceeded", retry_after="1"),
    "429_milliseconds": refusal(429, "rate_limit_exceeded", retry_after_ms="300"),
    "429_date": lambda: dated(2.0),
    "429_quota": refusal(429, "insufficient_quota"),
    "500": refusal(500, "server_error"),
    "502_page": Behaviour(status=502, raw=PAGE, headers={"content_type": "text/html"}),
    "503": refusal(503, "overloaded"),
    "503_seconds": refusal(503, "overloaded", retry_after="1"),
    "504": refusal(504, "timeout"),
    "529": refusal(529, "overloaded"),
    "content_filter": refusal(400, "content_filter"),
    "context_length_exceeded": refusal(400, "context_length_exceeded"),
    "flapping": Flapping(refusal(503, "overloaded")),
}
CONNECTIONS: dict[str, Order] = {
    "reset": Behaviour(reset=True),
    "silent": Behaviour(silent=True),
    "slow_headers": Behaviour(drip=0.005),
    "cut_headers": Behaviour(cut=0),
    "cut_bytes": Behaviour(cut=100),
    "cut_bytes_reset": Behaviour(cut=100, abort=True),
    "cut": Behaviour(cut_after=4),
    "cut_reset": Behaviour(cut_after=4, abort=True),
    "cut_before_finish": Behaviour(cut_after=LAST),
}
TELLING: dict[str, Order] = {
    "slow_first_token": Behaviour(first=1.0),
    "slow_tokens": Behaviour(pace=0.05),
    "stall_at_once": Behaviour(stall_after=0),
    "stall": Behaviour(stall_after=4),
    "stall_before_finish": Behaviour(stall_after=LAST),
    "malformed": Behaviour(malformed_after=4),
    "error_midway": Behaviour(error_after=4),
    "endless": Behaviour(endless=True),
    "comments": Behaviour(comments=True),
    "split": Behaviour(split=7),
    "whole_json": Behaviour(whole=True),
    "no_done": Behaviour(end="closed"),
    "no_done_open": Behaviour(end="silent"),
}
ANSWERS: dict[str, Order] = {
    "no_usage": Behaviour(usage=None),
    "length": Behaviour(finish_reason="length"),
    "filtered": Behaviour(finish_reason="content_filter"),
    "tool_calls": Behaviour(finish_reason="tool_calls"),
    "no_finish_reason": Behaviour(finish_reason=None),
    "refusal": Behaviour(text="", refusal="I can't help with that."),
    "empty": Behaviour(text=""),
    "blank": Behaviour(text=" \n"),
    "page": Behaviour(raw=PAGE, headers={"content_type": "text/html"}),
    "no_completion": Behaviour(body={"choices": []}),
    "wrong_json": Behaviour(text='{"content": "The harbour of Salt'),
    "wrong_schema": Behaviour(text='{"colour": "blue", "lamps": 7}'),
}
# By name, so that a table can run over every one.
FAULTS: dict[str, Order] = {**STATUSES, **CONNECTIONS, **TELLING, **ANSWERS}
