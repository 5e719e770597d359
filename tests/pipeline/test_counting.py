"""What each document counts, whatever becomes of it, and how a full limit is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from redis import Redis

from tests.support.graphql_requests import aliased
from tests.support.service import CHARACTER_INPUT, GENERATE, Service, running_with_limits

THEME_FIELD = 'analyzeTheme(input: {content: "The lamps went out."}) { requestId }'


BATCH_FIELD = (
    "generateBatch(requests: ["
    + '{themeAnalysis: {content: "The lamps went out."}} ' * 3
    + "]) { requestId }"
)
DELETE_FIELD = f'deleteContent(id: "{UUID(int=7)}") {{ requestId }}'
NOT_OURS: dict[str, Any] = {"permissions": []}
COUNTS: dict[str, tuple[str, dict[str, Any], int]] = {
    "one field": ("{ viewer { id } }", {}, 1),
    "a public field with a token": ("{ health { status } }", {}, 1),
    "only __typename": ("{ __typename }", {}, 1),
    "three fields": ("{ a: viewer { id } b: viewer { id } health { status } }", {}, 3),
    "the same field twice": ("{ viewer { id } viewer { tier } }", {}, 1),
    "fields in fragments": (
        "{ ...f ...f } fragment f on Query { viewer { id } models { name } }",
        {},
        2,
    ),
    "forbidden": ("{ contents { edges { cursor } } }", NOT_OURS, 1),
    "some forbidden": ("{ contents { edges { cursor } } viewer { id } }", NOT_OURS, 2),
    "a forbidden mutation": (f"mutation {{ {aliased(THEME_FIELD, 3)} }}", NOT_OURS, 3),
    "a mutation": (f"mutation {{ {THEME_FIELD} }}", {}, 1),
    "ten mutations": (f"mutation {{ {aliased(THEME_FIELD, 10)} }}", {}, 10),
    "a batch of three": (f"mutation {{ {BATCH_FIELD} }}", {}, 3),
    "a batch beside a mutation": (f"mutation {{ {THEME_FIELD} {BATCH_FIELD} }}", {}, 4),
    "a batch of three forbidden": (f"mutation {{ {BATCH_FIELD} }}", NOT_OURS, 3),
    "an empty batch": ("mutation { generateBatch(requests: []) { requestId } }", {}, 1),
    "deleting what is not there": (f"mutation {{ {DELETE_FIELD} }}", {}, 1),
    "forbidden deleting": (f"mutation {{ {DELETE_FIELD} }}", NOT_OURS, 1),
    "a parse error": ("{", {}, 1),
    "a validation error": ("{ nothing }", {}, 1),
    "too complex": ("{" + "a{" * 20 + "b" + "}" * 21, {}, 1),
    "a subscription over HTTP": ("subscription { events { id } }", {}, 1),
    "an operation that is not there": ("query a { __typename } query b { __typename }", {}, 1),
}


@pytest.mark.parametrize("name", COUNTS)
async def test_a_document_counts_one_for_each_root_field(loregate: Service, name: str) -> None:
    query, claims, count = COUNTS[name]
    response = await loregate.graphql(query, **claims)
    assert await loregate.counted("user") == count
    assert await loregate.counted("global") == count
    assert response.headers["X-RateLimit-Scope"] in ("user", "operation:theme_analysis")


async def test_a_body_that_holds_no_document_counts_one(loregate: Service) -> None:
    for content in (b"", b"[]", b"5", b"{", b'{"query": 5}', b"\xff"):
        headers = {**loregate.headers(), "Content-Type": "application/json"}
        response = await loregate.http.post("/graphql", content=content, headers=headers)
        assert response.status_code == 400
    assert await loregate.counted() == 6


async def test_ten_names_of_one_mutation_are_ten_operations(loregate: Service) -> None:
    await loregate.data(f"mutation {{ {aliased(THEME_FIELD, 10)} }}")
    assert await loregate.counted("operation:theme_analysis") == 10


SUBSCRIBE = "subscription ($after: String) { events(after: $after) { id } }"


async def test_a_subscription_counts_one_and_going_on_counts_nothing(loregate: Service) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    await loregate.generate()
    before = await loregate.counted()
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(SUBSCRIBE, {"after": cursor})
        await socket.next("events")
        assert await loregate.counted() == before
        await socket.subscribe(SUBSCRIBE)
        while await loregate.counted() != before + 1:
            await socket.send({"type": "ping"})
            assert (await socket.receive())["type"] == "pong"


REFUSED_AFTER = {
    "no cursor": (SUBSCRIBE, {}),
    "forbidden": (SUBSCRIBE, {"permissions": ["content:read"]}),
    "all": (
        SUBSCRIBE.replace("after: $after", "after: $after, all: true"),
        {"permissions": ["*:*"]},
    ),
}


@pytest.mark.parametrize("name", REFUSED_AFTER)
async def test_a_subscription_that_goes_on_with_nothing_counts(
    loregate: Service, name: str
) -> None:
    query, claims = REFUSED_AFTER[name]
    async with loregate.socket(**claims) as socket:
        await socket.acknowledged()
        await socket.subscribe(query, {"after": "no cursor"})
        assert (await socket.receive())["type"] == "error"
    assert await loregate.counted() == 1


# -- limits


async def test_the_eleventh_of_ten_is_refused_alone(tmp_path: Path, redis_url: str) -> None:
    async with running_with_limits(tmp_path, redis_url, operation__theme_analysis=10) as loregate:
        response = await loregate.graphql(f"mutation {{ {aliased(THEME_FIELD, 11)} }}")
        body = response.json()
        assert response.status_code == 200
        assert [k for k, v in body["data"].items() if v is None] == ["a10"]
        [error] = body["errors"]
        assert error["path"] == ["a10"]
        assert error["extensions"] == {
            "code": "RATE_LIMIT_EXCEEDED",
            "requestId": response.headers["X-Request-ID"],
            "scope": "operation:theme_analysis",
            "limit": 10,
            "remaining": 0,
            "resetAt": error["extensions"]["resetAt"],
            "retryAfterMs": error["extensions"]["retryAfterMs"],
        }
        assert 0 < error["extensions"]["retryAfterMs"] <= 60_000
        assert 1 <= int(response.headers["Retry-After"]) <= 60
        assert response.headers["X-RateLimit-Limit"] == "10"
        assert response.headers["X-RateLimit-Remaining"] == "0"
        assert response.headers["X-RateLimit-Scope"] == "operation:theme_analysis"
        assert await loregate.counted("user") == 10  # what was refused took nothing


async def test_a_refused_mutation_takes_nothing(tmp_path: Path, redis_url: str) -> None:
    async with running_with_limits(tmp_path, redis_url, operation__theme_analysis=1) as loregate:
        query = f"mutation {{ {THEME_FIELD} }}"
        await loregate.data(query)
        for _ in range(2):  # the second of them may be refused before it runs
            body = (await loregate.graphql(query)).json()
            assert not any((body.get("data") or {}).values())
            assert body["errors"][0]["extensions"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert await loregate.counted("user") == 1


FULL = {
    "a query": ("{ viewer { id } }", 200),
    "a mutation": (f"mutation {{ {THEME_FIELD} }}", 200),
    "__typename": ("{ __typename }", 429),
    "a parse error": ("{", 429),
}


@pytest.mark.parametrize("name", FULL)
async def test_with_the_users_limit_full_nothing_runs(
    tmp_path: Path, redis_url: str, name: str
) -> None:
    query, status = FULL[name]
    async with running_with_limits(tmp_path, redis_url, user=1) as loregate:
        await loregate.data("{ viewer { id } }")
        response = await loregate.graphql(query)
        assert response.status_code == status
        assert not any((response.json().get("data") or {}).values())
        [error] = response.json()["errors"]
        assert error["extensions"]["code"] == "RATE_LIMIT_EXCEEDED"
        assert error["extensions"]["scope"] == "user"
        assert response.headers["Retry-After"]
        assert await loregate.counted("user") == 1


async def test_a_document_of_many_fields_is_admitted_whole_or_not(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, user=5) as loregate:
        response = await loregate.graphql("{" + aliased("models { name }", 6) + "}")
        assert response.json()["data"] is None
        assert await loregate.counted("user") == 0
        assert await loregate.data("{" + aliased("models { name }", 5) + "}")


async def test_a_limit_is_told_over_websocket_as_over_http(tmp_path: Path, redis_url: str) -> None:
    async with running_with_limits(tmp_path, redis_url, operation__text_generation=1) as loregate:
        await loregate.generate()
        async with loregate.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(GENERATE, {"input": CHARACTER_INPUT})
            payload = (await socket.receive())["payload"]
        [error] = payload["errors"]
        facts = {"code", "requestId", "scope", "limit", "remaining", "resetAt", "retryAfterMs"}
        assert error["extensions"].keys() == facts


async def test_a_revoked_token_is_401_where_nothing_ran(loregate: Service, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set("loregate:revoked:gone", orjson.dumps(1))
    for query in (
        "{ viewer { id } }",
        f"mutation {{ {aliased(THEME_FIELD, 2)} }}",
        "{ __typename }",
    ):
        response = await loregate.graphql(query, jti="gone")
        assert response.status_code == 401
        assert {e["extensions"]["reason"] for e in response.json()["errors"]} == {"revoked"}
    assert await loregate.counted() == 0


# -- bad inputs
BAD_INPUTS: dict[str, Any] = {
    "unknown enum": {**CHARACTER_INPUT, "type": "SONG"},
    "unknown field": {**CHARACTER_INPUT, "colour": "red"},
    "missing field": {"type": "BACKSTORY"},
    "null": None,
    "no object": 5,
    "level out of range": {"type": "BACKSTORY", "characterContext": {"characterLevel": 21}},
    "level out of 32 bits": {"type": "BACKSTORY", "characterContext": {"characterLevel": 2**40}},
    "bad uuid": {**CHARACTER_INPUT, "parentContentId": "x"},
    "id as a float": {**CHARACTER_INPUT, "parentContentId": 1.5},
    "unknown model": {**CHARACTER_INPUT, "model": {"name": "nobody"}},
    "deep": {**CHARACTER_INPUT, "theme": {"extra": [[[[[{"key": "k", "value": "v"}]]]]]}},
    "keys given twice": {
        "type": "BACKSTORY",
        "characterContext": {"extra": [{"key": "characterLevel", "value": "99"}] * 65},
    },
}


@pytest.mark.parametrize("given", BAD_INPUTS.values(), ids=BAD_INPUTS)
async def test_a_bad_input_counts_one(loregate: Service, given: Any) -> None:
    response = await loregate.graphql(GENERATE, {"input": given})
    found = response.json()
    if given is not BAD_INPUTS["keys given twice"]:
        codes = {e["extensions"]["code"] for e in found["errors"]}
        assert codes == {"BAD_USER_INPUT"}, found
        assert await loregate.counted("operation:text_generation") == 0
    assert await loregate.counted("user") == 1
