"""Keys from settings: what is taken, what is refused in one clear line, and what signs."""

from __future__ import annotations

import base64
import re
import secrets
import string
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from app.errors import SettingsError
from app.policies.auth import Authenticator, key_source
from app.policies.keys import sign
from tests.support.issuer import NOW, PUBLIC_ALGORITHMS, SECRET, Clock, KeyPair, filled, pair

WEAK = {
    "small RSA": KeyPair("RS256", rsa.generate_private_key(65537, 1024)),
    "another curve": KeyPair("ES256", ec.generate_private_key(ec.SECP384R1())),
    "Ed448": KeyPair("EdDSA", ed448.Ed448PrivateKey.generate()),
}


def refusal(call: Any, *args: Any, **options: Any) -> str:
    """The error's message, once it is proved that no trace of it shows key material."""
    with pytest.raises(SettingsError) as refused:
        call(*args, **options)
    shown = "".join(traceback.format_exception(refused.value))
    assert "-----BEGIN" not in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "During handling" not in shown
    return str(refused.value)


@pytest.mark.parametrize("algorithm", PUBLIC_ALGORITHMS)
async def test_a_token_signed_with_a_private_key_is_verified_by_its_public_one(
    algorithm: str, tmp_path: Path
) -> None:
    keys = pair(algorithm)
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_text(keys.private_pem)
    public.write_text(keys.public_pem)
    for given, shown in ((keys.private_pem, keys.public_pem), (str(private), str(public))):
        token = sign(filled({}), private_key=given)
        source = key_source(public_keys=[shown], algorithms=[algorithm])
        assert (await Authenticator(source, now=Clock()).verify(token)).id == "ada"


async def test_a_token_signed_with_a_secret_is_verified_by_it() -> None:
    token = sign(filled({"exp": NOW + 60}), secret=SECRET, algorithm="HS256")
    assert (
        await Authenticator(key_source(secrets=[SECRET]), now=Clock()).verify(token)
    ).id == "ada"


async def test_pem_text_may_stand_on_one_line_with_written_line_ends() -> None:
    keys = pair("ES256")
    source = key_source(public_keys=[keys.public_pem.replace("\n", "\\n")])
    token = sign(filled({}), private_key=keys.private_pem.replace("\n", "\\n"))
    assert (await Authenticator(source, now=Clock()).verify(token)).id == "ada"


def test_a_secret_of_32_bytes_is_long_enough_and_31_are_not() -> None:
    good = "8f14e45fceea167a5a36dedd4bea2543"
    assert key_source(secrets=[good]).algorithms == {"HS256"}
    said = refusal(key_source, secrets=[good, good[:31]])
    assert "LOREGATE_JWT_SECRET has 31 bytes" in said


WEAK_SECRETS = {
    "one character": "a" * 40,
    "few characters": "abababacabadabae" * 2 + "aabbccdd",
    "a word again and again": "secretsecretsecretsecretsecretsecret",
    "in part at its end": "p4$Sw0rdXyZ!" * 3 + "p4$Sw",
    "the alphabet": "abcdefghijklmnopqrstuvwxyz0123456789",
    "the keyboard": "qwertyuiopasdfghjklzxcvbnm1234567890",
    "of an example": "your-256-bit-secret-your-256-bit-secret",
    "of jwt.io": "a-string-secret-at-least-256-bits-long",
    "to be changed": "changeme-changeme-please-changeme-now",
    "of a tutorial": "super-secret-jwt-key-change-in-production",
    "of another": "THIS_IS_MY_SUPER_SECRET_KEY_FOR_JWT_2024",
    "of a compose file": "please-replace-me-with-a-long-random-string",
}


@pytest.mark.parametrize("secret", WEAK_SECRETS.values(), ids=WEAK_SECRETS)
def test_a_secret_that_is_guessed_easily_is_refused_and_how_to_make_one_is_told(
    secret: str,
) -> None:
    said = refusal(key_source, secrets=[secret])
    assert said.startswith("LOREGATE_JWT_SECRET ")
    assert "openssl rand" in said
    assert secret not in said
    assert secret not in refusal(sign, {}, secret=secret)


def test_no_secret_that_was_drawn_is_taken_for_a_weak_one() -> None:
    draws: tuple[Callable[[], str], ...] = (
        lambda: secrets.token_hex(16),
        lambda: secrets.token_urlsafe(32),
        lambda: base64.b64encode(secrets.token_bytes(48)).decode(),
        lambda: "".join(secrets.choice(string.digits + string.ascii_letters) for _ in range(32)),
        lambda: str(uuid.uuid4()),
    )
    for draw in draws:
        for _ in range(2_000):
            assert key_source(secrets=[drawn := draw()]), drawn


@pytest.mark.parametrize("algorithm", PUBLIC_ALGORITHMS)
def test_a_public_key_is_refused_as_a_shared_secret(algorithm: str) -> None:
    said = refusal(key_source, secrets=[pair(algorithm).public_pem])
    assert said.startswith("LOREGATE_JWT_SECRET")


@pytest.mark.parametrize("keys", WEAK.values(), ids=WEAK)
def test_keys_of_other_kinds_are_refused(keys: KeyPair) -> None:
    kinds = "RSA of 2048 bits or more, EC P-256, or Ed25519"
    assert kinds in refusal(key_source, public_keys=[keys.public_pem])
    assert kinds in refusal(sign, {}, private_key=keys.private_pem)


def test_a_public_key_that_cannot_be_read_is_named_by_its_path(tmp_path: Path) -> None:
    absent, broken = tmp_path / "absent.pem", tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n")
    for path in (absent, broken, tmp_path):
        said = refusal(key_source, public_keys=[pair("EdDSA").public_pem, str(path)])
        assert said.startswith(f"LOREGATE_JWT_PUBLIC_KEY: {path} ")
    said = refusal(key_source, public_keys=[broken.read_text()])
    assert said.startswith("LOREGATE_JWT_PUBLIC_KEY: its PEM text is not a public key")
    assert "LOREGATE_JWT_PUBLIC_KEY" in refusal(key_source, public_keys=["a\0b"])


def test_a_private_key_is_never_shown(tmp_path: Path) -> None:
    keys = pair("EdDSA")
    body = keys.private_pem.splitlines()[1]  # without its PEM lines it looks like a path
    assert body not in refusal(sign, {}, private_key=body)
    assert body not in refusal(sign, {}, private_key=keys.private_pem.replace(body, body[:-8]))
    assert body not in refusal(key_source, public_keys=[keys.private_pem])


def test_an_encrypted_private_key_is_told_as_such() -> None:
    locked = pair("ES256").private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    said = refusal(sign, {}, private_key=locked.decode())
    assert said.startswith("LOREGATE_JWT_PRIVATE_KEY is encrypted")


def test_signing_takes_one_key_and_its_own_algorithm() -> None:
    keys = pair("RS256")
    assert "not both" in refusal(sign, {})
    assert "not both" in refusal(sign, {}, secret=SECRET, private_key=keys.private_pem)
    for given in ({"secret": SECRET}, {"private_key": keys.private_pem}):
        assert "LOREGATE_JWT_ALGORITHMS is ES256" in refusal(sign, {}, algorithm="ES256", **given)


def test_exactly_one_kind_of_key_is_configured() -> None:
    assert "got nothing" in refusal(key_source)
    said = refusal(key_source, secrets=[SECRET], jwks_url="https://auth.example/jwks")
    assert re.search("got LOREGATE_JWT_SECRET and LOREGATE_JWT_JWKS_URL", said)


def test_the_allow_list_names_known_algorithms_and_leaves_no_key_out() -> None:
    for unknown in ("none", "HS512", "rs256"):
        said = refusal(key_source, secrets=[SECRET], algorithms=["HS256", unknown])
        assert f"LOREGATE_JWT_ALGORITHMS is {unknown!r}: it may be HS256, RS256" in said
    assert "leaves out HS256" in refusal(key_source, secrets=[SECRET], algorithms=["RS256"])
    both = [pair("RS256").public_pem, pair("EdDSA").public_pem]
    assert "leaves out EdDSA" in refusal(key_source, public_keys=both, algorithms=["RS256"])
    with_secrets = key_source(public_keys=both, algorithms=["HS256", "RS256", "EdDSA"])
    assert with_secrets.algorithms == {"RS256", "EdDSA"}


def test_no_key_shows_in_its_text() -> None:
    shown = repr(key_source(secrets=[SECRET])._keys)  # type: ignore[attr-defined]  # private: any
    assert "HS256" in shown
    assert SECRET not in shown
