"""Lookup: what makes two requests the same one, and what Redis said of the other one.

An idempotency key's value is `r`, `d` or `c` (running, done, done out of the cache), the
fingerprint of 32 characters, and then whoever runs it or the id of its answer.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.pipeline.directives import CacheUse, Directives
from app.policies.cache import cache_key
from app.redis.client import user_slot

LEASE_TTL = 5.0  # s; whoever makes an answer renews it, and is followed when it lapses
RUNNING = "r"
RING = 8  # in the sum of what the script is asked


class Disposition(StrEnum):
    """How a request comes to its answer."""

    LEAD = "lead"  # make it
    HIT = "hit"  # it is cached
    FOLLOW = "follow"  # somebody is making it for the cache
    REPLAY = "replay"  # the idempotency key was answered before
    RUNNING = "running"  # the idempotency key is being answered
    CONFLICT = "conflict"  # the idempotency key belongs to another request

    @property
    def by_key(self) -> bool:
        """Whether the request is to get what its idempotency key got."""
        return self in (Disposition.RUNNING, Disposition.REPLAY)


@dataclass(frozen=True, slots=True)
class Lookup:
    """Keys in Redis, None for what is not asked.

    cached: where an answer may be. lease: of whoever makes it. keep: where a new answer is kept,
    for `ttl` seconds. idempotency: of the idempotency key. max_age: seconds that a cached answer
    may be old. owner: this request alone.
    """

    fingerprint: str
    slot: str  # how the user's keys begin
    owner: str
    cached: str | None = None
    lease: str | None = None
    keep: str | None = None
    idempotency: str | None = None
    max_age: float = 0.0
    ttl: float = 0.0

    @property
    def kinds(self) -> int:
        """What is asked, as the admission's script wants it: a sum of 1, 2 and 4."""
        asked = self.cached, self.lease, self.idempotency
        return sum(2**n for n, key in enumerate(asked) if key is not None)

    @property
    def keys(self) -> list[str]:
        return [k for k in (self.cached, self.lease, self.idempotency) if k is not None]

    @property
    def running(self) -> str:
        """The idempotency key's value while this request makes the answer."""
        return f"{RUNNING}{self.fingerprint}{self.owner}"

    def held(self, disposition: Disposition) -> Mapping[str, str]:
        """What the script gave this request to hold, by the key: the lease, the idempotency key."""
        held = {}
        if self.lease is not None and disposition is Disposition.LEAD:
            held[self.lease] = self.owner
        if self.idempotency is not None and disposition in (Disposition.LEAD, Disposition.FOLLOW):
            held[self.idempotency] = self.running
        return held

    def flight(self, disposition: Disposition) -> str | None:
        """Under what name equal requests of a process share one task; None: under none.

        Who waits for a key flies under it: were all of them under the lease, its holder could come
        to wait for them.
        """
        return self.idempotency if disposition.by_key else self.lease or self.idempotency


@dataclass(frozen=True, slots=True)
class Question:
    """What the admission's script is to look at beside limits, and how it is told so.

    ring: the key of what the user got lately, where another text must differ from it.
    """

    lookup: Lookup | None = None
    ring: str | None = None

    @property
    def kinds(self) -> int:
        return (self.lookup.kinds if self.lookup else 0) + (RING if self.ring else 0)

    @property
    def keys(self) -> list[str]:
        found = self.lookup.keys if self.lookup else []
        return [*found, self.ring] if self.ring else found

    @property
    def args(self) -> tuple[str | int, ...]:
        found = self.lookup
        if found is None or not found.kinds:
            return ()
        age, lease = round(found.max_age * 1000), round(LEASE_TTL * 1000)
        return found.owner, lease, age, found.fingerprint


def lookup(
    user_id: str, fingerprint: str, directives: Directives, use: CacheUse, ttl: float
) -> Lookup:
    """What to look for, and where to put the answer; `ttl` is how many seconds it is kept."""
    slot, key = user_slot(user_id), directives.idempotency_key
    hashed = hashlib.blake2b(key.encode(), digest_size=16).hexdigest() if key else None
    cached, reads = cache_key(user_id, fingerprint), use is CacheUse.USE
    return Lookup(
        fingerprint,
        slot,
        owner=secrets.token_hex(8),
        cached=cached if reads else None,
        lease=f"{slot}:lease:{fingerprint}" if reads else None,
        keep=cached if use is not CacheUse.BYPASS else None,
        idempotency=f"{slot}:once:{hashed}" if hashed else None,
        max_age=ttl if directives.max_age is None else min(ttl, directives.max_age),
        ttl=ttl,
    )
