"""A process that has not reached Redis: its shares grow, and restarts gain nothing by it."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import RateLimited
from app.limit_standing import Standing
from app.policies import local_limiter
from app.policies.limits import Limit
from app.policies.local_limiter import MAX_FIRST_WAIT, LocalLimiter, process_age
from tests.support.limit_model import History, microseconds
from tests.support.local_limits import (
    SECOND,
    MicrosecondClock,
    admitted_until_refused,
    outcome,
)

STEP = SECOND // 64  # sums and differences of such times are exact in a float
PROCESSES = 2
LIMIT = Limit("user", 32, window=1)
SHARE = LIMIT.max // PROCESSES
WINDOW = microseconds(LIMIT)
TOKENS = Limit("model:gpt", 64, window=2, counts="tokens")


def ask(limiter: LocalLimiter, limit: Limit, cost: int = 1) -> tuple[Standing, ...] | RateLimited:
    return outcome(limiter, "alice", [limit], cost)


# -- many processes, one after the other
class Fleet:
    """Processes that are killed and started again, and a Redis that goes away once and returns."""

    def __init__(self) -> None:
        self.clock, self.hub, self.up, self.gone = MicrosecondClock(), History(), True, False
        self.limiters = [self._started() for _ in range(PROCESSES)]
        self.alone = [History() for _ in range(PROCESSES)]  # what each place admitted by itself
        self.deaths: dict[int, list[int]] = defaultdict(list)  # of each place, without Redis
        for limiter in self.limiters:
            limiter.reached()

    def _started(self) -> LocalLimiter:
        return LocalLimiter(processes=PROCESSES, now=self.clock)

    def kill(self, place: int) -> None:
        if not self.up:
            self.deaths[place].append(self.clock.now)
        self.limiters[place] = self._started()

    def change(self) -> None:
        self.up, self.gone = self.gone, True

    def ask(self, place: int) -> None:
        limiter, now = self.limiters[place], self.clock.now
        if not self.up:
            if not isinstance(ask(limiter, LIMIT), RateLimited):
                self.alone[place].entries.append((now, 1))
        elif self.hub.count(now, WINDOW) < LIMIT.max - limiter.held("alice", LIMIT):
            self.hub.entries.append((now, 1))
            limiter.reached()

    def may(self, place: int, since: int) -> int:
        """A share, and what a share grows by from the first death until the window's end."""
        until = since + WINDOW
        deaths = [at for at in self.deaths[place] if since <= at < until]
        return SHARE + (SHARE * (until - deaths[0]) // WINDOW if deaths else 0)


happenings = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 4, 8, 16, 24, 64]),
        st.sampled_from(["ask", "ask", "ask", "kill", "kill", "redis"]),
        st.integers(0, PROCESSES - 1),
        st.sampled_from([1, 3, 40]),
    ),
    max_size=60,
)


@settings(max_examples=400, deadline=None)
@given(happenings=happenings)
def test_whenever_processes_are_killed_each_place_admits_a_share_and_what_grew_since(
    happenings: list[tuple[int, str, int, int]],
) -> None:
    fleet = Fleet()
    for gap, what, place, times in happenings:
        fleet.clock.now += gap * STEP
        if what == "kill":
            fleet.kill(place)
        elif what == "redis":
            fleet.change()
        for _ in range(times if what == "ask" else 0):
            fleet.ask(place)
    assert fleet.hub.fullest(WINDOW) <= LIMIT.max
    for place, history in enumerate(fleet.alone):
        admitted = [at for at, _ in history.entries]
        for since in admitted:
            inside = sum(since <= at < since + WINDOW for at in admitted)
            assert inside <= fleet.may(place, since)


def crash_loop(
    clock: MicrosecondClock, limit: Limit, life: int, loops: int, every: int = STEP, cost: int = 1
) -> History:
    """What processes that live for `life` one after the other admit, always asked."""
    found = History()
    for _ in range(loops):
        limiter = LocalLimiter(now=clock)
        for _ in range(life // every):
            while not isinstance(ask(limiter, limit, cost), RateLimited):
                found.entries.append((clock.now, cost))
            clock.now += every
    return found


@pytest.mark.parametrize("life", [STEP, 2 * STEP, 3 * STEP, 9 * STEP, 21 * STEP, 63 * STEP])
def test_a_crash_loop_admits_one_share_a_window_and_what_one_life_grew(
    clock: MicrosecondClock, life: int
) -> None:
    found = crash_loop(clock, LIMIT, life, loops=8 * WINDOW // life)
    assert found.fullest(WINDOW) <= LIMIT.max + LIMIT.max * life // WINDOW
    assert len(found.entries) <= 8 * LIMIT.max
    assert bool(found.entries) == (life > WINDOW // LIMIT.max)


@pytest.mark.parametrize("most", [1, 2, 9, 10])
def test_where_a_share_is_ten_or_less_a_crash_loop_admits_ten_a_window(
    clock: MicrosecondClock, most: int
) -> None:
    limit = Limit("user", most, window=10)
    assert crash_loop(clock, limit, 64 * STEP, 30).entries == []
    assert crash_loop(clock, limit, 65 * STEP, 30).fullest(microseconds(limit)) == 10


@pytest.mark.parametrize("cost", [1, 1000])
def test_in_a_long_window_a_crash_loop_admits_one_request_a_minute(
    clock: MicrosecondClock, cost: int
) -> None:
    daily, minute = Limit("user", cost, window=86_400), round(MAX_FIRST_WAIT * SECOND)
    assert crash_loop(clock, daily, minute, 30, SECOND, cost).entries == []
    found = crash_loop(clock, daily, minute + SECOND, 30, SECOND, cost)
    assert len(found.entries) == 30


# -- one process
@pytest.mark.parametrize(
    ("most", "window", "cost", "waits"),
    [
        (1000, 60, 1, 0.06),
        (100, 60, 1, 0.6),
        (10, 60, 1, 6.0),
        (1, 60, 1, 6.0),
        (100, 60, 20, 12.0),
        (3, 60, 2, 40.0),
        (3600, 3600, 1, 1.0),
        (1, 300, 1, 30.0),
        (1, 3600, 1, MAX_FIRST_WAIT),
        (1, 86_400, 1, MAX_FIRST_WAIT),
        (4000, 86_400, 4000, MAX_FIRST_WAIT),
    ],
)
def test_the_first_request_waits_for_its_part_a_tenth_of_the_window_or_a_minute_at_most(
    clock: MicrosecondClock, most: int, window: float, cost: int, waits: float
) -> None:
    limit, limiter = Limit("user", most, window=window), LocalLimiter(now=clock)
    refused = ask(limiter, limit, cost)
    assert isinstance(refused, RateLimited)
    assert refused.retry_after == pytest.approx(waits, abs=1e-6)
    assert (refused.limit, refused.reset_at) == (most, pytest.approx(clock() + waits, abs=1e-6))
    clock.now += refused.retry_after_ms * 1000
    assert not isinstance(ask(limiter, limit, cost), RateLimited)


def test_behind_the_first_request_of_a_long_window_the_second_waits_for_its_part(
    clock: MicrosecondClock,
) -> None:
    limit, limiter = Limit("user", 24, window=86_400), LocalLimiter(now=clock)
    clock.now += round(MAX_FIRST_WAIT * SECOND)
    [standing] = limiter.spend("alice", [limit], [0])
    assert standing.remaining == 1
    assert admitted_until_refused(limiter, limit) == 1
    clock.now += 7200 * SECOND - round(MAX_FIRST_WAIT * SECOND)
    assert admitted_until_refused(limiter, limit) == 1


def test_a_window_old_its_share_is_whole(clock: MicrosecondClock) -> None:
    limiter = LocalLimiter(processes=PROCESSES, now=clock)
    clock.now += WINDOW // 2
    assert admitted_until_refused(limiter, LIMIT, "bob") == SHARE // 2
    clock.now += WINDOW // 2
    assert admitted_until_refused(limiter, LIMIT) == SHARE
    assert admitted_until_refused(limiter, LIMIT, "bob") == SHARE - SHARE // 2


@settings(max_examples=300, deadline=None)
@given(
    asked=st.lists(
        st.tuples(st.integers(0, 70), st.integers(0, 5), st.sampled_from([LIMIT, TOKENS])),
        min_size=1,
        max_size=20,
    )
)
def test_every_standing_and_every_refusal_tells_what_the_next_request_finds(
    asked: list[tuple[int, int, Limit]],
) -> None:
    """Shares and windows are powers of two: what grew, and when, is exact in a float."""
    clock = MicrosecondClock()
    limiter = LocalLimiter(now=clock)
    for gap, cost, limit in asked:
        clock.now += gap * STEP
        found = ask(limiter, limit, cost)
        if isinstance(found, RateLimited):
            clock.now += math.ceil((found.retry_after or 0) * SECOND) - 1
            assert isinstance(ask(limiter, limit, cost), RateLimited)
            clock.now += 1
            [standing] = limiter.spend("alice", [limit], [cost])
        else:
            [standing] = found
        if standing.remaining:
            assert isinstance(ask(limiter, limit, standing.remaining + 1), RateLimited)
            [standing] = limiter.spend("alice", [limit], [standing.remaining])
        assert standing.remaining == 0
        clock.now = round(standing.reset_at * SECOND) - 1
        assert isinstance(ask(limiter, limit), RateLimited)
        clock.now += 1
        assert not isinstance(ask(limiter, limit), RateLimited)


def test_what_grows_too_slowly_takes_nothing_from_what_had_room(clock: MicrosecondClock) -> None:
    limiter = LocalLimiter(now=clock)
    slow, fast = Limit("operation:story", 10, window=10), Limit("user", 64, window=1)
    clock.now += WINDOW // 2
    with pytest.raises(RateLimited) as refused:
        limiter.spend("alice", [fast, slow], [5, 1])
    assert (refused.value.scope, refused.value.retry_after) == (slow.scope, 0.5)
    assert [limiter.held("alice", limit) for limit in (fast, slow)] == [0, 0]


def test_once_redis_was_reached_the_share_is_whole(clock: MicrosecondClock) -> None:
    limiter = LocalLimiter(now=clock)
    assert admitted_until_refused(limiter, LIMIT) == 0
    limiter.reached()
    assert admitted_until_refused(limiter, LIMIT) == LIMIT.max


def test_a_master_that_was_reached_speaks_for_its_own_users_only(
    clock: MicrosecondClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_limiter, "MAX_LOGS", 2)
    everybody, limiter = Limit("global", 100, per="global"), LocalLimiter(now=clock)
    for owner in ("alice", "", "carol"):  # the third is past what is remembered
        limiter.reached(owner)
    assert [admitted_until_refused(limiter, LIMIT, user) for user in ("alice", "bob", "carol")] == [
        LIMIT.max,
        0,
        0,
    ]
    assert admitted_until_refused(limiter, everybody, "bob") == 100


@pytest.mark.parametrize("back", [SECOND // 4, SECOND, 3600 * SECOND])
def test_a_clock_set_back_starts_the_growth_again_at_the_worst(
    clock: MicrosecondClock, back: int
) -> None:
    limiter = LocalLimiter(now=clock)
    clock.now += SECOND // 2
    assert admitted_until_refused(limiter, LIMIT) == LIMIT.max // 2
    clock.now -= back
    admitted_until_refused(limiter, LIMIT)
    clock.now += 2 * SECOND
    assert admitted_until_refused(limiter, LIMIT) == LIMIT.max


def test_what_a_process_lived_before_its_limiter_was_made_counts(clock: MicrosecondClock) -> None:
    assert admitted_until_refused(LocalLimiter(now=clock, age=0.5), LIMIT) == LIMIT.max // 2


AGES = """
import time
before = time.monotonic()
from app.policies.local_limiter import process_age
while time.monotonic() < before + 0.1:
    pass
print(process_age(), time.monotonic() - before)
"""


def test_a_process_knows_how_long_it_has_lived() -> None:
    """As old as what it has measured itself, and younger than whoever started it."""
    began = time.monotonic()
    run = subprocess.run([sys.executable, "-c", AGES], capture_output=True, check=True, text=True)
    age, least = map(float, run.stdout.split())
    assert least <= age <= time.monotonic() - began
    assert age < process_age()
