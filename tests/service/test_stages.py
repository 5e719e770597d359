"""Where a request's time goes: stages of one kind cover each other, and others are told apart."""

from __future__ import annotations

import asyncio

import pytest

from app.stages import Stage, Timing, apart, measured, operation, stage


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_stages_of_one_kind_that_run_side_by_side_count_once(clock: Clock) -> None:
    timing = Timing(clock)
    timing.enter(Stage.MODEL)
    clock.now += 2
    timing.enter(Stage.MODEL)
    clock.now += 3
    timing.leave(Stage.MODEL)
    clock.now += 1
    timing.leave(Stage.MODEL)
    clock.now += 4
    assert (timing.seconds(Stage.MODEL), timing.total, timing.own) == (6, 10, 4)


def test_no_moment_is_told_twice_of_stages_that_run_side_by_side(clock: Clock) -> None:
    """One waits for what another has a model write."""
    timing = Timing(clock)
    timing.enter(Stage.WAITING)
    clock.now += 1
    timing.enter(Stage.MODEL)
    clock.now += 2
    timing.enter(Stage.STORE)
    clock.now += 4
    timing.leave(Stage.MODEL)
    clock.now += 8
    timing.leave(Stage.WAITING)
    clock.now += 16
    timing.leave(Stage.STORE)
    told = [timing.seconds(s) for s in (Stage.MODEL, Stage.WAITING, Stage.STORE)]
    assert (told, timing.total, timing.own) == ([6, 9, 16], 31, 16)


def test_a_request_s_first_operation_has_its_timing_and_later_ones_have_their_own(
    clock: Clock,
) -> None:
    with measured(clock) as request:
        clock.now += 1
        with operation() as first, stage(Stage.MODEL):
            clock.now += 2
        with operation() as second, stage(Stage.MODEL):
            clock.now += 4
    assert first is request
    assert (second.total, second.own) == (4, 0)
    assert (request.total, request.seconds(Stage.MODEL), request.own) == (7, 6, 1)


def test_operations_apart_do_not_count_each_other_s_time(clock: Clock) -> None:
    with measured(clock) as request:
        apart()
        with operation() as one:
            clock.now += 1
            with operation(after=True) as two, stage(Stage.MODEL):
                clock.now += 2
    assert one is not request
    assert (two.own, two.seconds(Stage.MODEL)) == (0, 2)
    assert request.seconds(Stage.MODEL) == 2


def test_milliseconds_are_told_with_the_whole_no_less_than_its_parts(clock: Clock) -> None:
    timing = Timing(clock)
    timing.enter(Stage.MODEL)
    clock.now += 0.00126
    timing.leave(Stage.MODEL)
    timing.enter(Stage.STORE)
    clock.now += 0.00018
    told = timing.milliseconds
    assert told == {"total": 1.5, "waiting": 0, "model": 1.2, "store": 0.1}


def test_a_stage_that_still_runs_counts_until_now(clock: Clock) -> None:
    timing = Timing(clock)
    timing.enter(Stage.WAITING)
    clock.now += 2
    assert (timing.seconds(Stage.WAITING), timing.own) == (2, 0)


async def test_a_task_of_the_request_works_for_it(clock: Clock) -> None:
    async def work() -> None:
        with stage(Stage.STORE):
            clock.now += 5

    with measured(clock) as timing:
        await asyncio.create_task(work())
    assert timing.seconds(Stage.STORE) == 5


def test_outside_of_a_request_nothing_is_measured(clock: Clock) -> None:
    with stage(Stage.STORE):
        clock.now += 5
    with measured(clock) as timing:
        pass
    assert timing.seconds(Stage.STORE) == 0
