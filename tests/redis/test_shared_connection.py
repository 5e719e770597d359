"""The connection that all requests share: pipelined, in order, and never waited for in vain."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis as plain
from redis import exceptions
from redis.asyncio.connection import UnixDomainSocketConnection

from app.errors import DependencyUnavailable
from app.redis.client import BUDGET, Call, Redis, Script
from app.redis.shared_connection import SharedConnection
from tests.support.skipping_loop import SkippingLoop, run_on_skipping_loop

ECHO = Script("return ARGV[1]")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = Redis(redis_url)
    await redis.run(ECHO, [], ["known"])
    yield redis
    await redis.close()


@pytest.fixture
def admin(redis_url: str) -> Any:
    with plain.Redis.from_url(redis_url) as found:
        yield found


def reads(admin: Any) -> int:
    """Reads from clients that the server made so far."""
    found: int = admin.info("stats")["total_reads_processed"]
    return found


def ours(admin: Any) -> list[int]:
    return [int(x["id"]) for x in admin.client_list() if x["name"] == "loregate"]


async def test_what_is_asked_in_one_turn_of_the_loop_is_one_read_for_the_server(
    redis: Redis, admin: Any
) -> None:
    before = reads(admin)
    calls = [Call(ECHO, [], [n]) for n in (100, 101)]
    replies = await asyncio.gather(
        *(redis.call("ECHO", n) for n in range(7)),
        *(redis.run(ECHO, [], [n]) for n in range(7, 15)),
        redis.run_all(calls),
    )
    assert replies[:15] == [str(n).encode() for n in range(15)]
    assert replies[15] == [b"100", b"101"]
    assert reads(admin) - before == 2, "ours, and the one that asks for their number"


async def test_a_rejected_command_leaves_its_neighbours_their_replies(redis: Redis) -> None:
    found = await asyncio.gather(
        redis.call("ECHO", "one"),
        redis.call("LPUSH", "no list"),
        redis.run(Script("return error('of ours')"), [], []),
        redis.run(Script("return ARGV[1]  -- not known yet"), [], ["two"]),
        redis.call("ECHO", b"\xff"),
        return_exceptions=True,
    )
    assert [found[at] for at in (0, 3, 4)] == [b"one", b"two", b"\xff"]
    assert all(isinstance(found[at], DependencyUnavailable) for at in (1, 2))
    assert redis.up


async def test_who_asks_nothing_holds_nobody_up(redis: Redis) -> None:
    nothing = asyncio.create_task(redis.run_all([]))
    await asyncio.sleep(0)
    assert await redis.call("ECHO", "one") == b"one"
    assert await nothing == []
    assert redis.up


async def test_whoever_leaves_costs_no_connection(redis: Redis, admin: Any) -> None:
    before = ours(admin)
    leaving = [asyncio.create_task(redis.call("ECHO", n)) for n in range(50)]
    await asyncio.sleep(0)
    for task in leaving[::2]:
        task.cancel()
    found = await asyncio.gather(*leaving, return_exceptions=True)
    assert found[1::2] == [str(n).encode() for n in range(1, 50, 2)]
    assert ours(admin) == before


async def test_one_that_is_lost_fails_who_waits_and_is_dialled_anew(
    redis: Redis, admin: Any
) -> None:
    waiting = asyncio.create_task(redis.call("BLPOP", "nothing", 0, budget=5.0))
    async with asyncio.timeout(5.0):
        while not any("b" in x["flags"] for x in admin.client_list()):
            await asyncio.sleep(0.005)  # between two looks
    for number in ours(admin):
        admin.client_kill_filter(_id=str(number))
    with pytest.raises(DependencyUnavailable):
        await waiting
    assert await redis.call("ECHO", "again") == b"again"


async def test_one_that_fell_silent_is_left_and_another_is_dialled(
    redis: Redis, admin: Any
) -> None:
    [before] = ours(admin)
    with pytest.raises(DependencyUnavailable):
        await redis.call("BLPOP", "nothing", 0)
    assert await redis.call("ECHO", "heard", budget=5.0) == b"heard"
    async with asyncio.timeout(5.0):
        while before in ours(admin):
            await asyncio.sleep(0.005)  # between two looks


async def test_a_server_that_is_slow_but_talks_is_not_silent_however_many_wait(
    redis: Redis,
) -> None:
    """A thousand calls of 0.2 ms: the last is answered after four budgets."""
    slow = Script("for n = 1, 300 do redis.sha1hex(ARGV[1]) end return 1")
    await redis.run(slow, [], ["x"])
    found = [asyncio.create_task(redis.run(slow, [], ["x"])) for _ in range(1000)]
    assert await asyncio.gather(*found) == [1] * 1000


async def test_a_replica_is_asked_once(redis: Redis, admin: Any) -> None:
    """A sentinel may know of a master by now."""
    [before] = ours(admin)
    admin.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(DependencyUnavailable):
        await redis.call("SET", "k", "v")
    admin.execute_command("REPLICAOF", "NO", "ONE")
    assert not redis.up
    async with asyncio.timeout(5.0):
        while before in ours(admin):
            await asyncio.sleep(0.005)  # between two looks


async def test_what_cannot_be_sent_is_refused_before_it_is() -> None:
    shared = SharedConnection(UnixDomainSocketConnection, budget=BUDGET)
    with pytest.raises(exceptions.DataError):
        await shared.ask([("SET", "k", None)], BUDGET)
    await shared.close()


# -- a server that takes connections and says nothing, on a loop whose time the test moves
@pytest.fixture
def silent(tmp_path: Path) -> Any:
    with socket.socket(socket.AF_UNIX) as found:
        found.bind(str(tmp_path / "s"))
        found.listen(100)
        yield str(tmp_path / "s")


def test_a_dial_that_hears_nothing_is_given_up_after_the_budget(silent: str) -> None:
    async def work(loop: SkippingLoop) -> tuple[float, int]:
        shared = SharedConnection(lambda: UnixDomainSocketConnection(path=silent), budget=BUDGET)
        calls = [shared.ask([("PING",)], BUDGET) for _ in range(3)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        ended = loop.now
        await shared.close()
        assert all(isinstance(error, TimeoutError) for error in found)
        return ended, len(asyncio.all_tasks())

    assert run_on_skipping_loop(work) == (pytest.approx(BUDGET), 1)


def test_the_loops_own_lateness_is_no_silence(silent: str) -> None:
    """160 ms a turn is 64 requests of 2.5 ms; a new connection takes 16 to 23 turns."""

    async def work(loop: SkippingLoop) -> bool:
        shared = SharedConnection(lambda: UnixDomainSocketConnection(path=silent), budget=BUDGET)
        call = asyncio.ensure_future(shared.ask([("PING",)], BUDGET))
        for _ in range(23):
            loop.now += 0.16
            await asyncio.sleep(0)
        waits = not call.done()
        await shared.close()
        await asyncio.gather(call, return_exceptions=True)
        return waits

    assert run_on_skipping_loop(work)


def test_who_was_the_last_to_leave_ends_the_dial(silent: str) -> None:
    async def work(_: SkippingLoop) -> int:
        shared = SharedConnection(lambda: UnixDomainSocketConnection(path=silent), budget=9.0)
        calls = [asyncio.create_task(shared.ask([("PING",)], 9.0)) for _ in range(3)]
        await asyncio.sleep(0.1)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return len(asyncio.all_tasks())

    assert run_on_skipping_loop(work) == 1
