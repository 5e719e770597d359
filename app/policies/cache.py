"""The response cache: keys that always contain the user, values that say what they are."""

from __future__ import annotations

import hashlib
import random
import zlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson

from app.redis import user_slot

VERSION = b"1"  # of the values; another version's are a miss
SQUEEZE = 1_024  # bytes from which compressing pays: below it the value grows or stays
LARGEST = 256 * 1024  # bytes of a value; a longer answer is not kept
STAMP = 13  # digits of the milliseconds at which a value was stored; Lua reads them
_random = random.Random()


class CacheUse(StrEnum):
    """What a request wants of the cache."""

    USE = "use"
    REFRESH = "refresh"
    BYPASS = "bypass"


class CacheStatus(StrEnum):
    """What the cache did for a request."""

    HIT = "hit"
    MISS = "miss"
    COALESCED = "coalesced"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True)
class Wish:
    """How a request wants to be answered; None leaves it to the operation.

    max_age: seconds that a cached answer may be old. similar: from which likeness (0 to 1) an
    earlier answer to another request will do; None: never. degrade: whether a simpler model than
    the one asked for will do. stay: whether the answer is made to its end when its caller leaves.
    """

    cache: CacheUse | None = None
    max_age: float | None = None
    similar: float | None = None
    idempotency_key: str | None = None
    degrade: bool = True
    stay: bool = True


def fingerprint(*parts: Any) -> str:
    """A hash over everything that makes two requests the same one."""
    return hashlib.blake2b(
        orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16
    ).hexdigest()


def cache_key(user_id: str, found: str) -> str:
    return f"{user_slot(user_id)}:cache:{found}"


def lifetime(ttl: float) -> int:
    """Milliseconds, up to a tenth less than asked: what was stored together ends apart."""
    return max(1, round(ttl * 1000 * _random.uniform(0.9, 1.0)))


def pack(body: dict[str, Any], at: float) -> bytes | None:
    """An answer as a value; None when it is too large to be kept. `at` is in Unix seconds."""
    data = orjson.dumps(body)
    kind = b"r"
    if len(data) >= SQUEEZE:
        data, kind = zlib.compress(data, 1), b"z"
    if len(data) > LARGEST:
        return None
    return b"%013d" % round(at * 1000) + VERSION + kind + data


def unpack(value: bytes) -> tuple[dict[str, Any], float] | None:
    """An answer and when it was stored; None for what is damaged or of another version."""
    stamp, version, kind = value[:STAMP], value[STAMP : STAMP + 1], value[STAMP + 1 : STAMP + 2]
    if version != VERSION or not stamp.isdigit():
        return None
    try:
        data = value[STAMP + 2 :]
        if kind == b"z":
            inflate = zlib.decompressobj()
            data = inflate.decompress(data, 16 * LARGEST)
            if not inflate.eof:
                return None
        body = orjson.loads(data)
    except (zlib.error, orjson.JSONDecodeError):
        return None
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return None
    return body, int(stamp) / 1000


def age(body: dict[str, Any], now: float) -> float:
    """Seconds since an answer was made; `now` is in Unix seconds."""
    made = datetime.fromisoformat(body["metadata"]["created_at"])
    return max(0.0, now - made.timestamp())
