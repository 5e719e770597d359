"""GenerationReader: one reader's way through a transcript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from app.generations.cursor import Cursors
from app.generations.transcript import Event, Transcript

# Whether it took the event, whose cursor stands before it. Must not block.
Push = Callable[[str, Event], bool]


class GenerationReader:
    """The events with their cursors, to the last one.

    `cursor` is that of the last event that was given, behind which a client would go on; before
    the first the one that reading began behind. `aclose()` is the reader's leaving, and must be
    called, also before the first event.
    """

    __slots__ = (
        *("_closed", "_cursors", "_id", "_leave", "_push", "_transcript", "cursor", "position"),
    )

    def __init__(
        self,
        cursors: Cursors,
        generation_id: str,
        after: int,
        transcript: Transcript,
        leave: Callable[[], Awaitable[None]],
    ) -> None:
        self._cursors, self._id = cursors, generation_id
        self._transcript, self._leave = transcript, leave
        self.position = after
        self.cursor = cursors.encode(generation_id, after) if after else None
        self._push: Push | None = None
        self._closed = False

    def __aiter__(self) -> GenerationReader:
        return self

    async def join(self) -> None:
        """Nothing is to be waited for: reading begins where it was told, or at the first event."""

    def push_to(self, push: Push) -> None:
        """Have what is told while the iteration waits given to `push`, in the moment it is told.

        What `push` does not take, and all behind it until it waits again, is the iteration's.
        """
        self._push = push

    async def __anext__(self) -> tuple[str, Event]:
        transcript = self._transcript
        # Looked up anew for each: events come, the last one too, while one is taken.
        while (found := transcript.behind(self.position)) is None:
            if transcript.ended:
                raise StopAsyncIteration
            await transcript.wait_changed(self._push_on if self._push is not None else None)
        self.position, event = found
        self.cursor = self._cursors.encode(self._id, self.position)
        return self.cursor, event

    def _push_on(self) -> bool:
        """Hand on what was told; whether there is more to come, and nothing for the iteration."""
        push = self._push
        while push is not None and (found := self._transcript.behind(self.position)) is not None:
            position, event = found
            cursor = self._cursors.encode(self._id, position)
            if not push(cursor, event):
                return False
            self.position, self.cursor = position, cursor
        return not self._transcript.ended

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._leave()
