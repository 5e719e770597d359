"""Limit and Standing: what may be taken, and how much of it is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

LOG_LIMIT = 20_000  # above it a limit is stepped: 20,000 log entries are 220 KB


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `max` in `window` seconds of what touches `target`.

    target: `user`, `global`, `operation:<limit name>` or `model:<name>`.
    per: whether each user has a count of their own, or all share one.
    counts: requests, or the tokens that a model call may use (reserved, then settled).
    """

    target: str
    max: int
    window: float = 60.0
    per: str = "user"
    counts: str = "requests"

    @property
    def scope(self) -> str:
        """The limit's name in answers."""
        return self.target if self.counts == "requests" else f"{self.target}:tokens"

    @property
    def stepped(self) -> bool:
        return self.counts == "tokens" or self.max > LOG_LIMIT

    def for_tier(self, factor: float) -> Limit:
        """This limit for a tier; what all callers share knows no tiers."""
        if self.per == "global":
            return self
        return replace(self, max=max(1, round(self.max * factor)))


DEFAULT_LIMITS = (
    Limit("model:gpt-4-turbo", 200),
    Limit("model:gpt-3.5-turbo", 500),
    Limit("operation:text_generation", 100),
    Limit("operation:theme_analysis", 50),
    Limit("operation:content_validation", 100),
    Limit("user", 1000),
    Limit("global", 10_000, per="global"),
)
DEFAULT_TIERS = {"free": 0.2, "standard": 1.0, "pro": 5.0, "service": 10.0}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one limit stands for one caller. `reset_at` is in Unix seconds."""

    scope: str
    limit: int
    remaining: int
    reset_at: float
    window: float


ORDER = ("operation", "model", "user", "global")  # which of equally tight limits is shown


def tightest(standings: Iterable[Standing]) -> Standing:
    """The limit with the smallest share remaining."""
    return min(
        standings,
        key=lambda s: (s.remaining / s.limit, ORDER.index(s.scope.partition(":")[0])),
    )


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request took, and how the limits stood then. `at` is Redis's time, or None."""

    standings: tuple[Standing, ...]
    at: str | None = None
