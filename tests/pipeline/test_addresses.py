"""Who comes without a good token has a budget by address, and nobody else pays for it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2
import pytest

from app.errors import RateLimited, Unauthenticated
from app.pipeline.identity import MAX_TRIALS, Identity, network
from app.policies.auth import Authenticator
from app.policies.keys import FixedKeys, Key, load_secrets
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import SECRET, Service, running, settings, token

LIMIT = 3
BAD = {"Authorization": "Bearer a.b.c"}
FOREIGN = {"Authorization": f"Bearer {token()[:-4]}AAAA"}


@pytest.fixture
async def strict(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    async with running(settings(tmp_path, redis_url, anonymous_limit=LIMIT)) as found:
        yield found


async def exhaust(found: Service) -> None:
    for _ in range(LIMIT):
        assert (await found.http.get("/api/v2/nothing")).status_code == 401


# method, path, headers, body
ASKED: dict[str, tuple[str, str, dict[str, str], bytes | None]] = {
    "REST without a token": ("POST", TEXT, {}, b"{}"),
    "REST with a bad token": ("POST", TEXT, BAD, b"{}"),
    "REST with a token of another key": ("POST", TEXT, FOREIGN, b"{}"),
    "an address that leads nowhere, with a bad token": ("GET", "/nothing", BAD, None),
    "a stream": ("GET", "/api/v2/events", {"Accept": "text/event-stream"}, None),
    "a document without a token": ("POST", "/graphql", {}, b'{"query": "{ health { status } }"}'),
    "a document with a bad token": ("POST", "/graphql", BAD, b'{"query": "{ __typename }"}'),
    "what is no document": ("POST", "/graphql", {}, b"{"),
    "a document over SSE": (
        *("POST", "/graphql", {"Accept": "text/event-stream"}),
        b'{"query": "subscription { events { id } }"}',
    ),
}


@pytest.mark.parametrize("name", ASKED)
async def test_behind_its_budget_an_address_is_refused_whatever_it_asks(
    strict: Service, name: str
) -> None:
    await exhaust(strict)
    method, path, headers, body = ASKED[name]
    sent = {"Content-Type": "application/json", **headers}
    response = await strict.http.request(method, path, content=body, headers=sent)
    assert response.status_code == 429, response.text
    assert "RATE_LIMIT_EXCEEDED" in response.text
    assert response.headers["X-RateLimit-Scope"] == "address"
    assert 0 < int(response.headers["Retry-After"]) <= 60 / LIMIT


async def test_over_websocket_too_a_bad_token_is_refused_and_told_to_try_again_later(
    strict: Service,
) -> None:
    for code in [4403] * LIMIT + [1013]:
        async with strict.socket(init={"authorization": "a.b.c"}) as socket:
            assert (await socket.closed())[0] == code


async def test_a_good_token_of_that_address_gets_in_known_or_not(strict: Service) -> None:
    known = strict.headers(sub="known")
    assert (await strict.http.post(TEXT, json=GOOD[TEXT], headers=known)).status_code == 200
    await exhaust(strict)
    for headers in (known, strict.headers(sub="new")):
        response = await strict.http.post(TEXT, json=GOOD[TEXT], headers=headers)
        assert response.status_code == 200


async def test_what_needs_no_token_is_never_refused(strict: Service) -> None:
    await exhaust(strict)
    for path in ("/health", "/health/live", "/health/ready", "/api/v2/openapi.json"):
        assert (await strict.http.get(path)).status_code == 200
    assert (await strict.http.get("/graphql", headers={"Accept": "text/html"})).status_code == 200


async def test_another_address_has_a_budget_of_its_own(strict: Service) -> None:
    await exhaust(strict)
    transport = httpx2.AsyncHTTPTransport(local_address="127.0.0.2")
    async with httpx2.AsyncClient(base_url=strict.url, transport=transport) as other:
        assert (await other.get("/api/v2/nothing")).status_code == 401


async def test_redis_is_not_asked_for_who_has_no_good_token(strict: Service) -> None:
    async def commands() -> int:
        return int((await strict.parts.redis.call("INFO", "stats"))["total_commands_processed"])

    before = await commands()
    for _ in range(5):
        await strict.http.post(TEXT, json={}, headers=BAD)
    assert await commands() - before < 20  # what the process does by itself


async def test_without_a_bound_nobody_is_refused(tmp_path: Path, redis_url: str) -> None:
    async with running(settings(tmp_path, redis_url, anonymous_limit=0)) as found:
        statuses = {(await found.http.get("/api/v2/nothing")).status_code for _ in range(310)}
    assert statuses == {401}


# -- without a service around it
class CountedKeys(FixedKeys):
    """Keys that count for how many tokens they were asked."""

    asked = 0

    async def fitting(self, algorithm: str, kid: str | None) -> Sequence[Key]:
        self.asked += 1
        return await super().fitting(algorithm, kid)


class Door:
    """An identity with a budget of one request an address."""

    def __init__(self) -> None:
        self.keys = CountedKeys(load_secrets([SECRET]))
        self.clock = 0.0
        self.identity = Identity(
            Authenticator(self.keys), anonymous_limit=1, now=lambda: self.clock
        )

    async def ask(self, given: str, address: str | None = "10.0.0.1") -> str:
        try:
            return (await self.identity.authenticate(f"Bearer {given}", address)).id
        except (Unauthenticated, RateLimited) as error:
            return error.code


def bad(n: int) -> str:
    return f"{token(jti=str(n))[:-4]}AAAA"


async def test_a_flood_of_bad_tokens_has_so_many_signatures_checked_in_a_second() -> None:
    door, flood, honest = Door(), [bad(n) for n in range(MAX_TRIALS + 50)], token("honest")
    for n, each in enumerate(flood):
        await door.ask(each, f"10.0.0.{n % 2}")
    assert door.keys.asked == 2 + MAX_TRIALS  # what was within the two budgets, and the trials
    assert await door.ask(honest) == "RATE_LIMIT_EXCEEDED"
    door.clock += 1
    assert await door.ask(honest) == "honest"
    for each in flood:
        await door.ask(each)
    assert await door.ask(honest) == "honest"  # it is known


async def test_who_has_no_address_has_no_budget() -> None:
    door = Door()
    for n in range(10):
        assert await door.ask(bad(n), None) == "UNAUTHENTICATED"


async def test_a_refusal_tells_when_the_address_may_ask_again() -> None:
    door = Door()
    door.identity.anonymous("10.0.0.1")
    with pytest.raises(RateLimited) as caught:
        door.identity.anonymous("10.0.0.1")
    assert (caught.value.scope, caught.value.limit, caught.value.retry_after) == ("address", 1, 60)
    assert abs(caught.value.reset_at - time.time() - 60) < 5
    door.clock += 60
    door.identity.anonymous("10.0.0.1")


def test_an_address_of_ipv6_counts_as_its_64() -> None:
    assert network("2001:db8:1:2::1") == network("2001:db8:1:2:ffff::9")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("::ffff:10.0.0.1") == network("10.0.0.1") == "10.0.0.1"
    assert network("fe80::1%eth0") == network("fe80::2%eth0")
    assert network("not:an:address") == "not:an:address"
