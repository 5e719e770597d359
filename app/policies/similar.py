"""Likeness of requests: MinHash over their words, kept for each user's latest answers.

A request is the set of its words, each with the field that it stands in; two requests are as alike
as the share of words that they have in common (Jaccard). 64 minima of 32 bits estimate that share
within about 0.06 (one standard deviation), in 256 bytes a request. It compares words, not
meanings: "sombre" and "gloomy" are strangers to it. What is no free text (`frame`) must be equal.

Andrei Broder, "On the resemblance and containment of documents", 1997.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from enum import Enum
from importlib import resources
from typing import Any

from app.errors import DependencyUnavailable
from app.policies.cache import fingerprint
from app.redis.client import Call, Redis, Script, user_slot
from app.redis.steps import mark_key

MINIMA = 64
MAX_ENTRIES = 200  # requests of a user and operation; the oldest go first
MAX_WORDS = 400  # of a request; of a longer one those of the least checksums, the same in each
SIGNATURE = struct.Struct(f">{MINIMA}I")
ID, FRAME = 36, 32  # bytes of an entry; the signature follows
ENTRY_BYTES = ID + FRAME + SIGNATURE.size
KEEP = Script(resources.files("app.policies").joinpath("similar.lua").read_text())
WORD = re.compile(r"\w+")


def index_key(user_id: str, operation: str) -> str:
    return f"{user_slot(user_id)}:similar:{operation}"


def signature(request: dict[str, Any]) -> bytes:
    """The request's minima. 400 words take about 1 ms, 9,000 of them 6: not for the event loop.

    Of long texts of unlike length the likeness is told too small rather than too large.
    """
    words = {word.encode() for word in _words("", request)} or {b""}
    if len(words) > MAX_WORDS:
        words = set(heapq.nsmallest(MAX_WORDS, words, key=zlib.crc32))
    columns = [SIGNATURE.unpack(hashlib.shake_128(w).digest(SIGNATURE.size)) for w in words]
    return SIGNATURE.pack(*map(min, zip(*columns, strict=True)))


def frame(request: dict[str, Any], *others: Any) -> str:
    """A hash over what two requests must share to be alike at all.

    Values from closed sets (`type`, `role`, …), which objects are there, lists of objects (whose
    answers come one for each), and whatever else is given: the model, the text that is continued.
    `request` has its enums as such.
    """
    present = [key for key, value in request.items() if value is not None]
    return fingerprint(present, list(_closed("", request)), others)


def similarity(one: bytes, other: bytes) -> float:
    """The share of words that two requests have in common, estimated: 0 to 1."""
    pairs = zip(SIGNATURE.unpack(one), SIGNATURE.unpack(other), strict=True)
    equal: int = sum(a == b for a, b in pairs)
    return equal / MINIMA


def entry(content_id: str, framed: str, found: bytes) -> bytes:
    """An index entry: the answer's id, its request's frame and its signature."""
    return content_id.encode() + framed.encode() + found


def ranked(entries: Iterable[bytes], framed: str, wanted: bytes) -> list[tuple[float, str]]:
    """The index's answers by likeness, the nearest first; of other frames none."""
    found = []
    for item in entries:
        content_id, kept = item[:ID], item[ID + FRAME :]
        if item[ID : ID + FRAME] == framed.encode() and len(kept) == SIGNATURE.size:
            found.append((similarity(kept, wanted), content_id.decode()))
    return sorted(found, reverse=True)


def index_call(user_id: str, operation: str, kept: bytes, ttl: float) -> Call:
    """What puts an entry into the user's index, to run beside other scripts."""
    key = index_key(user_id, operation)
    return Call(KEEP, [key, mark_key(key)], [kept, MAX_ENTRIES, max(1, round(ttl * 1000))])


class SimilarityIndex:
    """The users' indexes."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def nearest(
        self, user_id: str, operation: str, framed: str, wanted: bytes
    ) -> list[tuple[float, str]]:
        """The user's answers by likeness; none while Redis is away."""
        with contextlib.suppress(DependencyUnavailable):
            key = index_key(user_id, operation)
            return ranked(await self._redis.call("LRANGE", key, 0, -1), framed, wanted)
        return []


def _closed(field: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value from a closed set, by where it stands; a list of objects as a whole."""
    if isinstance(value, Enum):
        yield field, value.value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _closed(f"{field}.{key}", inner)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield field, fingerprint(value)
    elif isinstance(value, list):
        for inner in value:
            yield from _closed(field, inner)


def _words(field: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _words(f"{field}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(field, inner)
    elif isinstance(value, str):
        for word in set(WORD.findall(value.casefold())):
            yield f"{field}={word}"
    elif value is not None:
        yield f"{field}={value}"
