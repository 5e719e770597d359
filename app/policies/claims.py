"""Claims: what a token says about its bearer, once the signature has been proved (RFC 7519)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.caller import Caller, granted
from app.errors import Unauthenticated

LEEWAY = 10.0  # s that clocks may differ
MAX_DATE = 253_402_300_799  # the last second of year 9999; later dates cannot be written
MAX_NAME_LENGTH = 255  # characters of `sub` and `jti`
TYPES = ("access", "api_key")
TOO_LONG = "The token lives longer than is accepted here"
UNDATED = "The token does not say when it was issued (`iat`), by which its life is bounded here"


@dataclass(frozen=True, slots=True)
class Claims:
    """What claims must satisfy: `issuer` and `audience` are checked when they are given, and so is
    that a token lives for `lifetime` seconds at most, from when it says that it was issued.
    """

    issuer: str | None = None
    audience: str | None = None
    leeway: float = LEEWAY
    lifetime: float | None = None

    def read(self, claims: Mapping[str, Any], now: float) -> Caller:
        """The caller that the claims describe; `Unauthenticated` with the first fault's reason."""
        expires_at = _date(claims, "exp")
        if expires_at is None:
            raise Unauthenticated("invalid")
        self._check_dates(claims, expires_at, now)
        self._check_parties(claims)
        if claims.get("type", "access") not in TYPES:
            raise Unauthenticated("invalid")
        caller = _name(claims, "sub")
        if caller is None:
            raise Unauthenticated("invalid")
        tier = claims.get("tier")
        return Caller(
            id=caller,
            permissions=granted(_permissions(claims)),
            tier=tier if isinstance(tier, str) else "standard",
            expires_at=expires_at,
            token_id=_name(claims, "jti"),
        )

    def expired(self, expires_at: float, now: float) -> bool:
        return now >= expires_at + self.leeway

    def _check_dates(self, claims: Mapping[str, Any], expires_at: float, now: float) -> None:
        for name in ("iat", "nbf"):
            begins = _date(claims, name)
            if begins is not None and begins > now + self.leeway:
                raise Unauthenticated("not_yet_valid")
        if self.expired(expires_at, now):
            raise Unauthenticated("expired")
        if self.lifetime is not None:
            issued_at = _date(claims, "iat")
            if issued_at is None:
                raise Unauthenticated("invalid", UNDATED)
            if expires_at - issued_at > self.lifetime:
                raise Unauthenticated("invalid", TOO_LONG)

    def _check_parties(self, claims: Mapping[str, Any]) -> None:
        if self.issuer is not None and claims.get("iss") != self.issuer:
            raise Unauthenticated("wrong_issuer")
        meant = claims.get("aud")
        audiences = meant if isinstance(meant, list) else [meant]
        if self.audience is not None and self.audience not in audiences:
            raise Unauthenticated("wrong_audience")


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    """Unix seconds, or None when absent. NaN and infinity pass as JSON here, but not as dates."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated("invalid")
    if not -MAX_DATE <= value <= MAX_DATE:
        raise Unauthenticated("invalid")
    return float(value)


def _name(claims: Mapping[str, Any], name: str) -> str | None:
    """A name that is safe in keys, rows and headers: 1 to 255 printable characters."""
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_NAME_LENGTH:
        raise Unauthenticated("invalid")
    if not value.isprintable():  # NUL breaks rows, a lone surrogate cannot be encoded
        raise Unauthenticated("invalid")
    return value


def _permissions(claims: Mapping[str, Any]) -> set[str]:
    scope = claims.get("scope")
    if not isinstance(scope, str | None):
        raise Unauthenticated("invalid")
    found = set((scope or "").split())
    for name in ("permissions", "scopes"):
        listed = claims.get(name)
        if not isinstance(listed, list | None):
            raise Unauthenticated("invalid")
        if not all(isinstance(permission, str) for permission in listed or ()):
            raise Unauthenticated("invalid")
        found.update(listed or ())
    return found
