"""The circuit breaker: alone, shared by gateways on a real Valkey, and through Redis's outages."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.embedded.valkey import start_valkey
from app.llm.breaker import Breaker, BreakerPolicy, Breakers, BreakerState, Ticket
from app.redis.client import Redis
from tests.support.breaker_gateways import (
    CLOSED,
    HALF_OPEN,
    MODEL,
    OPEN,
    Fleet,
    Held,
    called,
    granted,
    probed,
    wait_told,
)

pytestmark = pytest.mark.also_on("cluster")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Held]:
    redis = Held(redis_url)
    yield redis
    await redis.close()


@pytest.fixture(params=["alone", "away", "one", "two"])
async def fleet(request: Any, redis: Redis, tmp_path: Path) -> AsyncIterator[Fleet]:
    """A gateway without Redis, one whose Redis is away, one, and two on one Valkey."""
    away = Redis(f"unix://{tmp_path}/nobody.sock")
    kinds = {"alone": (None,), "away": (away,), "one": (redis,), "two": (redis, redis)}
    yield Fleet(*kinds[request.param])
    await away.close()


@pytest.fixture
def two(redis: Redis) -> Fleet:
    return Fleet(redis, redis)


# -- opening
async def test_twenty_requests_over_a_minute_of_outage_cost_three_attempts_and_no_probe(
    fleet: Fleet,
) -> None:
    attempts = []
    for at in range(20):
        if await called(fleet[at], ok=False):
            attempts.append(3 * at)
        await fleet.later(3)
    assert attempts == [0, 3, 6]


async def test_three_failures_in_a_row_open_it_and_a_success_between_resets(fleet: Fleet) -> None:
    for at, ok in enumerate([False, False, True, False, False]):
        assert await called(fleet[at], ok=ok)
        await fleet.later(0.2)
    assert fleet.states == {CLOSED}
    await called(fleet[5], ok=False)
    await fleet.sync()
    assert wait_told(fleet[0]) == wait_told(fleet[1]) == 5.0


async def test_a_success_told_late_resets_only_the_failures_before_it(two: Fleet) -> None:
    await called(two[0], ok=True)  # not told yet
    two.now += 0.1
    for _ in range(2):
        await called(two[1], ok=False)
    await two.sync()
    await called(two[1], ok=False)
    assert two[1].state is OPEN


@pytest.mark.parametrize(
    ("outcomes", "apart", "state"), [(18, 0.5, CLOSED), (20, 0.5, OPEN), (60, 2, CLOSED)]
)
async def test_half_of_twenty_outcomes_within_30_s_open_it(
    fleet: Fleet, outcomes: int, apart: float, state: BreakerState
) -> None:
    for at in range(outcomes):
        assert await called(fleet[at], ok=at % 2 == 0)
        await fleet.later(apart)
    assert fleet.states == {state}
    if state is OPEN:  # and a probe makes them all forgotten
        fleet.now += 4.5
        assert await probed(fleet[0], ok=True)
        for _ in range(2):
            assert await called(fleet[0], ok=False)


@pytest.mark.parametrize(
    ("asked", "wait"),
    [(None, 5), (3, 5), (40, 40), (3600, 60), (float("inf"), 60), (float("nan"), 5), (-1, 5)],
)
async def test_it_is_probed_no_sooner_than_the_provider_asked_within_a_minute(
    fleet: Fleet, asked: float | None, wait: float
) -> None:
    await fleet.open(retry_after=asked)
    assert fleet[0].retry_after == fleet[1].retry_after == wait
    await fleet.later(wait)
    assert fleet.states == {HALF_OPEN}


async def test_what_only_a_person_can_mend_opens_it_at_once_for_five_minutes(fleet: Fleet) -> None:
    assert await fleet[0].admit().failed(lasting=True)
    for _ in range(2):
        await fleet.sync()
        assert fleet[0].retry_after == fleet[1].retry_after == 300
        await fleet.later(299)
        assert not await probed(fleet[1], ok=True)
        await fleet.later(1)
        assert await probed(fleet[1], ok=False, lasting=True)
    await fleet.later(300)
    assert await probed(fleet[0], ok=False)
    await fleet.sync()
    assert wait_told(fleet[1]) == 8, "it is mended, but away"


async def test_one_ticket_alone_is_told_that_it_opened_it(fleet: Fleet) -> None:
    tickets = [fleet[0].admit() for _ in range(5)]
    told = await asyncio.gather(*(t.failed(lasting=True) for t in tickets))
    assert told.count(True) == 1


async def test_waits_for_a_probe_are_drawn_from_their_last_fifth() -> None:
    waits = [BreakerPolicy().waits() for _ in range(200)]
    assert all(4 < first <= 5 and 6.4 < following <= 8 for first, following in waits)
    assert len(set(waits)) > 100


async def test_who_waits_for_the_opening_hears_of_it_at_once_also_from_another(two: Fleet) -> None:
    waiting = [two[at].opening for at in (0, 1)]
    await two.open()
    assert all(w.done() for w in waiting)
    assert two[0].opening.done()
    await two.later(5)
    assert await probed(two[0], ok=True)
    assert not two[0].opening.done()


# -- probing
async def test_half_open_lets_no_caller_in(fleet: Fleet) -> None:
    await fleet.open(since=5)
    assert fleet.states == {HALF_OPEN}
    assert not any([await called(fleet[at], ok=True) for at in range(4)])
    assert wait_told(fleet[0]) == 1.0, "the probe is due"


async def test_one_of_all_probes_and_its_success_forgets_everything(fleet: Fleet) -> None:
    await fleet.open(since=5)
    found = await asyncio.gather(*(fleet[at].probe() for at in range(20)))
    assert wait_told(fleet[0]) == wait_told(fleet[1]) == 5.0
    (probe,) = (x for x in found if x is not None)
    await probe.succeeded()
    await fleet.sync()
    assert fleet.states == {CLOSED}
    for wait in (0, 0, 5):
        assert await called(fleet[0], ok=False)
        assert fleet[0].retry_after == wait


async def test_it_is_probed_after_5_s_and_then_each_8_s(fleet: Fleet) -> None:
    await fleet.open()
    probes = []
    for second in range(40):
        if await probed(fleet[second], ok=False):
            probes.append(second)
        await fleet.later(1)
    assert probes == [5, 13, 21, 29, 37]


async def test_a_prober_that_dies_is_followed_when_its_lease_ends(fleet: Fleet) -> None:
    await fleet.open(since=5)
    died = await granted(fleet[0])
    await fleet.later(19.9)
    assert wait_told(fleet[1]) == 1.0
    assert await fleet[1].probe() is None
    await fleet.later(0.1)
    probe = await granted(fleet[1])
    await died.failed()
    await fleet.sync()
    assert fleet.states == {HALF_OPEN}
    await probe.succeeded()
    await fleet.sync()
    assert fleet.states == {CLOSED}


async def test_a_released_probe_gives_its_place_back_without_waiting(fleet: Fleet) -> None:
    await fleet.open(since=5)
    for at in range(3):
        probe = await granted(fleet[at])
        assert wait_told(fleet[at]) == 5.0
        with pytest.raises(StopIteration):
            probe.released().send(None)
        await fleet.sync()
    assert fleet.states == {HALF_OPEN}


async def test_a_prober_cancelled_while_asking_leaves_no_lease(two: Fleet, redis: Held) -> None:
    await two.open(since=5)
    redis.hold = asyncio.Event()
    asking = asyncio.create_task(two[0].probe())
    await redis.arrived.wait()
    redis.hold = None
    assert await two[1].probe() is None
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    two.gateways[0].start()
    await two.gateways[0].stop()  # its last word gives the place back
    await two.gateways[1].sync()
    assert await probed(two[1], ok=True)


# -- tickets
async def test_only_the_first_word_about_a_ticket_counts(fleet: Fleet) -> None:
    for first in [*3 * ["released"], *3 * ["succeeded"]]:
        ticket = fleet[0].admit()
        await getattr(ticket, first)()
        await ticket.failed()
    await fleet.sync()
    assert fleet.states == {CLOSED}


async def test_calls_of_an_earlier_round_have_no_say(fleet: Fleet) -> None:
    early = [fleet[0].admit() for _ in range(9)]
    await fleet.open()
    await early.pop().succeeded()
    assert fleet[0].state is OPEN
    await fleet.later(5)
    probe = await granted(fleet[0])
    await early.pop().failed()
    await early.pop().succeeded()
    assert fleet[0].state is HALF_OPEN
    await probe.succeeded()
    for ticket in early:
        await ticket.failed()
    await fleet.sync()
    assert fleet.states == {CLOSED}


async def test_who_has_not_heard_of_the_opening_neither_lengthens_nor_ends_it(two: Fleet) -> None:
    early = [two[1].admit() for _ in range(2)]
    for _ in range(3):
        await called(two[0], ok=False)
    two.now += 3
    await early[0].succeeded()
    await early[1].failed()
    assert (two[1].state, two[1].retry_after) == (OPEN, 2)


# -- Redis
async def test_healthy_calls_cost_no_round_trip(two: Fleet, redis: Held) -> None:
    for _ in range(50):
        assert await called(two[0], ok=True)
    assert redis.asked == 0
    await two.gateways[0].sync()
    assert redis.asked == 1


async def test_a_reply_that_was_overtaken_is_no_news(redis: Held) -> None:
    fleet = Fleet(redis)
    await called(fleet[0], ok=False)
    redis.hold = hold = asyncio.Event()
    second = asyncio.create_task(called(fleet[0], ok=False))
    await redis.arrived.wait()
    redis.hold = None
    await called(fleet[0], ok=False)
    hold.set()
    assert await second
    assert fleet[0].state is OPEN


async def test_a_running_gateway_hears_of_anothers_failures_and_recovery(redis: Redis) -> None:
    """By the server's own clock, with short times."""
    policy = BreakerPolicy(first=0.2, next=0.2)
    gateways = [Breakers(redis, [MODEL], policy=policy) for _ in range(2)]
    for gateway in gateways:
        gateway.start()
    one, other = (g[MODEL] for g in gateways)
    for _ in range(3):
        assert await called(one, ok=False)
    async with asyncio.timeout(5):  # against a hang
        while other.state is CLOSED:
            await asyncio.sleep(0.01)
        while not await probed(one, ok=True):
            await asyncio.sleep(one.retry_after)
        while other.state is not CLOSED:
            await asyncio.sleep(0.01)
    await asyncio.gather(*(g.stop() for g in gateways))


async def test_a_server_that_lost_its_data_is_told_by_who_is_open(two: Fleet, redis: Redis) -> None:
    await two.open(since=2)
    await redis.call("FLUSHALL")
    await two.sync()
    late = Breakers(redis, [MODEL], now=lambda: two.now)
    await late.sync()
    assert {b.retry_after for b in (two[0], two[1], late[MODEL])} == {3}
    two.now += 3
    probe = await granted(two[0])
    await redis.call("FLUSHALL")
    await probe.failed()
    assert two[0].retry_after == 8


@pytest.mark.parametrize(("failures", "state"), [(2, CLOSED), (3, OPEN)])
async def test_what_was_seen_while_redis_was_away_is_told_to_all(
    tmp_path: Path, failures: int, state: BreakerState
) -> None:
    server = start_valkey(tmp_path / "own", persist=False)
    cut, other = Redis(server.url), Redis(server.url)
    fleet, back = Fleet(cut, other), asyncio.Event()
    await fleet.sync()
    cut.on_change(lambda up: back.set() if up else None)
    os.kill(server.pid, signal.SIGSTOP)
    for _ in range(failures):
        await called(fleet[0], ok=False)
    while cut.up:
        await fleet.gateways[0].sync()
    os.kill(server.pid, signal.SIGCONT)
    async with asyncio.timeout(10):  # against a hang
        await back.wait()
    await fleet.sync()
    assert fleet.states == {state}
    await called(fleet[1], ok=False)  # the third, if it was let in at all
    await fleet.later(5)
    assert fleet.states == {HALF_OPEN}
    assert await probed(fleet[1], ok=True)
    await asyncio.gather(cut.close(), other.close())
    server.stop()


async def test_a_clock_set_back_keeps_it_open_for_the_whole_wait_at_most(two: Fleet) -> None:
    await two.open(retry_after=40, since=-3600)
    await two.sync()
    assert two[0].retry_after == two[1].retry_after == 40


async def let_in(breaker: Breaker) -> Ticket | None:
    """A call where it is closed, else the probe where it is time."""
    return breaker.admit() if breaker.state is CLOSED else await breaker.probe()


@pytest.mark.parametrize("seed", range(10))
async def test_the_script_and_the_process_alone_agree(redis: Redis, seed: int) -> None:
    """Whatever happens, one gateway with Redis and one without it come to the same."""
    pair, chance = Fleet(redis, None), random.Random(seed)
    tickets: list[list[Ticket]] = []
    seen = set()
    for _ in range(300):
        pair.now += chance.choice([0, 0, 0.25, 1, 4, 15, 80])
        deed = chance.choice([*3 * ["let in", "failed"], "succeeded", "released"])
        if deed == "let in":
            found = [await let_in(pair[0]), await let_in(pair[1])]
            assert type(found[0]) is type(found[1])
            if both := [x for x in found if x is not None]:
                tickets.append(both)
        elif tickets:
            said = {"retry_after": chance.choice([None, 40.0]), "lasting": chance.random() < 0.1}
            for ticket in tickets.pop(chance.randrange(len(tickets))):
                await getattr(ticket, deed)(**(said if deed == "failed" else {}))
        await pair.sync()
        assert len(pair.states) == 1
        assert pair[0].retry_after == pair[1].retry_after
        seen |= pair.states
    assert seen == {CLOSED, OPEN, HALF_OPEN}


async def test_a_change_is_logged_once_in_each_process(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.llm.breaker")
    await fleet.open(since=5)
    await probed(fleet[0], ok=False)
    await fleet.later(8)
    await probed(fleet[0], ok=True)
    await fleet.sync()
    lines = [vars(r) for r in caplog.records if r.name == "app.llm.breaker"]
    told = [(line["levelname"], line["breaker"], line["state"]) for line in lines]
    number = len(fleet.gateways)
    assert told == number * [("WARNING", MODEL, "open")] + number * [("INFO", MODEL, "closed")]
