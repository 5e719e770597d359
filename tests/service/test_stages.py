"""Where a request's time goes: stages of one kind cover each other, and others are told apart."""

from __future__ import annotations

import asyncio

import pytest

from app.stages import Stage, Timing, measured, stage


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
