"""Keys: what tokens are verified and signed with, each bound to the one algorithm of its kind."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import HMACAlgorithm, get_default_algorithms

from app.errors import SettingsError
from app.policies.weak_secrets import weakness

SECRET, PUBLIC, PRIVATE = (
    "LOREGATE_JWT_SECRET",
    "LOREGATE_JWT_PUBLIC_KEY",
    "LOREGATE_JWT_PRIVATE_KEY",
)
ALLOWED = "LOREGATE_JWT_ALGORITHMS"
ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
KINDS = "RSA of 2048 bits or more, EC P-256, or Ed25519"
MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: as long as the hash
ADVICE = "make one with `openssl rand -base64 48`"
MIN_RSA_BITS = 2048  # RFC 7518, section 3.3
MAX_PEM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Key:
    """One verification key. Two are equal when id, algorithm and material are."""

    jwk: jwt.PyJWK = field(compare=False, repr=False)
    algorithm: str
    id: str | None = None  # the `kid` it is published under
    thumbprint: bytes = field(default=b"", repr=False)  # SHA-256 of the material


class KeySource(Protocol):
    """Where verification keys come from. `algorithms` are those that any of them may use."""

    algorithms: frozenset[str]

    async def fitting(self, algorithm: str, kid: str | None) -> Sequence[Key]:
        """The few keys that may have signed such a token; none when it is surely not ours.

        Raises `DependencyUnavailable("keys")` when that cannot be known now.
        """
        ...

    def holds(self, key: Key) -> bool:
        """Whether the key is still in use."""
        ...

    async def close(self) -> None: ...


class FixedKeys:
    """Keys given once, in settings. They have no ids: every key of the algorithm is tried."""

    def __init__(self, keys: Sequence[Key]) -> None:
        self._keys = tuple(keys)
        self.algorithms = frozenset(key.algorithm for key in keys)

    async def fitting(self, algorithm: str, kid: str | None) -> Sequence[Key]:
        return [key for key in self._keys if key.algorithm == algorithm]

    def holds(self, key: Key) -> bool:
        return key in self._keys

    async def close(self) -> None:
        return None


def load_secrets(values: Iterable[str]) -> tuple[Key, ...]:
    """Shared secrets for HS256; `SettingsError` for one that is short, or no secret but a key."""
    return tuple(_secret(value) for value in values)


def load_public_keys(values: Iterable[str]) -> tuple[Key, ...]:
    """Public keys, each PEM text or the path of a PEM file; `SettingsError` says which is bad."""
    return tuple(_public(value) for value in values)


def check_allowed(algorithms: Collection[str], keys: Iterable[Key]) -> None:
    """Raise `SettingsError` when a key could never be used; no `algorithms` allows each key's."""
    for key in keys:
        if algorithms and key.algorithm not in algorithms:
            raise SettingsError(f"{ALLOWED} leaves out {key.algorithm}, which a given key is for")


def sign(
    claims: Mapping[str, Any],
    *,
    secret: str | None = None,
    private_key: str | None = None,
    algorithm: str | None = None,
) -> str:
    """A signed token: HS256 with `secret`, or as the kind of `private_key` (PEM or path) demands.

    Raises `SettingsError` unless exactly one of them is given, is good, and fits `algorithm`.
    """
    if (secret is None) == (private_key is None):
        raise SettingsError(f"Signing needs {SECRET} or {PRIVATE}, and not both")
    key: Any = None
    if private_key is not None:
        key, kind = _private(private_key)
    elif secret is not None:
        key, kind = _secret(secret).jwk, "HS256"
    if algorithm not in (None, kind):
        raise SettingsError(f"{ALLOWED} is {algorithm}, but the key to sign with is for {kind}")
    return jwt.encode(dict(claims), key, algorithm=kind)


def bind(public_key: object, kid: str | None = None) -> Key | None:
    """The key with the algorithm of its kind; None for a kind that is not accepted."""
    if not isinstance(public_key, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        return None
    algorithm = _algorithm(public_key)
    if algorithm is None:
        return None
    published = get_default_algorithms()[algorithm].to_jwk(public_key, as_dict=True)
    material = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    thumbprint = hashlib.sha256(material).digest()
    return Key(jwt.PyJWK(published, algorithm), algorithm, kid, thumbprint)


def _algorithm(key: RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey) -> str | None:
    if isinstance(key, RSAPublicKey):
        return "RS256" if key.key_size >= MIN_RSA_BITS else None
    if isinstance(key, EllipticCurvePublicKey):
        return "ES256" if isinstance(key.curve, SECP256R1) else None
    return "EdDSA"


def _secret(value: str) -> Key:
    material = value.encode()
    if len(material) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"{SECRET} has {len(material)} bytes; each secret needs {MIN_SECRET_BYTES} or more"
        )
    if (why := weakness(value)) is not None:
        raise SettingsError(f"{SECRET} {why}, so that it is guessed easily; {ADVICE}")
    try:
        HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(material)
    except jwt.InvalidKeyError:
        # Whoever has the public key could sign with it: the oldest attack on tokens.
        raise SettingsError(f"{SECRET} is a key pair's key; it goes to {PUBLIC}") from None
    published = HMACAlgorithm.to_jwk(material, as_dict=True)
    return Key(jwt.PyJWK(published, "HS256"), "HS256", None, hashlib.sha256(material).digest())


def _public(value: str) -> Key:
    pem = _pem(value, PUBLIC, shown=value)
    try:
        key = bind(load_pem_public_key(pem))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if key is None:
        what = "its PEM text" if pem_text(value) else value
        raise SettingsError(f"{PUBLIC}: {what} is not a public key ({KINDS})")
    return key


def _private(value: str) -> tuple[Any, str]:
    pem = _pem(value, PRIVATE, shown="the value")  # could be a key without its PEM lines
    try:
        private = load_pem_private_key(pem, password=None)
    except TypeError:
        raise SettingsError(
            f"{PRIVATE} is encrypted; it must be a key without a password"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(f"{PRIVATE} is not a PEM private key ({KINDS})") from None
    public = bind(private.public_key())
    if public is None:
        raise SettingsError(f"{PRIVATE} is of the wrong kind; it may be {KINDS}")
    return private, public.algorithm


def pem_text(value: str) -> bool:
    return "-----BEGIN" in value


def _pem(value: str, variable: str, *, shown: str) -> bytes:
    if pem_text(value):
        return value.replace("\\n", "\n").encode()  # how one-line settings write line ends
    try:
        with Path(value).open("rb") as file:
            return file.read(MAX_PEM_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a path"
        raise SettingsError(
            f"{variable}: {shown} is neither PEM text nor a readable file: {why}"
        ) from None
