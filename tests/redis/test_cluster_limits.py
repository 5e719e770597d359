"""Limits on three masters: exact together, bounded and local where one is away, and moved."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest

from app.caller import Caller
from app.errors import DependencyUnavailable, RateLimited, Unauthenticated
from app.pipeline.admission_call import AdmissionCall, Decision
from app.policies.limiter import key
from app.policies.limits import Limit
from app.policies.revocation import revocation_key
from app.redis.client import BUDGET, MAX_FAILURES
from tests.support.cluster import Cluster, clusters
from tests.support.cluster_limits import GLOBAL, USER, caller_on, limiters_on, remaining, taken_down
from tests.support.limit_model import History, fill, microseconds, outcome
from tests.support.waiting import until

pytestmark = pytest.mark.servers

HEALS = 10.0  # s, by contract
TARGETS = ("user", "global")


# -- exact
async def test_two_gateways_admit_exactly_each_users_limit_and_that_of_all(
    cluster: Cluster,
) -> None:
    """Every decision of 400 at once is counted; who was refused by one limit took of none."""
    users = [caller_on(cluster, node, name=name) for node in cluster.nodes for name in ("a", "b")]
    async with limiters_on(cluster.url, USER, GLOBAL) as limiters:
        asked = [users[n % 6] for n in range(400)]
        found = await asyncio.gather(
            *(outcome(limiters[n % 2].spend(user, TARGETS)) for n, user in enumerate(asked))
        )
        admitted = [u.id for u, f in zip(asked, found, strict=True) if isinstance(f, Decision)]
        # What another slot is about to refuse counts until it is given back: never too many, and
        # once all is quiet what is left can be had.
        assert len(admitted) <= GLOBAL.max
        assert all(admitted.count(user.id) <= USER.max for user in users)
        for user in users:
            left = await remaining(limiters[0], user)
            assert left["user"] == USER.max - admitted.count(user.id)
            assert left["global"] == GLOBAL.max - len(admitted)
        more = [await fill(limiters[n % 2], user, TARGETS) for n, user in enumerate(users)]
        assert len(admitted) + sum(more) == GLOBAL.max


async def test_no_window_of_any_user_or_of_all_holds_too_many(cluster: Cluster) -> None:
    """Short windows, asked at random for as long as they last several times over."""
    user, everybody = Limit("user", 5, window=0.3), Limit("global", 12, window=0.3, per="global")
    own: dict[str, History] = {}
    shared, loop = History(), asyncio.get_running_loop()

    async def ask(limiter: AdmissionCall, seed: int, end: float) -> None:
        chance = random.Random(seed)
        while loop.time() < end:
            who = f"user{chance.randrange(4)}"
            try:
                spent = await limiter.spend(Caller(who), TARGETS)
            except RateLimited as full:
                await asyncio.sleep(min(full.retry_after or 0, 0.05) * chance.random())
            else:
                own.setdefault(who, History()).entries.append((int(spent.at or 0), 1))
                shared.entries.append((int(spent.shared_at or 0), 1))

    async with limiters_on(cluster.url, user, everybody) as limiters:
        end = loop.time() + 2.0
        await asyncio.gather(*(ask(limiters[n % 2], n, end) for n in range(8)))
    assert len(shared.entries) > 3 * everybody.max
    for history in [*own.values(), shared]:
        history.entries.sort()
    assert all(h.fullest(microseconds(user)) <= user.max for h in own.values())
    assert shared.fullest(microseconds(everybody)) <= everybody.max


async def test_unused_tokens_of_a_shared_limit_are_given_back_by_their_own_servers_time(
    cluster: Cluster,
) -> None:
    user = Limit("model:gpt", 10, window=60)
    everybody = Limit("model:gpt4", 10, window=60, per="global")
    async with limiters_on(cluster.url, user, everybody, count=1) as [limiter]:
        alice = caller_on(cluster, cluster.elsewhere(key(everybody, "")), user)
        spent = await limiter.spend(alice, ("model:gpt", "model:gpt4"))
        await limiter.send(spent.refunds(spent.taken))
        assert set((await remaining(limiter, alice)).values()) == {10}


async def test_a_revoked_token_is_refused_wherever_its_mark_stands(cluster: Cluster) -> None:
    async with limiters_on(cluster.url, USER, count=1) as [limiter]:
        redis = limiter.redis
        tokens = [f"token{n}" for n in range(9)]
        await asyncio.gather(*(redis.call("SET", revocation_key(t), "1") for t in tokens[:6]))
        assert await limiter.revocations.among(tokens) == tokens[:6]
        for token in tokens[:6]:
            with pytest.raises(Unauthenticated):
                await limiter.spend(Caller("alice", token_id=token), ("user",))
        assert await remaining(limiter, Caller("alice")) == {"user": USER.max}


# -- one master away
@pytest.fixture(params=["stopped", "killed"])
def away(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


async def test_one_master_away_costs_only_its_own_users_and_these_a_bounded_wait(
    cluster: Cluster, away: str
) -> None:
    node = cluster.elsewhere(key(GLOBAL, ""))
    theirs, others = caller_on(cluster, node), caller_on(cluster, cluster.owner(key(GLOBAL, "")))
    async with limiters_on(cluster.url, USER, GLOBAL) as limiters:
        limiter, redis = limiters[0], limiters[0].redis
        await fill(limiter, others, TARGETS)
        await limiter.spend(theirs, ("user",))  # or this process's share would grow from nothing
        with taken_down(node, away):
            for _ in range(MAX_FAILURES):
                async with asyncio.timeout(20 * BUDGET):  # against a hang: the machine may be busy
                    assert isinstance(await outcome(limiter.spend(theirs, TARGETS)), Decision)
            # Their own limit is kept here, by this process's share; that of all still in Redis.
            assert await fill(limiter, theirs, ("user",)) == USER.max // 2 - MAX_FAILURES
            assert (await remaining(limiter, others)) == {
                "user": 0,
                "global": GLOBAL.max - USER.max - MAX_FAILURES,
            }
            assert redis.up, "the others' breakers are closed"
            assert await redis.check() is not None
            async with asyncio.timeout(10):  # its breaker is open: nothing is waited for
                with pytest.raises(DependencyUnavailable):
                    await redis.call("EXISTS", key(USER, theirs.id), budget=60.0)
            assert await redis.call("EXISTS", key(USER, others.id)) == 1
        await cluster.sound()
        await until(lambda: not redis.open_breakers)
        spent = await limiter.spend(theirs, TARGETS)
        assert spent.at is not None
        assert await redis.check() is None


async def test_while_the_shared_limit_is_away_each_users_own_is_kept_in_redis(
    cluster: Cluster, away: str
) -> None:
    node = cluster.owner(key(GLOBAL, ""))
    alice = caller_on(cluster, cluster.elsewhere(key(GLOBAL, "")))
    async with limiters_on(cluster.url, USER, GLOBAL) as limiters:
        for limiter in limiters:
            await limiter.spend(alice, TARGETS)
        with taken_down(node, away):
            counts = [await fill(limiter, alice, TARGETS) for limiter in limiters]
        assert counts == [USER.max - 2, 0]
        await cluster.sound()
        await until(lambda: not limiters[0].redis.open_breakers)


async def test_what_the_shared_limit_refuses_here_is_given_back_there(cluster: Cluster) -> None:
    small = Limit("global", 4, window=60, per="global")  # this process's share of it: 2
    alice = caller_on(cluster, cluster.elsewhere(key(small, "")))
    async with limiters_on(cluster.url, USER, small) as limiters:
        await limiters[0].spend(alice, TARGETS)
        with cluster.owner(key(small, "")).paused():
            assert await fill(limiters[0], alice, TARGETS) == 2
            [own] = [s for s in await limiters[0].look(alice) if s.scope == "user"]
            assert own.remaining == USER.max - 3
        await until(lambda: not limiters[0].redis.open_breakers)


async def test_who_starts_while_a_master_is_away_has_not_reached_it_by_reaching_others(
    cluster: Cluster,
) -> None:
    node = cluster.elsewhere(key(GLOBAL, ""))
    theirs, others = caller_on(cluster, node), caller_on(cluster, cluster.owner(key(GLOBAL, "")))
    async with limiters_on(cluster.url, USER, GLOBAL, count=1) as [limiter]:
        with node.paused():
            assert await fill(limiter, others, TARGETS) == USER.max
            assert isinstance(
                await outcome(limiter.spend(theirs, TARGETS, requests=12)), RateLimited
            )
        await cluster.sound()
        await until(lambda: not limiter.redis.open_breakers)


@pytest.fixture
def whole() -> Iterator[Cluster]:
    """A cluster that serves nothing while a master is away, as clusters do unless told."""
    with clusters(whole=True) as found:
        yield found


async def test_a_cluster_that_is_down_as_a_whole_is_waited_for_and_heals(whole: Cluster) -> None:
    async with limiters_on(whole.url, USER, GLOBAL, count=1) as [limiter]:
        redis, users = limiter.redis, [caller_on(whole, node) for node in whole.nodes]
        changes: asyncio.Queue[bool] = asyncio.Queue()
        redis.on_change(changes.put_nowait)
        with whole.nodes[1].killed():
            async with asyncio.timeout(20):
                while redis.up:  # its nodes take a second to agree
                    for user in users:
                        await outcome(limiter.spend(user, TARGETS))
            for user in users:
                found = await outcome(limiter.spend(user, TARGETS))
                assert isinstance(found, RateLimited) or found.at is None
        await whole.sound()
        async with asyncio.timeout(HEALS):
            while await changes.get() is False:
                pass
        await until(lambda: not redis.open_breakers)
        assert all([(await limiter.spend(user, ("user",), requests=0)).at for user in users])


# -- moved
async def test_a_users_slot_that_moves_while_it_is_asked_stays_exact(cluster: Cluster) -> None:
    alice, most = Caller("alice"), Limit("user", 300, window=60)
    async with limiters_on(cluster.url, most) as limiters:
        stop = asyncio.Event()

        async def ask(limiter: AdmissionCall) -> list[Decision | RateLimited]:
            found = []
            while not stop.is_set():
                found.append(await outcome(limiter.spend(alice, ("user",))))
                await asyncio.sleep(0.01)
            return found

        asking = [asyncio.create_task(ask(limiter)) for limiter in limiters * 3]
        for _ in range(3):
            to = cluster.elsewhere(key(most, "alice"))
            await asyncio.to_thread(cluster.move, key(most, "alice"), to)
            await asyncio.sleep(0.05)  # some are asked where it stands now
        stop.set()
        found = [f for some in await asyncio.gather(*asking) for f in some]
        in_redis = [f for f in found if isinstance(f, Decision) and f.at is not None]
        left = await remaining(limiters[0], alice)
        assert len(in_redis) > 20
        assert left["user"] == most.max - len(in_redis)
        assert limiters[0].redis.up


async def test_a_slot_on_its_way_is_asked_for_where_it_goes(cluster: Cluster) -> None:
    """Half moved: who is new there is sent on by ASK, on several connections at once."""
    async with limiters_on(cluster.url, USER, count=1) as [limiter]:
        redis, name = limiter.redis, key(USER, "alice")
        to = cluster.elsewhere(name)
        there = key(USER, caller_on(cluster, to).id)
        await asyncio.gather(*(redis.call("EXISTS", there) for _ in range(20)))
        with cluster.moving(name, to):
            assert [await redis.call("INCR", name) for _ in range(5)] == [1, 2, 3, 4, 5]
            replies = await asyncio.gather(*(redis.call("INCR", name) for _ in range(35)))
            assert sorted(replies) == list(range(6, 41))
        assert await redis.call("GET", name) == b"40"
