"""Events in eight partitions on three masters, and generations that two gateways share there."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from app.errors import DependencyUnavailable
from app.events.log import EventLog, stream_key
from app.events.relay import Relay
from app.generations.log import RUNNING, generation_key
from app.generations.transcript import Transcript
from app.redis.client import Redis
from tests.support import service
from tests.support.cluster import Cluster, Node
from tests.support.cluster_limits import PARTITIONS, user_on
from tests.support.event_log import (
    Outbox,
    Subscriber,
    cursor_now,
    event_log_running,
    numbered_event,
    publish_when_up,
)
from tests.support.generation_processes import END, begun, processes, tell, written
from tests.support.rest_bodies import THEME
from tests.support.rest_requests import ask, cache_and_id
from tests.support.sockets import EVENTS, until_subscribed
from tests.support.upstream import Upstream
from tests.support.waiting import until

pytestmark = pytest.mark.servers

USERS = [f"user{n}" for n in range(24)]


async def test_each_users_order_holds_and_everybodys_events_come_from_all_masters(
    cluster: Cluster,
) -> None:
    """The second gateway goes on behind a cursor of the first."""
    async with event_log_running(cluster.url, partitions=PARTITIONS) as (log, fanout):
        start = log.cursor(await log.end(range(PARTITIONS)))
        for n in range(10):
            await log.publish([numbered_event(user, n) for user in USERS])
        first = Subscriber(fanout, None, start)
        await first.take(100)
        async with event_log_running(cluster.url, partitions=PARTITIONS) as (_, other):
            second = Subscriber(other, None, first.cursor)
            got = first.got + await second.take(140)
            live = asyncio.create_task(second.take(141))
            await log.publish([numbered_event(USERS[0], 10)])
            assert (await live)[-1] == f"{USERS[0]}-10"
            await second.close()
        await first.close()
    for user in USERS:
        assert [g for g in got if g.startswith(f"{user}-")] == [f"{user}-{n}" for n in range(10)]
    masters = {cluster.owner(stream_key(p)).port for p in range(PARTITIONS)}
    assert len(masters) == 3


@pytest.mark.parametrize("first", [True, False])
async def test_while_one_master_is_away_the_others_events_come(
    cluster: Cluster, first: bool
) -> None:
    """Also to a gateway that knew only the address of another, and whichever master it is."""
    async with event_log_running(cluster.url, partitions=PARTITIONS) as (log, fanout):
        node = cluster.nodes[0] if first else cluster.nodes[2]
        here, away = user_on(cluster, cluster.nodes[1], log), user_on(cluster, node, log)
        readers = {u: Subscriber(fanout, u, await cursor_now(log, u)) for u in (here, away)}
        waiting = {u: asyncio.create_task(r.take(1)) for u, r in readers.items()}
        with node.paused():
            with pytest.raises(DependencyUnavailable):
                await log.publish([numbered_event(away, 1), numbered_event(here, 1)])
            assert await waiting[here] == [f"{here}-1"]
            async with asyncio.timeout(5):
                for n in range(2, 6):  # none of them waits for the silent one's time-out
                    await log.publish([numbered_event(here, n)])
                    await readers[here].take(n)
        # The one that was sent to the silent server may have arrived when it woke.
        await publish_when_up(log, [numbered_event(away, 2)])
        assert (await waiting[away])[0] in (f"{away}-1", f"{away}-2")
        for reader in readers.values():
            await reader.close()


async def test_a_gateway_that_starts_while_one_master_is_away_follows_the_others(
    cluster: Cluster,
) -> None:
    node = cluster.nodes[2]
    with node.paused():
        async with event_log_running(cluster.url, partitions=PARTITIONS) as (log, fanout):
            here = user_on(cluster, cluster.nodes[1], log)
            async with asyncio.timeout(10):
                while (start := await _cursor(log, here)) is None:
                    await asyncio.sleep(0.05)
            await log.publish([numbered_event(here, 1)])
            reader = Subscriber(fanout, here, start)
            assert await reader.take(1) == [f"{here}-1"]
            await reader.close()


async def _cursor(log: EventLog, user: str) -> str | None:
    with contextlib.suppress(DependencyUnavailable):
        return await cursor_now(log, user)
    return None


async def test_a_partition_that_moves_is_followed_to_its_new_master(cluster: Cluster) -> None:
    async with event_log_running(cluster.url, partitions=PARTITIONS) as (log, fanout):
        name = stream_key(log.partition("alice"))
        reader = Subscriber(fanout, "alice", await cursor_now(log, "alice"))
        for n in range(3):
            await publish_when_up(log, [numbered_event("alice", n)])
            assert (await reader.take(n + 1))[-1] == f"alice-{n}"
            await asyncio.to_thread(cluster.move, name, cluster.elsewhere(name))
        await publish_when_up(log, [numbered_event("alice", 3)])
        assert await reader.take(4) == [f"alice-{n}" for n in range(4)]
        await reader.close()


async def test_the_relay_says_nothing_twice_for_the_sake_of_a_master_that_is_away(
    cluster: Cluster,
) -> None:
    redis = Redis(cluster.url)
    log = EventLog(redis, partitions=PARTITIONS)
    lease = cluster.owner("loregate:relay")
    node = cluster.elsewhere("loregate:relay")
    here, away = user_on(cluster, lease, log), user_on(cluster, node, log)
    outbox = Outbox(
        [
            numbered_event(away, 1),
            numbered_event(here, 1),
            numbered_event(away, 2),
            numbered_event(here, 2),
        ]
    )
    relay = Relay(outbox, log, redis)
    await redis.check()
    with node.paused():
        for _ in range(3):
            with pytest.raises(DependencyUnavailable):
                await relay.relay()
        assert await redis.call("XLEN", stream_key(log.partition(here))) == 2
        assert [e.id for e in outbox.waiting] == [f"{away}-1", f"{away}-2"]
    async with asyncio.timeout(10):
        while outbox.waiting:
            with contextlib.suppress(DependencyUnavailable):
                await relay.relay()
            await asyncio.sleep(0.02)
    await redis.close()


# -- generations
def generating_on(cluster: Cluster, node: Node, count: int = 1) -> list[str]:
    """So many users whose transcripts this master has."""
    names = (f"user{n}" for n in range(1000))
    found = (n for n in names if cluster.owner(generation_key(n, "one")) is node)
    return [next(found) for _ in range(count)]


async def test_transcripts_on_other_masters_are_written_while_one_is_away(
    cluster: Cluster,
) -> None:
    node = cluster.elsewhere(RUNNING)
    async with processes(cluster.url) as [process]:
        [lost], found = (
            generating_on(cluster, node),
            generating_on(cluster, cluster.owner(RUNNING), 3),
        )
        keys = [generation_key(user, "one") for user in (lost, *found)]
        transcripts = [await begun(process, key) for key in keys]
        with node.paused():
            for n in range(4):
                for transcript in transcripts:
                    tell(process, transcript, f"word {n}")
            for transcript in transcripts[1:]:
                await written(process, transcript)
        await until(lambda: process.redis.up and not process.redis.open_breakers)
        await written(process, transcripts[0])
        for transcript in transcripts:
            await process.log.end(transcript, END)


async def test_the_dead_of_other_masters_are_ended_while_one_is_away(cluster: Cluster) -> None:
    node = cluster.elsewhere(RUNNING)
    async with processes(cluster.url, 2, lease=0.3, reap_interval=60.0) as [one, other]:
        users = generating_on(cluster, node) + generating_on(cluster, cluster.owner(RUNNING), 3)
        keys = sorted(generation_key(user, "one") for user in users)
        for key in keys:
            await begun(one, key)
        await one.log.renew_leases(keys)
        with node.paused():
            ended = 0
            async with asyncio.timeout(10):
                while ended < 3:
                    ended += await other.log.reap({"type": "failed"})
                    await asyncio.sleep(0.05)
        await until(lambda: not other.redis.open_breakers)
        async with asyncio.timeout(10):
            while ended < 4:
                ended += await other.log.reap({"type": "failed"})
                await asyncio.sleep(0.05)
        for key in keys:
            copy = Transcript(key)
            await other.log.read(copy)
            assert copy.ended


# -- the whole service
@contextlib.asynccontextmanager
async def two_gateways(directory: Path, cluster: Cluster, provider: Upstream) -> Any:
    async with contextlib.AsyncExitStack() as stack:
        found = []
        for n in range(2):
            own = directory / str(n)
            own.mkdir()
            given = service.settings(
                own,
                cluster.url,
                database_url=f"sqlite+aiosqlite:///{directory / 'shared.db'}",
                openai_base_url=provider.url,
                event_partitions=PARTITIONS,
            )
            found.append(await stack.enter_async_context(service.running(given)))
        yield found


async def test_what_one_gateway_makes_the_other_tells_caches_and_resumes(
    cluster: Cluster, tmp_path: Path, provider: Upstream
) -> None:
    async with two_gateways(tmp_path, cluster, provider) as (one, other):
        assert (await other.http.get("/health")).json()["status"] == "healthy"
        async with other.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(EVENTS)
            await until_subscribed(other)
            first, second = await one.generate(), await one.generate()
            seen = [await socket.next("contentGenerated") for _ in range(2)]
            assert [e["contentId"] for e in seen] == [first["contentId"], second["contentId"]]
        async with one.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(EVENTS, {"after": seen[0]["cursor"]})
            assert (await socket.next("contentGenerated"))["contentId"] == second["contentId"]
        made = await ask(one, THEME)
        assert cache_and_id(await ask(other, THEME)) == ("HIT", cache_and_id(made)[1])
        keyed = await ask(one, THEME, key="k", cache="no-store")
        assert (await ask(other, THEME, key="k")).content == keyed.content
        assert await other.counted() == await one.counted() >= 6


EVERYBODYS = "subscription { events(all: true) { id userId } }"


async def test_whoever_may_read_all_gets_everybodys_events_from_every_master(
    cluster: Cluster, tmp_path: Path, provider: Upstream
) -> None:
    async with two_gateways(tmp_path, cluster, provider) as (one, other):
        async with other.socket(sub="audit") as socket:
            await socket.acknowledged()
            await socket.subscribe(EVERYBODYS)
            await until_subscribed(other)
            for user in USERS[:8]:
                await one.generate(sub=user)
            seen = [await socket.next("events") for _ in range(8)]
        assert {e["userId"] for e in seen} == set(USERS[:8])
        assert len({e["id"] for e in seen}) == 8
