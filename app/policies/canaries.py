"""Canaries: a share of the users, always the same ones, gets another model or another prompt.

A user's place between 0 and 1 is a hash of the user's id, keyed by the canary's name: the same in
every process and after every start, whatever other keys there are. Those below the share are in, so
that a share that grows keeps whoever was in, and two canaries draw their users independently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.caller import Caller

PLACES = 2**53  # as many as a float tells apart below 1


@dataclass(frozen=True, slots=True)
class Canary:
    """share: of the users, 0 to 1. tiers: whose users; none: of all. operation, model: which
    requests; None: all. prompt_version: what they are asked with. served_by: which model is called
    in the place of `model`.
    """

    name: str
    share: float
    tiers: tuple[str, ...] = ()
    operation: str | None = None
    prompt_version: int | None = None
    model: str | None = None
    served_by: str | None = None

    def takes(self, user_id: str) -> bool:
        """Whether the user is among its share."""
        return place(self.name, user_id) < self.share

    def concerns(self, tier: str, operation: str, model: str) -> bool:
        """Whether it is about such a request."""
        return (
            (not self.tiers or tier in self.tiers)
            and self.operation in (None, operation)
            and self.model in (None, model)
        )


def place(name: str, user_id: str) -> float:
    """The user's place in a canary: from 0 to below 1, evenly."""
    digest = hashlib.blake2b(user_id.encode(), key=name.encode(), digest_size=8).digest()
    return (int.from_bytes(digest) % PLACES) / PLACES


class Canaries:
    """In the order of the configuration: the first that takes a request has it."""

    def __init__(
        self,
        canaries: Sequence[Canary] = (),
        tier: Callable[[Caller], str] = lambda caller: caller.tier,
    ) -> None:
        self._canaries, self._tier = tuple(canaries), tier

    def of(self, caller: Caller, operation: str, model: str) -> Canary | None:
        """What this caller's request tries, which asks for `model`; None: nothing."""
        if not self._canaries:
            return None
        tier = self._tier(caller)
        return next(
            (
                canary
                for canary in self._canaries
                if canary.concerns(tier, operation, model) and canary.takes(caller.id)
            ),
            None,
        )
