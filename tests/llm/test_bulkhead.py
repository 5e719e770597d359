"""The bulkhead: never more calls than places, first come first served, no place ever lost."""

from __future__ import annotations

import asyncio

import pytest

from app.llm.breaker import Breakers
from app.llm.bulkhead import MIN_CALL_TIME, Bulkhead
from app.llm.failure import AttemptFailed
from app.operations.metadata import AttemptOutcome
from tests.support.bulkhead_calls import LATE, Call, Clock, counters, held, turn


async def refused(bulkhead: Bulkhead, deadline: float = LATE) -> AttemptFailed:
    with pytest.raises(AttemptFailed) as found:
        await bulkhead.slot(deadline).__aenter__()
    assert found.value.outcome is AttemptOutcome.BUSY
    return found.value


# -- places
async def test_a_free_place_is_taken_without_a_turn_of_the_loop() -> None:
    bulkhead = Bulkhead(1, 0)
    entering = bulkhead.slot(0.0).__aenter__()
    with pytest.raises(StopIteration):
        entering.send(None)
    assert counters(bulkhead) == (1, 0)


async def test_waiters_enter_in_the_order_of_their_coming() -> None:
    bulkhead = Bulkhead(1, 3)
    calls = [Call(bulkhead) for _ in range(4)]
    await turn()
    assert counters(bulkhead) == (1, 3)
    for at, call in enumerate(calls):
        await call.inside.wait()
        assert [c.inside.is_set() for c in calls] == [n <= at for n in range(4)]
        await call.end()
    assert counters(bulkhead) == (0, 0)


async def test_a_call_that_comes_as_a_place_is_passed_on_stands_behind_those_who_wait() -> None:
    bulkhead = Bulkhead(1, 2)
    first, second = Call(bulkhead), Call(bulkhead)
    await turn()
    first.leave.set()
    late = Call(bulkhead)
    await second.inside.wait()
    await turn()
    assert not late.inside.is_set()
    await second.end()
    await late.end()


async def test_a_call_that_fails_leaves_its_place() -> None:
    bulkhead = Bulkhead(1, 0)
    with pytest.raises(KeyError):
        async with bulkhead.slot(LATE):
            raise KeyError
    assert counters(bulkhead) == (0, 0)


@pytest.mark.parametrize(("concurrency", "queue"), [(0, 1), (1, -1)])
def test_a_bulkhead_without_places_is_refused(concurrency: int, queue: int) -> None:
    with pytest.raises(ValueError, match="at least one place"):
        Bulkhead(concurrency, queue)


# -- refusals
async def test_a_full_queue_refuses_at_once_and_tells_the_expected_wait() -> None:
    clock = Clock()
    bulkhead = Bulkhead(2, 3, clock=clock)
    await held(bulkhead, clock, 8.0)
    calls = [Call(bulkhead) for _ in range(5)]
    await turn()
    failure = await refused(bulkhead)
    assert failure.retry_after == 4 * 8.0 / 2
    for call in calls:
        await call.end()
    assert counters(bulkhead) == (0, 0)


async def test_nobody_is_told_to_come_back_within_a_second() -> None:
    bulkhead = Bulkhead(1, 0)
    async with bulkhead.slot(LATE):
        assert (await refused(bulkhead)).retry_after == 1.0


@pytest.mark.parametrize(
    ("left", "waits"), [(5.0 + MIN_CALL_TIME, True), (4.9 + MIN_CALL_TIME, False)]
)
async def test_a_wait_that_would_leave_less_than_a_second_is_refused_at_once(
    left: float, waits: bool
) -> None:
    clock = Clock()
    bulkhead = Bulkhead(2, 9, clock=clock)
    await held(bulkhead, clock, 5.0)
    calls = [Call(bulkhead) for _ in range(3)]
    await turn()
    last = Call(bulkhead, deadline=clock.now + left)
    await turn()
    assert (bulkhead.waiting, last.task.done()) == (1 + waits, not waits)
    for call in calls:
        await call.end()
    if waits:
        await last.end()
    else:
        with pytest.raises(AttemptFailed, match="as it may have"):
            await last.task


async def test_the_average_follows_how_long_calls_hold_their_places() -> None:
    clock = Clock()
    bulkhead = Bulkhead(1, 0, clock=clock)
    await held(bulkhead, clock, 8.0)
    await held(bulkhead, clock, 16.0)
    async with bulkhead.slot(LATE):
        assert bulkhead.expected_wait() == 9.0
    for _ in range(100):
        await held(bulkhead, clock, 2.0)
    async with bulkhead.slot(LATE):
        assert bulkhead.expected_wait() == pytest.approx(2.0, abs=0.01)


async def test_a_wait_that_runs_out_is_busy_and_leaves_the_queue() -> None:
    bulkhead = Bulkhead(1, 2)
    first = Call(bulkhead)
    await turn()
    now = asyncio.get_running_loop().time()
    failure = await refused(bulkhead, now + MIN_CALL_TIME + 0.01)
    assert failure.retry_after == 1.0
    assert counters(bulkhead) == (1, 0)
    await first.end()
    assert counters(bulkhead) == (0, 0)


# -- the breaker
async def test_an_opening_sends_the_queue_away_and_leaves_those_inside() -> None:
    bulkhead, breaker = Bulkhead(1, 3), Breakers(None, "a")["a"]
    calls = [Call(bulkhead, breaker=breaker) for _ in range(3)]
    await turn()
    assert counters(bulkhead) == (1, 2)
    await breaker.admit().failed(lasting=True)
    for call in calls[1:]:
        with pytest.raises(AttemptFailed) as sent:
            await call.task
        assert sent.value.outcome is AttemptOutcome.OPEN
        assert 299 < (sent.value.retry_after or 0) <= 300
    assert counters(bulkhead) == (1, 0)
    await calls[0].end()
    assert counters(bulkhead) == (0, 0)


async def test_a_place_granted_as_the_breaker_opens_is_not_lost() -> None:
    bulkhead, breaker = Bulkhead(1, 3), Breakers(None, "a")["a"]
    first, second = (Call(bulkhead, breaker=breaker) for _ in range(2))
    await turn()
    await breaker.admit().failed(lasting=True)
    await first.end()
    await asyncio.gather(second.end(), return_exceptions=True)
    assert counters(bulkhead) == (0, 0)


# -- cancellation
async def test_a_cancelled_waiter_leaves_the_queue_and_the_next_moves_up() -> None:
    bulkhead = Bulkhead(1, 2)
    first, second, third = (Call(bulkhead) for _ in range(3))
    await turn()
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    assert counters(bulkhead) == (1, 1)
    await first.end()
    await third.inside.wait()
    await third.end()
    assert counters(bulkhead) == (0, 0)


@pytest.mark.parametrize("cancelled_first", [True, False])
@pytest.mark.parametrize("followed", [True, False])
async def test_a_place_granted_to_a_waiter_cancelled_in_the_same_turn_is_not_lost(
    cancelled_first: bool, followed: bool
) -> None:
    bulkhead = Bulkhead(1, 2)
    place = bulkhead.slot(LATE)
    await place.__aenter__()
    second = Call(bulkhead)
    third = Call(bulkhead) if followed else None
    await turn()
    if cancelled_first:
        second.task.cancel()
    await place.__aexit__(None, None, None)
    if not cancelled_first:
        second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    assert second.task.cancelled()
    assert not second.inside.is_set()
    if third is not None:
        await third.inside.wait()
        await third.end()
    assert counters(bulkhead) == (0, 0)
