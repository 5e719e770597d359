"""A master dies and its replica takes its place: nobody restarts anything, and all goes on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.caller import Caller
from app.errors import DependencyUnavailable
from app.events.cursor import Cursor
from app.events.fanout import Fanout
from app.events.log import stream_key
from app.policies.limiter import key
from app.redis.client import user_slot
from tests.support import service
from tests.support.cluster import Cluster, Node, clusters
from tests.support.cluster_limits import (
    PARTITIONS,
    USER,
    caller_on,
    limiters_on,
    remaining,
    taken_down,
    user_on,
)
from tests.support.event_log import Subscriber, cursor_now, event_log_running, numbered_event
from tests.support.limit_model import fill
from tests.support.rest_bodies import THEME
from tests.support.rest_requests import ask, cache_and_id
from tests.support.service import Service
from tests.support.sockets import EVENTS, until_subscribed
from tests.support.upstream import Upstream

pytestmark = pytest.mark.servers

FOLLOWED = 15.0  # s from the death on; the takeover takes 1.3 of them, with a node time-out of 1


@pytest.fixture
def replicated() -> Iterator[Cluster]:
    with clusters(replicated=True) as found:
        yield found


async def copied(cluster: Cluster, node: Node) -> None:
    """Until the master's replica has all that was written so far."""
    with node.asked() as redis:
        assert await asyncio.to_thread(redis.execute_command, "WAIT", 1, 5000) == 1


def replica(cluster: Cluster, node: Node) -> Node:
    with node.asked() as redis:
        [[_, port, _]] = redis.execute_command("ROLE")[2]
    return next(n for n in cluster.nodes if n.port == int(port))


async def taken_over(cluster: Cluster, name: str, node: Node) -> None:
    async with asyncio.timeout(FOLLOWED):
        while await asyncio.to_thread(cluster.owner, name) is node:
            await asyncio.sleep(0.02)


@pytest.fixture(params=["killed", "stopped"])
def away(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def test_a_users_limit_goes_on_where_it_stood(replicated: Cluster, away: str) -> None:
    alice = caller_on(replicated, replicated.nodes[0])
    async with limiters_on(replicated.url, USER) as limiters:
        for limiter in limiters:
            await limiter.spend(alice, ("user",))
        await copied(replicated, replicated.nodes[0])
        with taken_down(replicated.nodes[0], away):
            async with asyncio.timeout(FOLLOWED):
                for limiter in limiters:
                    while (await limiter.spend(alice, ("user",), requests=0)).at is None:
                        await asyncio.sleep(0.05)
            assert await remaining(limiters[0], alice) == {"user": USER.max - 2}
            counts = await asyncio.gather(*(fill(x, alice, ("user",)) for x in limiters))
            assert sum(counts) == USER.max - 2
            assert all([await x.redis.check() is None for x in limiters])
        # And back again, to the one that was dead.
        async with asyncio.timeout(FOLLOWED):
            while not await asyncio.to_thread(replicated.nodes[0].linked):
                await asyncio.sleep(0.02)
        await replicated.sound()
        new = replicated.owner(key(USER, alice.id))
        with taken_down(new, away):
            async with asyncio.timeout(FOLLOWED):
                for limiter in limiters:
                    while not await in_redis(limiter, alice):
                        await asyncio.sleep(0.05)
        assert await remaining(limiters[0], alice) == {"user": 0}


async def in_redis(limiter: Any, user: Caller) -> bool:
    return (await limiter.spend(user, ("user",), requests=0)).at is not None


async def test_events_go_on_behind_the_same_places(replicated: Cluster, away: str) -> None:
    """For who listens all along, and for who comes back with a cursor from before."""
    async with event_log_running(replicated.url, partitions=PARTITIONS) as (log, fanout):
        user = user_on(replicated, replicated.nodes[0], log)
        name, start = stream_key(log.partition(user)), await cursor_now(log, user)
        live = Subscriber(fanout, user, start)
        await log.publish([numbered_event(user, n) for n in range(3)])
        await live.take(3)
        waiting = asyncio.create_task(live.take(6))
        await copied(replicated, replicated.nodes[0])
        with taken_down(replicated.nodes[0], away):
            await taken_over(replicated, name, replicated.nodes[0])
            async with asyncio.timeout(FOLLOWED):
                for n in range(3, 6):
                    await publish(log, numbered_event(user, n))
                assert await waiting == [f"{user}-{n}" for n in range(6)]
            back = Subscriber(fanout, user, start)
            assert await back.take(6) == live.got
        await live.close()
        await back.close()


async def publish(log: Any, some: Any) -> None:
    while True:
        with contextlib.suppress(DependencyUnavailable):
            return await log.publish([some])
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def gateway(directory: Path, cluster: Cluster, provider: Upstream) -> AsyncIterator[Service]:
    given = service.settings(
        directory, cluster.url, openai_base_url=provider.url, event_partitions=PARTITIONS
    )
    async with service.running(given) as found:
        yield found


async def test_a_gateway_serves_on_and_is_healthy_again(
    replicated: Cluster, tmp_path: Path, provider: Upstream, away: str
) -> None:
    """Answers all along, the cache again, and each event to who listened and to who comes back."""
    node = replicated.nodes[0]
    async with gateway(tmp_path, replicated, provider) as found:
        alice = whole_user(replicated, node, found)
        async with found.socket(sub=alice) as socket:
            await socket.acknowledged()
            await socket.subscribe(EVENTS)
            await until_subscribed(found)
            made = [(await found.generate(sub=alice))["contentId"]]
            first = (await socket.next("contentGenerated"))["cursor"]
            await copied(replicated, node)
            with taken_down(node, away):
                async with asyncio.timeout(FOLLOWED):
                    await reported(found, "degraded")
                    made += [(await found.generate(sub=alice))["contentId"] for _ in range(3)]
                    await reported(found, "healthy")
                made += [(await found.generate(sub=alice))["contentId"]]
                heard = await contents(socket, len(made) - 1)
                assert sorted(heard) == sorted(made[1:])
                async with found.socket(sub=alice) as again:
                    await again.acknowledged()
                    await again.subscribe(EVENTS, {"after": first})
                    assert sorted(await contents(again, len(made) - 1)) == sorted(made[1:])
                once = cache_and_id(await ask(found, THEME, sub=alice))[1]
                assert cache_and_id(await ask(found, THEME, sub=alice)) == ("HIT", once)
                limits = await found.counted(sub=alice)
                assert limits > 0


async def test_an_event_that_the_replica_lacked_is_told_all_the_same(
    replicated: Cluster, tmp_path: Path, provider: Upstream
) -> None:
    """Replication is asynchronous: a dead master takes with it what it acknowledged last."""
    node = replicated.nodes[0]
    async with gateway(tmp_path, replicated, provider) as found:
        alice = whole_user(replicated, node, found)
        made = [(await found.generate(sub=alice))["contentId"]]
        async with found.socket(sub=alice) as socket:
            await socket.acknowledged()
            await socket.subscribe(EVENTS, {"after": await beginning(found, alice)})
            cursor = (await socket.next("contentGenerated"))["cursor"]
        await copied(replicated, node)
        with contextlib.ExitStack() as dead:
            with replica(replicated, node).paused():
                cut_off_replicas(node)
                made.append((await found.generate(sub=alice))["contentId"])
                name = stream_key(found.parts.event_log.partition(alice))
                assert await found.parts.redis.call("XLEN", name) == 2
                dead.enter_context(node.killed())
            await taken_over(replicated, name, node)
            made.append((await found.generate(sub=alice))["contentId"])
            # Another process, for this one has heard of it from the old master.
            options: Any = {"partitions": PARTITIONS, "seal": found.parts.event_log.seal}
            async with event_log_running(replicated.nodes[1].url, **options) as (_, other):
                assert sorted(await behind(other, alice, cursor, 2)) == sorted(made[1:])


async def behind(fanout: Fanout, user: str, cursor: str, count: int) -> list[str]:
    """The contents of so many events behind a place."""
    heard: dict[str, str] = {}
    stream = fanout.subscribe(user, Cursor.decode(cursor), lambda _: True)
    async with asyncio.timeout(FOLLOWED):
        while len(heard) < count:
            _, event = await anext(stream)
            heard.setdefault(event.id, event.payload["content_id"])
    await stream.aclose()
    return list(heard.values())


async def beginning(found: Service, user: str) -> str:
    log = found.parts.event_log
    partition = log.partition(user)
    return log.cursor({partition: await log.oldest(partition)})


def cut_off_replicas(node: Node) -> None:
    with node.asked() as redis:
        redis.execute_command("CLIENT KILL TYPE replica")


def whole_user(cluster: Cluster, node: Node, found: Service) -> str:
    """All of whose keys this server has."""
    log = found.parts.event_log
    names = (f"user{n}" for n in range(5000))
    return next(
        n
        for n in names
        if cluster.owner(stream_key(log.partition(n))) is node
        and cluster.owner(user_slot(n)) is node
    )


async def reported(found: Service, status: str) -> None:
    while (await found.http.get("/health")).json()["status"] != status:
        await asyncio.sleep(0.05)


async def contents(socket: Any, count: int) -> list[str]:
    """Of so many events; one that is told twice has the same id."""
    heard: dict[str, str] = {}
    while len(heard) < count:
        event = await socket.next("contentGenerated", FOLLOWED)
        heard.setdefault(event["id"], event["contentId"])
    return list(heard.values())
