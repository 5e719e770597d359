"""What holds on one server holds on a cluster of three masters too."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

import app.cluster
from app.errors import DependencyUnavailable
from app.redis import FAILURES, Redis, Script
from tests import (
    test_breaker,
    test_cache,
    test_events,
    test_generation_leases,
    test_generation_log,
    test_graphql_once,
    test_once,
    test_similar,
)
from tests.again import again
from tests.cluster import Cluster, free_ports

pytestmark = pytest.mark.servers

HEALS = 10.0  # s, by contract


@pytest.fixture
def redis_url(cluster: Cluster) -> str:
    return cluster.url


# They look into the server with a client, or a count, of one server alone.
LOOKING = {
    "test_200_requests_of_a_user_and_operation_are_kept",
    "test_a_cached_answer_publishes_nothing_new",
    "test_a_damaged_entry_is_a_miss_and_is_replaced",
    "test_a_failed_run_frees_the_keys_of_all_who_waited_for_it",
    "test_a_failure_reaches_those_who_wait_and_another_process_tries_once_more",
    "test_a_hit_is_the_answer_as_it_was_made_but_for_saying_so",
    "test_a_hit_takes_one_round_trip_and_a_miss_two",
    "test_a_lease_that_is_renewed_is_followed_for_longer_than_it_lasts",
    "test_a_maker_whose_caller_leaves_goes_on_for_those_who_wait",
    "test_a_waiter_that_leaves_does_not_end_the_making",
    "test_an_answer_older_than_is_wanted_is_made_anew",
    "test_an_answer_too_old_for_who_waits_is_not_given_to_it",
    "test_each_operation_has_its_own_time_with_jitter",
    "test_no_time_to_live_turns_the_cache_off",
    "test_one_who_gave_up_late_does_not_end_anothers_lease",
    "test_the_lease_of_a_dead_process_is_taken_over_when_it_lapses",
}

SHARED = again(
    test_breaker,
    test_cache,
    test_events,
    test_generation_leases,
    test_generation_log,
    test_graphql_once,
    test_once,
    test_similar,
    needs={"redis_url", "loregate", "with_models", "desk"},
    without=LOOKING,
)
globals().update(SHARED)


async def test_the_topology_is_read_from_masters_that_answer(cluster: Cluster) -> None:
    """Each time anew, and each time within a request's budget."""
    redis = Redis(cluster.url, budget=0.5)  # less than the silence of one that is asked in vain
    assert await redis.check() is None
    assert isinstance(redis._client, app.cluster.Cluster)
    silent = cluster.owner("loregate:here")
    here = next(k for k in map(str, range(1000)) if cluster.owner(k) is not silent)
    with silent.paused():
        for _ in range(12):  # redis-py would ask one of the three at random
            redis._client._initialize = True
            await redis.call("SET", here, "1")
    await redis.close()
    await cluster.sound()


async def test_a_gateway_that_was_there_before_its_cluster_finds_it(cluster: Cluster) -> None:
    redis = Redis(cluster.url)
    with contextlib.ExitStack() as silent:
        for node in cluster.nodes:
            silent.enter_context(node.paused())
        async with asyncio.timeout(HEALS):
            while redis.up and not redis._probing:
                with pytest.raises(DependencyUnavailable):
                    await redis.call("SET", "loregate:here", "1")
    async with asyncio.timeout(HEALS):
        while redis._probing:
            await asyncio.sleep(0.02)
        await redis.call("SET", "loregate:here", "1")
    await redis.close()
    await cluster.sound()


async def test_what_has_no_key_says_nothing_of_the_whole_cluster(cluster: Cluster) -> None:
    """Whoever was asked may be the only one that is silent: the others' users do not pay."""
    redis = Redis(cluster.url)
    assert await redis.check() is None
    with contextlib.ExitStack() as silent:
        for node in cluster.nodes:  # for it is sent to any of them
            silent.enter_context(node.paused())
        for _ in range(2 * FAILURES):
            with pytest.raises(DependencyUnavailable):
                await redis.run(Script("return 1"), [], [])
    assert not redis._probing
    await redis.call("SET", "loregate:here", "1")
    await redis.close()
    await cluster.sound()


async def test_a_cluster_is_found_by_whichever_node_answers(cluster: Cluster) -> None:
    [nobody] = free_ports(1)
    redis = Redis(cluster.url.replace("://", f"://127.0.0.1:{nobody},", 1), budget=2.0)
    try:
        assert await redis.check() is None
        assert await redis.call("SET", "loregate:here", "1")
    finally:
        await redis.close()
