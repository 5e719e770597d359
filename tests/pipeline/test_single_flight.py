"""Once: equal requests at the same time are answered by one making."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.embedded.valkey import start_valkey
from app.errors import IdempotencyConflict, ModelError
from app.pipeline.answer import CacheStatus
from app.pipeline.directives import CacheUse, Directives
from app.pipeline.lookup import LEASE_TTL
from app.policies.cache import cache_key, fingerprint
from app.redis.client import Redis, user_slot
from tests.support.pipeline_processes import PipelineProcess, running_processes

pytestmark = pytest.mark.also_on("cluster")

HIT, MISS, COALESCED = CacheStatus.HIT, CacheStatus.MISS, CacheStatus.COALESCED
KEYED = Directives(idempotency_key="k")


async def hold(process: PipelineProcess, *others: Any, **asked: Any) -> asyncio.Task[Any]:
    """A request whose model writes until the model is opened."""
    process.shared.open.clear()
    process.shared.begun.clear()
    task = asyncio.create_task(process.get(*others, **asked))
    await process.shared.begun.wait()
    return task


async def joined(process: PipelineProcess, count: int) -> list[asyncio.Task[Any]]:
    """Requests that wait, each of which has been admitted."""
    before = await commands(process)
    tasks = [asyncio.create_task(process.get()) for _ in range(count)]
    while await commands(process) < before + count:
        await asyncio.sleep(0)
    return tasks


async def commands(process: PipelineProcess) -> int:
    """How many scripts the server has run."""
    stats: Any = await process.redis.call("INFO", "commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))


async def test_equal_requests_of_two_processes_make_one_answer(redis_url: str) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        one.shared.open.clear()
        asked = (await joined(one, 50)) + (await joined(two, 50))
        one.shared.open.set()
        made = [await task for task in asked]
        assert one.shared.made == ["a tale"]
        assert len({m.body["content_id"] for m in made}) == 1
        statuses = [m.status for m in made]
        assert statuses.count(MISS) == 1
        assert set(statuses) == {MISS, COALESCED}
        assert (await two.get()).status is HIT


@pytest.mark.one_server
async def test_a_waiter_that_leaves_does_not_end_the_making(redis_url: str) -> None:
    async with running_processes(redis_url) as [process]:
        leader = await hold(process)
        [waiter] = await joined(process, 1)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        process.shared.open.set()
        assert (await leader).status is MISS
        assert waiter.cancelled()


@pytest.mark.one_server
async def test_a_maker_whose_caller_leaves_goes_on_for_those_who_wait(redis_url: str) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        leader = await hold(one)
        near, far = (await joined(one, 1)) + (await joined(two, 1))
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        assert leader.cancelled()
        one.shared.open.set()
        assert (await near).body == (await far).body
        assert one.shared.made == ["a tale"]


@pytest.mark.one_server
async def test_a_failure_reaches_those_who_wait_and_another_process_tries_once_more(
    redis_url: str,
) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        leader = await hold(one)
        waiting = (await joined(one, 5)) + (await joined(two, 5))
        one.shared.failing = True
        one.shared.open.set()
        outcomes = await asyncio.gather(leader, *waiting, return_exceptions=True)
        assert [type(x) for x in outcomes] == [ModelError] * 11
        assert len(one.shared.made) == 2
        one.shared.failing = False
        assert (await one.get()).status is MISS


async def test_a_stampede_at_the_end_of_an_entry_makes_one_answer(redis_url: str) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        await one.get()
        await one.redis.call("DEL", cache_key("alice", fingerprint("alice", "a tale")))
        made = await asyncio.gather(*(process.get() for process in (one, two) * 50))
        assert len(one.shared.made) == 2
        assert len({m.body["content_id"] for m in made}) == 1


@pytest.mark.one_server
async def test_the_lease_of_a_dead_process_is_taken_over_when_it_lapses(redis_url: str) -> None:
    """Whoever waits does so until the lease ends, and then one of them makes the answer."""
    async with running_processes(redis_url, 2) as [one, two]:
        leader = await hold(one)
        [lease] = [t for t in asyncio.all_tasks() if t.get_name() == "lease"]
        lease.cancel()  # nobody renews it any more, as after a kill
        clock = asyncio.get_running_loop().time
        began = clock()
        one.shared.begun.clear()
        waiting = await joined(two, 10)
        await asyncio.wait_for(one.shared.begun.wait(), 2 * LEASE_TTL)
        assert clock() - began > LEASE_TTL / 2
        one.shared.open.set()
        made = await asyncio.gather(*waiting)
        assert len(one.shared.made) == 2
        assert len({m.body["content_id"] for m in made}) == 1
        await leader


@pytest.mark.one_server
async def test_a_lease_that_is_renewed_is_followed_for_longer_than_it_lasts(
    redis_url: str,
) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        leader = await hold(one)
        [waiting] = await joined(two, 1)
        lease = f"{user_slot('alice')}:lease:" + fingerprint("alice", "a tale")
        left = []
        async with asyncio.timeout(2 * LEASE_TTL):
            for _ in range(2):  # the lease grows again while its maker lives
                while await one.redis.call("PTTL", lease) > LEASE_TTL * 700:
                    await asyncio.sleep(0.02)
                while (now := await one.redis.call("PTTL", lease)) < LEASE_TTL * 900:
                    await asyncio.sleep(0.02)
                left.append(now)
        assert len(left) == 2
        one.shared.open.set()
        assert (await leader).body == (await waiting).body
        assert one.shared.made == ["a tale"]


@pytest.mark.one_server
async def test_one_who_gave_up_late_does_not_end_anothers_lease(redis_url: str) -> None:
    async with running_processes(redis_url) as [process]:
        await hold(process)
        lease = (await process.redis.call("KEYS", "*:lease:*"))[0].decode()
        await process.redis.call("SET", lease, "another's", "PX", 60_000)
        await process.single_flight.close()
        assert await process.redis.call("GET", lease) == b"another's"


async def test_without_redis_each_process_still_makes_one_answer(tmp_path: Path) -> None:
    server = start_valkey(tmp_path / "valkey", persist=False)
    async with running_processes(server.url, 2) as [one, two]:
        server.stop()
        made = await asyncio.gather(*(process.get() for process in (one, two) * 20))
        assert len(one.shared.made) == 2
        assert {m.status for m in made} == {MISS, COALESCED}


@pytest.mark.one_server
async def test_an_answer_too_old_for_who_waits_is_not_given_to_it(redis_url: str) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        old = await one.get()
        leader = await hold(one, wish=Directives(max_age=0))
        waiting = asyncio.create_task(two.get(wish=Directives(max_age=0)))
        before = await calls_of(two.redis, "mget")
        async with asyncio.timeout(5):
            while await calls_of(two.redis, "mget") < before + 2:  # it has looked twice
                await asyncio.sleep(0.01)
        assert not waiting.done()
        one.shared.open.set()
        assert (await waiting).body == (await leader).body != old.body


async def calls_of(redis: Redis, name: str) -> int:
    stats: Any = await redis.call("INFO", "commandstats")
    found: int = stats.get(f"cmdstat_{name}", {}).get("calls", 0)
    return found


async def test_a_key_is_answered_once_by_two_processes(redis_url: str) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        asked = (process.get(wish=KEYED, use=CacheUse.BYPASS) for process in (one, two) * 10)
        made = await asyncio.gather(*asked)
        assert one.shared.made == ["a tale"]
        assert len({m.body["content_id"] for m in made}) == 1


@pytest.mark.parametrize("use", [CacheUse.USE, CacheUse.BYPASS])
async def test_another_request_under_a_key_is_refused_also_while_it_runs(
    redis_url: str, use: CacheUse
) -> None:
    async with running_processes(redis_url, 2) as [one, two]:
        leader = await hold(one, wish=KEYED, use=use)
        for process in (one, two):
            with pytest.raises(IdempotencyConflict):
                await process.get("another tale", wish=KEYED, use=use)
        one.shared.open.set()
        await leader
        with pytest.raises(IdempotencyConflict):
            await two.get("another tale", wish=KEYED, use=use)
        assert one.shared.made == ["a tale"]


@pytest.mark.one_server
async def test_a_failed_run_frees_the_keys_of_all_who_waited_for_it(redis_url: str) -> None:
    async with running_processes(redis_url) as [process]:
        leader = await hold(process, wish=Directives(idempotency_key="first"))
        waiting = asyncio.create_task(process.get(wish=Directives(idempotency_key="second")))
        while len(await process.redis.call("KEYS", "*:once:*")) < 2:
            await asyncio.sleep(0.01)
        process.shared.failing = True
        process.shared.open.set()
        await asyncio.gather(leader, waiting, return_exceptions=True)
        assert await process.redis.call("KEYS", "*:once:*") == []


USERS = ("alice", "bob", "alice}", "", "a" * 300, "loregate:{u:alice}")
ASKED = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.sampled_from(["a tale", "another", "a third"]),
        st.sampled_from([None, "k", "other"]),
        st.sampled_from([*CacheUse, CacheUse.USE]),
    ),
    min_size=100,
    max_size=100,
)


@pytest.mark.long
async def test_nobody_ever_gets_what_was_made_for_another(redis_url: str) -> None:
    """10,000 requests in crowds of a hundred: cached, coalesced, alike and under equal keys."""
    async with running_processes(redis_url, 2) as found:
        drawn: list[Any] = []

        @settings(
            max_examples=100,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(ASKED)
        def draw(asked: Any) -> None:
            drawn.append(asked)

        draw()
        ways: set[CacheStatus] = set()
        offered: set[tuple[str, str]] = set()
        for asked in drawn:
            crowd = [
                found[n % 2].get(what, user=user, wish=Directives(idempotency_key=key), use=use)
                for n, (user, what, key, use) in enumerate(asked)
            ]
            async with asyncio.timeout(
                LEASE_TTL
            ):  # all are alive: nobody waits for a lease to lapse
                outcomes = await asyncio.gather(*crowd, return_exceptions=True)
            for (user, what, _, _), made in zip(asked, outcomes, strict=True):
                if not isinstance(made, IdempotencyConflict):
                    assert not isinstance(made, BaseException), made
                    assert (made.body["user"], made.body["what"]) == (user, what)
                    ways.add(made.status)
            for user in USERS:
                offered.update((user, near["user"]) for near in await found[0].near("a tale", user))
            await found[0].redis.call("FLUSHALL")
            found[0].shared.keys.clear()
        assert sum(map(len, drawn)) >= 10_000
        assert ways == set(CacheStatus)
        assert offered == {(user, user) for user in USERS}
