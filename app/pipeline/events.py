"""Events: what happened, for whom it happened to."""

from __future__ import annotations

from collections.abc import Sequence

from app.caller import Caller
from app.errors import InvalidRequest, quoted
from app.events.cursor import Cursor
from app.events.fanout import Fanout
from app.events.log import EventLog
from app.events.reader import EventReader
from app.events.types import EVENT_TYPES
from app.pipeline.context import RequestContext


class Events:
    """The caller's events, or with `events:read-all` everybody's."""

    def __init__(self, log: EventLog, fanout: Fanout) -> None:
        self._log, self._fanout = log, fanout

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
        everybody: bool = False,
    ) -> EventReader:
        """Events with their cursors: those behind `after`, then live.

        Going on behind `after` counts nothing.

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
        wanted = frozenset(types or EVENT_TYPES)
        await context.charge(0 if after else 1)
        owner = None if everybody else caller.id
        return self._fanout.subscribe(owner, cursor, lambda event: event.type in wanted)
