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
from app.llm.base import Failed, Outcome
from app.llm.breaker import Breaker, Breakers, BreakerState, Rules, Ticket
from app.redis import Redis

CLOSED, OPEN, HALF_OPEN = BreakerState
MODEL = "gpt-4"


class Fleet:
    """Gateways with a clock in common; time and word pass between them where the test lets them."""

    def __init__(self, *redis: Redis | None) -> None:
        self.now = 1000.0
        self.gateways = [Breakers(r, ["other", MODEL], now=lambda: self.now) for r in redis]

    def __getitem__(self, at: int) -> Breaker:
        return self.gateways[at % len(self.gateways)][MODEL]

    @property
    def states(self) -> set[BreakerState]:
        return {g[MODEL].state for g in self.gateways}

    async def sync(self) -> None:
        """What their tasks do five times a second; twice, so that each hears what each told."""
        for gateway in 2 * self.gateways:
            await gateway.sync()

    async def later(self, seconds: float) -> None:
        await self.sync()
        self.now += seconds

    async def open(self, retry_after: float | None = None, *, since: float = 0) -> None:
        """It opened `since` seconds ago."""
        for _ in range(3):
            assert await called(self[0], ok=False, retry_after=retry_after)
        await self.sync()
        assert self.states == {OPEN}
        assert {g["other"].state for g in self.gateways} == {CLOSED}
        self.now += since


async def called(breaker: Breaker, *, ok: bool, retry_after: float | None = None) -> bool:
    """Whether the breaker let a call in, which then went well or did not."""
    try:
        ticket = await breaker.admit()
    except Failed:
        return False
    await (ticket.succeeded() if ok else ticket.failed(retry_after))
    return True


async def wait_told(breaker: Breaker) -> float | None:
    with pytest.raises(Failed) as refused:
        await breaker.admit()
    assert refused.value.outcome is Outcome.OPEN
    return refused.value.retry_after


class Held(Redis):
    """Counts how often it is asked; while `hold` is set, replies that `arrived` wait for it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.hold: asyncio.Event | None = None
        self.arrived, self.asked = asyncio.Event(), 0

    async def run(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        hold, reply = self.hold, await super().run(*args, **options)
        if hold is not None:
            self.arrived.set()
            await hold.wait()
        return reply


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
async def test_twenty_requests_over_a_minute_of_outage_cost_five_attempts(fleet: Fleet) -> None:
    attempts = []
    for at in range(20):
        if await called(fleet[at], ok=False):
            attempts.append(3 * at)
        await fleet.later(3)
    assert attempts == [0, 3, 6, 21, 51]


async def test_three_failures_in_a_row_open_it_and_a_success_between_resets(fleet: Fleet) -> None:
    for at, ok in enumerate([False, False, True, False, False]):
        assert await called(fleet[at], ok=ok)
        await fleet.later(0.2)
    assert fleet.states == {CLOSED}
    await called(fleet[5], ok=False)
    await fleet.sync()
    assert await wait_told(fleet[0]) == await wait_told(fleet[1]) == 15.0


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
        fleet.now += 14.5
        for ok in (True, False, False):
            assert await called(fleet[0], ok=ok)


@pytest.mark.parametrize(
    ("asked", "opening"),
    [(None, 15), (5, 15), (40, 40), (3600, 60), (float("inf"), 60), (float("nan"), 15), (-1, 15)],
)
async def test_it_opens_for_as_long_as_the_provider_asked_within_a_minute(
    fleet: Fleet, asked: float | None, opening: float
) -> None:
    await fleet.open(retry_after=asked)
    assert fleet[0].retry_after == fleet[1].retry_after == opening
    await fleet.later(opening)
    assert fleet.states == {HALF_OPEN}


# -- probing
async def test_one_call_of_all_probes_and_its_success_forgets_everything(fleet: Fleet) -> None:
    await fleet.open(since=15)
    asked = [fleet[at].admit() for at in range(20)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert {x.retry_after for x in found if isinstance(x, Failed)} == {5.0}
    (probe,) = (x for x in found if isinstance(x, Ticket))
    await probe.succeeded()
    await fleet.sync()
    assert fleet.states == {CLOSED}
    for opening in (0, 0, 15):
        assert await called(fleet[0], ok=False)
        assert fleet[0].retry_after == opening


async def test_each_failed_probe_doubles_the_opening_up_to_30_s(fleet: Fleet) -> None:
    await fleet.open()
    for wait, then in [(15, 30), (30, 30), (30, 30)]:
        await fleet.later(wait)
        assert await called(fleet[1], ok=False)
        await fleet.sync()
        assert {fleet[at].retry_after for at in (0, 1)} == {then}


async def test_a_prober_that_dies_is_followed_when_its_lease_ends(fleet: Fleet) -> None:
    await fleet.open(since=15)
    died = await fleet[0].admit()
    await fleet.later(74.9)
    assert await wait_told(fleet[1]) == 1.0
    await fleet.later(0.1)
    probe = await fleet[1].admit()
    await died.failed()
    await fleet.sync()
    assert fleet.states == {HALF_OPEN}
    await probe.succeeded()
    await fleet.sync()
    assert fleet.states == {CLOSED}


async def test_a_released_probe_gives_its_place_back_without_waiting(fleet: Fleet) -> None:
    await fleet.open(since=15)
    for at in range(3):
        probe = await fleet[at].admit()
        assert await wait_told(fleet[at]) == 5.0
        with pytest.raises(StopIteration):
            probe.released().send(None)
        await fleet.sync()
    assert fleet.states == {HALF_OPEN}


async def test_a_caller_cancelled_while_asking_leaves_no_lease(two: Fleet, redis: Held) -> None:
    await two.open(since=15)
    redis.hold = asyncio.Event()
    asking = asyncio.create_task(two[0].admit())
    await redis.arrived.wait()
    redis.hold = None
    assert await wait_told(two[1]) == 5.0
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    two.gateways[0].start()
    await two.gateways[0].stop()  # its last word gives the place back
    await two.gateways[1].sync()
    assert await called(two[1], ok=True)


# -- tickets
async def test_only_the_first_word_about_a_ticket_counts(fleet: Fleet) -> None:
    for first in [*3 * ["released"], *3 * ["succeeded"]]:
        ticket = await fleet[0].admit()
        await getattr(ticket, first)()
        await ticket.failed()
    await fleet.sync()
    assert fleet.states == {CLOSED}


async def test_calls_of_an_earlier_round_have_no_say(fleet: Fleet) -> None:
    early = [await fleet[0].admit() for _ in range(9)]
    await fleet.open()
    await early.pop().succeeded()
    assert fleet[0].state is OPEN
    await fleet.later(15)
    probe = await fleet[0].admit()
    await early.pop().failed()
    await early.pop().succeeded()
    assert fleet[0].state is HALF_OPEN
    await probe.succeeded()
    for ticket in early:
        await ticket.failed()
    await fleet.sync()
    assert fleet.states == {CLOSED}


async def test_who_has_not_heard_of_the_opening_neither_lengthens_nor_ends_it(two: Fleet) -> None:
    early = [await two[1].admit() for _ in range(2)]
    for _ in range(3):
        await called(two[0], ok=False)
    two.now += 10
    await early[0].succeeded()
    await early[1].failed()
    assert (two[1].state, two[1].retry_after) == (OPEN, 5)


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
    rules = Rules(opening=0.2, longest=0.2)
    gateways = [Breakers(redis, [MODEL], rules=rules) for _ in range(2)]
    for gateway in gateways:
        gateway.start()
    one, other = (g[MODEL] for g in gateways)
    for _ in range(3):
        assert await called(one, ok=False)
    async with asyncio.timeout(5):  # against a hang
        while other.state is CLOSED:
            await asyncio.sleep(0.01)
        while not await called(one, ok=True):
            await asyncio.sleep(one.retry_after)
        while other.state is not CLOSED:
            await asyncio.sleep(0.01)
    await asyncio.gather(*(g.stop() for g in gateways))


async def test_a_server_that_lost_its_data_is_told_by_who_is_open(two: Fleet, redis: Redis) -> None:
    await two.open(since=5)
    await redis.call("FLUSHALL")
    await two.sync()
    late = Breakers(redis, [MODEL], now=lambda: two.now)
    await late.sync()
    assert {b.retry_after for b in (two[0], two[1], late[MODEL])} == {10}
    two.now += 10
    probe = await two[0].admit()
    await redis.call("FLUSHALL")
    await probe.failed()
    assert two[0].retry_after == 30


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
    await fleet.later(15)
    assert fleet.states == {HALF_OPEN}
    assert await called(fleet[1], ok=True)
    await asyncio.gather(cut.close(), other.close())
    server.stop()


async def test_a_clock_set_back_keeps_it_open_for_a_minute_at_most(two: Fleet) -> None:
    await two.open(since=-3600)
    await two.sync()
    assert two[0].retry_after == two[1].retry_after == 60


@pytest.mark.parametrize("seed", range(10))
async def test_the_script_and_the_process_alone_agree(redis: Redis, seed: int) -> None:
    """Whatever happens, one gateway with Redis and one without it come to the same."""
    pair, chance = Fleet(redis, None), random.Random(seed)
    tickets: list[list[Ticket]] = []
    seen = set()
    for _ in range(300):
        pair.now += chance.choice([0, 0, 0.25, 1, 4, 15, 80])
        deed = chance.choice([*3 * ["admit", "failed"], "succeeded", "released"])
        if deed == "admit":
            asked = pair[0].admit(), pair[1].admit()
            found = await asyncio.gather(*asked, return_exceptions=True)
            assert type(found[0]) is type(found[1])
            if both := [x for x in found if isinstance(x, Ticket)]:
                tickets.append(both)
        elif tickets:
            said = [chance.choice([None, 40.0])] if deed == "failed" else []
            for ticket in tickets.pop(chance.randrange(len(tickets))):
                await getattr(ticket, deed)(*said)
        await pair.sync()
        assert len(pair.states) == 1
        assert pair[0].retry_after == pair[1].retry_after
        seen |= pair.states
    assert seen == {CLOSED, OPEN, HALF_OPEN}


async def test_a_change_is_logged_once_in_each_process(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.llm.breaker")
    await fleet.open(since=15)
    await called(fleet[0], ok=False)
    await fleet.later(30)
    await called(fleet[0], ok=True)
    await fleet.sync()
    lines = [vars(r) for r in caplog.records if r.name == "app.llm.breaker"]
    told = [(line["levelname"], line["model"], line["state"]) for line in lines]
    number = len(fleet.gateways)
    assert told == number * [("WARNING", MODEL, "open")] + number * [("INFO", MODEL, "closed")]
