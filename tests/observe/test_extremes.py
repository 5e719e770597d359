"""Extremes: the lowest and the highest of the last minute."""

from __future__ import annotations

import pytest

from app.observe.extremes import STEPS, WINDOW, Extremes


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.mark.parametrize(("lowest", "found"), [(True, 0.1), (False, 0.9)])
def test_the_extreme_of_what_was_seen_is_told(lowest: bool, found: float) -> None:
    seen = Extremes(["a", "b"], lowest=lowest)
    for value in (0.5, 0.1, 0.9, 0.3):
        seen.note("a", value)
    assert (seen.of("a"), seen.of("b")) == (found, None)


def test_it_is_told_for_a_minute_and_then_forgotten() -> None:
    clock = Clock()
    seen = Extremes(["a"], lowest=True, now=clock)
    seen.note("a", 0.1)
    clock.at += WINDOW / 2
    seen.note("a", 0.7)
    clock.at += WINDOW / 2
    assert seen.of("a") == 0.1
    clock.at += WINDOW / STEPS + 1
    assert seen.of("a") == 0.7
    clock.at += 2 * WINDOW
    assert seen.of("a") is None


def test_names_that_nobody_knows_are_not_remembered() -> None:
    seen = Extremes(["a"], lowest=True)
    seen.note("junk", 0.1)
    assert seen.of("junk") is None
