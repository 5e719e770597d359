"""Visit and Admission: who came with what request, and the proof that it may run an operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from app.caller import Caller
from app.errors import RateLimited
from app.operations import Operation
from app.policies.limits import Spent, Standing, tightest


@dataclass(slots=True)
class Visit:
    """One request or document of a caller, and the tightest limit that it touched so far.

    `left` returns when the client is gone, where the transport does not cancel what it asked for.
    """

    caller: Caller
    request_id: str
    standing: Standing | None = None
    counted: bool = False
    left: Callable[[], Awaitable[None]] | None = None

    @property
    def counted_standing(self) -> Standing:
        """The tightest limit, of a visit that has been counted."""
        if self.standing is None:
            raise RuntimeError("nothing was counted yet")
        return self.standing

    def note(self, spent: Spent) -> Standing:
        """Remember what was spent; returns the tightest limit of it."""
        self.counted = True
        found = tightest(spent.standings)
        self.standing = tightest([found, self.standing]) if self.standing else found
        return found

    def refuse(self, refusal: RateLimited) -> None:
        """Remember the limit that refused a part of it, which is the tightest there is."""
        self.standing = Standing(refusal.scope, refusal.limit, 0, refusal.reset_at, refusal.window)


@dataclass(slots=True)
class Admission:
    """The proof that a visit may run an operation, once. `Gateway` alone spends it."""

    visit: Visit
    operation: Operation[Any, Any]
    spent: bool = field(default=False, init=False)
