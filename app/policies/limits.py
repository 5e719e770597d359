"""Limit and Standing: what may be taken, and how much of it is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

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


class Mode(StrEnum):
    """How a request comes to its answer."""

    LEAD = "lead"  # make it
    HIT = "hit"  # it is cached
    FOLLOW = "follow"  # somebody is making it for the cache
    REPLAY = "replay"  # the idempotency key was answered before
    RUNNING = "running"  # the idempotency key is being answered
    CONFLICT = "conflict"  # the idempotency key belongs to another request


@dataclass(frozen=True, slots=True)
class Ask:
    """What makes two requests the same one, for the decision that admits them.

    Keys in Redis, None for what is not asked: the cached answer to look for, the lease of whoever
    makes it, where to keep a new answer (for `ttl` seconds), the idempotency key. max_age: seconds
    that a cached answer may be old. who: this request alone.
    """

    fingerprint: str
    slot: str  # how the user's keys begin
    who: str
    cached: str | None = None
    lease: str | None = None
    keep: str | None = None
    once: str | None = None
    max_age: float = 0.0
    ttl: float = 0.0

    @property
    def kinds(self) -> int:
        """What is asked, as the script wants it: a sum of 1, 2 and 4."""
        return (
            (self.cached is not None) + 2 * (self.lease is not None) + 4 * (self.once is not None)
        )

    @property
    def keys(self) -> list[str]:
        return [k for k in (self.cached, self.lease, self.once) if k is not None]


LEASE = 5.0  # s; whoever makes an answer renews it, and is followed when it lapses


@dataclass(frozen=True, slots=True)
class Spent:
    """What a request took, and how the limits stood then. `at` is Redis's time, or None.

    shared_at: in a cluster, the time of the server that has the limits which all users share.
    mode: what to do about the answer, see `Mode`. payload: what Redis has of it.
    """

    standings: tuple[Standing, ...]
    at: str | None = None
    mode: Mode = Mode.LEAD
    payload: bytes = b""
    shared_at: str | None = None

    def when(self, limit: Limit) -> str | None:
        """The time at which this limit was taken, as its log has it."""
        return self.shared_at if limit.per == "global" else self.at
