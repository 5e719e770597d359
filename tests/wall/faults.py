"""FAULTS: what a model does wrong, and what must become of a request to it.

Each stands for eight requests at two kinds of time-outs: by `POST` and as a stream, alone and with
a model that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.support import upstream
from tests.support.upstream import Behaviour, Order, overloaded, refusal

ROUNDS = 2.0  # s; two retries, each a second after the answer before
BACKOFF = 0.75  # s; the shortest that two waits with nobody's wish take together


@dataclass(frozen=True, slots=True)
class Times:
    """Time-outs in seconds: for the whole call, to its first token, between two."""

    name: str
    whole: float
    first: float
    stall: float
    settings: Mapping[str, str] = field(default_factory=dict)


DEFAULTS = Times("defaults", 60.0, 15.0, 10.0)
NAMES = ("LOREGATE_MODEL_TIMEOUT", "LOREGATE_FIRST_TOKEN_TIMEOUT", "LOREGATE_STALL_TIMEOUT")
THIRTY = Times("30 s", 30.0, 30.0, 30.0, dict.fromkeys(NAMES, "30"))
KINDS = (DEFAULTS, THIRTY)


@dataclass(frozen=True, slots=True)
class Ending:
    """What must come of a request with nobody behind its model.

    tried: the attempts on the model. code: what the caller gets, None for the model's own text.
    seconds: when.
    """

    tried: tuple[str, ...]
    code: str | None
    seconds: float = 0.0

    @property
    def passed_on(self) -> Ending:
        """With a model behind it, which answers well."""
        return self if self.code == "CONTENT_REJECTED" else replace(self, code=None)


@dataclass(frozen=True, slots=True)
class Fault:
    """orders: what the first requests get; always: what all others do, None for a good answer.

    missing: the provider has no such model. followed: by default as with nobody behind it.
    """

    alone: Mapping[str, Ending]  # by the time-outs' names
    followed: Mapping[str, Ending]
    always: Order | None = None
    orders: tuple[Order, ...] = ()
    missing: bool = False

    @property
    def longest(self) -> float:
        return max(e.seconds for e in (*self.alone.values(), *self.followed.values()))


def fault(
    always: Order | None,
    defaults: Ending,
    thirty: Ending | None = None,
    *,
    followed: Ending | None = None,
    orders: tuple[Order, ...] = (),
    missing: bool = False,
) -> Fault:
    alone = {DEFAULTS.name: defaults, THIRTY.name: thirty or defaults}
    behind = {name: followed or end.passed_on for name, end in alone.items()}
    return Fault(alone, behind, always, orders, missing)


def known(name: str, defaults: Ending, thirty: Ending | None = None) -> Fault:
    """As the fake provider's own table has it."""
    return fault(upstream.FAULTS[name], defaults, thirty)


# -- how it ends
def well(*before: str, seconds: float = 0.0) -> Ending:
    return Ending((*before, "ok"), None, seconds)


def away(outcome: str, times: int = 3, seconds: float = BACKOFF) -> Ending:
    return Ending((outcome,) * times, "MODEL_UNAVAILABLE", seconds)


def late(outcome: str, seconds: float) -> Ending:
    return Ending((outcome,), "MODEL_TIMEOUT", seconds)


def useless(outcome: str) -> Ending:
    return Ending((outcome,), "MODEL_ERROR")


FAILED, OVERLOADED = away("failed"), away("overloaded")
FORBIDDEN = away("forbidden", 1, 0.0)
REJECTED = Ending(("rejected",), "CONTENT_REJECTED")
LONG = overloaded(retry_after="20")
TWICE = (refusal(503, "overloaded"),) * 2

FAULTS: dict[str, Fault] = {
    "none": fault(None, well()),
    "silence": known("silent", late("silent", DEFAULTS.first), late("timeout", THIRTY.whole)),
    "slow first token": fault(
        Behaviour(first=20.0), late("silent", DEFAULTS.first), well(seconds=20.0)
    ),
    "stall": known("stall", late("stalled", DEFAULTS.stall), late("timeout", THIRTY.whole)),
    "cut": known("cut", useless("cut")),
    "cut by a reset": known("cut_reset", useless("cut")),
    "no finish reason": known("no_finish_reason", useless("cut")),
    "malformed": known("malformed", useless("malformed")),
    "broken chunks": known("bad_chunks", useless("malformed")),
    "an HTML page": known("page", useless("malformed")),
    "400": known("400", useless("refused")),
    "401": known("401", FORBIDDEN),
    "403": known("403", FORBIDDEN),
    "404": known("404", FORBIDDEN),
    "408": known("408", FAILED),
    "409": known("409", FAILED),
    "422": known("422", useless("refused")),
    "429": known("429", OVERLOADED),
    "429, Retry-After 1": known("429_seconds", away("overloaded", 3, ROUNDS)),
    # Waited for as long as it fits into the call, where nobody else is ready.
    "429, Retry-After 20": fault(
        LONG,
        away("overloaded", 3, 40.0),
        away("overloaded", 2, 20.0),
        followed=Ending(("overloaded",), None),
    ),
    "429 once, Retry-After 2": fault(
        None,
        well("overloaded", seconds=2.0),
        followed=Ending(("overloaded",), None),
        orders=(overloaded(retry_after="2"),),
    ),
    "500": known("500", FAILED),
    "502, a page": known("502_page", FAILED),
    "503": known("503", FAILED),
    "504": known("504", FAILED),
    "529": known("529", FAILED),
    "an error midway": known("error_midway", away("failed", 1, 0.0)),
    "reset": known("reset", away("unreachable")),
    "wrong model": fault(None, FORBIDDEN, missing=True),
    "context too long": known("context_length_exceeded", useless("too_long")),
    "content filter": known("content_filter", REJECTED),
    "filtered midway": known("filtered", REJECTED),
    "empty": known("empty", useless("empty")),
    "blank": known("blank", useless("empty")),
    "503 twice": fault(None, well("failed", "failed", seconds=BACKOFF), orders=TWICE),
}
