"""`loregate token`: tokens that this gateway signs itself, to develop and operate with."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from pydantic import SecretStr

from app.caller import PERMISSIONS
from app.embedded.defaults import development_secret
from app.errors import SettingsError
from app.policies.keys import sign
from app.settings import Settings

DAY = 86_400  # s


def with_secret(settings: Settings) -> Settings:
    """Settings with a secret or a key to sign with: the development secret where none is set.

    Raises:
        SettingsError: there is nothing to sign with.
    """
    if settings.jwt_secret or settings.jwt_private_key:
        return settings
    if not (settings.data_dir / "jwt-secret").exists():
        raise SettingsError(
            "nothing to sign with: set LOREGATE_JWT_SECRET or LOREGATE_JWT_PRIVATE_KEY, "
            "or run `loregate dev` once, which makes a secret for development"
        )
    secret = SecretStr(development_secret(settings.data_dir))
    return settings.model_copy(update={"jwt_secret": (secret,)})


def developer(settings: Settings) -> Callable[[], str] | None:
    """Signs a developer's tokens: every permission, a day at most; None without a key to sign."""
    if not (settings.jwt_secret or settings.jwt_private_key):
        return None
    life = int(min(DAY, settings.token_lifetime or DAY))
    return partial(signed, settings, "developer", list(PERMISSIONS), "standard", life)


def signed(settings: Settings, sub: str, permissions: list[str], tier: str, ttl: int) -> str:
    """A token of this gateway's own."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "sub": sub,
        "iat": now,
        "exp": now + ttl,
        "type": "access",
        "permissions": permissions,
        "tier": tier,
    }
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    if settings.jwt_private_key:
        return sign(claims, private_key=settings.jwt_private_key.get_secret_value())
    return sign(claims, secret=settings.jwt_secret[0].get_secret_value())


def as_json(token: str) -> str:
    """A token and what it says, on one line."""
    payload = token.split(".")[1]
    claims = orjson.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return orjson.dumps({"token": token, "claims": claims}).decode()
