"""Subscriptions that run: each event's result, executed and encoded once for all that are equal.

Equal are those of one caller with the same rights, document and variables (but for the one that
says where to begin). The others of a group take what the first one made; who reads alone has
nothing kept for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import orjson
from graphql import ExecutionResult, Executor, execute_subscription_event

from app.errors import GatewayError
from resolvers.errors import formatted
from resolvers.stencil import Stencil, cut

KEPT = 2_048  # results
KEPT_CHARACTERS = 4_000_000  # of all of them

Key = tuple[Any, ...]


class Events(Protocol):
    """Events with their cursors, until `aclose()`, which is called in any case."""

    async def __anext__(self) -> tuple[str, Any]: ...

    async def aclose(self) -> None: ...


class Source(Protocol):
    """Where events come from, and how far they were read."""

    @property
    def cursor(self) -> str | None: ...

    def events(self) -> Events: ...


class Watch:
    """What a subscription's resolver gives: a source, and how to make its objects of an event.

    `read` gives None for an event that the subscription does not want.
    """

    def __init__(
        self,
        source: Source,
        read: Callable[[str, Any], Any],
        wanted: Callable[[Any], bool] = lambda _: True,
    ) -> None:
        self.source, self.read, self.wanted = source, read, wanted

    def __aiter__(self) -> Events:
        """By having this, graphql-core knows a stream; what reads it is `Live`."""
        return self.source.events()


class Group:
    """Equal subscriptions."""

    __slots__ = ("_stencils", "executor", "key", "members", "request_id", "user_id")

    def __init__(self, user_id: str, key: Key, executor: Executor[Any], request_id: str) -> None:
        self.user_id, self.key = user_id, key
        self.executor, self.request_id = executor, request_id
        self.members = 0
        self._stencils: dict[type, Stencil | None] = {}

    def execute(self, event: Any) -> Any:
        """The event's result as JSON, or an awaitable of it."""
        if varying := getattr(event, "varying", None):
            kind = type(event)
            if kind not in self._stencils:
                self._stencils[kind] = cut(event, varying, self._executed)
            if stencil := self._stencils[kind]:
                return stencil.fill(event)
        result = self._executed(event)
        if self.executor.is_awaitable(result):
            return self._awaited(result)
        return self._encoded(result)

    def _executed(self, event: Any) -> Any:
        return execute_subscription_event(self.executor.build_per_event_executor(event))

    async def _awaited(self, result: Any) -> str:
        return self._encoded(await result)

    def _encoded(self, result: ExecutionResult) -> str:
        body: dict[str, Any] = {"data": result.data}
        if result.errors:
            body["errors"] = [formatted(e, self.request_id) for e in result.errors]
        return orjson.dumps(body).decode()


class TooManySubscriptions(GatewayError):
    """One subscription too many of a user's on this process; the others go on."""

    status, code = 429, "TOO_MANY_OPERATIONS"

    def __init__(self, most: int) -> None:
        super().__init__(f"A user may run at most {most} subscriptions at once")


class Groups:
    """All groups of a process, and the results that their members have still to take."""

    def __init__(self, per_user: int) -> None:
        """`per_user` is how many subscriptions of a user's may run at once."""
        self._per_user = per_user
        self._users: Counter[str] = Counter()
        self._groups: dict[Key, Group] = {}
        self._kept: OrderedDict[tuple[Key, str], str | asyncio.Task[str]] = OrderedDict()
        self._characters = 0

    def enter(self, user_id: str) -> None:
        """One subscription more of the user's. Raises `TooManySubscriptions`."""
        if self._users[user_id] >= self._per_user:
            raise TooManySubscriptions(self._per_user)
        self._users[user_id] += 1

    def exit(self, user_id: str) -> None:
        """One less: it ended, or did not come to be."""
        self._users[user_id] -= 1
        if not self._users[user_id]:
            del self._users[user_id]

    def join(self, user_id: str, key: Key, executor: Executor[Any], request_id: str) -> Group:
        """The group of one that entered, which is to leave it."""
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(user_id, key, executor, request_id)
        group.members += 1
        return group

    def leave(self, group: Group) -> None:
        self.exit(group.user_id)
        group.members -= 1
        if group.members == 1:
            self._forget(group.key)
        elif not group.members:
            del self._groups[group.key]

    async def result(self, group: Group, watch: Watch, cursor: str, event: Any) -> str:
        """The event's result as JSON."""
        if group.members == 1:
            made = group.execute(watch.read(cursor, event))
            return made if isinstance(made, str) else await made
        key = (group.key, cursor)
        found = self._kept.get(key)
        if found is None:
            found = group.execute(watch.read(cursor, event))
            if not isinstance(found, str):
                found = asyncio.ensure_future(found)
                found.add_done_callback(lambda task: self._made(key, task))
            self._keep(key, found)
        return found if isinstance(found, str) else await asyncio.shield(found)

    def _keep(self, key: tuple[Key, str], result: str | asyncio.Task[str]) -> None:
        self._kept[key] = result
        if isinstance(result, str):
            self._characters += len(result)
        while len(self._kept) > KEPT or self._characters > KEPT_CHARACTERS:
            _, gone = self._kept.popitem(last=False)
            if isinstance(gone, str):
                self._characters -= len(gone)

    def _forget(self, group: Key) -> None:
        """Nobody is left to share with; what was deleted since must not come back out of here."""
        for key in [k for k in self._kept if k[0] == group]:
            gone = self._kept.pop(key)
            if isinstance(gone, str):
                self._characters -= len(gone)

    def _made(self, key: tuple[Key, str], task: asyncio.Task[str]) -> None:
        if self._kept.pop(key, None) is task and not task.cancelled() and not task.exception():
            self._keep(key, task.result())


class Live:
    """One running subscription: each event's cursor and its result as JSON.

    `aclose()` is its end, and must be called, also before the first result. Its iteration raises
    the `GatewayError` that its source of events ends in.
    """

    __slots__ = ("_behind", "_events", "_gone", "_group", "_groups", "_sent", "_taken", "_watch")

    def __init__(self, groups: Groups, group: Group, watch: Watch) -> None:
        self._groups, self._group, self._watch = groups, group, watch
        self._events = watch.source.events()
        self._sent = watch.source.cursor  # the cursor of the last result that was taken
        self._taken: str | None = None  # that of one which is taken when the next is asked for
        self._behind = False  # whether a result is on its way that was not taken yet
        self._gone = False

    @property
    def cursor(self) -> str | None:
        """The place behind which a client would go on that has taken what was given."""
        return self._sent if self._behind else self._watch.source.cursor

    def __aiter__(self) -> Live:
        return self

    async def __anext__(self) -> tuple[str, str]:
        watch = self._watch
        if self._behind:
            self._sent, self._behind = self._taken, False
        while True:
            cursor, event = await anext(self._events)
            if watch.wanted(event):
                self._taken, self._behind = cursor, True
                return cursor, await self._groups.result(self._group, watch, cursor, event)
            self._sent = cursor

    async def aclose(self) -> None:
        if not self._gone:
            self._gone = True
            try:
                await self._events.aclose()
            finally:
                self._groups.leave(self._group)
