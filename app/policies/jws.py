"""JWS in its compact form (RFC 7515), read strictly: what one reader takes another must take too.

A proxy or an audit in front may read the same token by another library; where it is lenient in one
way and this in another, the two see different callers.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any

from app.errors import Unauthenticated

COMPACT = re.compile(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*")
TYPES = ("jwt", "at+jwt", "application/jwt", "application/at+jwt")  # RFC 7519, 5.1; RFC 9068, 2.1
OF_ANOTHER_KIND = "The token is of another kind: its `typ` may be JWT or at+jwt"
CRITICAL = "The token demands in `crit` what is not known here"


def header(token: str) -> dict[str, Any]:
    """The token's header, which nothing has proved yet. Raises `Unauthenticated`."""
    if COMPACT.fullmatch(token) is None:
        raise Unauthenticated("malformed")
    parts = token.split(".")
    found = json_object(_decoded(parts[0]))
    for part in parts[1:]:
        _decoded(part)
    _check_kind(found)
    return found


def json_object(raw: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8, without a byte-order mark and each key once (RFC 7519, section 4)."""
    try:
        found = json.loads(raw.decode(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError):
        raise Unauthenticated("malformed") from None
    if not isinstance(found, dict):
        raise Unauthenticated("malformed")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _decoded(part: str) -> bytes:
    """Base64url without padding, written in the one way that its bytes have."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise Unauthenticated("malformed") from None
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != part:
        raise Unauthenticated("malformed")
    return raw


def _check_kind(found: dict[str, Any]) -> None:
    if "crit" in found:  # nothing that could stand there is understood (RFC 7515, section 4.1.11)
        raise Unauthenticated("invalid", CRITICAL)
    kind = found.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise Unauthenticated("invalid", OF_ANOTHER_KIND)
    if not isinstance(found.get("kid"), str | None):
        raise Unauthenticated("invalid")
