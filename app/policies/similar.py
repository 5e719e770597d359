"""Likeness of requests: MinHash over their words, kept for each user's latest answers.

A request is the set of its words, each with the field that it stands in; two requests are as alike
as the share of words that they have in common (Jaccard). 64 minima of 32 bits estimate that share
within about 0.06 (one standard deviation), in 256 bytes a request. It compares words, not
meanings: "sombre" and "gloomy" are strangers to it.

Andrei Broder, "On the resemblance and containment of documents", 1997.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import struct
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

from app.errors import DependencyUnavailable
from app.redis import Call, Redis, Script, user_slot

MINIMA = 64
KEPT = 200  # requests of a user and operation; the oldest go first
MOST_WORDS = 400  # of a request; the rest of a long text changes little
SIGNATURE = struct.Struct(f">{MINIMA}I")
KEEP = Script(resources.files("app.policies").joinpath("similar.lua").read_text())
WORD = re.compile(r"\w+")


def index_key(user_id: str, operation: str) -> str:
    return f"{user_slot(user_id)}:similar:{operation}"


def signature(request: dict[str, Any]) -> bytes:
    """The request's minima. At most `MOST_WORDS` words are looked at: about 0.5 ms."""
    words = set()
    for word in _words("", request):
        words.add(word)
        if len(words) >= MOST_WORDS:
            break
    columns = [
        SIGNATURE.unpack(hashlib.shake_128(word.encode()).digest(SIGNATURE.size))
        for word in words or {""}
    ]
    return SIGNATURE.pack(*map(min, zip(*columns, strict=True)))


def likeness(one: bytes, other: bytes) -> float:
    """The share of words that two requests have in common, estimated: 0 to 1."""
    pairs = zip(SIGNATURE.unpack(one), SIGNATURE.unpack(other), strict=True)
    equal: int = sum(a == b for a, b in pairs)
    return equal / MINIMA


def entry(content_id: str, found: bytes) -> bytes:
    """An index entry: the answer's id, and its request's signature."""
    return content_id.encode() + b":" + found


def ranked(entries: Iterable[bytes], wanted: bytes) -> list[tuple[float, str]]:
    """The index's answers by likeness, the nearest first."""
    found = []
    for item in entries:
        content_id, _, kept = item.partition(b":")
        if len(kept) == SIGNATURE.size:
            found.append((likeness(kept, wanted), content_id.decode()))
    return sorted(found, reverse=True)


def keeping(user_id: str, operation: str, kept: bytes, ttl: float) -> Call:
    """What puts an entry into the user's index, to run beside other scripts."""
    return Call(KEEP, [index_key(user_id, operation)], [kept, KEPT, max(1, round(ttl * 1000))])


class Similar:
    """The users' indexes."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def nearest(self, user_id: str, operation: str, wanted: bytes) -> list[tuple[float, str]]:
        """The user's answers by likeness; none while Redis is away."""
        with contextlib.suppress(DependencyUnavailable):
            key = index_key(user_id, operation)
            return ranked(await self._redis.call("LRANGE", key, 0, -1), wanted)
        return []

    async def forget(self, user_id: str, operation: str, content_id: str) -> None:
        """Take an answer out of the index. Raises `DependencyUnavailable`."""
        key = index_key(user_id, operation)
        for item in await self._redis.call("LRANGE", key, 0, -1):
            if item.startswith(content_id.encode() + b":"):
                await self._redis.call("LREM", key, 0, item)


def _words(field: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _words(f"{field}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(field, inner)
    elif isinstance(value, str):
        for match in WORD.finditer(value):
            yield f"{field}={match[0].casefold()}"
    elif value is not None:
        yield f"{field}={value}"
