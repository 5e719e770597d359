"""Stages: where a request's time goes. Whoever does a part of its work names the part.

`measured` begins a request, `operation` each operation that it asks for, `stage` a part of one;
whoever is told of them (`observe`) makes metrics and traces of them. A task that is created inside
of a request works for it (PEP 567): so a stage knows its request wherever it runs, and outside of
one it measures nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from enum import Enum
from types import TracebackType

from app import spans

NONE = -1


class Stage(Enum):
    """A part of a request. Where parts run side by side the time is the first one's of this list:
    no moment is told twice, so that all parts together are never more than the whole."""

    MODEL = "model"  # an attempt on a model
    WAITING = "waiting"  # for a place at a model, a retry's time, or another's answer
    STORE = "store"  # the transaction that keeps an answer
    PUBLISH = "publish"  # its events, and what is given back
    ADMISSION = "admission"  # limits, revocation, cache and idempotency, in one call of Redis
    CLIENT = "client"  # the request's body, while it comes

    def __init__(self, _: str) -> None:
        self.place = len(type(self).__members__)


STAGES = len(Stage)
TOLD = tuple((stage.value, stage) for stage in (Stage.WAITING, Stage.MODEL, Stage.STORE))


class Timing:
    """Of one request, or of one operation among several of it; in seconds of the clock.

    parent: the request, which hears of an operation's stages too. authenticated: whether a caller
    may be told. begun: whether an operation of it has begun.
    """

    __slots__ = (
        *("authenticated", "began", "begun", "now", "parent"),
        *("_counts", "_shown", "_since", "_totals"),
    )

    def __init__(
        self, now: Callable[[], float] = time.perf_counter, parent: Timing | None = None
    ) -> None:
        self.now, self.parent = now, parent
        self.authenticated = self.begun = False
        self._counts, self._totals = [0] * STAGES, [0.0] * STAGES
        self._shown = NONE  # whose the time is now, by its place
        self.began = self._since = now()

    def enter(self, stage: Stage) -> None:
        place = stage.place
        self._counts[place] += 1
        if self._shown == NONE or place < self._shown:
            self._turn(place)
        if self.parent is not None:
            self.parent.enter(stage)

    def leave(self, stage: Stage) -> None:
        place = stage.place
        self._counts[place] -= 1
        if place == self._shown and not self._counts[place]:
            self._turn(next((at for at, count in enumerate(self._counts) if count), NONE))
        if self.parent is not None:
            self.parent.leave(stage)

    def _turn(self, place: int) -> None:
        now = self.now()
        if self._shown != NONE:
            self._totals[self._shown] += now - self._since
        self._shown, self._since = place, now

    def seconds(self, stage: Stage) -> float:
        """How long it was such a stage's time, until now."""
        place = stage.place
        if place != self._shown:
            return self._totals[place]
        return self._totals[place] + self.now() - self._since

    @property
    def total(self) -> float:
        return self.now() - self.began

    @property
    def own(self) -> float:
        """The gateway's own share: what was neither a model's nor waiting nor the client's."""
        others = self.seconds(Stage.MODEL) + self.seconds(Stage.WAITING)
        return max(0.0, self.total - others - self.seconds(Stage.CLIENT))

    @property
    def milliseconds(self) -> dict[str, float]:
        """The whole and its parts, for callers; parts are rounded down, and the whole up."""
        parts = {name: int(self.seconds(stage) * 1e4) / 10 for name, stage in TOLD}
        return {"total": math.ceil(self.total * 1e4) / 10, **parts}


CURRENT: ContextVar[Timing | None] = ContextVar("timing", default=None)


class _Current:
    """A block whose work is timed by this; a contextmanager takes 2 µs more."""

    __slots__ = ("_timing", "_token")

    def __init__(self, timing: Timing) -> None:
        self._timing = timing

    def __enter__(self) -> Timing:
        self._token = CURRENT.set(self._timing)
        return self._timing

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        CURRENT.reset(self._token)


def measured(now: Callable[[], float] = time.perf_counter) -> _Current:
    """A request in a block, and all that is done for it."""
    return _Current(Timing(now))


def operation(*, after: bool = False) -> _Current:
    """An operation in a block. The first one of a request has the request's timing, with what was
    done before it; others begin now, and so does each that may go on `after` the request's answer.
    """
    request = CURRENT.get()
    if request is None:
        return measured()
    alone = not (after or request.begun)
    request.begun = True
    return _Current(request if alone else Timing(request.now, request))


def apart() -> None:
    """Operations of this request run side by side from now on: each has a timing of its own."""
    if (request := CURRENT.get()) is not None:
        request.begun = True


class stage:  # noqa: N801  # a block, as `suppress` is one
    """`with stage(Stage.STORE):` is a part of the request that is measured, if any is, and a span
    of its trace, if it has one; an attempt on a model has one that tells more. It takes 3 µs."""

    __slots__ = ("_kind", "_span", "_timing")
    _span: AbstractContextManager[spans.Span] | None

    def __init__(self, kind: Stage) -> None:
        self._kind = kind

    def __enter__(self) -> None:
        timing = self._timing = CURRENT.get()
        if timing is not None:
            timing.enter(self._kind)
        self._span = None
        if spans.installed() is not None and self._kind is not Stage.MODEL:
            self._span = spans.span(self._kind.value)
            self._span.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._span is not None:
            self._span.__exit__(kind, error, trace)
        if self._timing is not None:
            self._timing.leave(self._kind)
