"""Limit and Charge: what may be taken in a window, and what a request takes of it."""

from __future__ import annotations

from collections.abc import Sequence
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

    @property
    def of_model(self) -> bool:
        """Whether it counts only when that model is really called."""
        return self.target.startswith("model:")

    def for_tier(self, factor: float) -> Limit:
        """This limit for a tier; what all callers share knows no tiers."""
        if self.per == "global":
            return self
        return replace(self, max=max(1, round(self.max * factor)))


DEFAULT_LIMITS = (
    Limit("model:gpt-4-turbo", 200),
    Limit("model:gpt-3.5-turbo", 500),
    Limit("model:gpt-6.1-terra", 200),
    Limit("model:gpt-6-luna", 500),
    Limit("model:gpt-6-sol", 50),
    Limit("operation:text_generation", 100),
    Limit("operation:theme_analysis", 50),
    Limit("operation:content_validation", 100),
    Limit("user", 1000),
    Limit("global", 10_000, per="global"),
)
DEFAULT_TIERS = {"free": 0.2, "standard": 1.0, "pro": 5.0, "service": 10.0}


@dataclass(frozen=True, slots=True)
class Charge:
    """So much of each of these limits, for one user: all of it is taken, or nothing."""

    user_id: str
    limits: tuple[Limit, ...]
    costs: tuple[int, ...]

    @property
    def priced(self) -> Sequence[tuple[Limit, int]]:
        return list(zip(self.limits, self.costs, strict=True))

    def only(self, priced: Sequence[tuple[Limit, int]]) -> Charge:
        """A part of it."""
        return Charge(self.user_id, tuple(x for x, _ in priced), tuple(c for _, c in priced))
