"""Subscriptions that are equal share each event's result, and nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest

from app.caller import PERMISSIONS
from app.events import tail
from app.pipeline.subscriptions import Subscriptions
from resolvers import response_streams
from resolvers.response_streams import ResponseStream, SourceStream, SubscriptionGroups
from tests.support.event_streams import publish
from tests.support.replaced import replaced
from tests.support.service import Service, Socket
from tests.support.sockets import EVENTS, until_subscribed
from tests.support.waiting import until

FEW = [p for p in PERMISSIONS if p != "events:read-all"]


class Store:
    """The service's store, and what was asked of it by id."""

    def __init__(self, get_many: Any) -> None:
        self._get_many, self.asked = get_many, list[Collection[str]]()

    async def get_many(self, user_id: str, ids: Collection[str], **how: Any) -> Any:
        self.asked.append(ids)
        return await self._get_many(user_id, ids, **how)


@pytest.fixture
async def store(loregate: Service) -> AsyncIterator[Store]:
    found = Store(loregate.parts.store.get_many)
    with replaced(loregate.parts.store, get_many=found.get_many):
        yield found


@asynccontextmanager
async def subscribed(
    found: Service, *given: tuple[str, Any, dict[str, Any]]
) -> AsyncIterator[list[Socket]]:
    """A socket for each document with its variables and claims, all of them live."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(found.socket(**claims)) for *_, claims in given]
        for socket, (query, variables, _) in zip(sockets, given, strict=True):
            await socket.acknowledged()
            await socket.subscribe(query, variables)
        await until_subscribed(found, len(given))
        yield sockets


def groups(found: Service) -> SubscriptionGroups:
    return found.sockets.executor.groups


async def test_an_event_is_executed_once_for_all_who_are_equal(
    loregate: Service, store: Store
) -> None:
    """Also for one that resumes: where it began is no difference once it is live."""
    begin = (await loregate.data("{ eventCursor }"))["eventCursor"]
    equal: list[Any] = [(EVENTS, None, {})] * 4 + [(EVENTS, {"after": begin}, {})]
    async with subscribed(loregate, *equal) as sockets:
        for _ in range(2):
            store.asked.clear()
            made = await loregate.generate()
            found = [await s.next("contentGenerated") for s in sockets]
            assert found == [found[0]] * 5
            assert found[0]["contentId"] == made["contentId"]
            assert found[0]["content"]["text"] == made["text"]
            assert [list(ids) for ids in store.asked] == [[made["contentId"]]]


DIFFERENT: dict[str, Any] = {
    "another user": (EVENTS, None, {"sub": "bob"}),
    "other rights": (EVENTS, None, {"permissions": FEW}),
    "another document": (EVENTS.replace("source", "origin: source"), None, {}),
}


@pytest.mark.parametrize("name", DIFFERENT)
async def test_who_differs_does_not_share(loregate: Service, store: Store, name: str) -> None:
    given = [(EVENTS, None, {}), (EVENTS, None, {}), DIFFERENT[name]]
    async with subscribed(loregate, *given) as sockets:
        found = groups(loregate)
        assert sorted(g.members for g in found.groups.values()) == [1, 2]
        made = await loregate.generate()
        for socket in sockets[:2] if name == "another user" else sockets:
            event = await socket.next("contentGenerated")
            assert event["contentId"] == made["contentId"]
    assert len(store.asked) == (1 if name == "another user" else 2)


async def test_without_the_right_to_read_nothing_is_shared_by_those_who_have_it(
    loregate: Service,
) -> None:
    """The same document for another token of the same user, which may not read contents."""
    poor = {"permissions": ["events:subscribe"]}
    given: list[Any] = [(EVENTS, None, {})] * 2 + [(EVENTS, None, poor)] * 2
    async with subscribed(loregate, *given) as sockets:
        made = await loregate.generate()
        for socket in sockets[:2]:
            event = await socket.next("contentGenerated")
            assert event["content"]["contentId"] == made["contentId"]
        for socket in sockets[2:]:
            message = await socket.receive()
            [error] = message["payload"]["errors"]
            assert error["extensions"]["code"] == "FORBIDDEN"
            assert message["payload"]["data"]["contentGenerated"]["content"] is None


async def test_other_variables_do_not_share(loregate: Service) -> None:
    query = "subscription ($t: [EventType!]) { events(types: $t) { id } }"
    kinds = [["CONTENT_GENERATED"], ["THEME_ANALYZED"], ["CONTENT_GENERATED"]]
    async with subscribed(loregate, *((query, {"t": k}, {}) for k in kinds)) as sockets:
        await publish(loregate, "theme", kind="theme.analyzed")
        await publish(loregate, "text")
        got = [(await s.next("events"))["id"] for s in sockets]
    assert got == ["text", "theme", "text"]


async def test_who_reads_alone_has_nothing_kept(loregate: Service) -> None:
    async with subscribed(loregate, (EVENTS, None, {})) as [alone]:
        for _ in range(3):
            await loregate.generate()
            await alone.next("contentGenerated")
        assert not groups(loregate).results
        await alone.subscribe(EVENTS)
        await until_subscribed(loregate, 2)
        await loregate.generate()
        for _ in range(2):
            await alone.next("contentGenerated")
        assert groups(loregate).results
        await alone.send({"type": "complete", "id": "2"})
        await until_subscribed(loregate, 1)
        await until(lambda: not groups(loregate).results)
        assert groups(loregate).bytes == 0
    await until(lambda: not groups(loregate).groups)
    assert not loregate.gateway.subscriptions.users


async def test_what_was_deleted_does_not_come_back_out_of_what_was_shared(
    loregate: Service,
) -> None:
    begin = (await loregate.data("{ eventCursor }"))["eventCursor"]
    async with subscribed(loregate, *[(EVENTS, None, {})] * 2) as sockets:
        made = await loregate.generate()
        for socket in sockets:
            assert (await socket.next("contentGenerated"))["content"]
    await until(lambda: not groups(loregate).groups)
    path = f"/api/v2/content/{made['contentId']}"
    assert (await loregate.http.delete(path, headers=loregate.headers())).status_code == 204
    async with subscribed(loregate, *[(EVENTS, {"after": begin}, {})] * 2) as sockets:
        for socket in sockets:
            assert (await socket.next("contentGenerated"))["content"] is None


# -- one that does not read
WORDY = "subscription ($after: String) { events(after: $after) { id requestId } }"
MANY = 600  # of 20 KB: more than all buffers between a stalled client and the log hold


async def test_a_stalled_reader_holds_up_nobody_and_gets_all_when_it_reads_again(
    loregate: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept for it is bounded: the newest entries, some results, one message."""
    monkeypatch.setattr(tail, "RING_SIZE", 32)
    monkeypatch.setattr(response_streams, "MAX_RESULT_BYTES", 500_000)
    async with subscribed(loregate, *[(WORDY, None, {})] * 3) as [stalled, *brisk]:
        stalled.ws.transport.pause_reading()
        for first in range(0, MANY, 20):
            await publish(loregate, *range(first, first + 20), request_id="x" * 20_000)
            got = [await names(s, 20) for s in brisk]
            assert got == [[str(n) for n in range(first, first + 20)]] * 2
            ring = loregate.parts.fanout.tails[0]._entries  # private: a bound that no reader sees
            assert len(ring) <= 32 * 3 // 2 + 20
            assert groups(loregate).bytes <= 500_000
        [stuck] = [h for h in loregate.gateway.open_streams if _sends(h)]
        assert len(stuck._tasks) == 1  # type: ignore[attr-defined]  # private: one subscription
        stalled.ws.transport.resume_reading()
        assert await names(stalled, MANY) == [str(n) for n in range(MANY)]


async def names(socket: Socket, count: int) -> list[str]:
    return [(await socket.next("events"))["id"] for _ in range(count)]


def _sends(holder: Any) -> bool:
    return holder._sending is not None  # private: nobody is told that a client does not read


# -- by itself
class Reader:
    """Some events with their cursors."""

    def __init__(self, *events: tuple[str, Any]) -> None:
        self.cursor: str | None = None
        self._events = self._read(events)

    def push_to(self, push: Any) -> None: ...

    def __anext__(self) -> Awaitable[tuple[str, Any]]:
        return self._events.__anext__()

    async def aclose(self) -> None:
        await self._events.aclose()

    async def _read(
        self, events: Iterable[tuple[str, Any]]
    ) -> AsyncGenerator[tuple[str, Any], None]:
        for cursor, event in events:
            self.cursor = cursor
            yield cursor, event


class Recorded(response_streams.SubscriptionGroup):
    """A group whose results are made by the test: at once, or when it lets them."""

    __slots__ = ("executed", "go", "waits")

    def __init__(self, *, waits: bool) -> None:
        super().__init__("alice", ("k",), executor=None, request_id="r")  # type: ignore[arg-type]  # it executes nothing
        self.executed, self.waits, self.go = list[Any](), waits, asyncio.Event()

    def execute(self, cursor: str, event: Any) -> Any:
        self.executed.append(event)
        return self._later(event) if self.waits else str(event).encode()

    async def _later(self, event: Any) -> bytes:
        await self.go.wait()
        if event == "bad":
            raise ZeroDivisionError
        return str(event).encode()


def shared(members: int, *, waits: bool = True) -> tuple[SubscriptionGroups, Recorded]:
    group = Recorded(waits=waits)
    found = SubscriptionGroups()
    found.groups[group.key] = group
    for _ in range(members):
        found.join("alice", group.key, None, "r")  # type: ignore[arg-type]  # there is a group already
    return found, group


def response_stream(
    found: SubscriptionGroups, group: Recorded, *events: tuple[str, Any]
) -> ResponseStream:
    source = SourceStream(Reader(*events), lambda _, event: event)
    return ResponseStream(found, group, source, Subscriptions(10).enter("alice"))


async def all_of(one: ResponseStream) -> list[tuple[str, bytes]]:
    async with aclosing(one):
        return [result async for result in one]


async def test_one_that_leaves_while_it_is_made_does_not_disturb_the_others() -> None:
    found, group = shared(3)
    readers = [
        asyncio.create_task(all_of(response_stream(found, group, ("1", "x")))) for _ in range(3)
    ]
    await until(lambda: group.executed)
    readers[0].cancel()  # the one for whom it was begun
    await asyncio.gather(readers[0], return_exceptions=True)
    group.go.set()
    assert await asyncio.gather(*readers[1:]) == [[("1", b"x")]] * 2
    assert group.executed == ["x"]
    assert not found.groups
    assert not found.results


async def test_a_result_that_fails_fails_for_all_and_is_not_kept() -> None:
    found, group = shared(2)
    readers = [
        asyncio.create_task(all_of(response_stream(found, group, ("1", "bad")))) for _ in range(2)
    ]
    await until(lambda: group.executed)
    group.go.set()
    ended = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(e) for e in ended] == [ZeroDivisionError] * 2
    assert not found.results


@pytest.mark.parametrize("waits", [False, True])
async def test_what_is_kept_is_bounded_and_what_fell_out_is_made_again(
    monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    monkeypatch.setattr(response_streams, "MAX_RESULTS", 4)
    monkeypatch.setattr(response_streams, "MAX_RESULT_BYTES", 30)
    found, group = shared(2, waits=waits)
    group.go.set()
    events = [(str(n), f"{n:010d}") for n in range(10)]
    first, second = response_stream(found, group, *events), response_stream(found, group, *events)
    got = []
    async for result in first:
        got.append(result)
        held = [x for x in found.results.values() if isinstance(x, bytes)]
        assert sum(map(len, held)) == found.bytes <= 30
        assert len(found.results) <= 4
        if len(got) == len(events):
            break
    assert len(group.executed) == 10
    assert got == [(c, e.encode()) for c, e in events] == await all_of(second)
    assert len(group.executed) > 10
    await first.aclose()
    assert (found.bytes, len(found.results)) == (0, 0)


async def test_a_place_is_that_of_the_last_result_which_was_taken() -> None:
    found, group = shared(1, waits=False)
    one = response_stream(found, group, ("1", "x"), ("2", "y"))
    assert await anext(one) == ("1", b"x")
    assert one.cursor is None  # it may not have been sent yet
    assert await anext(one) == ("2", b"y")
    assert one.cursor == "1"
    with pytest.raises(StopAsyncIteration):
        await anext(one)
    assert one.cursor == "2"
