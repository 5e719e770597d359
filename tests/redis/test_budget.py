"""What may be kept in Redis: never more than the budget, and no owner crowds the others out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.redis.budget import KEY_BYTES, OWNER_SHARE, STEPS, ByteBudget


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def filled(budget: ByteBudget, owner: str, size: int = 1_000, ttl: float = 60.0) -> int:
    """How many bytes one owner may keep."""
    while budget.take(owner, size, ttl):
        pass
    return budget.held.get(owner, 0)


@pytest.mark.parametrize("owners", [1, 2, 10])
def test_who_takes_all_they_can_leaves_room_for_the_next(owners: int) -> None:
    budget = ByteBudget(10_000_000)
    for n in range(owners + 1):
        free = budget.size - budget.used
        share = OWNER_SHARE / (1 + OWNER_SHARE)  # of what was free before
        assert filled(budget, f"user-{n}") == pytest.approx(share * free, rel=0.01)
    assert budget.used < budget.size


def test_what_lapses_makes_room_again_and_is_forgotten() -> None:
    clock = Clock()
    budget = ByteBudget(1_000_000, now=clock)
    first = filled(budget, "mira")
    clock.now += 60.0 * (1 + 1 / STEPS)
    assert (filled(budget, "mira"), budget.used) == (first, first)
    clock.now += 1000.0
    assert not budget.take("joren", 2_000_000, 60.0)
    assert (budget.used, budget.held) == (0, {})


def test_a_value_counts_with_its_key() -> None:
    budget = ByteBudget(1_000_000)
    assert budget.take("mira", 0, 60.0)
    assert budget.used == KEY_BYTES


@dataclass
class Take:
    owner: str
    size: int
    ttl: float
    pause: float


takes = st.lists(
    st.builds(
        Take, st.sampled_from("abc"), st.integers(0, 4_000), st.floats(1, 100), st.floats(0, 30)
    ),
    max_size=60,
)


@given(takes)
def test_what_lives_is_never_more_than_the_budget_nor_an_owners_than_their_share(
    plan: list[Take],
) -> None:
    clock = Clock()
    budget = ByteBudget(20_000, now=clock)
    alive: deque[tuple[float, str, int]] = deque()
    for one in plan:
        clock.now += one.pause
        alive = deque(x for x in alive if x[0] > clock.now)
        living, own = sum(x[2] for x in alive), sum(x[2] for x in alive if x[1] == one.owner)
        if budget.take(one.owner, one.size, one.ttl):
            size = one.size + KEY_BYTES
            assert living + size <= budget.size
            assert own + size <= OWNER_SHARE * (budget.size - living)
            alive.append((clock.now + one.ttl, one.owner, size))
        assert sum(x[2] for x in alive) <= budget.used == sum(budget.held.values()) <= budget.size
