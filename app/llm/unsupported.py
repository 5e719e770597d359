"""UnsupportedParameters: what an upstream does not take, learned from its errors for a day.

What one process learned is written to Redis, where others find it when they start. A process that
ran already, or has no Redis, learns by itself: one call for each parameter.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable

from app.errors import DependencyUnavailable
from app.redis.client import Redis

MEMORY_TTL = 86_400  # s
CAP = "cap"  # the field that caps tokens is the other one
BOUNDS = "bounds"  # of strings, in a schema
SCHEMA = "response_format"  # the schema is said in words
KEY = "loregate:refusals:"

log = logging.getLogger(__name__)


class UnsupportedParameters:
    """What one upstream, at one base URL, refused: names of fields, `CAP`,
    `BOUNDS`, `SCHEMA`."""

    def __init__(
        self,
        redis: Redis | None,
        url: str,
        upstream: str,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._redis, self._now, self._upstream = redis, now, upstream
        place = hashlib.blake2b(f"{url}\n{upstream}".encode(), digest_size=16).hexdigest()
        self._key = KEY + place
        self._until: dict[str, float] = {}  # by name, in Unix seconds

    def __contains__(self, name: str) -> bool:
        until = self._until.get(name)
        return until is not None and self._now() < until

    def __bool__(self) -> bool:
        return any(name in self for name in self._until)

    @property
    def names(self) -> list[str]:
        return sorted(name for name in self._until if name in self)

    async def load(self) -> None:
        """Take over what other processes learned. Redis away: nothing is known of it."""
        if self._redis is None:
            return
        try:
            found = await self._redis.call("HGETALL", self._key)
        except DependencyUnavailable:
            return
        pairs = found.items() if isinstance(found, dict) else zip(*[iter(found)] * 2, strict=True)
        self._until |= {name.decode(): float(until) for name, until in pairs}

    async def add(self, name: str) -> None:
        """Learn one; it is logged by the process that was first."""
        until = round(self._now()) + MEMORY_TTL
        self._until[name] = until
        first = True
        if self._redis is not None:
            try:
                first = bool(await self._redis.call("HSET", self._key, name, until))
                await self._redis.call("EXPIRE", self._key, MEMORY_TTL)
            except DependencyUnavailable:
                log.debug("what a model refuses is not shared now")
        if first:
            log.info(
                "a model does not take a parameter; it is left out for a day",
                extra={"upstream": self._upstream, "parameter": name},
            )
