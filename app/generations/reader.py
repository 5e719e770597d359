"""GenerationReader: one reader's way through a transcript."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable

from app.generations.cursor import Cursors
from app.generations.transcript import Event


class GenerationReader:
    """The events with their cursors, to the last one.

    `cursor` is that of the last event that was given, behind which a client would go on; before
    the first the one that reading began behind. `aclose()` is the reader's leaving, and must be
    called, also before the first event.
    """

    def __init__(
        self,
        cursors: Cursors,
        generation_id: str,
        after: int,
        events: AsyncGenerator[tuple[int, Event], None],
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        self._cursors, self._id = cursors, generation_id
        self._events, self._leave = events, leave
        self.cursor = cursors.encode(generation_id, after) if after else None
        self._closed = False

    def __aiter__(self) -> GenerationReader:
        return self

    async def join(self) -> None:
        """Nothing is to be waited for: reading begins where it was told, or at the first event."""

    async def __anext__(self) -> tuple[str, Event]:
        position, event = await anext(self._events)
        self.cursor = self._cursors.encode(self._id, position)
        return self.cursor, event

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._events.aclose()
            await self._leave()
