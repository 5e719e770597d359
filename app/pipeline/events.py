"""Events: what happened, for whom it happened to."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from functools import lru_cache
from time import time
from typing import TypeVar

from app.caller import Caller
from app.errors import CursorExpired, GatewayError, InvalidRequest, quoted
from app.events.cursor import Cursor
from app.events.fanout import Fanout
from app.events.log import EventLog
from app.events.reader import EventReader, Push
from app.events.types import EVENT_TYPES, Event
from app.observe.metrics import Metrics
from app.pipeline.charges import Kind
from app.pipeline.context import RequestContext

T = TypeVar("T")


class Events:
    """The caller's events, or with `events:read-all` everybody's."""

    def __init__(self, log: EventLog, fanout: Fanout, metrics: Metrics) -> None:
        self._log, self._fanout, self._metrics = log, fanout, metrics

    async def cursor(self, caller: Caller) -> str:
        """The log's end now. Raises `DependencyUnavailable`."""
        everybody = caller.may("events:read-all")
        partitions = range(self._log.partitions) if everybody else [self._log.partition(caller.id)]
        return self._log.cursor(await self._log.end(partitions))

    async def watch(
        self,
        context: RequestContext,
        types: Sequence[str] | None = None,
        after: str | None = None,
        *,
        content_types: Collection[str] | None = None,
        everybody: bool = False,
    ) -> EventReader | ResumedReader:
        """Events with their cursors: those behind `after`, then live; of these kinds only.

        Going on behind `after` counts nothing, unless nothing follows it any more.

        Raises:
            InvalidRequest: `after` is no cursor, or a type is unknown.
            Forbidden: without `events:subscribe`; or everybody's events are asked for without
                `events:read-all`.
            CursorExpired: raised by the iteration.
            RateLimited, Unauthenticated
        """
        caller = context.caller
        caller.require("events:subscribe")
        if everybody:
            caller.require("events:read-all")
        cursor = Cursor.decode(after) if after is not None else None
        if unknown := set(types or ()) - set(EVENT_TYPES):
            known = ", ".join(EVENT_TYPES)
            said = f"unknown: {quoted(', '.join(sorted(unknown)))}; there are {known}"
            raise InvalidRequest.at(("types",), said)
        kind = context.stream(after)
        await context.charge(kind)
        owner = None if everybody else caller.id
        of_type = _wanted(frozenset(types or EVENT_TYPES), content_types)
        reader = self._fanout.subscribe(owner, cursor, of_type, self._counting(context.edge))
        return ResumedReader(reader, context) if kind is Kind.RESUMED else reader

    def _counting(self, edge: str) -> Callable[[Event], None]:
        """Counts what a subscriber takes. What occurred before it came has no lag of ours."""
        metrics, came = self._metrics, time()

        def taken(event: Event) -> None:
            metrics.delivered(edge, _lag(event, came))

        return taken


def _lag(event: Event, came: float) -> float | None:
    """Seconds since it occurred; None where that was before the subscriber came, or is not told."""
    said = event.payload.get("occurred_at")
    occurred = _occurred(said) if isinstance(said, str) else None
    return None if occurred is None or occurred < came else time() - occurred


@lru_cache(256)  # an event is told to many
def _occurred(said: str) -> float | None:
    """Seconds since 1970; None where it is no time with its zone."""
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return None
    return found.timestamp() if found.tzinfo else None


def _wanted(
    types: Collection[str], content_types: Collection[str] | None
) -> Callable[[Event], bool]:
    if content_types is None:
        return lambda event: event.type in types
    kinds = frozenset(content_types)
    return lambda event: event.type in types and event.payload["content_type"] in kinds


class ResumedReader:
    """A reader that came for nothing, and counts as any other when it finds its cursor expired."""

    __slots__ = ("_context", "_given", "_reader")

    def __init__(self, reader: EventReader, context: RequestContext) -> None:
        self._reader, self._context = reader, context
        self._given = False  # whether an event was: it then reads what it came for

    @property
    def cursor(self) -> str | None:
        return self._reader.cursor

    def __aiter__(self) -> ResumedReader:
        return self

    def __anext__(self) -> Awaitable[tuple[str, Event]]:
        return anext(self._reader) if self._given else self._first()

    async def join(self) -> None:
        await self._counted(self._reader.join())

    def push_to(self, push: Push) -> None:
        def pushed(cursor: str, event: Event) -> bool:
            taken = push(cursor, event)
            self._given = self._given or taken
            return taken

        self._reader.push_to(pushed)

    async def _first(self) -> tuple[str, Event]:
        found = await self._counted(anext(self._reader))
        self._given = True
        return found

    async def _counted(self, read: Awaitable[T]) -> T:
        try:
            return await read
        except CursorExpired:
            if not self._given:
                with contextlib.suppress(GatewayError):  # it must hear where it can go on
                    await self._context.charge(Kind.EXPIRED)
            raise

    async def aclose(self) -> None:
        await self._reader.aclose()
