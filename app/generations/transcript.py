"""Transcript: what a generation has said so far, each event at its position.

It is the generation itself where this process runs it, and a copy, kept up from Redis, where
another one does. Readers stand at a position in it; none has a queue.
"""

from __future__ import annotations

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import orjson

FINAL_TYPES = ("completed", "failed", "cancelled")  # types of events behind which nothing comes
# How far behind the last known position an event stands that the generation did not say itself: a
# reader may have heard more than was written down when its process died.
RECOVERY_GAP = 1_000_000
MAX_PUSHES = 64  # readers that are handed an event while it is told; others have a turn of the loop

Event = dict[str, Any]


class Transcript:
    """The events of one generation. Positions begin at 1 and grow."""

    __slots__ = ("_encoded", "_positions", "events", "key", "readers", "waiting")

    def __init__(self, key: str) -> None:
        self.key = key
        self.events: list[Event] = []
        self.readers = 0  # who follows it, or waits for its end
        self._positions: list[int] = []
        self._encoded: list[bytes] = []
        self.waiting: dict[asyncio.Future[None], Callable[[], bool] | None] = {}

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1]["type"] in FINAL_TYPES

    @property
    def last_position(self) -> int:
        """The last event's position; 0 before the first."""
        return self._positions[-1] if self._positions else 0

    @property
    def text(self) -> str | None:
        """The text so far; None where nothing was told of it."""
        found: list[str] | None = None
        for event in self.events:
            if event["type"] == "reset":
                found = []
            elif event["type"] == "delta":
                found = found or []
                found.append(event["text"])
        return None if found is None else "".join(found)

    def append(self, event: Event, at: int | None = None, encoded: bytes | None = None) -> None:
        """The next event, at its position; behind the last one unless told otherwise.

        What stands there already, and what comes behind the end, changes nothing.
        """
        if self.ended or (at is not None and at <= self.last_position):
            return
        self.events.append(event)
        self._positions.append(self.last_position + 1 if at is None else at)
        self._encoded.append(orjson.dumps(event) if encoded is None else encoded)
        self.wake()

    def wake(self) -> None:
        for count, (waiting, push) in enumerate(list(self.waiting.items())):
            if waiting.done() or (push is not None and count < MAX_PUSHES and push()):
                continue
            waiting.set_result(None)

    def encoded(self, after: int) -> list[tuple[int, bytes]]:
        """The events behind a position, as they are written down."""
        at = bisect_right(self._positions, after)
        return list(zip(self._positions[at:], self._encoded[at:], strict=True))

    def behind(self, after: int) -> tuple[int, Event] | None:
        """The next event behind a position, with its own; None where none is told yet."""
        at = bisect_right(self._positions, after)
        return (self._positions[at], self.events[at]) if at < len(self.events) else None

    async def wait_changed(self, push: Callable[[], bool] | None = None) -> None:
        """Returns when another event stands there which `push`, called when one does, leaves."""
        waiting = asyncio.get_running_loop().create_future()
        self.waiting[waiting] = push
        try:
            await waiting
        finally:
            del self.waiting[waiting]

    async def wait_ended(self, seconds: float) -> None:
        """Returns when it has ended, or when the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.ended:
                    await self.wait_changed()
