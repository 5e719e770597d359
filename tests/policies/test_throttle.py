"""Throttle: so many at once, then one by one, and bounded in memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.policies.throttle import Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_name_spends_and_grows_one_by_one() -> None:
    clock = Clock()
    throttle = Throttle(3, 60.0, now=clock)
    assert [throttle.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert throttle.take("a") == 20.0
    clock.now += 20
    assert throttle.take("a") == 0.0
    assert throttle.take("a") == 20.0


def test_what_was_refused_takes_nothing() -> None:
    clock = Clock()
    throttle = Throttle(1, 60.0, now=clock)
    throttle.take("a")
    for _ in range(100):
        throttle.take("a")
    clock.now += 60
    assert throttle.take("a") == 0.0


def test_each_name_is_counted_by_itself() -> None:
    throttle = Throttle(1, 60.0, now=Clock())
    assert throttle.take("a") == throttle.take("b") == 0.0
    assert throttle.take("a") > 0


def test_of_too_many_names_that_which_was_quiet_for_longest_is_forgotten() -> None:
    throttle = Throttle(2, 60.0, remembered=2, now=Clock())
    for name in ("a", "b", "a", "c"):
        throttle.take(name)
    assert len(throttle) == 2
    assert throttle.take("a") > 0
    assert throttle.wait("b") == 0.0


@given(
    most=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 30, allow_nan=False), max_size=200),
)
def test_a_wait_is_long_enough_and_no_window_has_more_than_twice_the_budget(
    most: int, gaps: list[float]
) -> None:
    clock, taken = Clock(), []
    throttle = Throttle(most, 60.0, now=clock)
    for gap in gaps:
        clock.now += gap
        if wait := throttle.take("a"):
            clock.now += wait
            assert throttle.take("a") == 0.0
        taken.append(clock.now)
    for at in taken:
        assert sum(at - 60 < other <= at for other in taken) <= 2 * most
