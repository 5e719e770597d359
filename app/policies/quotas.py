"""Quotas: how much each user may keep, by tier.

A quota is looked at before a model is called, and an answer's size is known only behind it: a user
may be over it by what was under way, and by one content's bytes. Deleting contents frees.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from app.caller import Caller
from app.errors import DependencyUnavailable, QuotaExceeded
from app.limit_standing import Standing

DEFAULT_TIER = "standard"
KINDS = ("contents", "bytes")
MAX_AGE = 1.0  # s; before a refusal, what is known is no older: another process may have deleted


@dataclass(frozen=True, slots=True)
class Quota:
    """Contents, and bytes of their answers as they are stored; None is no bound."""

    contents: int | None = None
    bytes: int | None = None

    @property
    def bounds(self) -> dict[str, int]:
        found = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: bound for kind, bound in found.items() if bound is not None}


class Bounds(Protocol):
    """A quota as it is configured."""

    @property
    def contents(self) -> int | None: ...

    @property
    def bytes(self) -> int | None: ...


DEFAULT_QUOTAS = {
    "free": Quota(1_000, 20_000_000),
    DEFAULT_TIER: Quota(20_000, 500_000_000),
    "pro": Quota(200_000, 2_000_000_000),
    "service": Quota(),
}


def tiers(given: Mapping[str, Bounds]) -> dict[str, Quota]:
    """The default quotas with these over them: None leaves one as it is, 0 takes its bound away."""
    found = dict(DEFAULT_QUOTAS)
    for tier, table in given.items():
        said = {k: bound or None for k in KINDS if (bound := getattr(table, k)) is not None}
        found[tier] = replace(found.get(tier, found[DEFAULT_TIER]), **said)
    return found


class Held(Protocol):
    """What a user keeps."""

    @property
    def contents(self) -> int: ...

    @property
    def bytes(self) -> int: ...


class Holdings(Protocol):
    """Who knows what users keep, from `max_age` seconds ago at the most where that is given."""

    def of(self, user_id: str, *, max_age: float | None = None) -> Awaitable[Held]: ...


class Quotas:
    """The quotas of every tier; one that is not named has the standard one's."""

    def __init__(
        self,
        by_tier: Mapping[str, Quota],
        holdings: Holdings,
        *,
        on_refusal: Callable[[str], None] = lambda _: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`on_refusal` hears the scope of each quota that refused; `now` is in Unix seconds."""
        self.by_tier, self._holdings = by_tier, holdings
        self._on_refusal, self._now = on_refusal, now

    @property
    def count(self) -> int:
        """How many `look` tells of at the most."""
        return len(KINDS)

    def of(self, caller: Caller) -> Quota:
        return self.by_tier.get(caller.tier) or self.by_tier[DEFAULT_TIER]

    async def check(self, caller: Caller) -> None:
        """Whether the caller may keep one more.

        Raises:
            QuotaExceeded
            DependencyUnavailable: nothing is known of the user, and the database is away.
        """
        quota = self.of(caller)
        if not quota.bounds or _full(quota, await self._holdings.of(caller.id)) is None:
            return
        held = await self._holdings.of(caller.id, max_age=MAX_AGE)
        if (full := _full(quota, held)) is not None:
            self._on_refusal(scope(full))
            raise QuotaExceeded(full, used=getattr(held, full), limit=quota.bounds[full])

    async def look(self, caller: Caller) -> tuple[Standing, ...]:
        """How the caller's quotas stand, as limits without a window; without the database none."""
        bounds, found = self.of(caller).bounds, []
        with contextlib.suppress(DependencyUnavailable):
            held = await self._holdings.of(caller.id, max_age=MAX_AGE) if bounds else None
            for kind, bound in bounds.items():
                left = max(0, bound - getattr(held, kind))
                found.append(Standing(scope(kind), bound, left, self._now(), 0.0))
        return tuple(found)


def scope(kind: str) -> str:
    """A quota's name among the limits."""
    return f"quota:{kind}"


def _full(quota: Quota, held: Held) -> str | None:
    return next((k for k, bound in quota.bounds.items() if getattr(held, k) >= bound), None)
