"""The limits of one process alone: a clock that tests move, and asking until it refuses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from app.errors import RateLimited
from app.limit_standing import Standing
from app.policies.limits import Limit
from app.policies.local_limiter import LocalLimiter

SECOND = 1_000_000


@dataclass
class MicrosecondClock:
    """Whole microseconds, so that what the model and the limiter add up is the same."""

    now: int = 1_700_000_000_000_000

    def __call__(self) -> float:
        return self.now / 1e6


@pytest.fixture
def clock() -> MicrosecondClock:
    return MicrosecondClock()


def admitted_until_refused(limiter: LocalLimiter, limit: Limit, user: str = "alice") -> int:
    for admitted in range(1000):
        try:
            limiter.spend(user, [limit], [1])
        except RateLimited:
            return admitted
    raise AssertionError("never refused")


def outcome(
    limiter: LocalLimiter, user: str, limits: list[Limit], cost: int
) -> tuple[Standing, ...] | RateLimited:
    try:
        return limiter.spend(user, limits, [cost] * len(limits))
    except RateLimited as refused:
        return refused
