"""Tokens are read strictly: what another library would read in another way is refused."""

from __future__ import annotations

from typing import Any

import pytest

from app.errors import Unauthenticated
from app.policies.auth import Authenticator, bearer, key_source
from tests.support.issuer import NOW, SECRET, Clock, filled, forged, token


def hs256(**options: Any) -> Authenticator:
    return Authenticator(key_source(secrets=[SECRET]), now=Clock(), **options)


async def reason(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await authenticator.verify(token)
    return refused.value.reason


HEADERS: dict[str, tuple[object, str]] = {
    "a key twice": (b'{"alg": "none", "alg": "HS256"}', "malformed"),
    "byte-order mark": (b'\xef\xbb\xbf{"alg": "HS256"}', "malformed"),
    "UTF-16": ('{"alg": "HS256"}'.encode("utf-16"), "malformed"),
    "type of a wrong type": ({"alg": "HS256", "typ": 5}, "invalid"),
    "null type": ({"alg": "HS256", "typ": None}, "invalid"),
    **{
        kind: ({"alg": "HS256", "typ": kind}, "invalid")
        for kind in (
            *("logout+jwt", "dpop+jwt", "secevent+jwt", "rt+jwt", "JWE", "JWS", "", "JWT "),
            *("application/logout+jwt", "application/application/jwt", "ID", "oauth-authz-req+jwt"),
        )
    },
}


@pytest.mark.parametrize(("header", "why"), HEADERS.values(), ids=HEADERS)
async def test_bad_headers(header: object, why: str) -> None:
    assert await reason(hs256(), forged(header, filled({}))) == why


CLAIMS = {
    "a claim twice": b'{"sub": "eve", "sub": "ada", "exp": 9999999999}',
    "byte-order mark": b'\xef\xbb\xbf{"sub": "ada", "exp": 9999999999}',
    "UTF-16": '{"sub": "ada", "exp": 9999999999}'.encode("utf-16"),
    "UTF-32": '{"sub": "ada", "exp": 9999999999}'.encode("utf-32-le"),
}


@pytest.mark.parametrize("claims", CLAIMS.values(), ids=CLAIMS)
async def test_bad_claims(claims: bytes) -> None:
    assert await reason(hs256(), forged({"alg": "HS256"}, claims)) == "malformed"


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_an_access_token_may_say_that_it_is_one(kind: str) -> None:
    good = forged({"alg": "HS256", "typ": kind}, filled({}))
    assert (await hs256().verify(good)).id == "ada"


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_no_part_is_padded(at: int) -> None:
    parts = token().split(".")
    parts[at] += "=" * (-len(parts[at]) % 4 or 4)
    assert await reason(hs256(), ".".join(parts)) == "malformed"


async def test_a_signature_is_written_in_one_way() -> None:
    """Its last letter has bits to spare: with them set, many texts would be the same token."""
    good = token()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = good[:-1] + alphabet[alphabet.index(good[-1]) ^ 1]
    assert await reason(hs256(), other) == "malformed"


@pytest.mark.parametrize("space", [" ", "\n", "\t", "\r\n"])
async def test_no_space_stands_in_or_around_a_token(space: str) -> None:
    for changed in (token() + space, space + token(), token().replace(".", f".{space}")):
        assert await reason(hs256(), changed) == "malformed"


async def test_a_life_is_bounded_where_that_is_set() -> None:
    bounded = hs256(lifetime=3600)
    assert (await bounded.verify(token(iat=NOW, exp=NOW + 3600))).id == "ada"
    for claims in ({"exp": NOW + 3601}, {"iat": NOW - 10, "exp": NOW + 3591}, {"iat": ...}):
        assert await reason(bounded, token(**{"iat": NOW, "exp": NOW + 60, **claims})) == "invalid"
    assert (await hs256().verify(token(iat=..., exp=NOW + 10**8))).id == "ada"


NO_SPACES = "\t\n\v\f\r\x1c\x1f\x85\xa0\u2003\u3000"


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER  abc ", "\tBearer abc"])
def test_the_bearer_header_holds_the_token(header: str) -> None:
    assert bearer(header) == "abc"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (None, "missing"),
        ("", "missing"),
        (" ", "missing"),
        ("Bearer", "malformed"),
        ("Bearer ", "malformed"),
        ("Bearer a b", "malformed"),
        ("Basic abc", "malformed"),
        ("abc", "malformed"),
        ("Bearerabc", "malformed"),
        *((f"Bearer{space}abc", "malformed") for space in NO_SPACES),
        ("Bearer abc, Bearer abc", "malformed"),
        ("Bearer abc,Bearer abc", "malformed"),
    ],
)
def test_other_headers_are_refused(header: str | None, why: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        bearer(header)
    assert refused.value.reason == why
