"""Pacing: an answer is made in slices, others' work between them, and is given up when it weighs
too much.

graphql-core completes all of a list at once: an answer of 2 MB held the loop for 300 ms. Here a
long list and an object look at the clock first. When the slice is used up they wait for their turn,
which comes once in each round of the loop, for all documents of the process together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from time import perf_counter
from typing import Any

import orjson
from graphql import is_leaf_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.errors import InvalidDocument
from resolvers.weights import MAX_WEIGHT, too_heavy

SLICE = 0.002  # s of the loop at once; what is begun then may take as much again
LONG_LIST = 8  # objects; a shorter list is looked at object by object
GROUP = 64  # woken in one round; whom the slice does not hold waits again
FIELD_WEIGHT = 8  # bytes beside its name and value: quotes, a colon, a comma, and perhaps a null
ERROR_WEIGHT = 400  # bytes of a field's error in the answer

Base: Any = StrawberryGraphQLCoreExecutionContext


class Paused:
    """How many parts of a document wait for their turn; each is a block in this one's context."""

    def __init__(self) -> None:
        self._count, self._nobody = 0, asyncio.Event()
        self._nobody.set()

    def __enter__(self) -> None:
        self._count += 1
        self._nobody.clear()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if not self._count:
            self._nobody.set()

    async def over(self) -> None:
        """Returns when nobody waits, also of those who were let go on and wait again."""
        while self._count:
            await self._nobody.wait()


class Turns:
    """Who goes on next, of all that used their slice up: as many in a round as its slice holds."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._running = self._nobody_yet = False
        self.began = 0.0  # when this round's slice did

    async def next(self) -> None:
        """Returns in a later round of the loop, in the slice that began at `began`."""
        loop = asyncio.get_running_loop()
        while True:
            self._waiting.append(turn := loop.create_future())
            if not self._running:
                self._running = True
                loop.call_soon(self._round, loop)
            await turn
            if self._nobody_yet or perf_counter() - self.began <= SLICE:
                self._nobody_yet = False
                return

    def _round(self, loop: asyncio.AbstractEventLoop) -> None:
        self.began, self._nobody_yet = perf_counter(), True
        for _ in range(min(GROUP, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():  # its document may have been cancelled
                turn.set_result(None)
        self._running = bool(self._waiting)
        if self._running:
            loop.call_soon(self._round, loop)


class PacedExecutor(Base):  # type: ignore[misc]  # Strawberry's own, of which it shows no types
    """Executes an operation, or one event of a subscription."""

    def __init__(self, *args: Any, turns: Turns, **others: Any) -> None:
        super().__init__(*args, **others)
        self._turns = turns
        self._paused: Paused = getattr(self.context_value, "paused", None) or Paused()
        self._begin()

    def _begin(self) -> None:
        self._since, self.weight = perf_counter(), 0

    def refusal(self) -> InvalidDocument | None:
        """Why the answer must not be given, if it must not."""
        if self.weight <= MAX_WEIGHT:
            return None
        return too_heavy("The document's answer has more bytes than it may have", self.weight)

    # -- what graphql-core calls
    def execute_operation(self, serially: bool | None = None) -> Any:
        self._begin()
        return super().execute_operation(serially)

    def execute_fields(
        self, parent: Any, source: Any, path: Any, fields: Any, position: Any
    ) -> Any:
        self.weight += sum(map(len, fields)) + FIELD_WEIGHT * len(fields) + 3
        if self.weight > MAX_WEIGHT:
            return {}  # nobody will see it
        if path is not None and self._is_late():
            return self._later(super().execute_fields, parent, source, path, fields, position)
        return super().execute_fields(parent, source, path, fields, position)

    def complete_awaitable_value(
        self, kind: Any, details: Any, info: Any, path: Any, result: Any, position: Any
    ) -> Any:
        found = self._in_turn(result)
        return super().complete_awaitable_value(kind, details, info, path, found, position)

    async def _in_turn(self, result: Awaitable[Any]) -> Any:
        """A thousand fields begin in one round, and go on in one when what they want is there."""
        if self._is_late():
            await self._turn()
        try:
            return await result
        finally:
            if self._is_late():
                await self._turn()

    async def _later(self, work: Callable[..., Any], *given: Any) -> Any:
        await self._turn()
        found = work(*given)
        return await found if self.is_awaitable(found) else found

    def complete_iterable_value(
        self, item: Any, details: Any, info: Any, path: Any, items: Any, position: Any
    ) -> Any:
        self.weight += len(items) + 2
        if self.weight > MAX_WEIGHT:
            return []
        if len(items) < LONG_LIST or is_leaf_type(getattr(item, "of_type", item)):
            return super().complete_iterable_value(item, details, info, path, items, position)
        return self.complete_async_iterator_value(
            item, details, info, path, self._paced(items), position
        )

    async def _paced(self, items: Sequence[Any]) -> AsyncGenerator[Any, None]:
        for item in items:
            if self.weight > MAX_WEIGHT:
                return
            if self._is_late():
                await self._turn()
            yield item

    def _is_late(self) -> bool:
        return perf_counter() - self._since > SLICE

    async def _turn(self) -> None:
        with self._paused:
            await self._turns.next()
        self._since = self._turns.began

    def complete_leaf_value(self, kind: Any, result: Any) -> Any:
        found = super().complete_leaf_value(kind, result)
        if self.weight <= MAX_WEIGHT:  # a text of 1 MB under 400 names is looked at twice
            self.weight += len(orjson.dumps(found))
        return found

    def handle_field_error(self, *given: Any) -> None:
        self.weight += ERROR_WEIGHT
        super().handle_field_error(*given)
