"""Who a token's bearer is: every kind of good token, and the reason for every kind of bad one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Unauthenticated
from app.policies.auth import MAX_TOKEN_LENGTH, Authenticator, key_source
from app.policies.claims import MAX_DATE
from tests.support.issuer import (
    NOW,
    PUBLIC_ALGORITHMS,
    SECRET,
    Clock,
    filled,
    forged,
    pair,
    part,
    token,
)

OTHER = "another secret of at least thirty-two bytes"


def hs256(clock: Clock | None = None, **options: Any) -> Authenticator:
    return Authenticator(key_source(secrets=[SECRET]), now=clock or Clock(), **options)


def public(algorithm: str) -> Authenticator:
    return Authenticator(key_source(public_keys=[pair(algorithm).public_pem]), now=Clock())


async def reason(authenticator: Authenticator, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await authenticator.verify(token)
    assert refused.value.__cause__ is None
    return refused.value.reason


async def test_a_token_says_who_may_do_what_until_when() -> None:
    caller = await hs256().verify(
        token(
            permissions=["text:generate", "gateway:admin"],
            scope="content:read unknown:thing",
            scopes=["theme:*"],
            tier="pro",
            jti="token-1",
        )
    )
    assert caller.id == "ada"
    assert caller.permissions == {
        "text:generate",
        "gateway:admin",
        "content:read",
        "theme:analyze",
    }
    assert (caller.tier, caller.token_id, caller.expires_at) == ("pro", "token-1", NOW + 3600)


async def test_a_bare_token_may_do_nothing_at_the_standard_tier() -> None:
    caller = await hs256().verify(token())
    assert (caller.permissions, caller.tier, caller.token_id) == (frozenset(), "standard", None)


@pytest.mark.parametrize("algorithm", PUBLIC_ALGORITHMS)
async def test_public_keys_verify_tokens_of_their_kind(algorithm: str) -> None:
    assert (await public(algorithm).verify(pair(algorithm).token())).id == "ada"


@pytest.mark.parametrize("algorithm", PUBLIC_ALGORITHMS)
async def test_another_key_of_the_same_kind_is_refused(algorithm: str) -> None:
    assert await reason(public(algorithm), pair(algorithm, 1).token()) == "invalid"


@pytest.mark.parametrize("algorithm", PUBLIC_ALGORITHMS)
@pytest.mark.parametrize("other", ["HS256", *PUBLIC_ALGORITHMS])
async def test_a_key_of_one_kind_takes_no_token_that_names_another(
    algorithm: str, other: str
) -> None:
    if algorithm != other:
        signed = pair(algorithm).token().split(".")
        renamed = ".".join([part({"alg": other}), *signed[1:]])
        assert await reason(public(algorithm), renamed) == "invalid"


@pytest.mark.parametrize("algorithm", PUBLIC_ALGORITHMS)
async def test_the_public_key_is_no_shared_secret(algorithm: str) -> None:
    pem = pair(algorithm).public_pem
    for text in (pem, pem.strip()):
        assert await reason(public(algorithm), token(secret=text)) == "invalid"


async def test_several_secrets_and_keys_serve_while_they_are_rotated() -> None:
    both = Authenticator(key_source(secrets=[OTHER, SECRET]), now=Clock())
    assert (await both.verify(token())).id == (await both.verify(token(secret=OTHER))).id == "ada"
    pairs = [pair("RS256"), pair("RS256", 1), pair("EdDSA")]
    keys = Authenticator(key_source(public_keys=[p.public_pem for p in pairs]), now=Clock())
    for each in pairs:
        assert (await keys.verify(each.token(headers={"kid": "any"}))).id == "ada"
    assert await reason(keys, pair("ES256").token()) == "invalid"


@pytest.mark.parametrize("claims", [{"type": "access"}, {"type": "api_key", "scopes": ["*:*"]}])
async def test_access_tokens_and_api_keys_are_taken(claims: dict[str, Any]) -> None:
    assert (await hs256().verify(token(**claims))).id == "ada"


HEADERS: dict[str, tuple[object, str]] = {
    "none": ({"alg": "none"}, "invalid"),
    "None": ({"alg": "nOnE"}, "invalid"),
    "stronger": ({"alg": "HS512"}, "invalid"),
    "no algorithm": ({"typ": "JWT"}, "invalid"),
    "algorithm of a wrong type": ({"alg": ["HS256"]}, "invalid"),
    "kid of a wrong type": ({"alg": "HS256", "kid": 5}, "invalid"),
    "unknown critical header": ({"alg": "HS256", "crit": ["exp"], "exp": 1}, "invalid"),
    "detached payload": ({"alg": "HS256", "b64": False, "crit": ["b64"]}, "invalid"),
    "no object": (["alg", "HS256"], "malformed"),
    "no JSON": (b"alg: HS256", "malformed"),
    "no UTF-8": (b'{"alg": "\xff"}', "malformed"),
    "too deep": (b"[" * 9000, "malformed"),
}


@pytest.mark.parametrize(("header", "why"), HEADERS.values(), ids=HEADERS)
async def test_bad_headers(header: object, why: str) -> None:
    assert await reason(hs256(), forged(header, filled({}))) == why


async def test_a_tokens_own_key_and_key_url_are_not_used() -> None:
    mine, thief = pair("RS256"), pair("RS256", 1)
    for name, value in {"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"}.items():
        assert await reason(public("RS256"), thief.token(headers={name: value})) == "invalid"
        assert (await public("RS256").verify(mine.token(headers={name: value}))).id == "ada"
    assert await reason(public("RS256"), thief.token(headers={"jwk": thief.jwk()})) == "invalid"


CLAIMS: dict[str, tuple[dict[str, object], str]] = {
    "no sub": ({"sub": ...}, "invalid"),
    "null sub": ({"sub": None}, "invalid"),
    "empty sub": ({"sub": ""}, "invalid"),
    "blank sub": ({"sub": "  "}, "invalid"),
    "long sub": ({"sub": "a" * 256}, "invalid"),
    "number as sub": ({"sub": 5}, "invalid"),
    "sub with NUL": ({"sub": "a\0b"}, "invalid"),
    "sub with half a character": ({"sub": "\ud800"}, "invalid"),
    "jti of a wrong type": ({"jti": {"a": 1}}, "invalid"),
    "no exp": ({"exp": ...}, "invalid"),
    "null exp": ({"exp": None}, "invalid"),
    "text as exp": ({"exp": "x"}, "invalid"),
    "digits as exp": ({"exp": str(NOW + 60)}, "invalid"),
    "truth as exp": ({"exp": True}, "invalid"),
    "NaN as exp": ({"exp": math.nan}, "invalid"),
    "infinite exp": ({"exp": math.inf}, "invalid"),
    "huge exp": ({"exp": 10**400}, "invalid"),
    "exp that no calendar has": ({"exp": MAX_DATE + 1}, "invalid"),
    "list as nbf": ({"nbf": [1]}, "invalid"),
    "object as iat": ({"iat": {}}, "invalid"),
    "expired": ({"exp": NOW - 60}, "expired"),
    "before time": ({"nbf": NOW + 60}, "not_yet_valid"),
    "issued tomorrow": ({"iat": NOW + 86400}, "not_yet_valid"),
    "refresh token": ({"type": "refresh"}, "invalid"),
    "null type": ({"type": None}, "invalid"),
    "list as type": ({"type": ["access"]}, "invalid"),
    "number as permissions": ({"permissions": 5}, "invalid"),
    "text as permissions": ({"permissions": "text:generate"}, "invalid"),
    "nested permissions": ({"permissions": [["text:generate"]]}, "invalid"),
    "object as scopes": ({"scopes": {"text:generate": True}}, "invalid"),
    "list as scope": ({"scope": ["text:generate"]}, "invalid"),
}


@pytest.mark.parametrize(("claims", "why"), CLAIMS.values(), ids=CLAIMS)
async def test_bad_claims(claims: dict[str, Any], why: str) -> None:
    assert await reason(hs256(), token(**claims)) == why


@pytest.mark.parametrize("payload", [b"", b"x", b"[]", b"5", b'{"exp": 1' + b"0" * 5000 + b"}"])
async def test_a_signed_payload_that_is_no_object(payload: bytes) -> None:
    assert await reason(hs256(), forged({"alg": "HS256"}, payload)) == "malformed"


@pytest.mark.parametrize("tier", [None, 5, ["pro"], {"a": "b"}])
async def test_a_tier_that_is_no_name_is_the_standard_one(tier: object) -> None:
    assert (await hs256().verify(token(tier=tier))).tier == "standard"


@pytest.mark.parametrize(
    "garbage",
    ["", ".", "..", "x", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "\ud800", "!!.e30.e30", "e30" * 9000],
)
async def test_what_is_no_token_at_all(garbage: str) -> None:
    assert await reason(hs256(), garbage) == "malformed"


async def test_only_so_long_a_token_is_read() -> None:
    room = MAX_TOKEN_LENGTH * 3 // 4 - 200
    assert (await hs256().verify(token(note="a" * room))).id == "ada"
    assert await reason(hs256(), token(note="a" * (room + 200))) == "malformed"


async def test_a_changed_token_is_refused() -> None:
    header, payload, signature = token().split(".")
    other = part(filled({"sub": "eve"}))
    assert await reason(hs256(), f"{header}.{other}.{signature}") == "invalid"
    assert await reason(hs256(), f"{header}.{payload}.{part(b'0' * 32)}") == "invalid"
    assert await reason(hs256(), f"{header}.{payload}.") == "invalid"
    assert await reason(hs256(), token(secret=OTHER)) == "invalid"


async def test_clocks_may_differ_by_the_leeway_and_no_more() -> None:
    assert (await hs256().verify(token(exp=NOW - 9.9))).id == "ada"
    assert await reason(hs256(), token(exp=NOW - 10)) == "expired"
    assert (await hs256().verify(token(nbf=NOW + 10, iat=NOW + 10))).id == "ada"
    assert await reason(hs256(), token(nbf=NOW + 10.1)) == "not_yet_valid"
    assert await reason(hs256(), token(iat=NOW + 10.1)) == "not_yet_valid"


@pytest.mark.parametrize("iss", [..., None, "", "someone", 5, ["auth"]])
async def test_the_issuer_is_checked_when_configured(iss: object) -> None:
    checked = hs256(issuer="auth")
    assert await reason(checked, token(iss=iss)) == "wrong_issuer"
    assert (await checked.verify(token(iss="auth"))).id == "ada"
    assert (await hs256().verify(token(iss=iss))).id == "ada"


@pytest.mark.parametrize(
    "aud", [..., None, "", "someone", 5, {"lore": 1}, [], ["a", 5], [["lore"]]]
)
async def test_the_audience_is_checked_when_configured(aud: object) -> None:
    checked = hs256(audience="lore")
    assert await reason(checked, token(aud=aud)) == "wrong_audience"
    for good in ("lore", ["other", "lore"]):
        assert (await checked.verify(token(aud=good))).id == "ada"
    assert (await hs256().verify(token(aud=aud))).id == "ada"


class CountingKeys:
    """A key source that counts how often it is asked, and may drop its keys."""

    def __init__(self) -> None:
        self._keys = key_source(secrets=[SECRET])
        self.algorithms = self._keys.algorithms
        self.asked, self.dropped, self.closed = 0, False, False

    async def fitting(self, algorithm: str, kid: str | None) -> Any:
        self.asked += 1
        return [] if self.dropped else await self._keys.fitting(algorithm, kid)

    def holds(self, key: Any) -> bool:
        return not self.dropped

    async def close(self) -> None:
        self.closed = True


async def test_a_verified_token_is_remembered_until_it_expires() -> None:
    keys, clock = CountingKeys(), Clock()
    authenticator, mine = Authenticator(keys, now=clock), token(exp=NOW + 60)
    first = await authenticator.verify(mine)
    assert await authenticator.verify(mine) == first
    assert keys.asked == 1
    clock.at = NOW + 69.9
    assert await authenticator.verify(mine) == first
    assert keys.asked == 1
    clock.at = NOW + 70
    assert await reason(authenticator, mine) == "expired"


async def test_a_remembered_token_is_forgotten_with_its_key() -> None:
    keys = CountingKeys()
    authenticator, mine = Authenticator(keys, now=Clock()), token()
    await authenticator.verify(mine)
    keys.dropped = True
    assert await reason(authenticator, mine) == "invalid"


async def test_the_token_used_longest_ago_is_forgotten_first() -> None:
    keys = CountingKeys()
    authenticator = Authenticator(keys, now=Clock(), remembered=2)
    for name in ("a", "b", "a", "c", "a"):
        await authenticator.verify(token(sub=name))
    assert keys.asked == 3
    await authenticator.verify(token(sub="b"))
    assert keys.asked == 4


async def test_a_bad_token_is_not_remembered() -> None:
    authenticator = hs256()
    for _ in range(2):
        assert await reason(authenticator, token(type="refresh")) == "invalid"


async def test_closing_closes_the_source() -> None:
    keys = CountingKeys()
    await Authenticator(keys).close()
    assert keys.closed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMES = ("nbf", "iat", "iss", "aud", "type", "jti", "tier")
CLAIM_SETS = st.fixed_dictionaries(
    {"sub": st.just("ada") | JSON, "exp": st.just(NOW + 60) | JSON},
    optional=dict.fromkeys((*NAMES, "permissions", "scope", "scopes"), JSON),
)
HEADER_SETS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["HS256", "RS256", "none"]) | JSON},
    optional=dict.fromkeys(("kid", "crit", "b64", "jwk", "jku", "typ"), JSON),
)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"))
async def test_no_text_does_worse_than_being_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await hs256().verify(text)


@given(JSON | HEADER_SETS, JSON | CLAIM_SETS)
async def test_no_json_does_worse_than_being_refused(header: object, claims: object) -> None:
    for authenticator in (hs256(issuer="auth", audience="lore"), hs256(), public("RS256")):
        try:
            caller = await authenticator.verify(forged(header, claims))
        except Unauthenticated:
            continue
        assert caller.id.encode()
        assert caller.expires_at > NOW - 10
