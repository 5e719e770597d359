"""What is run again, and what is not."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.starvation import PAUSE, TICK, Watch, tries


def outcomes(*passed: bool) -> Callable[[], bool]:
    left = list(passed)
    return lambda: left.pop(0)


def test_a_failure_without_a_pause_stays_one() -> None:
    run = outcomes(False)
    assert list(tries(run, lambda: PAUSE / 2)) == []


def test_a_failure_with_a_pause_is_run_again_until_it_passes() -> None:
    run = outcomes(False, True)
    assert list(tries(run, lambda: 2 * PAUSE)) == [2 * PAUSE]


def test_the_third_failure_stays_one() -> None:
    run = outcomes(False, False, False)
    assert list(tries(run, lambda: 1.0)) == [1.0, 1.0]


def test_what_is_late_is_noted_once() -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds + 0.3

    watch = Watch(now=lambda: clock[0], sleep=sleep)
    watch.tick()
    assert round(watch.taken(), 6) == 0.3
    assert watch.taken() == 0.0
    assert TICK < PAUSE
