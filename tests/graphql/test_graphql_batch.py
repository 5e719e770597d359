"""generateBatch: many operations side by side, each as if it had come alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.caller import PERMISSIONS
from tests.support.graphql_requests import by_socket, field_errors
from tests.support.replaced import replaced
from tests.support.service import CHARACTER_INPUT, Service, running_with_limits
from tests.support.upstream import Upstream
from tests.support.upstream import refusal as refusal_of_model

BATCH = """mutation ($requests: [BatchRequest!]!) { generateBatch(requests: $requests) {
  requestId rateLimit { scope limit remaining resetAt }
  results { cacheStatus similarity error { code message field retryAfterMs }
    content { __typename contentId contentType
      ... on GeneratedContent { text } ... on Story { elementType summary }
      ... on Npc { role } ... on Location { locationType } ... on Item { kind }
      ... on ThemeAnalysis { primaryCategory } ... on ContentValidation { passed } } } } }"""

TEXT = "The lamps of Saltmere went out, and something knocked from under the ice."
CONTEXT = {"setting": "a harbour"}
THEME = {"themeAnalysis": {"content": TEXT}}
STORY = {"story": {"elementType": "QUEST", "context": CONTEXT}}
CHARACTER = {"characterContent": CHARACTER_INPUT}
EACH: dict[str, Any] = {
    "Npc": {"npc": {"role": "MENTOR", "context": CONTEXT}},
    "ThemeAnalysis": THEME,
    "GeneratedContent": CHARACTER,
    "Story": STORY,
    "Location": {
        "location": {
            "locationType": "TAVERN",
            "context": CONTEXT,
            "size": "small",
            "purpose": "talk",
        }
    },
    "Item": {"item": {"kind": "RING", "context": CONTEXT}},
    "ContentValidation": {
        "contentValidation": {
            "content": TEXT,
            "contentType": "character",
            "rules": [{"category": "QUALITY", "name": "readable"}],
        }
    },
}
CAMPAIGN = {
    "campaignContent": {"type": "QUEST", "campaignContext": {"campaignTheme": "a drowned crown"}}
}
BAD_LEVEL = {"characterContent": {"type": "COMBAT", "characterContext": {"characterLevel": 21}}}


def texts(count: int) -> list[Any]:
    """As many different analyses, none of which is another's answer."""
    return [{"themeAnalysis": {"content": f"{TEXT} Night {n}."}} for n in range(count)]


async def batch(found: Service, requests: list[Any], **claims: Any) -> Any:
    return (await found.data(BATCH, {"requests": requests}, **claims))["generateBatch"]


def codes(answer: Any) -> list[str | None]:
    return [r["error"] and r["error"]["code"] for r in answer["results"]]


# -- results
async def test_each_operation_is_answered_in_the_given_order(loregate: Service) -> None:
    answer = await batch(loregate, [*EACH.values(), CAMPAIGN])
    found = [r["content"] for r in answer["results"]]
    assert [c["__typename"] for c in found] == [*EACH, "GeneratedContent"]
    assert found[-1]["contentType"] == "CAMPAIGN"
    assert codes(answer) == [None] * len(found)
    for content in found:
        kept = await loregate.data(f'{{ content(id: "{content["contentId"]}") {{ __typename }} }}')
        assert kept["content"]["__typename"] == content["__typename"]


async def test_a_batch_is_the_same_over_a_socket(loregate: Service) -> None:
    body = await by_socket(loregate, BATCH, {"requests": [STORY, BAD_LEVEL]})
    first, second = body["data"]["generateBatch"]["results"]
    assert first["content"]["elementType"] == "QUEST"
    assert second["error"]["code"] == "BAD_USER_INPUT"


async def test_the_first_asked_is_the_first_told_though_it_ends_last(
    with_models: Service, provider: Upstream
) -> None:
    requests = texts(12)
    requests[0] = {"themeAnalysis": {"content": "The first.", "cache": "BYPASS"}}
    alone = [(await batch(with_models, [r]))["results"][0]["content"] for r in requests[1:]]
    answer = await batch(with_models, requests)
    assert [r["cacheStatus"] for r in answer["results"]] == ["BYPASS", *["HIT"] * 11]
    assert [r["content"] for r in answer["results"][1:]] == alone


async def test_an_input_that_is_wrong_is_told_alone(loregate: Service) -> None:
    bad_key = {"themeAnalysis": {"content": TEXT, "idempotencyKey": "a key"}}
    answer = await batch(loregate, [THEME, BAD_LEVEL, STORY, bad_key])
    assert codes(answer) == [None, "BAD_USER_INPUT", None, "BAD_USER_INPUT"]
    bad = [r["error"] for r in answer["results"] if r["error"]]
    fields = ["input.characterContext.characterLevel", "input.idempotencyKey"]
    assert [e["field"] for e in bad] == fields
    assert all(e["message"] and e["retryAfterMs"] is None for e in bad)
    assert [r["content"] is None for r in answer["results"]] == [False, True, False, True]
    assert [r["cacheStatus"] for r in answer["results"]] == ["MISS", None, "BYPASS", None]


async def test_a_forbidden_operation_is_refused_alone(loregate: Service) -> None:
    allowed = [p for p in PERMISSIONS if p != "campaign:generate"]
    answer = await batch(loregate, [STORY, THEME, STORY], permissions=allowed)
    assert codes(answer) == ["FORBIDDEN", None, "FORBIDDEN"]
    assert answer["results"][0]["error"]["message"] == "Permission campaign:generate is required"
    assert await loregate.counted("user") == 3
    assert await loregate.counted("operation:text_generation") == 0


async def test_a_models_failure_is_told_alone(with_models: Service, provider: Upstream) -> None:
    provider.then(refusal_of_model(400, "content_policy_violation", "the provider's words"))
    answer = await batch(with_models, texts(3))
    assert sorted(codes(answer), key=str) == ["CONTENT_REJECTED", None, None]
    assert "the provider's words" not in str(answer)


async def test_a_bug_in_one_operation_tells_nothing_and_leaves_the_others(
    loregate: Service, caplog: pytest.LogCaptureFixture
) -> None:
    stored = loregate.parts.store.add

    async def add(record: Any, *more: Any) -> None:
        if record.operation == "story":
            raise ZeroDivisionError("xyzzy")
        await stored(record, *more)

    with replaced(loregate.parts.store, add=add):
        answer = await batch(loregate, [THEME, STORY, CHARACTER])
    assert codes(answer) == [None, "INTERNAL_ERROR", None]
    assert "xyzzy" not in str(answer)
    assert any(getattr(r, "request_id", None) == answer["requestId"] for r in caplog.records)


# -- limits
async def test_what_a_limit_refuses_leaves_the_others(tmp_path: Path, redis_url: str) -> None:
    async with running_with_limits(tmp_path, redis_url, operation__theme_analysis=2) as loregate:
        answer = await batch(loregate, [*texts(3), STORY])
        assert sorted(codes(answer), key=str) == [None, None, None, "RATE_LIMIT_EXCEEDED"]
        assert answer["results"][3]["content"]["elementType"] == "QUEST"
        [error] = [r["error"] for r in answer["results"] if r["error"]]
        assert 0 < error["retryAfterMs"] <= 60_000
        assert answer["rateLimit"]["scope"] == "operation:theme_analysis"
        assert answer["rateLimit"]["remaining"] == 0
        assert await loregate.counted("user") == 3


async def test_a_batch_that_is_refused_whole_takes_nothing_and_says_so(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, operation__theme_analysis=1) as loregate:
        await batch(loregate, texts(1))
        response = await loregate.graphql(BATCH, {"requests": texts(3)})
        answer = response.json()["data"]["generateBatch"]
        assert codes(answer) == ["RATE_LIMIT_EXCEEDED"] * 3
        assert answer["rateLimit"]["scope"] == "operation:theme_analysis"
        assert answer["rateLimit"]["limit"] == 1
        assert answer["rateLimit"]["remaining"] == 0
        assert response.headers["X-RateLimit-Scope"] == "operation:theme_analysis"
        assert response.headers["X-RateLimit-Remaining"] == "0"
        assert await loregate.counted("user") == 1


async def test_with_the_users_limit_full_each_operation_says_so(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, user=2) as loregate:
        answer = await batch(loregate, texts(3))
        assert sorted(codes(answer), key=str) == [None, None, "RATE_LIMIT_EXCEEDED"]
        assert codes(await batch(loregate, texts(2))) == ["RATE_LIMIT_EXCEEDED"] * 2
        assert await loregate.counted("user") == 2


async def test_a_revoked_token_is_401_for_a_batch_too(loregate: Service, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set("loregate:revoked:gone", "1")
    response = await loregate.graphql(BATCH, {"requests": texts(2)}, jti="gone")
    assert response.status_code == 401
    assert await loregate.counted() == 0


# -- what a batch counts
COUNTS: dict[str, tuple[list[Any], dict[str, int]]] = {
    "one": ([THEME], {"user": 1, "operation:theme_analysis": 1}),
    "the most": (texts(20), {"user": 20, "operation:theme_analysis": 20}),
    "each of its own kind": (
        [THEME, STORY, CHARACTER, EACH["ContentValidation"]],
        {
            "user": 4,
            "operation:theme_analysis": 1,
            "operation:text_generation": 2,
            "operation:content_validation": 1,
        },
    ),
    "a bad input": ([THEME, BAD_LEVEL], {"user": 2, "operation:text_generation": 0}),
}


@pytest.mark.parametrize("name", COUNTS)
async def test_a_batch_counts_what_its_operations_count(loregate: Service, name: str) -> None:
    requests, expected = COUNTS[name]
    await batch(loregate, requests)
    for scope, count in (expected | {"global": expected["user"]}).items():
        assert await loregate.counted(scope) == count, scope


@pytest.mark.parametrize("count", [0, 21])
async def test_a_batch_of_none_or_too_many_is_refused_and_counts_one(
    loregate: Service, count: int
) -> None:
    response = await loregate.graphql(BATCH, {"requests": texts(count)})
    assert response.json()["data"] == {"generateBatch": None}
    assert set(field_errors(response.json())) == {"requests"}
    assert await loregate.counted("user") == 1
    assert await loregate.counted("operation:theme_analysis") == 0


async def test_a_batch_stands_beside_other_fields(loregate: Service) -> None:
    query = """mutation ($requests: [BatchRequest!]!) {
      before: analyzeTheme(input: {content: "The lamps went out."}) { cacheStatus }
      many: generateBatch(requests: $requests) { results { cacheStatus content { contentId } } }
      none: generateBatch(requests: []) { results { cacheStatus } }
      after: analyzeTheme(input: {content: "The lamps went out."}) { cacheStatus } }"""
    same = {"themeAnalysis": {"content": "The lamps went out."}}
    body = (await loregate.graphql(query, {"requests": [same, STORY]})).json()
    data = body["data"]
    assert data["before"] == {"cacheStatus": "MISS"}
    assert [r["cacheStatus"] for r in data["many"]["results"]] == ["HIT", "BYPASS"]
    assert data["none"] is None
    assert data["after"] == {"cacheStatus": "HIT"}
    assert [e["path"] for e in body["errors"]] == [["none"]]
    assert await loregate.counted("user") == 5


async def test_equal_operations_of_a_batch_are_made_once(
    with_models: Service, provider: Upstream
) -> None:
    keyed = {"characterContent": {**CHARACTER_INPUT, "idempotencyKey": "once"}}
    for request in (THEME, keyed):
        provider.requests.clear()
        answer = await batch(with_models, [request] * 10)
        assert len({r["content"]["contentId"] for r in answer["results"]}) == 1
        assert len(provider.requests) == 1


async def test_a_batch_leaves_no_admission_and_nothing_runs_twice(
    with_models: Service, provider: Upstream
) -> None:
    await asyncio.gather(*(batch(with_models, texts(4), sub=f"user {n}") for n in range(3)))
    assert len(provider.requests) == 12


# -- exactly one operation
ITEMS = {
    "none": "{}",
    "two": '{themeAnalysis: {content: "x"}, contentValidation: {content: "x", '
    'contentType: "x", rules: []}}',
    "one and a null": '{themeAnalysis: {content: "x"}, story: null}',
    "a null": "{themeAnalysis: null}",
    "an unknown one": "{song: {}}",
}


@pytest.mark.parametrize("name", ITEMS)
async def test_a_request_that_is_not_one_operation_is_refused_by_validation(
    loregate: Service, name: str
) -> None:
    body = (
        await loregate.graphql(
            f"mutation {{ generateBatch(requests: [{ITEMS[name]}]) {{ requestId }} }}"
        )
    ).json()
    assert "data" not in body
    assert {e["extensions"]["code"] for e in body["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}
    assert await loregate.counted("user") == 1


VARIABLES: dict[str, Any] = {
    "none": {},
    "two": {**THEME, **STORY},
    "one and a null": {**THEME, "story": None},
    "a null": {"story": None},
    "an unknown one": {"song": {}},
    "no object": 5,
}


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize("variable", ["requests", "mine"])
async def test_a_variable_that_is_not_one_operation_is_named(
    loregate: Service, name: str, variable: str
) -> None:
    query = BATCH.replace("$requests", f"${variable}")
    body = (await loregate.graphql(query, {variable: [THEME, VARIABLES[name]]})).json()
    assert "data" not in body
    fields = {e["extensions"]["field"] for e in body["errors"]}
    assert {e["extensions"]["code"] for e in body["errors"]} == {"BAD_USER_INPUT"}
    assert all(f.startswith("requests.1") for f in fields), fields
    assert await loregate.counted("user") == 1


NULLABLE = """mutation ($theme: AnalyzeThemeInput) {
  generateBatch(requests: [{themeAnalysis: $theme}]) { results { cacheStatus } } }"""


@pytest.mark.parametrize("variables", [{}, {"theme": None}])
async def test_a_variable_without_a_value_is_no_operation(
    loregate: Service, variables: Any
) -> None:
    body = (await loregate.graphql(NULLABLE, variables)).json()
    assert body["data"] == {"generateBatch": None}
    assert {e["extensions"]["code"] for e in body["errors"]} == {"BAD_USER_INPUT"}
    assert await loregate.counted("user") == 1
    assert await loregate.data(NULLABLE, {"theme": {"content": TEXT}})


async def test_introspection_tells_that_one_is_wanted(loregate: Service) -> None:
    query = '{ __type(name: "BatchRequest") { isOneOf inputFields { name } } }'
    found = (await loregate.data(query))["__type"]
    assert found["isOneOf"] is True
    assert {"story", "npc", "location", "item"} < {f["name"] for f in found["inputFields"]}


# -- whole documents in a list are another thing
async def test_a_list_of_documents_is_refused(loregate: Service) -> None:
    document = {"query": "{ viewer { id } }"}
    response = await loregate.post("/graphql", [document, document])
    assert response.status_code == 400
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "data" not in response.json()
    assert await loregate.counted("user") == 1
