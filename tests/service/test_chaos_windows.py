"""What chaos lets a window admit: the limit, twice of it in an outage, and what shares grew by."""

from __future__ import annotations

import pytest

from tests.chaos.fleet import MOST, WINDOW
from tests.chaos.hammer import Windows, windows
from tests.chaos.ledger import Admitted, Ledger

PROCESSES = 2  # with a share of ten each


def seen(
    count: int, *, deaths: list[tuple[float, str]] | None = None, limit: int = MOST
) -> Windows:
    """So many admitted at once, at time 0."""
    admitted = [Admitted(0.0, 0.0, limit)] * count
    return windows(Ledger(admitted=admitted, deaths=deaths or []), PROCESSES)


def test_without_an_outage_a_window_may_admit_the_limit_whoever_is_killed() -> None:
    assert seen(MOST, deaths=[(0.5, "a")]).broken == 0
    assert seen(MOST + 1, deaths=[(0.5, "a")]).broken > 0


def test_a_window_in_which_a_process_decided_alone_may_admit_twice_the_limit() -> None:
    share = MOST // PROCESSES
    assert seen(2 * MOST, limit=share).broken == 0
    assert seen(2 * MOST + 1, limit=share).broken > 0


@pytest.mark.parametrize(
    ("deaths", "more"),
    [
        ([(0.0, "a")], 10),
        ([(2.5, "a")], 5),
        ([(2.5, "a"), (3.0, "a"), (4.0, "a")], 5),  # a crash loop gains nothing
        ([(2.5, "a"), (3.0, "b")], 9),
        ([(4.9, "a")], 0),
        ([(-0.1, "a"), (WINDOW + 0.1, "b")], 0),
    ],
)
def test_a_killed_process_adds_what_a_share_grows_by_until_the_windows_end(
    deaths: list[tuple[float, str]], more: int
) -> None:
    share = MOST // PROCESSES
    found = seen(2 * MOST + more, deaths=deaths, limit=share)
    assert (found.broken, found.touched) == (0, 2 * MOST + more)
    assert seen(2 * MOST + more + 1, deaths=deaths, limit=share).broken > 0
