"""Access: who may select which root field, what each document counts, and that nothing leaks by."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from resolvers import schema
from resolvers.guard import Access, Rule
from tests.support import service
from tests.support.graphql_schema import BUILT
from tests.support.root_fields import (
    OVER_HTTP,
    PERMITTED,
    PUBLIC,
    ROOT,
    UNPERMITTED,
    document,
    without,
)
from tests.support.service import Service, token


async def ended(loregate: Service, query: str, **claims: Any) -> list[dict[str, Any]]:
    """The errors of an operation over WebSocket, however it shows them."""
    async with loregate.socket(**claims) as socket:
        await socket.acknowledged()
        await socket.subscribe(query)
        message = await socket.receive()
        payload = message["payload"]
        errors: list[dict[str, Any]] = payload if message["type"] == "error" else payload["errors"]
        return errors


# -- the table
def test_the_table_is_the_schema() -> None:
    roots = (BUILT.query_type, BUILT.mutation_type, BUILT.subscription_type)
    assert {f"{root.name}.{name}" for root in roots if root for name in root.fields} == set(ROOT)


def test_the_rules_are_the_tables() -> None:
    def permission(rule: Rule) -> str | None:
        if isinstance(rule, Access):
            return None
        return rule if isinstance(rule, str) else rule.permission

    for root, rules in schema.ACCESS.items():
        definition: Any = root.__strawberry_definition__  # type: ignore[attr-defined]
        names = {
            f.python_name: f"{root.__name__}.{_camel(f.python_name)}" for f in definition.fields
        }
        for python_name, rule in rules.items():
            name = names[python_name]
            if name in PUBLIC:
                assert rule is Access.PUBLIC
            else:
                assert permission(rule) == ROOT[name][1]


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.title, rest))


# -- without a token
@pytest.mark.parametrize("name", OVER_HTTP)
async def test_without_a_token_nothing_runs(loregate: Service, name: str) -> None:
    response = await loregate.graphql(document(name), anonymous=True)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="loregate"'
    assert "data" not in response.json()
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert error["extensions"]["reason"] == "missing"


HIDDEN = {
    "beside a public field": "{ health { status } viewer { id } }",
    "under an alias": "{ health: viewer { id } }",
    "in a fragment": "{ ...f } fragment f on Query { ...g } fragment g on Query { viewer { id } }",
    "in an inline fragment": "{ ... on Query { ... { viewer { id } } } }",
    "of another operation": "query a { health { status } } query b { viewer { id } }",
    "skipped": "{ health { status } viewer @skip(if: true) { id } }",
}


@pytest.mark.parametrize("query", HIDDEN.values(), ids=HIDDEN)
async def test_without_a_token_a_guarded_field_is_found_wherever_it_hides(
    loregate: Service, query: str
) -> None:
    name = "b" if "query b" in query else None
    response = await loregate.http.post("/graphql", json={"query": query, "operationName": name})
    assert response.status_code == 401
    assert "data" not in response.json()


OPEN = {
    "health": "{ health { status } }",
    "an alias": "{ viewer: health { status } }",
    "fragments": "{ ...f } fragment f on Query { ...g } fragment g on Query { health { status } }",
    "of two operations": "query a { health { status } } query b { viewer { id } }",
    "__typename": "{ __typename }",
}


@pytest.mark.parametrize("query", OPEN.values(), ids=OPEN)
async def test_without_a_token_public_fields_run_and_count_nothing(
    loregate: Service, query: str
) -> None:
    name = "a" if "query a" in query else None
    response = await loregate.http.post("/graphql", json={"query": query, "operationName": name})
    assert response.status_code == 200
    assert "errors" not in response.json()
    assert "X-RateLimit-Limit" not in response.headers
    assert await loregate.counted("global") == 0


# -- with a bad token
@pytest.fixture
async def strict(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    """The service with an issuer and an audience; the token `gone` is revoked."""
    given = service.settings(tmp_path, redis_url, jwt_issuer="auth", jwt_audience="lore")
    async with service.running(given) as found:
        with Redis.from_url(redis_url) as redis:
            redis.set("loregate:revoked:gone", "1")
        yield found


def bad_tokens() -> dict[str, str]:
    now = int(time.time())
    good = {"iss": "auth", "aud": "lore"}
    return {
        "malformed": "not.a.token",
        "expired": token(**good, exp=now - 60),
        "not_yet_valid": token(**good, nbf=now + 60),
        "wrong_issuer": token(iss="somebody", aud="lore"),
        "wrong_audience": token(iss="auth", aud="others"),
        "revoked": token(**good, jti="gone"),
        "invalid": token(**good)[:-4] + "AAAA",
    }


@pytest.mark.parametrize("reason", bad_tokens())
async def test_a_bad_token_is_refused_on_every_root_field(strict: Service, reason: str) -> None:
    headers = {"Authorization": f"Bearer {bad_tokens()[reason]}"}
    for name in [*OVER_HTTP, *PUBLIC]:
        response = await strict.http.post(
            "/graphql", json={"query": document(name)}, headers=headers
        )
        assert response.status_code == 401, name
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
        assert not any((response.json().get("data") or {}).values())
        [error] = response.json()["errors"]
        assert error["extensions"]["code"] == "UNAUTHENTICATED"
        assert error["extensions"]["reason"] == reason


# Revocation is read with the limits, in one call.
@pytest.mark.parametrize("reason", [r for r in bad_tokens() if r != "revoked"])
async def test_a_bad_token_is_refused_before_the_document_is_read(
    strict: Service, reason: str
) -> None:
    headers = {
        "Authorization": f"Bearer {bad_tokens()[reason]}",
        "Content-Type": "application/json",
    }
    for content in (b"no JSON", b'{"query": "{"}', b'{"query": "{ nothing }"}'):
        response = await strict.http.post("/graphql", content=content, headers=headers)
        assert response.status_code == 401
        assert response.json()["errors"][0]["extensions"]["reason"] == reason


@pytest.mark.parametrize("reason", bad_tokens())
async def test_a_bad_token_opens_no_socket(strict: Service, reason: str) -> None:
    async with strict.socket(init={"Authorization": f"Bearer {bad_tokens()[reason]}"}) as socket:
        code, said = await socket.closed()
    assert code == 4403
    assert said
    assert "token" in said.lower()


@pytest.mark.parametrize("init", [{}, None, {"Authorization": ""}, {"authorization": 5}])
async def test_no_token_opens_no_socket(loregate: Service, init: Any) -> None:
    async with loregate.socket(init=init if init is not None else {"token": "x"}) as socket:
        assert await socket.closed() == (4403, "A bearer token is required")


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer "])
async def test_a_token_opens_a_socket_with_and_without_its_scheme(
    loregate: Service, name: str, scheme: str
) -> None:
    async with loregate.socket(init={name: scheme + token()}) as socket:
        await socket.acknowledged()


# -- without the permission
@pytest.mark.parametrize("name", PERMITTED)
async def test_without_the_permission_a_root_field_is_forbidden_on_every_transport(
    loregate: Service, name: str
) -> None:
    permission = ROOT[name][1]
    assert permission is not None
    claims: dict[str, Any] = {"permissions": without(permission)}
    found = [await ended(loregate, document(name), **claims)]
    if not name.startswith("Subscription"):
        response = await loregate.graphql(document(name), **claims)
        assert response.status_code == 200
        assert not any((response.json()["data"] or {}).values())
        found.append(response.json()["errors"])
    for [error] in found:
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert error["extensions"]["requiredPermission"] == permission
        assert error["message"] == f"Permission {permission} is required"


@pytest.mark.parametrize("name", [n for n in OVER_HTTP if not ROOT[n][1]])
async def test_some_root_fields_need_a_token_and_no_permission(
    loregate: Service, name: str
) -> None:
    """It runs, though what it then asks for may need one, or not be there."""
    answer = (await loregate.graphql(document(name), permissions=[])).json()
    codes = {e["extensions"]["code"] for e in answer.get("errors", ())}
    assert codes == UNPERMITTED.get(name, set())


async def test_everybodys_events_need_their_own_permission_even_of_a_wildcard(
    loregate: Service,
) -> None:
    [error] = await ended(
        loregate, "subscription { events(all: true) { id } }", permissions=["*:*"]
    )
    assert error["extensions"]["requiredPermission"] == "events:read-all"


async def test_content_on_an_event_needs_the_permission_to_read(loregate: Service) -> None:
    async with loregate.socket(permissions=["events:subscribe"]) as socket:
        await socket.acknowledged()
        cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
        await loregate.generate()
        await socket.subscribe(
            "subscription ($after: String) { events(after: $after) { id content { contentId } } }",
            {"after": cursor},
        )
        payload = (await socket.receive())["payload"]
    assert payload["data"]["events"]["content"] is None
    assert payload["data"]["events"]["id"]
    assert payload["errors"][0]["extensions"]["requiredPermission"] == "content:read"


# -- the guard comes first
class Tripwire:
    """Stands where a part of the gateway was, and notes what is wanted of it."""

    def __init__(self, touched: list[str]) -> None:
        self._touched = touched

    def __getattr__(self, name: str) -> Any:
        self._touched.append(name)
        raise AssertionError(name)

    def __iter__(self) -> Any:
        return self.__getattr__("iter")


PARTS = ("contents", "ratings", "events", "models", "generations", "reading", "finding")
TOUCHING = [n for n in PERMITTED if n != "Query.models"]


async def run_with_tripwires(loregate: Service, name: str, **claims: Any) -> list[str]:
    gateway: Any = loregate.gateway
    touched: list[str] = []
    kept = {part: getattr(gateway, part) for part in PARTS}
    try:
        for part in PARTS:
            setattr(gateway, part, Tripwire(touched))
        await ended(loregate, document(name), **claims)
    finally:
        for part, found in kept.items():
            setattr(gateway, part, found)
    return touched


@pytest.mark.parametrize("name", TOUCHING)
async def test_the_guard_comes_before_the_resolver(loregate: Service, name: str) -> None:
    permission = ROOT[name][1]
    assert permission is not None
    assert await run_with_tripwires(loregate, name, permissions=without(permission)) == []
    assert await run_with_tripwires(loregate, name) != []  # the wire is where resolvers walk
