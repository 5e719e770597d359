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
from app.redis import Redis
from tests import service
from tests.asking import ask, told
from tests.cluster import Cluster, Node
from tests.sockets import EVENTS, listening, until
from tests.test_events import Outbox, Reader, cursor_now, event, hub, published
from tests.test_generation_log import END, begun, desks, tell, written
from tests.upstream import Upstream
from tests.wishes import THEME

pytestmark = pytest.mark.servers

PARTITIONS = 8
USERS = [f"user{n}" for n in range(24)]


def on(cluster: Cluster, node: Node, log: EventLog) -> str:
    """A user whose events this master has."""
    names = (f"user{n}" for n in range(1000))
    return next(n for n in names if cluster.owner(stream_key(log.partition(n))) is node)


async def test_each_users_order_holds_and_everybodys_events_come_from_all_masters(
    cluster: Cluster,
) -> None:
    """The second gateway goes on behind a cursor of the first."""
    async with hub(cluster.url, partitions=PARTITIONS) as (log, fanout):
        start = log.cursor(await log.end(range(PARTITIONS)))
        for n in range(10):
            await log.publish([event(user, n) for user in USERS])
        first = Reader(fanout, None, start)
        await first.take(100)
        async with hub(cluster.url, partitions=PARTITIONS) as (_, other):
            second = Reader(other, None, first.cursor)
            got = first.got + await second.take(140)
            live = asyncio.create_task(second.take(141))
            await log.publish([event(USERS[0], 10)])
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
    async with hub(cluster.url, partitions=PARTITIONS) as (log, fanout):
        node = cluster.nodes[0] if first else cluster.nodes[2]
        here, away = on(cluster, cluster.nodes[1], log), on(cluster, node, log)
        readers = {u: Reader(fanout, u, await cursor_now(log, u)) for u in (here, away)}
        waiting = {u: asyncio.create_task(r.take(1)) for u, r in readers.items()}
        with node.paused():
            with pytest.raises(DependencyUnavailable):
                await log.publish([event(away, 1), event(here, 1)])
            assert await waiting[here] == [f"{here}-1"]
            async with asyncio.timeout(5):
                for n in range(2, 6):  # none of them waits for the silent one's time-out
                    await log.publish([event(here, n)])
                    await readers[here].take(n)
        # The one that was sent to the silent server may have arrived when it woke.
        await published(log, [event(away, 2)])
        assert (await waiting[away])[0] in (f"{away}-1", f"{away}-2")
        for reader in readers.values():
            await reader.close()


async def test_a_gateway_that_starts_while_one_master_is_away_follows_the_others(
    cluster: Cluster,
) -> None:
    node = cluster.nodes[2]
    with node.paused():
        async with hub(cluster.url, partitions=PARTITIONS) as (log, fanout):
            here = on(cluster, cluster.nodes[1], log)
            async with asyncio.timeout(10):
                while (start := await _cursor(log, here)) is None:
                    await asyncio.sleep(0.05)
            await log.publish([event(here, 1)])
            reader = Reader(fanout, here, start)
            assert await reader.take(1) == [f"{here}-1"]
            await reader.close()


async def _cursor(log: EventLog, user: str) -> str | None:
    with contextlib.suppress(DependencyUnavailable):
        return await cursor_now(log, user)
    return None


async def test_a_partition_that_moves_is_followed_to_its_new_master(cluster: Cluster) -> None:
    async with hub(cluster.url, partitions=PARTITIONS) as (log, fanout):
        name = stream_key(log.partition("alice"))
        reader = Reader(fanout, "alice", await cursor_now(log, "alice"))
        for n in range(3):
            await published(log, [event("alice", n)])
            assert (await reader.take(n + 1))[-1] == f"alice-{n}"
            await asyncio.to_thread(cluster.move, name, cluster.elsewhere(name))
        await published(log, [event("alice", 3)])
        assert await reader.take(4) == [f"alice-{n}" for n in range(4)]
        await reader.close()


async def test_the_relay_says_nothing_twice_for_the_sake_of_a_master_that_is_away(
    cluster: Cluster,
) -> None:
    redis = Redis(cluster.url)
    log = EventLog(redis, partitions=PARTITIONS)
    lease = cluster.owner("loregate:relay")
    node = cluster.elsewhere("loregate:relay")
    here, away = on(cluster, lease, log), on(cluster, node, log)
    outbox = Outbox([event(away, 1), event(here, 1), event(away, 2), event(here, 2)])
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
def user_on(cluster: Cluster, node: Node, count: int = 1) -> list[str]:
    names = (f"user{n}" for n in range(1000))
    found = (n for n in names if cluster.owner(generation_key(n, "one")) is node)
    return [next(found) for _ in range(count)]


async def test_transcripts_on_other_masters_are_written_while_one_is_away(
    cluster: Cluster,
) -> None:
    node = cluster.elsewhere(RUNNING)
    async with desks(cluster.url) as [desk]:
        [lost], found = user_on(cluster, node), user_on(cluster, cluster.owner(RUNNING), 3)
        keys = [generation_key(user, "one") for user in (lost, *found)]
        transcripts = [await begun(desk, key) for key in keys]
        with node.paused():
            for n in range(4):
                for transcript in transcripts:
                    tell(desk, transcript, f"word {n}")
            for transcript in transcripts[1:]:
                await written(desk, transcript)
        await until(lambda: desk.redis.up and not desk.redis._probing)
        await written(desk, transcripts[0])
        for transcript in transcripts:
            await desk.log.end(transcript, END)


async def test_the_dead_of_other_masters_are_ended_while_one_is_away(cluster: Cluster) -> None:
    node = cluster.elsewhere(RUNNING)
    async with desks(cluster.url, 2, lease=0.3, reap_every=60.0) as [one, other]:
        users = user_on(cluster, node) + user_on(cluster, cluster.owner(RUNNING), 3)
        keys = sorted(generation_key(user, "one") for user in users)
        for key in keys:
            await begun(one, key)
        await one.log.keep(keys)
        with node.paused():
            ended = 0
            async with asyncio.timeout(10):
                while ended < 3:
                    ended += await other.log.reap({"type": "failed"})
                    await asyncio.sleep(0.05)
        await until(lambda: not other.redis._probing)
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
            await listening(other)
            first, second = await one.generate(), await one.generate()
            seen = [await socket.next("contentGenerated") for _ in range(2)]
            assert [e["contentId"] for e in seen] == [first["contentId"], second["contentId"]]
        async with one.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(EVENTS, {"after": seen[0]["cursor"]})
            assert (await socket.next("contentGenerated"))["contentId"] == second["contentId"]
        made = await ask(one, THEME)
        assert told(await ask(other, THEME)) == ("HIT", told(made)[1])
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
            await listening(other)
            for user in USERS[:8]:
                await one.generate(sub=user)
            seen = [await socket.next("events") for _ in range(8)]
        assert {e["userId"] for e in seen} == set(USERS[:8])
        assert len({e["id"] for e in seen}) == 8
