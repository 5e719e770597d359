"""Ending: how each operation that a caller asked for ended, counted once, whoever left meanwhile.

An operation ends with its answer or its error; when its work goes on as a task, with the task: a
caller who leaves while the answer is stored has an operation that went well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

from app import stages
from app.errors import ContentRejected, GatewayError, Left
from app.observe.metrics import Metrics
from app.pipeline.answer import Answer, Result
from app.pipeline.context import RequestContext
from app.stages import Stage, Timing

NO_OPERATION = "none"  # of a part of a batch that names none: counts as other
REFUSED = (401, 402, 403, 429)  # who may not, or not now


class Ending:
    """Of one operation; `ending` makes it, and counts it unless it was told when it ends."""

    def __init__(self, metrics: Metrics, context: RequestContext, name: str, timing: Timing):
        self._metrics, self._edge, self._name, self._timing = metrics, context.edge, name, timing
        self.outcome = "cancelled"  # of work that never came to run
        self.elsewhere = False  # somebody else calls `count`

    def answered(self, result: Result) -> None:
        self.outcome = "degraded" if result.body["metadata"]["degraded"] else "ok"

    def failed(self, error: BaseException) -> None:
        self.outcome = outcome_of(error)

    def comes_with(self, task: asyncio.Task[Answer]) -> None:
        """It ends when the task does, and as it does."""
        self.elsewhere = True
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Answer]) -> None:
        if not task.cancelled():
            if (error := task.exception()) is not None:
                self.failed(error)
            else:
                self.answered(task.result().result)
        self.count()

    @contextmanager
    def of_work(self, cancelled: Callable[[], bool]) -> Iterator[None]:
        """The work of a generation in a block: what it raises is how the operation ended.

        `cancelled`: whether that was wished; when the process ends it was not.
        """
        try:
            yield
        except asyncio.CancelledError:
            self.outcome = "cancelled" if cancelled() else "failed"
            raise
        except BaseException as error:
            self.failed(error)
            raise

    def after(self, owned: AsyncExitStack) -> AsyncExitStack:
        """It ends when what its generation owns is given back."""
        self.elsewhere = True
        stack = AsyncExitStack()
        stack.push_async_exit(owned)
        stack.callback(self.count)
        return stack

    def count(self) -> None:
        timing = self._timing
        own, waiting = timing.own, timing.seconds(Stage.WAITING)
        self._metrics.operation(self._edge, self._name, self.outcome, own=own, waiting=waiting)


@contextmanager
def ending(
    metrics: Metrics, context: RequestContext, name: str, *, after: bool = False
) -> Iterator[Ending]:
    """An operation in a block; `after`: it may go on after its request's answer."""
    with stages.operation(after=after) as timing:
        found = Ending(metrics, context, name, timing)
        try:
            yield found
        except BaseException as error:
            if not found.elsewhere:
                found.failed(error)
            raise
        finally:
            if not found.elsewhere:
                found.count()


@contextmanager
def before_its_turn(metrics: Metrics, context: RequestContext, name: str) -> Iterator[None]:
    """Where an operation waits for its turn among others of its request: it may never have one."""
    try:
        yield
    except asyncio.CancelledError:
        metrics.operation(context.edge, name, "cancelled", own=0.0, waiting=0.0)
        raise


def outcome_of(error: BaseException) -> str:
    """An error as one of `metric_names.OUTCOMES`."""
    if isinstance(error, asyncio.CancelledError | Left):
        return "cancelled"
    if isinstance(error, ContentRejected):
        return "rejected"
    if isinstance(error, GatewayError) and error.status < 500:
        return "refused" if error.status in REFUSED else "invalid"
    return "failed"
