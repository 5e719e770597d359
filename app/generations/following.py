"""Following: a reader's way through a transcript."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from app.generations import place
from app.generations.transcript import Event


class Following:
    """The events with their cursors, to the last one.

    `aclose()` is the reader's leaving, and must be called, also before the first event.
    """

    def __init__(
        self,
        generation_id: str,
        events: AsyncGenerator[tuple[int, Event], None],
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        self._id, self._events, self._leave = generation_id, events, leave
        self._gone = False

    def __aiter__(self) -> Following:
        return self

    async def __anext__(self) -> tuple[str, Event]:
        at, event = await anext(self._events)
        return place.encode(self._id, at), event

    async def aclose(self) -> None:
        if not self._gone:
            self._gone = True
            await self._events.aclose()
            await self._leave()
