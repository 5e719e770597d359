"""The limits that a process keeps by itself: exact logs, its own share, bounded, all or nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import RateLimited
from app.limit_standing import Standing
from app.policies import local_limiter
from app.policies.limits import Limit
from app.policies.local_limiter import LocalLimiter
from tests.support.limit_model import Model, microseconds
from tests.support.local_limits import SECOND, MicrosecondClock, admitted_until_refused, outcome

USER = Limit("user", 4, window=1)
STORY = Limit("operation:story", 3, window=2)
GLOBAL = Limit("global", 6, window=3, per="global")


def limiter_of(clock: MicrosecondClock, processes: int = 1) -> LocalLimiter:
    """One that has reached Redis; `test_local_growth.py` has those that have not."""
    limiter = LocalLimiter(processes=processes, now=clock)
    limiter.reached()
    return limiter


# Gaps are multiples of 1/64 s: sums and differences of such times are exact in a float.
gaps = st.sampled_from([0, 1, 16, 32, 63, 64, 65, 128]).map(lambda n: n * SECOND // 64)
arrivals = st.lists(
    st.tuples(
        gaps,
        st.sampled_from("ab"),
        st.lists(st.sampled_from([USER, STORY, GLOBAL]), min_size=1, unique=True),
        st.integers(0, 3),
    ),
    max_size=50,
)


@settings(max_examples=300, deadline=None)
@given(arrivals=arrivals)
def test_every_decision_and_standing_is_that_of_the_brute_force_model(
    arrivals: list[tuple[int, str, list[Limit], int]],
) -> None:
    clock, model = MicrosecondClock(), Model()
    limiter = limiter_of(clock)
    for gap, user, limits, cost in arrivals:
        clock.now += gap
        refusals = model.refusals(user, limits, cost, clock.now)
        found = outcome(limiter, user, limits, cost)
        if isinstance(found, RateLimited):
            longest = max(refusals.values())
            assert refusals[found.scope] == longest == micro(found.retry_after or 0)
            assert micro(found.reset_at) == clock.now + longest
            continue
        assert not refusals
        model.admit(user, limits, cost, clock.now)
        for limit, shown in zip(limits, found, strict=True):
            assert facts(shown) == model.standing(user, limit, clock.now)
    for user in "ab":
        for limit in (USER, STORY, GLOBAL):
            assert model.history(user, limit).fullest(microseconds(limit)) <= limit.max


def facts(standing: Standing) -> tuple[int, int]:
    return standing.remaining, micro(standing.reset_at)


def micro(seconds: float) -> int:
    return round(seconds * 1e6)


@pytest.mark.parametrize(
    ("most", "processes", "share"), [(100, 1, 100), (100, 8, 12), (3, 8, 1), (1, 1, 1), (10, 0, 10)]
)
def test_a_process_keeps_its_share_and_never_less_than_one(
    clock: MicrosecondClock, most: int, processes: int, share: int
) -> None:
    assert admitted_until_refused(limiter_of(clock, processes), Limit("user", most)) == share


def test_a_refusal_names_the_share_and_a_wait_that_gets_a_lone_client_in(
    clock: MicrosecondClock,
) -> None:
    limiter, limit = limiter_of(clock, 2), Limit("user", 4, window=1)
    admitted_until_refused(limiter, limit)
    clock.now += SECOND // 4
    with pytest.raises(RateLimited) as refused:
        limiter.spend("alice", [limit], [1])
    assert (refused.value.limit, refused.value.retry_after_ms) == (2, 750)
    clock.now += math.ceil(refused.value.retry_after_ms * 1000)
    limiter.spend("alice", [limit], [1])


@pytest.mark.parametrize("back", [SECOND // 2, SECOND, 2 * SECOND, 3600 * SECOND])
def test_a_clock_set_back_locks_nobody_out_for_more_than_two_windows(
    clock: MicrosecondClock, back: int
) -> None:
    limiter = limiter_of(clock)
    admitted_until_refused(limiter, USER)
    clock.now -= back
    again = admitted_until_refused(limiter, USER)
    assert again == (4 if back > SECOND else 0)
    clock.now += 2 * SECOND
    assert admitted_until_refused(limiter, USER) == 4


def test_what_is_held_is_what_it_admitted_in_the_last_window(clock: MicrosecondClock) -> None:
    limiter = limiter_of(clock)
    assert limiter.held("alice", USER) == 0
    limiter.spend("alice", [USER, GLOBAL], [2, 2])
    clock.now += SECOND // 2
    limiter.spend("bob", [USER, GLOBAL], [1, 1])
    assert [limiter.held(u, USER) for u in ("alice", "bob")] == [2, 1]
    assert limiter.held("carol", GLOBAL) == 3
    clock.now += SECOND // 2
    assert [limiter.held(u, USER) for u in ("alice", "bob")] == [0, 1]


def test_the_number_of_logs_is_bounded_and_the_quietest_goes_first(
    clock: MicrosecondClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_limiter, "MAX_LOGS", 3)
    limiter = limiter_of(clock)
    for user in ("alice", "bob", "carol", "alice", "dan"):
        limiter.spend(user, [USER], [1])
    assert [limiter.held(u, USER) for u in ("alice", "bob", "carol", "dan")] == [2, 0, 1, 1]
