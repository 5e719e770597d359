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
from app.policies.cache import CacheStatus, CacheUse, Wish, cache_key, fingerprint
from app.policies.limits import LEASE
from app.redis import Redis
from tests.desks import Desk, desks

HIT, MISS, COALESCED = CacheStatus.HIT, CacheStatus.MISS, CacheStatus.COALESCED
KEYED = Wish(idempotency_key="k")


async def hold(desk: Desk, *others: Any, **asked: Any) -> asyncio.Task[Any]:
    """A request whose model writes until the shelf is opened."""
    desk.shelf.open.clear()
    desk.shelf.begun.clear()
    task = asyncio.create_task(desk.get(*others, **asked))
    await desk.shelf.begun.wait()
    return task


async def joined(desk: Desk, count: int) -> list[asyncio.Task[Any]]:
    """Requests that wait, each of which has been admitted."""
    before = await commands(desk)
    tasks = [asyncio.create_task(desk.get()) for _ in range(count)]
    while await commands(desk) < before + count:
        await asyncio.sleep(0)
    return tasks


async def commands(desk: Desk) -> int:
    """How many scripts the server has run."""
    stats: Any = await desk.redis.call("INFO", "commandstats")
    return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("eval", "evalsha"))


async def test_equal_requests_of_two_processes_make_one_answer(redis_url: str) -> None:
    async with desks(redis_url, 2) as [one, two]:
        asked = [asyncio.create_task(desk.get()) for desk in (one, two) * 50]
        made = [await task for task in asked]
        assert one.shelf.made == ["a tale"]
        assert len({m.body["content_id"] for m in made}) == 1
        statuses = [m.status for m in made]
        assert statuses.count(MISS) == 1
        assert set(statuses) == {MISS, COALESCED}
        assert (await two.get()).status is HIT


async def test_a_waiter_that_leaves_does_not_end_the_making(redis_url: str) -> None:
    async with desks(redis_url) as [desk]:
        leader = await hold(desk)
        [waiter] = await joined(desk, 1)
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)
        desk.shelf.open.set()
        assert (await leader).status is MISS
        assert waiter.cancelled()


async def test_a_maker_whose_caller_leaves_goes_on_for_those_who_wait(redis_url: str) -> None:
    async with desks(redis_url, 2) as [one, two]:
        leader = await hold(one)
        near, far = (await joined(one, 1)) + (await joined(two, 1))
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        assert leader.cancelled()
        one.shelf.open.set()
        assert (await near).body == (await far).body
        assert one.shelf.made == ["a tale"]


async def test_a_failure_reaches_those_who_wait_and_another_process_tries_once_more(
    redis_url: str,
) -> None:
    async with desks(redis_url, 2) as [one, two]:
        leader = await hold(one)
        waiting = (await joined(one, 5)) + (await joined(two, 5))
        one.shelf.failing = True
        one.shelf.open.set()
        outcomes = await asyncio.gather(leader, *waiting, return_exceptions=True)
        assert [type(x) for x in outcomes] == [ModelError] * 11
        assert len(one.shelf.made) == 2
        one.shelf.failing = False
        assert (await one.get()).status is MISS


async def test_a_stampede_at_the_end_of_an_entry_makes_one_answer(redis_url: str) -> None:
    async with desks(redis_url, 2) as [one, two]:
        await one.get()
        await one.redis.call("DEL", cache_key("alice", fingerprint("alice", "a tale")))
        made = await asyncio.gather(*(desk.get() for desk in (one, two) * 50))
        assert len(one.shelf.made) == 2
        assert len({m.body["content_id"] for m in made}) == 1


async def test_the_lease_of_a_dead_process_is_taken_over_when_it_lapses(redis_url: str) -> None:
    """Whoever waits does so until the lease ends, and then one of them makes the answer."""
    async with desks(redis_url, 2) as [one, two]:
        leader = await hold(one)
        [lease] = [t for t in asyncio.all_tasks() if t.get_name() == "lease"]
        lease.cancel()  # nobody renews it any more, as after a kill
        clock = asyncio.get_running_loop().time
        began = clock()
        one.shelf.begun.clear()
        waiting = await joined(two, 10)
        await asyncio.wait_for(one.shelf.begun.wait(), 2 * LEASE)
        assert clock() - began > LEASE / 2
        one.shelf.open.set()
        made = await asyncio.gather(*waiting)
        assert len(one.shelf.made) == 2
        assert len({m.body["content_id"] for m in made}) == 1
        await leader


async def test_a_lease_that_is_renewed_is_followed_for_longer_than_it_lasts(
    redis_url: str,
) -> None:
    async with desks(redis_url, 2) as [one, two]:
        leader = await hold(one)
        [waiting] = await joined(two, 1)
        lease = f"{one.once.ask('alice', 'x', Wish(), CacheUse.USE, 1).slot}:lease:" + (
            fingerprint("alice", "a tale")
        )
        left = []
        async with asyncio.timeout(2 * LEASE):
            for _ in range(2):  # the lease grows again while its maker lives
                while await one.redis.call("PTTL", lease) > LEASE * 700:
                    await asyncio.sleep(0.02)
                while (now := await one.redis.call("PTTL", lease)) < LEASE * 900:
                    await asyncio.sleep(0.02)
                left.append(now)
        assert len(left) == 2
        one.shelf.open.set()
        assert (await leader).body == (await waiting).body
        assert one.shelf.made == ["a tale"]


async def test_one_who_gave_up_late_does_not_end_anothers_lease(redis_url: str) -> None:
    async with desks(redis_url) as [desk]:
        await hold(desk)
        lease = (await desk.redis.call("KEYS", "*:lease:*"))[0].decode()
        await desk.redis.call("SET", lease, "another's", "PX", 60_000)
        await desk.once.close()
        assert await desk.redis.call("GET", lease) == b"another's"


async def test_without_redis_each_process_still_makes_one_answer(tmp_path: Path) -> None:
    server = start_valkey(tmp_path / "valkey", persist=False)
    async with desks(server.url, 2) as [one, two]:
        server.stop()
        made = await asyncio.gather(*(desk.get() for desk in (one, two) * 20))
        assert len(one.shelf.made) == 2
        assert {m.status for m in made} == {MISS, COALESCED}


async def test_an_answer_too_old_for_who_waits_is_not_given_to_it(redis_url: str) -> None:
    async with desks(redis_url, 2) as [one, two]:
        old = await one.get()
        leader = await hold(one, wish=Wish(max_age=0))
        waiting = asyncio.create_task(two.get(wish=Wish(max_age=0)))
        before = await calls_of(two.redis, "mget")
        async with asyncio.timeout(5):
            while await calls_of(two.redis, "mget") < before + 2:  # it has looked twice
                await asyncio.sleep(0.01)
        assert not waiting.done()
        one.shelf.open.set()
        assert (await waiting).body == (await leader).body != old.body


async def calls_of(redis: Redis, name: str) -> int:
    stats: Any = await redis.call("INFO", "commandstats")
    found: int = stats.get(f"cmdstat_{name}", {}).get("calls", 0)
    return found


async def test_a_key_is_answered_once_by_two_processes(redis_url: str) -> None:
    async with desks(redis_url, 2) as [one, two]:
        asked = (desk.get(wish=KEYED, use=CacheUse.BYPASS) for desk in (one, two) * 10)
        made = await asyncio.gather(*asked)
        assert one.shelf.made == ["a tale"]
        assert len({m.body["content_id"] for m in made}) == 1


@pytest.mark.parametrize("use", [CacheUse.USE, CacheUse.BYPASS])
async def test_another_request_under_a_key_is_refused_also_while_it_runs(
    redis_url: str, use: CacheUse
) -> None:
    async with desks(redis_url, 2) as [one, two]:
        leader = await hold(one, wish=KEYED, use=use)
        for desk in (one, two):
            with pytest.raises(IdempotencyConflict):
                await desk.get("another tale", wish=KEYED, use=use)
        one.shelf.open.set()
        await leader
        with pytest.raises(IdempotencyConflict):
            await two.get("another tale", wish=KEYED, use=use)
        assert one.shelf.made == ["a tale"]


async def test_a_failed_run_frees_the_keys_of_all_who_waited_for_it(redis_url: str) -> None:
    async with desks(redis_url) as [desk]:
        leader = await hold(desk, wish=Wish(idempotency_key="first"))
        waiting = asyncio.create_task(desk.get(wish=Wish(idempotency_key="second")))
        while len(await desk.redis.call("KEYS", "*:once:*")) < 2:
            await asyncio.sleep(0.01)
        desk.shelf.failing = True
        desk.shelf.open.set()
        await asyncio.gather(leader, waiting, return_exceptions=True)
        assert await desk.redis.call("KEYS", "*:once:*") == []


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


async def test_nobody_ever_gets_what_was_made_for_another(redis_url: str) -> None:
    """10,000 requests in crowds of a hundred: cached, coalesced, alike and under equal keys."""
    async with desks(redis_url, 2) as found:
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
                found[n % 2].get(what, user=user, wish=Wish(idempotency_key=key), use=use)
                for n, (user, what, key, use) in enumerate(asked)
            ]
            async with asyncio.timeout(LEASE):  # all are alive: nobody waits for a lease to lapse
                outcomes = await asyncio.gather(*crowd, return_exceptions=True)
            for (user, what, _, _), made in zip(asked, outcomes, strict=True):
                if not isinstance(made, IdempotencyConflict):
                    assert not isinstance(made, BaseException), made
                    assert (made.body["user"], made.body["what"]) == (user, what)
                    ways.add(made.status)
            for user in USERS:
                offered.update((user, near["user"]) for near in await found[0].near("a tale", user))
            await found[0].redis.call("FLUSHALL")
            found[0].shelf.keys.clear()
        assert sum(map(len, drawn)) >= 10_000
        assert ways == set(CacheStatus)
        assert offered == {(user, user) for user in USERS}
