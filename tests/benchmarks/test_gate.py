"""What the gate of `make bench-gate` lets through."""

from __future__ import annotations

import pytest

from tests.benchmarks.gate import TOLERANCE, over

BOUNDS = [("rest", "bare rest", 2.0)]


@pytest.mark.parametrize(
    ("mine", "found"),
    [
        ([2.0, 2.0, 2.0], []),
        ([2.0 * TOLERANCE - 0.01] * 3, []),
        ([2.0 * TOLERANCE + 0.01] * 3, ["rest"]),
        ([9.0, 1.9, 2.1], []),  # one round in which the machine did something else
    ],
)
def test_a_row_is_over_its_bound_by_the_median_of_its_rounds_ratios(
    mine: list[float], found: list[str]
) -> None:
    assert over({"rest": mine, "bare rest": [1.0, 1.0, 1.0]}, BOUNDS) == found


def test_a_slower_machine_slows_both_and_changes_nothing() -> None:
    assert over({"rest": [1.9, 5.7, 19.0], "bare rest": [1.0, 3.0, 10.0]}, BOUNDS) == []
