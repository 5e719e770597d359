"""Caller: who asks, what they may do, and which tier they pay for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.errors import Forbidden
from app.operations import OPERATIONS

PERMISSIONS = (
    *dict.fromkeys(operation.permission for operation in OPERATIONS.values()),
    "content:read",
    "content:write",
    "events:subscribe",
    "events:read-all",
    "gateway:admin",
)
NEVER_BY_WILDCARD = frozenset({"events:read-all", "gateway:admin"})


def granted(claims: Iterable[str]) -> frozenset[str]:
    """The known permissions that a token's claims give: wildcards expanded on either side.

    `*:*`, `text:*` and `*:generate` are wildcards; none of them gives `events:read-all` or
    `gateway:admin`, which must stand there by name.
    """
    claims = set(claims)
    wild = [tuple(c.split(":", 1)) for c in claims if c.count(":") == 1 and "*" in c.split(":")]
    found = claims.intersection(PERMISSIONS)
    for permission in PERMISSIONS:
        resource, action = permission.split(":", 1)
        if permission not in NEVER_BY_WILDCARD and any(
            r in ("*", resource) and a in ("*", action) for r, a in wild
        ):
            found.add(permission)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified caller. `expires_at` is Unix seconds; `token_id` is the token's `jti`, if any."""

    id: str
    permissions: frozenset[str] = field(default_factory=frozenset)
    tier: str = "standard"
    expires_at: float = float("inf")
    token_id: str | None = None

    def may(self, permission: str) -> bool:
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise `Forbidden` unless the caller has this permission."""
        if permission not in self.permissions:
            raise Forbidden(permission)
