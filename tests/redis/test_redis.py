"""The door to Redis: a budget of silence that a busy loop does not use up, a breaker, its URLs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as plain
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import SSLConnection

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.errors import DependencyUnavailable, SettingsError
from app.redis.client import (
    MAX_CONNECTIONS,
    MAX_FAILURES,
    SPARE_CONNECTIONS,
    Redis,
    Script,
    address,
    connect,
)
from tests.support.outages import WRITE_REFUSALS, RedisOutage

HEALS = 10.0  # s, by contract


# -- calls
@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis(redis_url)
    yield redis
    await redis.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = start_valkey(tmp_path / "own", persist=False)
    yield server
    server.stop()  # by force when it is paused


@contextlib.contextmanager
def paused(server: EmbeddedValkey) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def test_a_busy_process_never_calls_a_healthy_server_dead(redis_url: str) -> None:
    """Each turn of the loop is late by 40 ms; a new connection and a known one both succeed."""
    busy = [asyncio.create_task(_work()) for _ in range(16)]
    for _ in range(2):
        redis = Redis(redis_url + "?db=1")
        assert [await redis.call("ECHO", str(n)) for n in range(3)] == [b"0", b"1", b"2"]
        await redis.close()
    for task in busy:
        task.cancel()


async def _work() -> None:
    while True:
        spin(0.0025)
        await asyncio.sleep(0)


async def test_64_busy_requests_at_once_all_hear_their_replies(redis: Redis) -> None:
    async def request(number: int) -> None:
        for step in range(4):
            assert await redis.call("ECHO", f"{number}.{step}") == f"{number}.{step}".encode()
            spin(0.0025)
            await asyncio.sleep(0)

    await asyncio.gather(*map(request, range(64)))
    assert redis.up


async def test_more_callers_than_connections_wait_for_each_other(redis: Redis) -> None:
    numbers = range(10 * MAX_CONNECTIONS)
    replies = await asyncio.gather(*(redis.call("ECHO", n) for n in numbers))
    assert replies == [str(n).encode() for n in numbers]
    assert redis.up


async def test_a_script_is_loaded_again_in_the_same_call(redis: Redis) -> None:
    script = Script("return ARGV[1] * 2")
    assert await redis.run(script, [], [21]) == 42
    await redis.call("SCRIPT", "FLUSH")
    assert await redis.run(script, [], [4]) == 8


async def test_a_rejected_command_is_ours_to_mend_and_opens_no_breaker(redis: Redis) -> None:
    await redis.call("SET", "text", "words")
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(DependencyUnavailable):
            await redis.call("LPUSH", "text", "more")
    assert redis.up


async def test_cancelled_callers_leave_no_task_connection_or_foreign_reply(
    server: EmbeddedValkey,
) -> None:
    redis = Redis(server.url, budget=30.0)
    before = asyncio.all_tasks()
    for cold in (True, False):  # more in all than the pool may hold
        if not cold:
            await asyncio.gather(*(redis.call("PING") for _ in range(MAX_CONNECTIONS)))
        with paused(server):
            calls = [asyncio.create_task(redis.call("ECHO", "lost")) for _ in range(100)]
            await asyncio.sleep(0.05)  # well under way: commands are sent, no reply can come
            for call in calls:
                call.cancel()
            done = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(x, asyncio.CancelledError) for x in done)
    assert asyncio.all_tasks() == before
    replies = await asyncio.gather(*(redis.call("ECHO", n) for n in range(2 * MAX_CONNECTIONS)))
    assert replies == [str(n).encode() for n in range(2 * MAX_CONNECTIONS)]
    assert _clients(server) <= MAX_CONNECTIONS + SPARE_CONNECTIONS
    await redis.close()


def _clients(server: EmbeddedValkey) -> int:
    with plain.Redis.from_url(server.url) as client:
        return sum(1 for x in client.client_list() if x["name"] == "loregate")


async def test_callers_that_give_up_at_random_never_get_each_others_replies(
    redis: Redis,
) -> None:
    async def ask(number: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((number % 7) / 4000):
                assert await redis.call("ECHO", number, budget=5.0) == str(number).encode()

    for _ in range(5):
        await asyncio.gather(*map(ask, range(200)))
    assert await redis.call("ECHO", "last", budget=5.0) == b"last"


# -- the breaker
async def fail(redis: Redis) -> None:
    with pytest.raises(DependencyUnavailable):
        await redis.call("SET", "k", "v")


async def test_five_failures_in_a_row_open_the_breaker_and_the_probe_closes_it(
    server: EmbeddedValkey,
) -> None:
    redis, told = Redis(server.url), asyncio.Queue[bool]()
    redis.on_change(told.put_nowait)
    with paused(server):
        for _ in range(MAX_FAILURES):
            assert redis.up
            await fail(redis)
        assert not redis.up
        assert told.get_nowait() is False
        await asyncio.gather(*(fail(redis) for _ in range(1000)))  # none of them asks the server
        assert await redis.check() == "no answer within a second"
    async with asyncio.timeout(HEALS):
        assert await told.get() is True
    assert await redis.call("SET", "k", "v", budget=5.0)
    assert await redis.check() is None
    await redis.close()


async def test_failures_that_are_not_in_a_row_open_nothing(server: EmbeddedValkey) -> None:
    redis = Redis(server.url)
    for _ in range(2):
        with paused(server):
            for _ in range(MAX_FAILURES - 1):
                await fail(redis)
        assert await redis.call("PING", budget=5.0)
    assert redis.up
    await redis.close()


async def test_a_server_that_dies_under_calls_gives_one_kind_of_error(
    server: EmbeddedValkey,
) -> None:
    redis = Redis(server.url)
    await asyncio.gather(*(redis.call("PING") for _ in range(32)))
    calls = [asyncio.create_task(redis.call("ECHO", "x")) for _ in range(200)]
    server.kill()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert all(x == b"x" or isinstance(x, DependencyUnavailable) for x in done)
    for _ in range(MAX_FAILURES):
        await fail(redis)
    assert not redis.up
    assert await redis.check() is not None
    await redis.close()


async def test_a_server_that_answers_pings_and_takes_no_writes_stays_away(
    server: EmbeddedValkey,
) -> None:
    redis, back = Redis(server.url, probe_every=0.02), asyncio.Event()
    redis.on_change(lambda up: back.set() if up else None)
    with plain.Redis.from_url(server.url) as admin:
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        await fail(redis)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):  # ten probes
                await back.wait()
        admin.execute_command("REPLICAOF", "NO", "ONE")
    async with asyncio.timeout(HEALS):
        await back.wait()
    await redis.close()


@pytest.mark.parametrize("refusal", WRITE_REFUSALS)
async def test_a_server_that_refuses_writes_opens_the_breaker_with_its_first_refusal(
    server: EmbeddedValkey, tmp_path: Path, refusal: str
) -> None:
    redis, back = Redis(server.url, probe_every=0.02), asyncio.Event()
    redis.on_change(lambda up: back.set() if up else None)
    await redis.call("SET", "kept", "words")
    mend = getattr(RedisOutage(server, tmp_path / "own"), refusal)()
    assert (await redis.call("GET", "kept"), await redis.ping()) == (b"words", False)
    assert await redis.check() is not None
    await fail(redis)
    assert not redis.up
    mend()
    async with asyncio.timeout(HEALS):
        await back.wait()
    assert (await redis.check(), await redis.ping()) == (None, True)
    await redis.close()


async def test_a_refusal_within_a_script_opens_the_breaker_too(
    server: EmbeddedValkey, tmp_path: Path
) -> None:
    redis = Redis(server.url)
    outage = RedisOutage(server, tmp_path / "own")
    outage.out_of_memory()
    with pytest.raises(DependencyUnavailable):
        await redis.run(Script("return redis.call('SET', KEYS[1], '1')"), ["k"], [])
    assert not redis.up
    await redis.close()


async def test_what_makes_room_is_also_asked_of_a_server_that_is_full(
    server: EmbeddedValkey, tmp_path: Path
) -> None:
    redis = Redis(server.url)
    await redis.call("SET", "large", "words")
    outage = RedisOutage(server, tmp_path / "own")
    outage.out_of_memory()
    await fail(redis)
    assert await redis.make_room(Script("return redis.call('DEL', KEYS[1])"), ["large"], []) == 1
    assert not redis.up, "that it gave memory back is no proof that it takes writes"
    await redis.close()


async def test_a_server_that_is_away_is_none_that_refuses(server: EmbeddedValkey) -> None:
    redis = Redis(server.url)
    server.kill()
    with pytest.raises(DependencyUnavailable):
        await redis.ping()
    await redis.close()


async def test_closing_ends_the_probe(server: EmbeddedValkey) -> None:
    redis, before = Redis(server.url), asyncio.all_tasks()
    with paused(server):
        for _ in range(MAX_FAILURES):
            await fail(redis)
    assert asyncio.all_tasks() != before
    await redis.close()
    assert asyncio.all_tasks() == before


# -- URLs
@pytest.mark.parametrize(
    ("url", "reaches"),
    [
        ("redis://127.0.0.1:6380/3", {"host": "127.0.0.1", "port": 6380, "db": 3}),
        ("redis://ann:s%40cret@one", {"host": "one", "username": "ann", "password": "s@cret"}),
        ("unix:///run/valkey.sock", {"path": "/run/valkey.sock"}),
    ],
)
async def test_a_url_says_where_its_client_connects(url: str, reaches: dict[str, Any]) -> None:
    client: Any = connect(url, max_connections=4, socket_timeout=None)
    asked = client.connection_pool.connection_kwargs
    assert {name: asked[name] for name in reaches} == reaches
    await client.aclose()


@pytest.mark.parametrize(
    "url", ["redis://one", "rediss://one", "unix:///one", "redis+sentinel://one/lore/2"]
)
async def test_no_kind_of_client_sends_a_command_again_by_itself(url: str) -> None:
    """A script that was sent twice would count twice."""
    client: Any = connect(url, max_connections=4, socket_timeout=None)
    assert client.connection_pool.connection_kwargs["retry"].get_retries() == 0
    await client.aclose()


@pytest.mark.parametrize(("url", "ciphered"), [("redis://one", False), ("rediss://one", True)])
async def test_rediss_is_spoken_over_tls(url: str, ciphered: bool) -> None:
    client: Any = connect(url, max_connections=4, socket_timeout=None)
    assert issubclass(client.connection_pool.connection_class, SSLConnection) is ciphered
    await client.aclose()


async def test_a_sentinel_url_names_its_hosts_its_service_its_database_and_its_login() -> None:
    url = "redis+sentinel://ann:s%40cret@one:26379,two,[::1]:26380/lore/2"
    pool: Any = connect(url, max_connections=4, socket_timeout=None).connection_pool  # type: ignore[union-attr]  # no cluster
    asked = [
        (x.connection_pool.connection_kwargs["host"], x.connection_pool.connection_kwargs["port"])
        for x in pool.sentinel_manager.sentinels
    ]
    assert asked == [("one", 26379), ("two", 26379), ("::1", 26380)]
    login = [pool.connection_kwargs[x] for x in ("username", "password", "db")]
    assert (pool.service_name, login) == ("lore", ["ann", "s@cret", 2])


async def test_a_cluster_url_gives_a_cluster_client() -> None:
    redis = Redis("redis+cluster://127.0.0.1:1/")
    assert redis.clustered
    assert isinstance(connect(redis.url, max_connections=4, socket_timeout=None), RedisCluster)
    for _ in range(MAX_FAILURES):
        await fail(redis)  # nothing listens there
    assert not redis.up
    await redis.close()


async def test_a_cluster_url_may_name_several_nodes() -> None:
    url = "redis+cluster://ann:s%40cret@one:7000,two,[::1]:7002/"
    found: Any = connect(url, max_connections=4, socket_timeout=None)
    nodes = found.nodes_manager.startup_nodes.values()
    assert {(n.host, n.port) for n in nodes} == {("one", 7000), ("two", 6379), ("::1", 7002)}
    logins = [[n.connection_kwargs[x] for x in ("username", "password")] for n in nodes]
    assert logins == [["ann", "s@cret"]] * 3
    await found.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "http://ann:s3cret@host",
        "ann:s3cret@host:6379",
        "redis://ann:s3cret@host:s3cret/0",
        "redis+sentinel://ann:s3cret@host:26379",
        "redis+sentinel://ann:s3cret@host:s3cret/lore",
        "redis+sentinel://ann:s3cret@host/lore/s3cret",
        "redis+cluster://ann:s3cret@host:7000,host:s3cret/",
        "",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_login(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Redis(url)
    assert "REDIS_URL" in str(refused.value)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://ann:s3cret@host:6379/0?password=s3cret", "redis://host:6379/0"),
        ("unix://:s3cret@/run/valkey.sock?db=1", "unix:///run/valkey.sock"),
        ("redis+sentinel://:p@one:1,two:2/lore", "redis+sentinel://one:1,two:2/lore"),
    ],
)
def test_an_address_for_people_has_no_login(url: str, shown: str) -> None:
    assert address(url) == shown
