"""ResponseStream: a subscription that runs; each event's result is made once for all equal ones.

Equal are those of one caller with the same rights, document and variables (but for the one that
says where to begin). The others of a group take what the first one made; who reads alone has
nothing kept for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import orjson
from graphql import ExecutionResult, execute_subscription_event

from app.pipeline.subscriptions import Place
from resolvers.errors import formatted
from resolvers.pacing import PacedExecutor
from resolvers.plan import Plan

MAX_RESULTS = 2_048  # results
MAX_RESULT_BYTES = 4_000_000  # of all of them

Key = tuple[Any, ...]
Push = Callable[[str, Any], bool]

log = logging.getLogger(__name__)


class Reader(Protocol):
    """Events with their cursors, until `aclose()`, which is called in any case.

    `cursor` is the one behind which reading would go on; None before `join()`, where it was not
    told where to begin.
    """

    @property
    def cursor(self) -> str | None: ...

    async def join(self) -> None: ...

    def push_to(self, push: Push) -> None:
        """Give `push` what comes while the iteration waits, as long as it takes it."""

    def __anext__(self) -> Awaitable[tuple[str, Any]]: ...

    async def aclose(self) -> None: ...


class SourceStream:
    """What a subscription's resolver gives: a reader of events, and how to make an object of each.

    `read` gives None for an event that the subscription does not want.
    """

    def __init__(
        self,
        reader: Reader,
        read: Callable[[str, Any], Any],
        wanted: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        self.reader, self.read, self.wanted = reader, read, wanted

    def __aiter__(self) -> Reader:
        """By having this, graphql-core knows a stream; what reads it is `ResponseStream`."""
        return self.reader


class SubscriptionGroup:
    """Equal subscriptions."""

    __slots__ = ("executor", "key", "members", "plan", "request_id", "user_id")

    def __init__(
        self,
        user_id: str,
        key: Key,
        executor: PacedExecutor,
        request_id: str,
        plan: Plan | None = None,
    ) -> None:
        self.user_id, self.key = user_id, key
        self.executor, self.request_id, self.plan = executor, request_id, plan
        self.members = 0

    def execute(self, cursor: str, event: Any) -> Any:
        """The event's result as JSON with its cursor beside it, or an awaitable of that."""
        found = self._result(event)
        return _with_cursor(found, cursor) if isinstance(found, bytes) else _told(found, cursor)

    def _result(self, event: Any) -> Any:
        if self.plan is not None and (found := self.plan.event(event)) is not None:
            return found
        executor = self.executor.build_per_event_executor(event)
        result: Any = execute_subscription_event(executor)
        if executor.is_awaitable(result):
            return self._awaited(executor, result)
        return self._encoded(executor, result)

    async def _awaited(self, executor: PacedExecutor, result: Any) -> bytes:
        return self._encoded(executor, await result)

    def _encoded(self, executor: PacedExecutor, result: ExecutionResult) -> bytes:
        body: dict[str, Any] = {"data": result.data}
        if refused := executor.refusal():
            body = {"data": None, "errors": refused.formatted(self.request_id)}
        elif result.errors:
            body["errors"] = [formatted(e, self.request_id) for e in result.errors]
        return orjson.dumps(body)


Shared = tuple[SubscriptionGroup, str]  # a group, and the cursor of an event


def _with_cursor(result: bytes, cursor: str) -> bytes:
    """For clients whose document does not select it."""
    return b'%b,"extensions":{"cursor":%b}}' % (result[:-1], orjson.dumps(cursor))


async def _told(result: Awaitable[bytes], cursor: str) -> bytes:
    return _with_cursor(await result, cursor)


class SubscriptionGroups:
    """All groups of a process, and the results that their members have still to take."""

    def __init__(self) -> None:
        self.groups: dict[Key, SubscriptionGroup] = {}
        self.results: OrderedDict[Shared, bytes | asyncio.Task[bytes]] = OrderedDict()
        self.bytes = 0

    def join(
        self,
        user_id: str,
        key: Key,
        executor: PacedExecutor,
        request_id: str,
        plan: Plan | None = None,
    ) -> SubscriptionGroup:
        """The group of one that is to leave it."""
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = SubscriptionGroup(user_id, key, executor, request_id, plan)
        group.members += 1
        return group

    def leave(self, group: SubscriptionGroup) -> None:
        group.members -= 1
        if group.members == 1:
            self._forget(group)
        elif not group.members:
            del self.groups[group.key]

    async def result(
        self, group: SubscriptionGroup, stream: SourceStream, cursor: str, event: Any
    ) -> bytes:
        """The event's result as JSON."""
        if group.members == 1 and (group, cursor) not in self.results:
            made = group.execute(cursor, stream.read(cursor, event))
            return made if isinstance(made, bytes) else await made
        found = self.begin(group, stream, cursor, event)
        return found if isinstance(found, bytes) else await asyncio.shield(found)

    def begin(
        self, group: SubscriptionGroup, stream: SourceStream, cursor: str, event: Any
    ) -> bytes | asyncio.Task[bytes]:
        """The same, or the task that makes it."""
        key = (group, cursor)
        found = self.results.get(key)
        if found is None:
            found = group.execute(cursor, stream.read(cursor, event))
            if not isinstance(found, bytes):
                found = asyncio.ensure_future(found)
                found.add_done_callback(lambda task: self._finished(key, task))
            elif group.members == 1:
                return found
            self._store(key, found)
        return found

    def _store(self, key: Shared, result: bytes | asyncio.Task[bytes]) -> None:
        self.results[key] = result
        if isinstance(result, bytes):
            self.bytes += len(result)
        while len(self.results) > MAX_RESULTS or self.bytes > MAX_RESULT_BYTES:
            _, gone = self.results.popitem(last=False)
            if isinstance(gone, bytes):
                self.bytes -= len(gone)

    def _forget(self, group: SubscriptionGroup) -> None:
        """Nobody is left to share with; what was deleted since must not come back out of here."""
        for key in [k for k in self.results if k[0] is group]:
            gone = self.results.pop(key)
            if isinstance(gone, bytes):
                self.bytes -= len(gone)

    def _finished(self, key: Shared, task: asyncio.Task[bytes]) -> None:
        made = not task.cancelled() and not task.exception()
        if self.results.pop(key, None) is task and made and key[0].members > 1:
            self._store(key, task.result())


class ResponseStream:
    """One running subscription: each event's cursor and its result as JSON, in UTF-8.

    `aclose()` is its end, and must be called, also before the first result. Its iteration raises
    the `GatewayError` that its reader ends in.
    """

    __slots__ = (
        *("_closed", "_given", "_group", "_groups", "_in_flight", "_place", "_sent", "_stream"),
    )

    def __init__(
        self,
        groups: SubscriptionGroups,
        group: SubscriptionGroup,
        stream: SourceStream,
        place: Place,
    ) -> None:
        """`place`: among the user's subscriptions, which it leaves at its end."""
        self._groups, self._group, self._stream, self._place = groups, group, stream, place
        self._sent = stream.reader.cursor  # the cursor of the last result that was taken
        self._given: str | None = None  # that of one which is taken when the next is asked for
        self._in_flight = False  # whether a result is on its way that was not taken yet
        self._closed = False

    @property
    def cursor(self) -> str | None:
        """The cursor behind which a client would go on that has taken what was given."""
        return self._sent if self._in_flight else self._stream.reader.cursor

    async def join(self) -> None:
        """Returns when nothing is missed any more, and `cursor` says from where on."""
        await self._stream.reader.join()
        self._sent = self._stream.reader.cursor

    def push_to(self, send: Callable[[str, bytes], bool]) -> None:
        """Give `send` what needs not be waited for, as long as it can send it at once."""
        groups, group, stream = self._groups, self._group, self._stream

        def push(cursor: str, event: Any) -> bool:
            try:
                if stream.wanted(event):
                    made = groups.begin(group, stream, cursor, event)
                    if not (isinstance(made, bytes) and send(cursor, made)):
                        return False
            except Exception:  # the iteration comes to it next, and ends in the same
                log.debug("a result could not be made at once", exc_info=True)
                return False
            self._sent = cursor
            return True

        stream.reader.push_to(push)

    def __aiter__(self) -> ResponseStream:
        return self

    async def __anext__(self) -> tuple[str, bytes]:
        stream = self._stream
        if self._in_flight:
            self._sent, self._in_flight = self._given, False
        while True:
            cursor, event = await anext(stream.reader)
            if stream.wanted(event):
                self._given, self._in_flight = cursor, True
                return cursor, await self._groups.result(self._group, stream, cursor, event)
            self._sent = cursor

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                await self._stream.reader.aclose()
            finally:
                self._groups.leave(self._group)
                self._place.leave()
