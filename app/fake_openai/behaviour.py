"""Behaviour: how the fake provider answers one request, well by default."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from app.fake_openai.answers import USAGE

LAST = 1_000_000  # tokens, more than any answer has: after all of them

# What a stream may say that is no text. The last two are thoughts, in a field of that name.
Sign = Literal["comment", "processing", "empty", "choiceless", "reasoning", "reasoning_content"]


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
    obeys: bool = True  # the request's cap of tokens
    refusal: str | None = None
    finish_reason: str | None = "stop"
    usage: Mapping[str, Any] | None = field(default_factory=lambda: USAGE)
    model: str | None = None  # that the answer names, if it is not the one that was asked
    reasoning: int | None = None  # tokens of thought; None: as the effort takes
    whole: bool = False  # JSON, though a stream was asked for
    parts: bool = False  # its content is a list of typed parts
    gzip: bool = False

    # Before its first byte
    delay: float = 0.0
    reset: bool = False
    stale: bool = False  # the connection ends, unless this is its first request
    silent: bool = False  # nothing ever comes
    drip: float = 0.0  # between two bytes of the headers

    # While it is told
    thinks: float | None = None  # before any token; None: as long as the effort takes
    aloud: Sign | None = None  # what comes meanwhile
    between: Sign | None = None  # what stands before each token
    first: float = 0.0  # from the thoughts to the first token
    pace: float = 0.0  # between two tokens
    stall_after: int | None = None
    cut_after: int | None = None
    cut: int | None = None  # bytes of the body
    abort: bool = False  # what is cut or closed is reset; otherwise closed in good order
    malformed_after: int | None = None
    misframed_after: int | None = None  # the HTTP chunks break, and nothing follows
    error_after: int | None = None
    error_in_choice: bool = False  # as a finish reason
    split: int | None = None  # bytes that are sent at once, each lot an HTTP chunk

    # How a stream ends: with [DONE], without it, or never
    end: Literal["done", "closed", "silent"] = "done"
    lasts: float | None = None  # then the connection is reset, whatever goes on

    # What becomes of the connection. `after` is sent unasked: in the answer's last segment; that
    # long after it, where nothing was asked meanwhile; or when the next request has come.
    after: bytes = b""
    after_idle: float | None = None
    after_next: bool = False
    close_after: float | None = None  # with no request; the answer promised to keep it alive


Order = Behaviour | Callable[[], Behaviour]
GOOD = Behaviour()


def now(order: Order) -> Behaviour:
    """What was ordered, as it is at this moment."""
    return order if isinstance(order, Behaviour) else order()


def fresh(order: Order) -> Order:
    """The same order, of which nothing has begun: a schedule counts from its first use."""
    return copy(order)


def refusal(
    status: int,
    code: str | float | None,
    message: str = "no",
    *,
    type: str = "error",
    param: str | None = None,
    **headers: str,
) -> Behaviour:
    """An error in OpenAI's form."""
    error = {"message": message, "type": type, "param": param, "code": code}
    return Behaviour(status=status, body={"error": error}, headers=headers)


def redirect(path: str) -> Behaviour:
    """To another place on the same server."""
    return Behaviour(status=307, headers={"location": path}, body={})


def overloaded(**headers: str) -> Behaviour:
    """A 429, as for too many requests."""
    said = "Rate limit reached for requests"
    return refusal(429, "rate_limit_exceeded", said, type="requests", **headers)


def dated(seconds: float, *, skew: float = 0.0) -> Behaviour:
    """A 429 that says with a date when to come again. skew: how far its own clock is ahead, s."""
    here = datetime.now(UTC) + timedelta(seconds=skew)
    then = here + timedelta(seconds=seconds)
    said, date = (format_datetime(at, usegmt=True) for at in (then, here))
    return overloaded(retry_after=said, date=date)


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
