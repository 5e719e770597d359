"""GraphQL: equal requests make one answer, a repeated one gets the first, alike ones when asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.graphql_requests import aliased, by_socket, field_errors
from tests.support.service import CHARACTER_INPUT, Service
from tests.support.upstream import Behaviour, Upstream

pytestmark = pytest.mark.also_on("cluster", "postgresql")

CHARACTER = """mutation ($input: GenerateCharacterContentInput!) {
  answer: generateCharacterContent(input: $input) { cacheStatus similarity requestId
    result: content { contentId text metadata { cached requestId } } } }"""
THEME = """mutation ($input: AnalyzeThemeInput!) {
  answer: analyzeTheme(input: $input) { cacheStatus similarity requestId
    result: analysis { contentId metadata { cached requestId } } } }"""
VALIDATION = """mutation ($input: ValidateContentInput!) {
  answer: validateContent(input: $input) { cacheStatus similarity requestId
    result: validation { contentId metadata { cached requestId } } } }"""

TEXT = "The lamps of Saltmere went out, and something knocked from under the ice."
THEME_INPUT = {"content": TEXT}
RULES = [{"category": "QUALITY", "name": "readable"}]
VALIDATION_INPUT = {"content": TEXT, "contentType": "character", "rules": RULES}
ANALYSES: dict[str, tuple[str, Any]] = {
    "analysis": (THEME, THEME_INPUT),
    "validation": (VALIDATION, VALIDATION_INPUT),
}
OPERATIONS: dict[str, tuple[str, Any]] = {"text": (CHARACTER, CHARACTER_INPUT), **ANALYSES}


async def ask(found: Service, query: str, given: Any, **claims: Any) -> Any:
    return (await found.data(query, {"input": given}, **claims))["answer"]


def content_id(answer: Any) -> str:
    found: str = answer["result"]["contentId"]
    return found


# -- the cache
@pytest.mark.parametrize("name", ANALYSES)
async def test_the_same_analysis_is_made_once(
    with_models: Service, provider: Upstream, name: str
) -> None:
    query, given = ANALYSES[name]
    first = await ask(with_models, query, given)
    second = await ask(with_models, query, given)
    assert (first["cacheStatus"], second["cacheStatus"]) == ("MISS", "HIT")
    assert content_id(second) == content_id(first)
    assert (first["result"]["metadata"]["cached"], second["result"]["metadata"]["cached"]) == (
        False,
        True,
    )
    assert second["result"]["metadata"]["requestId"] == first["requestId"]
    assert second["requestId"] != first["requestId"]
    assert second["similarity"] is None
    assert len(provider.requests) == 1


async def test_an_answer_over_http_is_a_hit_over_a_socket(
    with_models: Service, provider: Upstream
) -> None:
    first = await ask(with_models, THEME, THEME_INPUT)
    body = await by_socket(with_models, THEME, {"input": THEME_INPUT})
    assert body["data"]["answer"]["cacheStatus"] == "HIT"
    assert content_id(body["data"]["answer"]) == content_id(first)
    assert len(provider.requests) == 1


async def test_a_text_is_written_anew_unless_the_cache_is_asked_for(
    with_models: Service, provider: Upstream
) -> None:
    made = [await ask(with_models, CHARACTER, CHARACTER_INPUT) for _ in range(2)]
    assert [a["cacheStatus"] for a in made] == ["BYPASS", "BYPASS"]
    cached = {**CHARACTER_INPUT, "cache": "USE"}
    made += [await ask(with_models, CHARACTER, cached) for _ in range(2)]
    assert [a["cacheStatus"] for a in made[2:]] == ["MISS", "HIT"]
    assert len({content_id(a) for a in made}) == 3
    assert content_id(made[3]) == content_id(made[2])
    assert len(provider.requests) == 3


@pytest.mark.parametrize("name", OPERATIONS)
async def test_refresh_makes_a_new_answer_and_keeps_it(
    with_models: Service, provider: Upstream, name: str
) -> None:
    query, given = OPERATIONS[name]
    asked = ("USE", "REFRESH", "USE", "BYPASS", "USE")
    made = [await ask(with_models, query, {**given, "cache": use}) for use in asked]
    assert [a["cacheStatus"] for a in made] == ["MISS", "MISS", "HIT", "BYPASS", "HIT"]
    first, refreshed, second, bypassed, third = map(content_id, made)
    assert refreshed == second == third
    assert len({first, refreshed, bypassed}) == 3
    assert len(provider.requests) == 3


async def test_an_explicit_null_means_the_operations_own_default(loregate: Service) -> None:
    nothing = {"cache": None, "similar": None, "idempotencyKey": None}
    made = [await ask(loregate, THEME, {**THEME_INPUT, **nothing}) for _ in range(2)]
    assert [a["cacheStatus"] for a in made] == ["MISS", "HIT"]


WISHES: dict[str, Any] = {
    "the cache": {"cache": "USE"},
    "what is alike": {"similar": 0.01},
    "a key": {"idempotencyKey": "once"},
}


@pytest.mark.parametrize("wish", WISHES.values(), ids=WISHES)
async def test_nobody_gets_what_was_made_for_somebody_else(
    with_models: Service, provider: Upstream, wish: Any
) -> None:
    for sub in ("alice", "bob"):
        answer = await ask(with_models, THEME, {**THEME_INPUT, **wish}, sub=sub)
        assert (answer["cacheStatus"], answer["similarity"]) == ("MISS", None)
    assert len(provider.requests) == 2


async def test_equal_requests_at_once_make_one_answer(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(delay=0.3)  # the ten are all there before it answers
    made = await asyncio.gather(*(ask(with_models, THEME, THEME_INPUT) for _ in range(10)))
    assert sorted(a["cacheStatus"] for a in made) == ["COALESCED"] * 9 + ["MISS"]
    assert len({content_id(a) for a in made}) == 1
    assert len({a["requestId"] for a in made}) == 10
    assert len(provider.requests) == 1


# -- alike requests
LIKE = {**CHARACTER_INPUT, "theme": {"tone": "ominous and slow"}}


async def test_an_answer_to_an_alike_request_comes_with_its_likeness(
    with_models: Service, provider: Upstream
) -> None:
    first = await ask(with_models, CHARACTER, {**CHARACTER_INPUT, "cache": "USE"})
    near = await ask(with_models, CHARACTER, {**LIKE, "similar": 0.3})
    assert near["cacheStatus"] == "HIT"
    assert 0.3 <= near["similarity"] < 1
    assert content_id(near) == content_id(first)
    assert near["result"]["metadata"]["cached"] is True
    assert len(provider.requests) == 1


async def test_what_is_not_alike_enough_is_made(with_models: Service, provider: Upstream) -> None:
    first = await ask(with_models, CHARACTER, {**CHARACTER_INPUT, "cache": "USE"})
    far = await ask(with_models, CHARACTER, {**LIKE, "similar": 0.999})
    assert (far["cacheStatus"], far["similarity"]) == ("MISS", None)
    assert content_id(far) != content_id(first)
    assert len(provider.requests) == 2


# -- idempotency keys
@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_repeated_key_gets_the_first_answer(
    with_models: Service, provider: Upstream, name: str
) -> None:
    query, given = OPERATIONS[name]
    keyed = {**given, "idempotencyKey": "once", "cache": "BYPASS"}
    first = await ask(with_models, query, keyed)
    again = await ask(with_models, query, keyed)
    assert (first["cacheStatus"], again["cacheStatus"]) == ("BYPASS", "HIT")
    assert again["result"] == first["result"]
    assert len(provider.requests) == 1
    await ask(with_models, query, {**keyed, "idempotencyKey": "twice"})
    assert len(provider.requests) == 2


CONFLICTS: dict[str, tuple[str, Any]] = {
    "another input": (CHARACTER, {**CHARACTER_INPUT, "type": "COMBAT"}),
    "another operation": (THEME, THEME_INPUT),
}


@pytest.mark.parametrize("name", CONFLICTS)
async def test_a_key_belongs_to_one_request(
    with_models: Service, provider: Upstream, name: str
) -> None:
    await ask(with_models, CHARACTER, {**CHARACTER_INPUT, "idempotencyKey": "once"})
    query, given = CONFLICTS[name]
    response = await with_models.graphql(query, {"input": {**given, "idempotencyKey": "once"}})
    assert response.status_code == 200
    assert response.json()["data"] == {"answer": None}
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "IDEMPOTENCY_CONFLICT"
    assert len(provider.requests) == 1


BAD: dict[str, tuple[str, Any]] = {
    "an empty key": ("idempotencyKey", ""),
    "a long key": ("idempotencyKey", "k" * 256),
    "a key with a space": ("idempotencyKey", "a key"),
    "a key with a line break": ("idempotencyKey", "key\n"),
    "a key that is not ASCII": ("idempotencyKey", "clé"),
    "a negative likeness": ("similar", -0.1),
    "a likeness over 1": ("similar", 1.01),
    "an unknown use": ("cache", "MAYBE"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_wish_out_of_bounds_is_named_and_counts_one(loregate: Service, name: str) -> None:
    field, value = BAD[name]
    response = await loregate.graphql(CHARACTER, {"input": {**CHARACTER_INPUT, field: value}})
    assert set(field_errors(response.json())) == {f"input.{field}"}
    assert await loregate.counted("user") == 1
    assert await loregate.counted("operation:text_generation") == 0


async def test_keys_and_likenesses_at_their_bounds_are_good(loregate: Service) -> None:
    for wish in ({"idempotencyKey": "!"}, {"idempotencyKey": "~" * 255}, {"similar": 1}):
        assert await ask(loregate, THEME, {**THEME_INPUT, **wish})
    assert await ask(loregate, THEME, {**THEME_INPUT, "similar": 0})


async def test_a_header_with_a_key_says_nothing(with_models: Service, provider: Upstream) -> None:
    headers = {**with_models.headers(), "Idempotency-Key": "once"}
    ids = set()
    for _ in range(2):
        body = {"query": CHARACTER, "variables": {"input": CHARACTER_INPUT}}
        response = await with_models.http.post("/graphql", json=body, headers=headers)
        ids.add(content_id(response.json()["data"]["answer"]))
    assert len(ids) == 2
    assert len(provider.requests) == 2


FIELD = """generateCharacterContent(input: {type: BACKSTORY, idempotencyKey: "once",
  characterContext: {characterClass: "bard"}}) { content { contentId } }"""


async def test_ten_names_with_one_key_are_one_model_call(
    with_models: Service, provider: Upstream
) -> None:
    data = await with_models.data(f"mutation {{ {aliased(FIELD, 10)} }}")
    assert len({a["content"]["contentId"] for a in data.values()}) == 1
    assert len(provider.requests) == 1
    assert await with_models.counted("operation:text_generation") == 10
    assert await with_models.counted("model:gpt-4-turbo") == 1


@pytest.mark.one_server
async def test_a_cached_answer_publishes_nothing_new(loregate: Service) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    for _ in range(3):
        await ask(loregate, THEME, THEME_INPUT)
    last = await ask(loregate, THEME, {**THEME_INPUT, "cache": "REFRESH"})
    query = "subscription ($after: String) { themeAnalyzed(after: $after) { contentId } }"
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(query, {"after": cursor})
        await socket.next("themeAnalyzed")
        assert (await socket.next("themeAnalyzed"))["contentId"] == content_id(last)
