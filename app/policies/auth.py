"""Authenticator: proves who a token's bearer is, and remembers it while the token is good."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jwt

from app.caller import Caller
from app.errors import SettingsError, Unauthenticated
from app.policies import jwks, jws
from app.policies.claims import LEEWAY, Claims
from app.policies.jwks import PublishedKeys
from app.policies.keys import (
    ALGORITHMS,
    ALLOWED,
    PUBLIC,
    SECRET,
    FixedKeys,
    Key,
    KeySource,
    check_allowed,
    load_public_keys,
    load_secrets,
)

MAX_TOKEN_LENGTH = 16 * 1024  # characters; nothing longer is read
MAX_CACHED_TOKENS = 10_000  # tokens, about 10 MB

SIGNATURES = jwt.PyJWS(algorithms=list(ALGORITHMS))


class Authenticator:
    """Verifies tokens against `source`. What a token says of its own algorithm, key or key URL
    only ever narrows the choice among our keys.

    `now` is Unix seconds. Revocation is not read here: it may change while a token is remembered.
    """

    def __init__(
        self,
        source: KeySource,
        *,
        issuer: str | None = None,
        audience: str | None = None,
        leeway: float = LEEWAY,
        lifetime: float | None = None,
        now: Callable[[], float] = time.time,
        remembered: int = MAX_CACHED_TOKENS,
    ) -> None:
        self._source, self._now, self._most = source, now, remembered
        self._claims = Claims(issuer, audience, leeway, lifetime)
        self._known: OrderedDict[bytes, tuple[Caller, Key]] = OrderedDict()

    async def verify(self, token: str, *, trial: Callable[[], None] = lambda: None) -> Caller:
        """The token's bearer. Raises `Unauthenticated` with the reason, or
        `DependencyUnavailable("keys")` when the keys to judge it by cannot be had now.

        `trial` is called before a signature is checked, and may refuse by what it raises: a token
        that was verified before costs nothing more.
        """
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            raise Unauthenticated("malformed")
        digest = hashlib.sha256(token.encode()).digest()
        caller = self._recall(digest)
        if caller is None:
            trial()
            key, claims = await self._open(token)
            caller = self._claims.read(claims, self._now())
            self._remember(digest, caller, key)
        return caller

    async def close(self) -> None:
        await self._source.close()

    def _recall(self, digest: bytes) -> Caller | None:
        if digest not in self._known:
            return None
        caller, key = self._known[digest]
        if self._claims.expired(caller.expires_at, self._now()) or not self._source.holds(key):
            del self._known[digest]
            return None
        self._known.move_to_end(digest)
        return caller

    def _remember(self, digest: bytes, caller: Caller, key: Key) -> None:
        self._known[digest] = caller, key
        if len(self._known) > self._most:
            self._known.popitem(last=False)

    async def _open(self, token: str) -> tuple[Key, dict[str, Any]]:
        """The key that signed the token, and its claims."""
        header = jws.header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._source.algorithms:
            raise Unauthenticated("invalid")
        for key in await self._source.fitting(algorithm, kid):
            payload = _signed(token, key)
            if payload is not None:
                return key, jws.json_object(payload)
        raise Unauthenticated("invalid")


NO_SCHEME = "Write `Bearer ` before the token: `Authorization: Bearer <token>`"
NOTHING_AFTER = "A token must follow `Bearer`"
OTHER_SCHEME = "Only the scheme `Bearer` is known here: `Authorization: Bearer <token>`"


def bearer(header: str | None) -> str:
    """The token in an `Authorization` header (RFC 6750, section 2.1)."""
    words = [word for word in (header or "").strip(" \t").split(" ") if word]
    if not words:
        raise Unauthenticated("missing")
    if words[0].lower() != "bearer":
        raise Unauthenticated("malformed", NO_SCHEME if len(words) == 1 else OTHER_SCHEME)
    if len(words) != 2:
        raise Unauthenticated("malformed", NOTHING_AFTER if len(words) == 1 else None)
    return words[1]


def key_source(
    *,
    secrets: Sequence[str] = (),
    public_keys: Sequence[str] = (),
    jwks_url: str | None = None,
    algorithms: Collection[str] = (),
) -> KeySource:
    """The one configured kind of keys; without `algorithms` every one that fits the keys.

    Reads key files. Raises `SettingsError` naming the variable that is wrong or missing.
    """
    given = [name for name, value in _kinds(secrets, public_keys, jwks_url).items() if value]
    if len(given) != 1:
        what = " and ".join(given) or "nothing"
        raise SettingsError(f"Exactly one of {SECRET}, {PUBLIC}, {jwks.URL} is needed; got {what}")
    for unknown in set(algorithms) - set(ALGORITHMS):
        raise SettingsError(f"{ALLOWED} is {unknown!r}: it may be {', '.join(ALGORITHMS)}")
    if jwks_url:
        return PublishedKeys(jwks_url, algorithms=algorithms)
    keys = load_secrets(secrets) + load_public_keys(public_keys)
    check_allowed(algorithms, keys)
    return FixedKeys(keys)


def _kinds(
    secrets: Sequence[str], public_keys: Sequence[str], jwks_url: str | None
) -> dict[str, object]:
    return {SECRET: secrets, PUBLIC: public_keys, jwks.URL: jwks_url}


def _signed(token: str, key: Key) -> bytes | None:
    """The token's payload when this key signed it, else None."""
    try:
        read = SIGNATURES.decode_complete(token, key.jwk, algorithms=[key.algorithm])
    except jwt.InvalidSignatureError:
        return None
    except jwt.DecodeError:
        raise Unauthenticated("malformed") from None
    except jwt.PyJWTError:
        raise Unauthenticated("invalid") from None
    payload: bytes = read["payload"]
    return payload
