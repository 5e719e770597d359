"""A cluster of three masters as Redis: its topology, and what one that is away costs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import app.redis.cluster
from app.errors import DependencyUnavailable
from app.redis.client import MAX_FAILURES, Redis, Script
from tests.support.cluster import Cluster, free_ports

pytestmark = pytest.mark.servers

HEALS = 10.0  # s, by contract


async def test_the_topology_is_read_from_masters_that_answer(cluster: Cluster) -> None:
    """Each time anew, and each time within a request's budget."""
    redis = Redis(cluster.url, budget=0.5)  # less than the silence of one that is asked in vain
    assert await redis.check() is None
    client: Any = redis._client  # private: redis-py would read it anew only by chance
    assert isinstance(client, app.redis.cluster.Cluster)
    silent = cluster.owner("loregate:here")
    here = next(k for k in map(str, range(1000)) if cluster.owner(k) is not silent)
    with silent.paused():
        for _ in range(12):  # redis-py would ask one of the three at random
            client._initialize = True  # private: as redis-py does where a node fails
            await redis.call("SET", here, "1")
    await redis.close()
    await cluster.sound()


async def test_a_gateway_that_was_there_before_its_cluster_finds_it(cluster: Cluster) -> None:
    redis = Redis(cluster.url)
    with contextlib.ExitStack() as silent:
        for node in cluster.nodes:
            silent.enter_context(node.paused())
        async with asyncio.timeout(HEALS):
            while redis.up and not redis.open_breakers:
                with pytest.raises(DependencyUnavailable):
                    await redis.call("SET", "loregate:here", "1")
    async with asyncio.timeout(HEALS):
        while redis.open_breakers:
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
        for _ in range(2 * MAX_FAILURES):
            with pytest.raises(DependencyUnavailable):
                await redis.run(Script("return 1"), [], [])
    assert not redis.open_breakers
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


async def test_a_full_master_is_seen_and_costs_no_other_masters_users(cluster: Cluster) -> None:
    redis, full = Redis(cluster.url), cluster.owner("loregate:here")
    there = next(k for k in map(str, range(1000)) if cluster.owner(k) is not full)
    assert await redis.ping()
    with full.asked() as admin:
        admin.config_set("maxmemory", "1")
        assert await redis.ping() is False
        with pytest.raises(DependencyUnavailable):
            await redis.call("SET", "loregate:here", "1")
        assert (len(redis.open_breakers), redis.up) == (1, True)
        assert await redis.call("SET", there, "1")
        admin.config_set("maxmemory", "0")
    async with asyncio.timeout(HEALS):
        while redis.open_breakers:
            await asyncio.sleep(0.02)  # between two looks
    assert await redis.ping()
    await redis.close()
    await cluster.sound()
