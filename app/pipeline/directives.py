"""Directives: how a request wants to be answered, in the words of every edge."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CacheUse(StrEnum):
    """What a request wants of the cache."""

    USE = "use"
    REFRESH = "refresh"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True)
class Directives:
    """None leaves it to the operation.

    max_age: seconds that a cached answer may be old. similar: from which likeness (0 to 1) an
    earlier answer to another request will do; None: never. allow_degraded: whether a simpler model
    than the one asked for will do. detached: whether the answer is made to its end when its caller
    leaves.
    """

    cache: CacheUse | None = None
    max_age: float | None = None
    similar: float | None = None
    idempotency_key: str | None = None
    allow_degraded: bool = True
    detached: bool = True
