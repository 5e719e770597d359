"""Revocations: which tokens were called back before they ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator

from app.caller import Caller
from app.errors import DependencyUnavailable, Unauthenticated
from app.redis.client import Redis

MAX_TOKENS = 500  # asked for at once; one script of that length takes 100 µs
MAX_REMEMBERED = 10_000  # revoked tokens that this process has seen, for when Redis is away


def revocation_key(token_id: str) -> str:
    """Where the Auth Service marks a token as revoked."""
    return f"loregate:revoked:{token_id}"


class Revocations:
    """Reads the marks, and remembers those that it has seen."""

    def __init__(self, redis: Redis, now: Callable[[], float] = time.time) -> None:
        self._redis, self._now = redis, now
        self._seen: dict[str, float] = {}

    async def check(self, caller: Caller) -> None:
        """Raises `Unauthenticated` for a revoked token; without Redis, for one seen before."""
        if caller.token_id is None:
            return
        try:
            found = bool(await self._redis.call("EXISTS", revocation_key(caller.token_id)))
        except DependencyUnavailable:
            self.recall(caller)
            return
        if found:
            raise self.seen(caller)

    def recall(self, caller: Caller) -> None:
        """Raises `Unauthenticated` where the token's revocation was seen; Redis is not asked."""
        if caller.token_id in self._seen:
            raise Unauthenticated("revoked")

    def seen(self, caller: Caller) -> Unauthenticated:
        """The token is revoked: what to raise, also when Redis will be away."""
        if len(self._seen) >= MAX_REMEMBERED:
            now = self._now()
            self._seen = {t: e for t, e in self._seen.items() if e > now}
            if len(self._seen) >= MAX_REMEMBERED:
                self._seen.pop(next(iter(self._seen)))
        self._seen[caller.token_id or ""] = caller.expires_at
        return Unauthenticated("revoked")

    async def among(self, token_ids: Collection[str]) -> list[str]:
        """Which of the tokens are revoked, in one round trip for 500 of them.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        found: list[str] = []
        for some in _batched(token_ids, 1 if self._redis.clustered else MAX_TOKENS):
            marks = await self._redis.call("MGET", *map(revocation_key, some))
            found += [t for t, mark in zip(some, marks, strict=True) if mark is not None]
        return found


def _batched(found: Collection[str], most: int) -> Iterator[list[str]]:
    rest = list(found)
    for at in range(0, len(rest), most):
        yield rest[at : at + most]
