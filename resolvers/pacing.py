"""Pacing: an answer is made in slices, others' work between them, and is given up when it weighs
too much.

graphql-core completes all of a list at once: an answer of 2 MB held the loop for 300 ms. Here a
long list and an object look at the clock first. When the slice is used up they wait for their turn,
which comes once in each round of the loop, for all documents of the process together.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from math import inf
from time import perf_counter
from typing import Any

import orjson
from graphql import is_leaf_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from resolvers.errors import InvalidDocument
from resolvers.weights import MAX_WEIGHT, too_heavy

SLICE = 0.004  # s of the loop at once; what is begun then may take 4 ms more: 400 fields
LONG_LIST = 8  # objects; a shorter list is looked at object by object
ERROR_WEIGHT = 400  # bytes of a field's error in the answer

Base: Any = StrawberryGraphQLCoreExecutionContext


class Turns:
    """Who goes on next, of all that used their slice up."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def next(self) -> None:
        """Returns in a later round of the loop, in which nobody else was let go on."""
        async with self._lock:
            await asyncio.sleep(0)


class PacedExecutor(Base):  # type: ignore[misc]  # Strawberry's own, of which it shows no types
    """Executes an operation, or one event of a subscription."""

    def __init__(self, *args: Any, turns: Turns, **others: Any) -> None:
        super().__init__(*args, **others)
        self._turns, self._slice = turns, SLICE
        self._begin()

    def _begin(self) -> None:
        self._since, self.weight = perf_counter(), 0

    def at_once(self, event: Any) -> Any:
        """What executes this event's fields without a pause; to be used for small ones."""
        found = self.build_per_event_executor(event)
        found._slice = inf
        return found

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
        self.weight += sum(map(len, fields)) + 4 * len(fields) + 3
        if self.weight > MAX_WEIGHT:
            return {}  # nobody will see it
        if path is not None and perf_counter() - self._since > self._slice:
            return self._later(parent, source, path, fields, position)
        return super().execute_fields(parent, source, path, fields, position)

    async def _later(self, *given: Any) -> Any:
        await self._turn()
        found = super().execute_fields(*given)
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
            if perf_counter() - self._since > self._slice:
                await self._turn()
            yield item

    async def _turn(self) -> None:
        await self._turns.next()
        self._since = perf_counter()

    def complete_leaf_value(self, kind: Any, result: Any) -> Any:
        found = super().complete_leaf_value(kind, result)
        self.weight += len(orjson.dumps(found))
        return found

    def handle_field_error(self, *given: Any) -> None:
        self.weight += ERROR_WEIGHT
        super().handle_field_error(*given)
