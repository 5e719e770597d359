"""Limits and revocation across processes, a cluster's slots and outages, on real servers."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis as plain

from app.caller import Caller
from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.errors import Unauthenticated
from app.pipeline.admission_call import AdmissionCall
from app.policies.limits import Limit
from app.policies.revocation import revocation_key
from app.redis.client import Redis
from tests.support.admission import admission_call
from tests.support.limit_model import History, fill
from tests.support.local_limits import SECOND, MicrosecondClock
from tests.support.outages import REDIS_OUTAGES, RedisOutage

pytestmark = pytest.mark.long

ALICE, BOB = Caller("alice"), Caller("bob")

# -- several processes
HAMMER = """
import asyncio, json, sys
from app.caller import Caller
from app.errors import RateLimited
from app.policies.limits import Limit
from app.redis.client import Redis
from tests.support.admission import admission_call

async def main(url, window, rounds):
    redis = Redis(url, budget=5.0)
    limiter = admission_call(redis, limits=[Limit("user", 40, window=window)])
    await redis.call("PING")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    admitted, refused = [], 0

    async def ask():
        nonlocal refused
        for _ in range(rounds):
            try:
                admitted.append(int((await limiter.spend(Caller("alice"), ("user",))).at))
            except RateLimited as full:
                refused += 1
                await asyncio.sleep(full.retry_after if rounds > 10 else 0)
    await asyncio.gather(*(ask() for _ in range(16)))
    print(json.dumps([admitted, refused]), flush=True)
    await redis.close()

asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
"""


async def hammer(url: str, window: float, rounds: int) -> tuple[list[int], int]:
    """What three processes were admitted at once, as Redis's times, and how many were refused."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-c", HAMMER, url, str(window), str(rounds))
    some = [
        await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe) for _ in range(3)
    ]
    for process in some:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    replies = await asyncio.gather(*(process.communicate(b"go\n") for process in some))
    found = [json.loads(out) for out, _ in replies]
    return [at for admitted, _ in found for at in admitted], sum(refused for _, refused in found)


async def test_three_processes_are_admitted_exactly_the_limit_together(redis_url: str) -> None:
    admitted, refused = await hammer(redis_url, 60, 10)
    assert (len(admitted), refused) == (40, 3 * 16 * 10 - 40)


async def test_three_processes_keep_every_window_for_as_long_as_they_ask(redis_url: str) -> None:
    admitted, _ = await hammer(redis_url, 0.25, 12)
    assert len(admitted) > 2 * 40
    assert History([(at, 1) for at in sorted(admitted)]).fullest(250_000) <= 40


# -- a cluster
@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Redis]:
    """A cluster of one node: its slots are one server's, its rules a cluster's."""
    port = free_port()
    options = ["--port", port, "--bind", "127.0.0.1", "--cluster-port", free_port()]
    server = start_valkey(
        tmp_path / "node", persist=False, extra=[*options, "--cluster-enabled", "yes"]
    )
    with plain.Redis.from_url(server.url) as admin:
        admin.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in admin.execute_command("CLUSTER", "INFO"):
            await asyncio.sleep(0.01)
    redis = Redis(f"redis+cluster://127.0.0.1:{port}/", budget=5.0)
    yield redis
    await redis.close()
    server.stop()


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


async def test_in_a_cluster_what_another_slot_refuses_is_given_back(cluster: Redis) -> None:
    limits = [Limit("global", 5, per="global"), Limit("user", 3)]
    limiter, targets = admission_call(cluster, limits=limits), ("global", "user")
    assert await fill(limiter, ALICE, targets) == 3
    assert await fill(limiter, BOB, targets) == 2
    assert await fill(limiter, Caller("carol"), targets) == 0
    remaining = [[s.remaining for s in await limiter.look(x)] for x in (ALICE, BOB)]
    assert remaining == [[0, 0], [0, 1]]


async def test_in_a_cluster_a_revoked_token_is_refused(cluster: Redis) -> None:
    limiter, caller = admission_call(cluster), Caller("alice", token_id="t1")
    await limiter.spend(caller, ("user", "global"))
    await cluster.call("SET", revocation_key("t1"), "1")
    with pytest.raises(Unauthenticated):
        await limiter.spend(caller, ("user", "global"))


# -- revocation
@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis(redis_url)
    yield redis
    await redis.close()


async def is_revoked(limiter: AdmissionCall, caller: Caller) -> bool:
    try:
        await limiter.revocations.check(caller)
    except Unauthenticated:
        return True
    return False


async def test_a_revoked_token_is_refused_in_the_same_call_and_takes_nothing(
    redis: Redis,
) -> None:
    limiter, caller = admission_call(redis), Caller("alice", token_id="t1")
    await limiter.spend(caller, ("user",))
    await redis.call("SET", revocation_key("t1"), "1")
    with pytest.raises(Unauthenticated):
        await limiter.spend(caller, ("user",))
    other = replace(caller, token_id="t2")
    assert [s.remaining for s in await limiter.look(other) if s.scope == "user"] == [999]
    found = [await is_revoked(limiter, x) for x in (caller, other, ALICE)]
    assert found == [True, False, False]


# -- outages
@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = start_valkey(tmp_path / "own", persist=False)
    yield server
    server.stop()  # by force when it is paused


@pytest.mark.parametrize("kind", REDIS_OUTAGES)
async def test_through_an_outage_a_window_admits_twice_the_limit_at_most_and_it_heals(
    kind: str, server: EmbeddedValkey, tmp_path: Path
) -> None:
    outage, redis, back = RedisOutage(server, tmp_path / "own"), Redis(server.url), asyncio.Event()
    redis.on_change(lambda up: back.set() if up else back.clear())
    limiter = admission_call(redis, limits=[Limit("user", 12)], processes=2)
    revoked = Caller("eve", token_id="gone")
    await redis.call("SET", revocation_key("gone"), "1")
    with pytest.raises(Unauthenticated):
        await limiter.spend(revoked, ("user",))
    await limiter.spend(ALICE, ("user",), requests=11)

    mend = getattr(outage, kind)()
    async with asyncio.timeout(10):  # against a hang
        during = [await fill(limiter, x, ("user",)) for x in (BOB, ALICE)]
        with pytest.raises(Unauthenticated):
            await limiter.spend(revoked, ("user",))
        assert await is_revoked(limiter, revoked)
    assert (during, redis.up) == ([6, 6], False)

    again = mend()
    async with asyncio.timeout(10):  # the promise
        await back.wait()
    after = await fill(limiter, ALICE, ("user",))
    await redis.close()
    if isinstance(again, EmbeddedValkey):
        again.stop()
    # A server that came back empty knows nothing of the first eleven.
    assert after == (6 if kind == "killed" else 0)
    assert 11 + during[1] + after <= 2 * 12


async def test_who_starts_in_an_outage_grows_into_its_share_and_has_it_once_redis_was_reached(
    server: EmbeddedValkey, tmp_path: Path
) -> None:
    """However often it is killed: nobody knows what the one before it admitted."""
    outage, redis, clock = (
        RedisOutage(server, tmp_path / "own"),
        Redis(server.url),
        MicrosecondClock(),
    )
    back = asyncio.Event()
    redis.on_change(lambda up: back.set() if up else None)
    mend = outage.paused()
    for seconds, admitted in ((0, 0), (5, 0), (7, 1), (19, 1), (21, 2), (60, 6)):
        limiter = admission_call(redis, limits=[Limit("user", 12)], processes=2, now=clock, age=0.0)
        clock.now += seconds * SECOND
        assert await fill(limiter, ALICE, ("user",)) == admitted
    limiter = admission_call(redis, limits=[Limit("user", 12)], processes=2, now=clock, age=0.0)
    mend()
    async with asyncio.timeout(10):
        await back.wait()
    assert await fill(limiter, BOB, ("user",)) == 12
    outage.paused()
    assert await fill(limiter, ALICE, ("user",)) == 6
    await redis.close()


@pytest.mark.parametrize("kind", ["read_only", "out_of_memory", "without_replicas"])
async def test_a_server_that_can_only_be_read_was_not_reached(
    kind: str, server: EmbeddedValkey, tmp_path: Path
) -> None:
    redis = Redis(server.url)
    await admission_call(redis, limits=[Limit("user", 2)]).spend(ALICE, ("user",), requests=2)
    getattr(RedisOutage(server, tmp_path / "own"), kind)()
    limiter = admission_call(redis, limits=[Limit("user", 2)], now=MicrosecondClock(), age=0.0)
    await limiter.look(BOB)
    assert [await fill(limiter, who, ("user",)) for who in (ALICE, BOB)] == [0, 0]
    await redis.close()
