"""Who may call: the keys that tokens are verified by, and the token of this environment."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson

from app.doctor.finding import Case, Finding
from app.errors import DependencyUnavailable, GatewayError, SettingsError
from app.policies.auth import Authenticator, key_source
from app.policies.keys import KeySource
from app.settings import Settings

LEEWAY = 10.0  # s with which tokens are read
SOON = 300  # s of a token's life that are hardly worth beginning with


async def keys(case: Case) -> AsyncIterator[Finding]:
    found = case.settings
    kinds = [n for n in ("secret", "public_key", "jwks_url") if getattr(found, f"jwt_{n}")]
    if not kinds and not case.serve:
        made = (found.data_dir / "jwt-secret").exists()
        said = "made by `loregate dev`" if made else "`loregate dev` makes one at its first start"
        yield Finding("keys", "ok", f"development secret, {said}")
        return
    try:
        source = _source(found)
    except SettingsError as error:
        yield Finding("keys", "failure", str(error), "set exactly one kind of keys")
        return
    try:
        await source.fitting("RS256", None)
        yield Finding("keys", "ok", f"LOREGATE_JWT_{kinds[0].upper()}")
    except DependencyUnavailable:
        fix = "look at LOREGATE_JWT_JWKS_URL: whether it answers with a JWK set"
        yield Finding("keys", "failure", f"{found.jwt_jwks_url} gives no keys", fix)
    finally:
        await source.close()


def _source(settings: Settings) -> KeySource:
    """Raises `SettingsError` unless there is exactly one kind of keys, all of them good."""
    return key_source(
        secrets=[s.get_secret_value() for s in settings.jwt_secret],
        public_keys=settings.jwt_public_key,
        jwks_url=settings.jwt_jwks_url,
        algorithms=settings.jwt_algorithms,
    )


async def token(case: Case) -> AsyncIterator[Finding]:
    token = os.environ.get("LOREGATE_TOKEN", "").strip()
    if not token:
        return
    fix = "put a new one into LOREGATE_TOKEN; `loregate token` signs one"
    claims = _claims(token)
    if claims is None:
        yield Finding("token", "failure", "LOREGATE_TOKEN is no JWT", fix)
        return
    left = claims.get("exp", 0) - time.time()
    if left <= 0:
        yield Finding("token", "failure", f"LOREGATE_TOKEN ended {-left:.0f} s ago", fix)
    elif claims.get("iat", 0) > time.time() + LEEWAY:
        fix = "set this machine's clock, or that of whoever signed it"
        yield Finding("token", "failure", "LOREGATE_TOKEN was signed in the future", fix)
    elif left < SOON:
        yield Finding("token", "warning", f"LOREGATE_TOKEN ends in {left:.0f} s", fix)
    else:
        yield await _verified(case, token, left)


async def _verified(case: Case, token: str, left: float) -> Finding:
    said = f"LOREGATE_TOKEN is good for {left / 60:.0f} minutes"
    found = case.settings
    if not (found.jwt_secret or found.jwt_public_key or found.jwt_jwks_url):
        return Finding("token", "ok", said)
    checking = Authenticator(
        _source(found),
        issuer=found.jwt_issuer,
        audience=found.jwt_audience,
        lifetime=found.token_lifetime,
    )
    try:
        await checking.verify(token)
    except GatewayError as error:
        fix = "it must be signed by the keys, issuer and for the audience that are set here"
        return Finding("token", "warning", f"LOREGATE_TOKEN: {error.message}", fix)
    finally:
        await checking.close()
    return Finding("token", "ok", said)


def _claims(token: str) -> dict[str, Any] | None:
    """A token's claims, unverified; None where it is no JWT."""
    try:
        part = token.split(".")[1]
        found = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError):
        return None
    return found if isinstance(found, dict) else None
