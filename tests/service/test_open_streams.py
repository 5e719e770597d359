"""OpenStreams: what is open ends with its token and with the process, and loses no event by it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from websockets.exceptions import ConnectionClosed

from app.caller import Caller
from app.errors import DependencyUnavailable, GatewayError
from app.open_streams import CHECK_BATCH, CHECK_INTERVAL, OpenStreams, ShuttingDown, TokenExpired
from app.pipeline.context import RequestContext
from tests.support import service
from tests.support.event_streams import IDS, named_event, publish
from tests.support.service import Service, Socket
from tests.support.sockets import subscribe, until_no_socket_is_left, until_subscribed
from tests.support.waiting import until

WORDY = "subscription { events { id requestId } }"


# -- by themselves
class OpenStream:
    def __init__(self, expires_at: float = float("inf"), token_id: str | None = None) -> None:
        self.caller = Caller("alice", expires_at=expires_at, token_id=token_id)
        self.ended: list[type[GatewayError]] = []
        self.looked: list[float] = []

    def end(self, reason: GatewayError) -> None:
        self.ended.append(type(reason))

    def look(self, now: float) -> None:
        self.looked.append(now)


class Revocations:
    def __init__(self, *gone: str) -> None:
        self.gone, self.asked, self.away = gone, list[set[str]](), False

    async def __call__(self, ids: Collection[str]) -> Collection[str]:
        self.asked.append(set(ids))
        if self.away:
            raise DependencyUnavailable("redis")
        return [i for i in ids if i in self.gone]


def test_a_second_is_how_late_a_tokens_end_may_be_noticed() -> None:
    assert CHECK_INTERVAL <= 1.0


def test_whose_token_has_ended_ends_and_the_others_are_looked_after() -> None:
    open_streams, ended, goes_on = (
        OpenStreams(Revocations(), now=lambda: 100.0),
        OpenStream(100.0),
        OpenStream(100.1),
    )
    open_streams.hold(ended)
    open_streams.hold(goes_on)
    open_streams.look(7.0, list(open_streams))
    assert (ended.ended, ended.looked) == ([TokenExpired], [])
    assert (goes_on.ended, goes_on.looked) == ([], [7.0])
    open_streams.release(goes_on)
    open_streams.look(8.0, list(open_streams))
    assert goes_on.looked == [7.0]


async def test_many_are_looked_at_in_turns_and_who_left_meanwhile_is_not() -> None:
    open_streams, streams = (
        OpenStreams(Revocations()),
        [OpenStream() for _ in range(3 * CHECK_BATCH)],
    )
    for stream in streams:
        open_streams.hold(stream)
    turns = []

    async def beside() -> None:
        while open_streams:
            turns.append([h for h in streams if h.looked and not any(h in t for t in turns)])
            if len(turns) > 1 and len(turns[-1]) == len(turns[-2]) == CHECK_BATCH:
                for stream in streams:
                    open_streams.release(stream)
            await asyncio.sleep(0)

    other = asyncio.create_task(beside())
    await open_streams.look_at_all()
    await asyncio.wait_for(other, 5)
    assert [len(t) for t in turns if t] == [CHECK_BATCH, CHECK_BATCH]
    assert sum(len(h.looked) for h in streams) == 2 * CHECK_BATCH


async def test_revoked_tokens_are_asked_for_once_and_end_all_that_they_opened() -> None:
    revoked = Revocations("gone")
    open_streams, nobodys = OpenStreams(revoked), OpenStream()
    gone, here = [OpenStream(token_id="gone") for _ in range(3)], OpenStream(token_id="here")
    for stream in (*gone, here, nobodys):
        open_streams.hold(stream)
    await open_streams.end_revoked()
    assert revoked.asked == [{"gone", "here"}]
    assert [h.ended for h in (*gone, here, nobodys)] == [[TokenExpired]] * 3 + [[], []]


async def test_while_redis_is_away_nothing_ends() -> None:
    revoked, stream = Revocations("gone"), OpenStream(token_id="gone")
    open_streams, revoked.away = OpenStreams(revoked), True
    open_streams.hold(stream)
    await open_streams.end_revoked()
    assert stream.ended == []


async def test_when_the_process_stops_all_ends_and_so_does_what_comes() -> None:
    open_streams, early, late = OpenStreams(Revocations()), OpenStream(), OpenStream()
    open_streams.hold(early)
    open_streams.end_all()
    open_streams.hold(late)
    assert early.ended == late.ended == [ShuttingDown]
    waiting = asyncio.create_task(open_streams.emptied(60))
    open_streams.release(early)
    await asyncio.sleep(0)
    assert not waiting.done()
    open_streams.release(late)
    await asyncio.wait_for(waiting, 5)
    await asyncio.wait_for(open_streams.emptied(60), 5)


async def test_a_stop_does_not_wait_for_ever() -> None:
    open_streams = OpenStreams(Revocations())
    open_streams.hold(OpenStream())
    await asyncio.wait_for(open_streams.emptied(0.01), 5)
    assert len(open_streams) == 1, "it has not closed, and is not waited for"


# -- sockets that say nothing
async def later(found: Service, seconds: float) -> None:
    """The look that a process takes at its sockets when so much time has passed."""
    open_streams = found.gateway.open_streams
    open_streams.look(asyncio.get_running_loop().time() + seconds, list(open_streams))


async def test_a_socket_is_pinged_also_when_its_client_never_pings(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await later(loregate, loregate.sockets.timeouts.ping - 1)
        await later(loregate, loregate.sockets.timeouts.ping)
        assert await socket.receive() == {"type": "ping"}
        await socket.send({"type": "pong"})
        await socket.send(subscribe())  # the earlier look pinged nobody: an answer comes next
        assert (await socket.receive())["type"] == "next"


async def test_the_process_looks_by_itself(loregate: Service) -> None:
    loregate.sockets.timeouts.ping = 0.05
    async with loregate.socket() as socket:
        await socket.acknowledged()
        assert await socket.receive() == {"type": "ping"}


async def test_a_client_that_never_answers_is_closed(loregate: Service) -> None:
    async with loregate.socket(sub="bob") as silent, loregate.socket() as alive:
        for socket in (silent, alive):
            await socket.acknowledged()
            await socket.subscribe(IDS)
        await until_subscribed(loregate, 2)
        patience = loregate.sockets.timeouts
        await later(loregate, patience.ping)
        for socket in (silent, alive):
            while len(socket.told) < 2:  # the first one came when it had joined
                message = orjson.loads(await socket.ws.recv())
                assert message["type"] == "ping"
                socket.told.append(message["payload"]["cursors"])
        await alive.send({"type": "ping"})
        assert await alive.receive() == {"type": "pong"}
        [heard] = [h for h in loregate.gateway.open_streams if h.caller.id == "alice"]
        last: Any = heard
        last._heard += patience.pong  # private: it has gone on answering for as long
        await later(loregate, patience.pong + 1)
        assert await silent.closed() == (4408, "No pong in time")
        await publish(loregate, "still")
        while (message := await alive.receive())["type"] == "ping":
            pass
        assert message["payload"]["data"]["events"]["id"] == "still"
    await until_no_socket_is_left(loregate)


async def test_a_client_that_reads_nothing_is_given_up_and_leaves_nothing(
    loregate: Service,
) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(WORDY)
        await until_subscribed(loregate)
        [stream] = loregate.gateway.open_streams
        stuck: Any = stream
        socket.ws.transport.pause_reading()
        for number in range(400):  # 24 MB; who does not read has buffers for about 5
            await publish(loregate, number, request_id="x" * 60_000)
            if stuck._sending is not None:  # private: nobody is told that it does not read
                break
        assert stuck._sending is not None  # private: as above
        await later(loregate, loregate.sockets.timeouts.write + 1)
        await until(lambda: not loregate.gateway.open_streams)
        await until_no_socket_is_left(loregate)
        socket.ws.transport.abort()


# -- endings with places
async def farewell(socket: Socket, got: list[str]) -> dict[str, str]:
    """What the last ping before the close says; the events before it go to `got`."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            message = await socket.receive()
            if message["type"] == "next":
                got.append(message["payload"]["data"]["events"]["id"])
    return socket.told[-1] if socket.told else {}


async def test_each_subscription_is_told_its_own_place(loregate: Service) -> None:
    begin = (await loregate.data("{ eventCursor }"))["eventCursor"]
    async with loregate.socket(exp=int(time.time()) + 1) as socket:
        await socket.acknowledged()
        all_of_them = await socket.subscribe(IDS, {"after": begin})
        ended = await socket.subscribe(IDS)
        await until_subscribed(loregate, 2)
        await socket.send({"type": "complete", "id": ended})
        await until_subscribed(loregate, 1)
        await publish(loregate, "one")
        got: list[str] = []
        cursors = await farewell(socket, got)
        assert await socket.closed() == (4403, "Token expired")
    assert (got, set(cursors)) == (["one"], {all_of_them})
    await publish(loregate, "two")
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(IDS, {"after": cursors[all_of_them]})
        assert (await socket.next("events"))["id"] == "two"


@pytest.mark.parametrize("how", ["revoked", "shutdown"])
async def test_the_code_says_whether_to_renew_or_to_come_back(
    loregate: Service, redis_url: str, how: str
) -> None:
    async with loregate.socket(jti="t") as socket:
        await socket.acknowledged()
        await socket.subscribe(IDS)
        await until_subscribed(loregate)
        if how == "revoked":
            async with Redis.from_url(redis_url) as redis:
                await redis.set("loregate:revoked:t", "1")
            await loregate.gateway.open_streams.end_revoked()
        else:
            loregate.gateway.open_streams.end_all()
        assert set(await farewell(socket, [])) == {"1"}
        assert (await socket.closed())[0] == (4403 if how == "revoked" else 1012)
    await until_no_socket_is_left(loregate)


async def test_what_comes_while_a_socket_closes_is_behind_its_place(loregate: Service) -> None:
    """The place is of the moment at which reading stopped, not of that at which it is told."""
    alice = RequestContext(
        Caller("alice", frozenset({"events:subscribe"})), "an id", loregate.gateway.admission_call
    )
    reader = await loregate.gateway.events.watch(alice)
    reading: Any = reader
    waiting = asyncio.create_task(anext(reading))
    await until_subscribed(loregate)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    tail = loregate.parts.fanout.tails[0]
    before = tail.head
    await publish(loregate, "between")
    await until(lambda: tail.head > before)
    going_on = await loregate.gateway.events.watch(alice, after=reader.cursor)
    again: Any = going_on
    _, found = await asyncio.wait_for(anext(again), 5)
    assert found.id == "between"
    await again.aclose()


async def test_a_socket_that_closes_anyway_may_be_told_to_end(loregate: Service) -> None:
    """A signal may come while a client's own close is answered."""
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await until(lambda: len(loregate.gateway.open_streams) == 1)
        (connection,) = loregate.gateway.open_streams
    await until(lambda: len(loregate.gateway.open_streams) == 0)
    connection.end(ShuttingDown())
    connection.look(asyncio.get_running_loop().time() + 1e6)


@asynccontextmanager
async def pair(directory: Path, redis_url: str) -> AsyncIterator[list[Service]]:
    """Two gateways that share everything."""
    given = service.settings(directory, redis_url)
    async with service.running(given) as one, service.running(given) as other:
        yield [one, other]


COUNT = 240


@pytest.mark.parametrize("seed", range(2))
async def test_through_endings_at_random_moments_nothing_is_missed_or_repeated(
    tmp_path: Path, redis_url: str, seed: int
) -> None:
    """Several clients go from one gateway to the other whenever they are told to."""
    chance = random.Random(seed)
    async with pair(tmp_path, redis_url) as gateways:
        begin = (await gateways[0].data("{ eventCursor }"))["eventCursor"]

        async def flow() -> None:
            for number in range(COUNT):
                await gateways[number % 2].parts.event_log.publish([named_event(number)])
                await asyncio.sleep(chance.choice((0, 0, 0.002)))

        async def end() -> None:
            while True:
                await asyncio.sleep(chance.uniform(0, 0.05))
                open_streams = gateways[chance.randrange(2)].gateway.open_streams
                for stream in list(open_streams):
                    stream.end(chance.choice((TokenExpired, ShuttingDown))())

        endings = Counter[int | None]()

        async def client() -> list[str]:
            got: list[str] = []
            after, at = begin, 0
            while len(got) < COUNT:
                async with gateways[at % 2].socket() as socket:
                    await socket.acknowledged()
                    if len(got) < COUNT:
                        name = await socket.subscribe(IDS, {"after": after})
                        after = (await farewell(socket, got)).get(name, after)
                        endings[(await socket.closed())[0]] += 1
                at += 1
            return got

        ending = asyncio.create_task(end())
        async with asyncio.timeout(30):
            *found, _ = await asyncio.gather(*(client() for _ in range(4)), flow())
        ending.cancel()
        assert found == [[str(n) for n in range(COUNT)]] * 4
        assert set(endings) == {4403, 1012}
        assert sum(endings.values()) > 12


async def test_subscriptions_that_begin_together_are_bounded_too(
    tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url)
    given = given.model_copy(update={"file": given.file.model_copy(update={"subscriptions": 3})})
    async with service.running(given) as found, found.socket() as socket:
        await socket.acknowledged()
        for _ in range(10):
            await socket.subscribe(IDS)
        refused = [await socket.receive() for _ in range(7)]
        codes = {m["payload"][0]["extensions"]["code"] for m in refused}
        assert codes == {"TOO_MANY_OPERATIONS"}
        await until_subscribed(found, 3)
        free = ({str(n) for n in range(1, 11)} - {m["id"] for m in refused}).pop()
        await socket.send({"type": "complete", "id": free})
        await until_subscribed(found, 2)
        await socket.subscribe(IDS)
        await until_subscribed(found, 3)


# -- how many
async def test_a_user_has_so_many_sockets_and_no_more(tmp_path: Path, redis_url: str) -> None:
    given = service.settings(tmp_path, redis_url, sockets_per_user=2)
    async with service.running(given) as found:
        async with found.socket() as first, found.socket() as second, found.socket() as third:
            await first.acknowledged()
            await second.acknowledged()
            assert await third.closed() == (1013, "A user may have at most 2 sockets open here")
            async with found.socket(sub="bob") as others:
                await others.acknowledged()
        await until_no_socket_is_left(found)
        async with found.socket() as again:
            await again.acknowledged()
