"""Standing: how one limit stands for one caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ORDER = ("operation", "model", "user", "global")  # which of equally tight limits is shown


@dataclass(frozen=True, slots=True)
class Standing:
    """How one limit stands for one caller. `reset_at` is in Unix seconds, `window` in seconds."""

    scope: str
    limit: int
    remaining: int
    reset_at: float
    window: float


def tightest(standings: Iterable[Standing]) -> Standing:
    """The limit with the smallest share remaining."""
    return min(
        standings,
        key=lambda s: (s.remaining / s.limit, ORDER.index(s.scope.partition(":")[0])),
    )
