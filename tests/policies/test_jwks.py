"""Published keys: fetched once for all, renewed in time, kept through an outage."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from app.errors import DependencyUnavailable, SettingsError, Unauthenticated
from app.policies import jwks
from app.policies.auth import Authenticator, key_source
from app.policies.jwks import FRESH_TTL, MAX_BODY_BYTES, MIN_FETCH_INTERVAL, PublishedKeys
from tests.support.issuer import (
    NOW,
    PUBLIC_ALGORITHMS,
    Clock,
    KeyPair,
    KeyServer,
    pair,
    part,
    token,
)

ONE, TWO = pair("RS256"), pair("RS256", 1)
SOON = 20.0  # s until a test gives up waiting for what should take milliseconds


class Gate:
    """An Authenticator over a key server, and the two clocks that it goes by."""

    def __init__(self, url: str, **options: Any) -> None:
        self.clock = Clock(0.0)
        self.keys = PublishedKeys(url, clock=self.clock, **options)
        self.authenticator = Authenticator(self.keys, now=Clock(NOW))

    async def takes(self, token: str) -> bool:
        return (await self.authenticator.verify(token)).id == "ada"

    async def refuses(self, token: str) -> str:
        with pytest.raises(Unauthenticated) as refused:
            await self.authenticator.verify(token)
        return refused.value.reason

    async def cannot_tell(self, token: str) -> float:
        with pytest.raises(DependencyUnavailable) as refused:
            await self.authenticator.verify(token)
        assert refused.value.details == {"dependency": "keys"}
        assert refused.value.retry_after is not None
        return refused.value.retry_after

    async def fetched(self) -> None:
        """The fetch in the background has ended."""
        fetch = self.keys._fetch  # private: nobody waits for it, by design
        assert fetch is not None
        await fetch


@asynccontextmanager
async def gate(*keys: dict[str, Any], **options: Any) -> AsyncIterator[tuple[Gate, KeyServer]]:
    async with KeyServer(*keys) as server:
        gate = Gate(server.url, **options)
        yield gate, server
        server.open.set()
        await gate.authenticator.close()
    assert {task for task in asyncio.all_tasks() if task.get_name() == "jwks"} == set()


def signed(pair: KeyPair, kid: str | None, **claims: object) -> str:
    return pair.token(None if kid is None else {"kid": kid}, **claims)


async def test_keys_of_every_kind_are_fetched_once() -> None:
    published = [pair(algorithm).jwk(algorithm) for algorithm in PUBLIC_ALGORITHMS]
    async with gate(*published) as (it, server):
        for algorithm in PUBLIC_ALGORITHMS:
            assert await it.takes(signed(pair(algorithm), algorithm))
            assert await it.takes(signed(pair(algorithm), None))
        assert server.asked == 1


async def test_many_first_requests_share_one_fetch() -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        server.open.clear()
        asking = [asyncio.create_task(it.takes(signed(ONE, "one", n=n))) for n in range(50)]
        await server.arrived.wait()
        asking[0].cancel()  # who leaves does not end the fetch for the others
        server.open.set()
        answers = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(answers[0], asyncio.CancelledError)
        assert answers[1:] == [True] * 49
        assert server.asked == 1


async def test_a_new_key_is_fetched_when_its_id_first_comes() -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        assert await it.takes(signed(ONE, "one"))
        server.publish(ONE.jwk("one"), TWO.jwk("two"))
        it.clock.at = 10
        assert await it.cannot_tell(signed(TWO, "two")) == MIN_FETCH_INTERVAL - 10
        assert server.asked == 1
        it.clock.at = MIN_FETCH_INTERVAL
        assert await it.takes(signed(TWO, "two"))
        assert await it.takes(signed(ONE, "one", n=2))
        assert server.asked == 2


async def test_an_id_that_a_fresh_fetch_lacks_is_refused() -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        assert await it.takes(signed(ONE, "one"))
        it.clock.at = MIN_FETCH_INTERVAL
        assert await it.refuses(signed(TWO, "two")) == "invalid"
        assert await it.cannot_tell(signed(TWO, "three")) == MIN_FETCH_INTERVAL
        assert server.asked == 2


async def test_a_known_id_over_another_key_or_algorithm_is_refused_without_a_fetch() -> None:
    async with gate(ONE.jwk("one"), TWO.jwk("two")) as (it, server):
        assert await it.takes(signed(ONE, "one"))
        it.clock.at = MIN_FETCH_INTERVAL
        assert await it.refuses(signed(ONE, "two")) == "invalid"
        assert await it.refuses(signed(pair("ES256"), "one")) == "invalid"
        assert await it.refuses(signed(pair("RS256", 2), None)) == "invalid"
        assert server.asked == 1


async def test_tokens_of_other_algorithms_ask_for_no_keys() -> None:
    async with gate(ONE.jwk("one"), algorithms=["RS256"]) as (it, server):
        for other in (token(), signed(pair("ES256"), "one"), token(headers={"alg": "none"})):
            assert await it.refuses(other) == "invalid"
        assert server.asked == 0


@pytest.mark.parametrize("met", ["a remembered token", "a new token"])
async def test_keys_are_renewed_in_the_background_while_old_ones_serve(met: str) -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        mine = signed(ONE, "one")
        assert await it.takes(mine)
        it.clock.at = FRESH_TTL - 1
        assert await it.takes(mine)
        it.clock.at = FRESH_TTL
        server.open.clear()
        server.arrived.clear()
        assert await it.takes(mine if met == "a remembered token" else signed(ONE, "one", n=1))
        async with asyncio.timeout(SOON):
            await server.arrived.wait()
        assert await it.takes(signed(ONE, "one", n=2))
        server.open.set()
        await it.fetched()
        assert server.asked == 2


async def test_a_key_that_is_no_longer_published_takes_its_tokens_with_it() -> None:
    async with gate(ONE.jwk("one"), TWO.jwk("two")) as (it, server):
        mine = signed(ONE, "one")
        assert await it.takes(mine)
        server.publish(TWO.jwk("two"))
        it.clock.at = FRESH_TTL
        assert await it.takes(mine)
        await it.fetched()
        assert await it.cannot_tell(mine) == MIN_FETCH_INTERVAL
        it.clock.at += MIN_FETCH_INTERVAL
        assert await it.refuses(mine) == "invalid"


async def test_a_key_replaced_under_its_id_takes_its_tokens_with_it() -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        mine = signed(ONE, "one")
        assert await it.takes(mine)
        server.publish(TWO.jwk("one"))
        it.clock.at = FRESH_TTL
        assert await it.takes(mine)
        await it.fetched()
        assert await it.refuses(mine) == "invalid"
        assert await it.takes(signed(TWO, "one"))


async def test_old_keys_serve_through_an_outage_and_new_ones_come_after_it() -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        assert await it.takes(signed(ONE, "one"))
        await server.close()
        for hour in range(1, 4):
            it.clock.at = hour * 3600
            assert await it.takes(signed(ONE, "one", n=hour))
            await it.fetched()
        it.clock.at += MIN_FETCH_INTERVAL
        assert await it.cannot_tell(signed(TWO, "two")) == MIN_FETCH_INTERVAL
        server.publish(TWO.jwk("two"))
        await server.start()
        it.clock.at += MIN_FETCH_INTERVAL
        assert await it.takes(signed(TWO, "two"))


async def test_without_any_key_nobody_can_be_told_until_the_source_returns() -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        await server.close()
        assert await it.cannot_tell(signed(ONE, "one")) == MIN_FETCH_INTERVAL
        it.clock.at = 20
        assert await it.cannot_tell(signed(ONE, None)) == MIN_FETCH_INTERVAL - 20
        await server.start()
        it.clock.at = MIN_FETCH_INTERVAL
        assert await it.takes(signed(ONE, "one"))


def answer(**changes: Any) -> Callable[[KeyServer], None]:
    def change(server: KeyServer) -> None:
        for name, value in changes.items():
            setattr(server, name, value)

    return change


USELESS: dict[str, Callable[[KeyServer], None]] = {
    "error": answer(status="500 Internal Server Error"),
    "redirect": answer(status="302 Found", headers="Location: /elsewhere\r\n"),
    "no JSON": answer(body=b"<html>"),
    "no object": answer(body=b"[1]"),
    "keys of a wrong type": answer(body=b'{"keys": {"kty": "RSA"}}'),
    "too deep": answer(body=b"[" * 100_000),
    "no keys": answer(body=b'{"keys": []}'),
    "too long": answer(
        body=json.dumps({"keys": [ONE.jwk("one")], "x": "a" * MAX_BODY_BYTES}).encode()
    ),
    "packed": answer(headers="Content-Encoding: gzip\r\n", body=b"\x1f\x8b nonsense"),
    "no HTTP": answer(status="x\r\n\r\n"),
}


@pytest.mark.parametrize("make_useless", USELESS.values(), ids=USELESS)
async def test_a_useless_answer_is_an_outage(
    make_useless: Callable[[KeyServer], None], caplog: pytest.LogCaptureFixture
) -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        make_useless(server)
        with caplog.at_level(logging.WARNING, jwks.__name__):
            assert await it.cannot_tell(signed(ONE, "one")) == MIN_FETCH_INTERVAL
        assert "verification keys not fetched" in caplog.text
        assert server.asked == 1


async def test_a_source_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.05)
    async with gate(ONE.jwk("one")) as (it, server):
        server.open.clear()
        assert await it.cannot_tell(signed(ONE, "one")) == MIN_FETCH_INTERVAL


IGNORED: dict[str, dict[str, Any]] = {
    "encryption key": ONE.jwk("one", use="enc"),
    "key for signing only": ONE.jwk("one", key_ops=["sign"]),
    "another algorithm": ONE.jwk("one", alg="PS256"),
    "encryption algorithm": ONE.jwk("one", alg="RSA-OAEP"),
    "id of a wrong type": ONE.jwk("one") | {"kid": 1},
    "operations of a wrong type": ONE.jwk("one", key_ops=5),
    "no modulus": {"kty": "RSA", "kid": "one", "e": "AQAB"},
    "modulus of a wrong type": ONE.jwk("one", n=5),
    "private key": ONE.jwk("one", d="AQAB"),
    "shared secret": {"kty": "oct", "kid": "one", "k": part(b"a" * 32), "alg": "HS256"},
    "small key": KeyPair("RS256", rsa.generate_private_key(65537, 1024)).jwk("one"),
}


@pytest.mark.parametrize("entry", IGNORED.values(), ids=IGNORED)
async def test_a_published_key_that_is_not_for_signatures_is_passed_over(
    entry: dict[str, Any],
) -> None:
    async with gate(entry, TWO.jwk("two", alg="RS256")) as (it, _):
        assert await it.takes(signed(TWO, "two"))
        it.clock.at = MIN_FETCH_INTERVAL
        assert await it.refuses(signed(ONE, "one")) == "invalid"
        assert await it.refuses(signed(ONE, None)) == "invalid"
        assert await it.refuses(token("a" * 32, headers={"kid": "one"})) == "invalid"


async def test_entries_that_are_no_keys_are_passed_over() -> None:
    async with gate(ONE.jwk("one")) as (it, server):
        server.body = json.dumps({"keys": [None, 5, [], {}, "key", ONE.jwk("one")]}).encode()
        assert await it.takes(signed(ONE, "one"))


async def test_a_tokens_own_key_url_is_not_asked() -> None:
    async with KeyServer(TWO.jwk("one")) as thief, gate(ONE.jwk("one")) as (it, _):
        for name in ("jku", "x5u"):
            forged = TWO.token({"kid": "one", name: thief.url})
            assert await it.refuses(forged) == "invalid"
        assert thief.asked == 0


async def test_closing_ends_the_fetch_and_tells_whoever_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 3600)
    async with gate(ONE.jwk("one")) as (it, server):
        server.open.clear()
        waiting = asyncio.create_task(it.cannot_tell(signed(ONE, "one")))
        await server.arrived.wait()
        async with asyncio.timeout(SOON):
            await it.authenticator.close()
        assert await waiting == MIN_FETCH_INTERVAL


@pytest.mark.parametrize(
    "url",
    ["", "auth.example/jwks", "ftp://auth.example/", "file:///etc/keys", "https://", "http://["],
)
def test_the_url_must_be_http(url: str) -> None:
    with pytest.raises(SettingsError, match=r"LOREGATE_JWT_JWKS_URL is .* http:// or https://"):
        PublishedKeys(url)


def test_a_url_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(SettingsError, match="LOREGATE_JWT_JWKS_URL") as refused:
        PublishedKeys("https://ada:hush@auth.example/jwks")
    assert "hush" not in str(refused.value)


async def test_the_allow_list_must_leave_public_key_algorithms() -> None:
    url = "https://auth.example/jwks"
    with pytest.raises(SettingsError, match="LOREGATE_JWT_ALGORITHMS"):
        key_source(jwks_url=url, algorithms=["HS256"])
    source = key_source(jwks_url=url, algorithms=["HS256", "ES256"])
    assert source.algorithms == {"ES256"}
    await source.close()
