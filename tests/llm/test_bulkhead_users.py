"""A model's places among users: fairly, with room for the next, and none lost on the way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.llm.breaker import Breaker
from app.llm.bulkhead import USER_FACTOR, Bulkhead
from app.llm.failure import AttemptFailed
from tests.support.bulkhead_calls import LATE, Call, Clock, counters, held, turn


async def entered(calls: list[Call]) -> str:
    """Whose those are that are inside, in the order of their coming."""
    await turn()
    return "".join(c.user for c in calls if c.inside.is_set())


async def crowd(bulkhead: Bulkhead, users: str) -> list[Call]:
    """One call for each letter, which names its user."""
    calls = [Call(bulkhead, user=user) for user in users]
    await turn()
    return calls


async def ended(calls: list[Call]) -> None:
    for call in calls:
        call.leave.set()
    await asyncio.gather(*(c.task for c in calls))


@pytest.mark.parametrize(
    ("others", "most", "free"),
    [("", 150, 50), ("b", 86, 28), ("bcdefghij", 20, 6)],
)
async def test_what_one_user_may_hold_leaves_room_for_the_next(
    others: str, most: int, free: int
) -> None:
    """By turns: however many ask for all, the newcomer behind them enters at once."""
    bulkhead = Bulkhead(200, 4000)
    calls = await crowd(bulkhead, ("a" + others) * 200)
    assert (max(bulkhead.held.values()), bulkhead.concurrency - bulkhead.running) == (most, free)
    (newcomer,) = await crowd(bulkhead, "z")
    assert newcomer.inside.is_set()
    await ended([*calls, newcomer])
    assert (counters(bulkhead), bulkhead.held, bulkhead.waiters) == ((0, 0), {}, {})


async def test_a_place_goes_to_who_holds_fewest_and_by_turns_among_equals() -> None:
    bulkhead = Bulkhead(3, 40)
    inside, waiting, order = await crowd(bulkhead, "aab"), await crowd(bulkhead, "aabcdd"), ""
    for user in "abcab":
        ending = next(c for c in inside if c.user == user)
        inside.remove(ending)
        await ending.end()
        order += await entered(waiting)
        inside += [c for c in waiting if c.inside.is_set()]
        waiting = [c for c in waiting if not c.inside.is_set()]
    assert order == "cbdad"
    await ended([*inside, *waiting])
    assert (counters(bulkhead), bulkhead.held) == ((0, 0), {})


async def test_one_user_cannot_fill_the_queue() -> None:
    bulkhead = Bulkhead(1, 8)
    calls = await crowd(bulkhead, "a" * 9)
    assert counters(bulkhead) == (1, 6)
    assert sum(c.task.done() for c in calls) == 2
    calls = [c for c in calls if not c.task.done()]
    other = await crowd(bulkhead, "b")
    assert counters(bulkhead) == (1, 7)
    for call in calls[:2]:  # equals have their turns
        await call.end()
    assert await entered(other) == "b"
    await ended([*calls[2:], *other])


async def test_a_newcomers_wait_is_not_that_of_the_crowd() -> None:
    clock = Clock()
    bulkhead = Bulkhead(2, 400, clock=clock)
    await held(bulkhead, clock, 10.0)
    calls = await crowd(bulkhead, "a" * 102)
    assert bulkhead.expected_wait("a") == 505.0
    assert bulkhead.expected_wait("b") == 10.0
    late = Call(bulkhead, deadline=clock.now + 12.0, user="b")
    await turn()
    await calls[0].end()
    assert await entered([late]) == "b"
    await ended([*calls[1:], late])


@dataclass
class Visit:
    """Whose call it is, when it comes, how many turns it stays, when it is cancelled, if ever."""

    user: str
    comes: int
    stays: int
    cancelled: int | None


class Watched(Bulkhead):
    """Checks at each place that is given what must hold whatever happened before."""

    queued: dict[str, list[asyncio.Task[Any] | None]]  # who could not enter at once, by user

    def enter(self, user: str) -> bool:
        before, free = self.held[user], self.concurrency - self.running
        given = super().enter(user)
        if given:
            assert all(self.held[other] >= before for other in self.waiters if other != user)
            assert self.held[user] <= USER_FACTOR * free
        else:
            assert free == 0 or before > 0, "a newcomer waits beside a free place"
        assert self.held.total() == self.running <= self.concurrency
        return given

    async def acquire(self, deadline: float, breaker: Breaker | None, user: str) -> None:
        self.queued.setdefault(user, []).append(asyncio.current_task())
        await super().acquire(deadline, breaker, user)


turns = st.integers(0, 12)
visits = st.lists(
    st.builds(Visit, st.sampled_from("abcd"), turns, turns, st.none() | turns), max_size=40
)


@settings(max_examples=300, deadline=None)
@given(concurrency=st.integers(1, 9), queue=st.integers(0, 24), plan=visits)
def test_through_any_coming_and_going_places_are_shared_and_kept_and_nobody_starves(
    concurrency: int, queue: int, plan: list[Visit]
) -> None:
    asyncio.run(_through(Watched(concurrency, queue), plan))


async def _through(bulkhead: Watched, plan: list[Visit]) -> None:
    concurrency, bulkhead.queued = bulkhead.concurrency, {}
    entered: list[int] = []
    busy: set[int] = set()
    inside = 0

    async def visit(number: int, one: Visit) -> None:
        nonlocal inside
        try:
            async with bulkhead.slot(LATE, user=one.user):
                entered.append(number)
                inside += 1
                assert inside <= bulkhead.running <= concurrency
                for _ in range(one.stays):
                    await turn()
                inside -= 1
        except AttemptFailed:
            busy.add(number)
        except asyncio.CancelledError:
            if number in entered:
                inside -= 1
            raise

    tasks: dict[int, asyncio.Task[None]] = {}
    for now in range(26):
        for number, one in enumerate(plan):
            if one.comes == now:
                tasks[number] = asyncio.create_task(visit(number, one))
            elif one.cancelled == now and number in tasks:
                tasks[number].cancel()
        await turn()
        assert bulkhead.waiting == sum(map(len, bulkhead.waiters.values())) <= bulkhead.queue
    async with asyncio.timeout(10):  # against a hang: somebody starves
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    errors = [t.exception() for t in tasks.values() if not t.cancelled()]
    assert errors == [None] * len(errors)
    for queued in bulkhead.queued.values():  # each user's own, in the order of their coming
        waited = [n for n in entered if tasks[n] in queued]
        assert [tasks[n] for n in waited] == [t for t in queued if t in map(tasks.get, waited)]
    unserved = {n for n, t in tasks.items() if n not in entered and not t.cancelled()}
    assert unserved == busy
    assert (counters(bulkhead), bulkhead.held, bulkhead.waiters) == ((0, 0), {}, {})
