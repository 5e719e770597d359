"""Stages: where a request's time goes. Whoever does a part of its work names the part.

`measured` begins a request, `stage` a part of it; whoever is told of both (`observe`) makes
metrics and traces of them. A task that is created inside of a request works for it (PEP 567): so
a stage knows its request wherever it runs, and outside of one it measures nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum

from app import spans


class Stage(Enum):
    """A part of a request. Those of one kind may run side by side: their times are not added but
    covered, so that a request is never told more of one than its whole."""

    ADMISSION = "admission"  # limits, revocation, cache and idempotency, in one call of Redis
    WAITING = "waiting"  # for a place at a model, a retry's time, or another's answer
    MODEL = "model"  # an attempt on a model
    STORE = "store"  # the transaction that keeps an answer
    PUBLISH = "publish"  # its events, and what is given back


@dataclass(slots=True)
class _Running:
    """How many stages of one kind run, since when one does, and how long one did before."""

    count: int = 0
    since: float = 0.0
    total: float = 0.0


@dataclass(slots=True)
class Timing:
    """Of one request, in seconds of the clock."""

    now: Callable[[], float] = time.perf_counter
    began: float = field(init=False)
    _stages: dict[Stage, _Running] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.began = self.now()

    def enter(self, stage: Stage) -> None:
        running = self._stages.setdefault(stage, _Running())
        if not running.count:
            running.since = self.now()
        running.count += 1

    def leave(self, stage: Stage) -> None:
        running = self._stages[stage]
        running.count -= 1
        if not running.count:
            running.total += self.now() - running.since

    def seconds(self, stage: Stage) -> float:
        """How long one such stage or more ran, until now."""
        running = self._stages.get(stage)
        if running is None:
            return 0.0
        return running.total + (self.now() - running.since if running.count else 0.0)

    @property
    def total(self) -> float:
        return self.now() - self.began

    @property
    def own(self) -> float:
        """The gateway's own share: what was neither a model's nor waiting."""
        others = self.seconds(Stage.MODEL) + self.seconds(Stage.WAITING)
        return max(0.0, self.total - others)


CURRENT: ContextVar[Timing | None] = ContextVar("timing", default=None)


@contextmanager
def measured(now: Callable[[], float] = time.perf_counter) -> Iterator[Timing]:
    """A request, and all that is done for it."""
    timing = Timing(now)
    token = CURRENT.set(timing)
    try:
        yield timing
    finally:
        CURRENT.reset(token)


@contextmanager
def stage(kind: Stage) -> Iterator[None]:
    """A part of the request that is measured, if any is, and a span of its trace, if it has one.

    An attempt on a model has a span that tells more (`llm.model_spans`).
    """
    with spans.NOTHING if kind is Stage.MODEL else spans.span(kind.value):
        yield from _timed(kind)


def _timed(kind: Stage) -> Iterator[None]:
    timing = CURRENT.get()
    if timing is None:
        yield
        return
    timing.enter(kind)
    try:
        yield
    finally:
        timing.leave(kind)
