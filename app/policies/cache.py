"""The response cache: keys that always contain the user, values that say what they are.

A key holds the answer and when it was stored; beside it a set of all keys that lead to the answer.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from datetime import datetime
from importlib import resources
from typing import Any

import orjson

from app.redis.client import Call, Script, user_slot

VERSION = b"1"  # of the values; another version's are a miss
SQUEEZE = 1_024  # bytes from which compressing pays: below it the value grows or stays
LARGEST = 256 * 1024  # bytes of a value; a longer answer is not kept
STAMP = 13  # digits of the milliseconds at which a value was stored; Lua reads them
FORGET = Script(resources.files("app.policies").joinpath("forget.lua").read_text())
_random = random.Random()


def fingerprint(*parts: Any) -> str:
    """A hash over everything that makes two requests the same one."""
    return hashlib.blake2b(
        orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16
    ).hexdigest()


def cache_key(user_id: str, found: str) -> str:
    return f"{user_slot(user_id)}:cache:{found}"


def leads_to(slot: str, body: dict[str, Any]) -> str:
    """The set of the keys that lead to an answer, for when it is deleted."""
    return _leads_to(slot, body["content_id"])


def _leads_to(slot: str, content_id: str) -> str:
    return f"{slot}:made:{content_id}"


def forgetting(user_id: str, content_id: str, *indexes: str) -> Call:
    """What takes an answer out of the cache, the idempotency keys and these indexes, at once."""
    return Call(FORGET, [_leads_to(user_slot(user_id), content_id), *indexes], [content_id])


def lifetime(ttl: float) -> float:
    """Seconds, up to a tenth less than asked: what was stored together ends apart."""
    return ttl * _random.uniform(0.9, 1.0)


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
