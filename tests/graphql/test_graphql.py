"""GraphQL: the same on every transport, errors that tell the caller enough and nobody too much."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import pytest

from tests.support.graphql_requests import (
    RULE,
    STORY,
    STORY_INPUT,
    THEME,
    THEME_INPUT,
    VALIDATION,
    VALIDATION_INPUT,
    by_socket,
    field_errors,
    over_each_mutation_transport,
    over_each_query_transport,
)
from tests.support.replaced import replaced
from tests.support.service import CHARACTER_INPUT, GENERATE, Service
from tests.support.upstream import Upstream, refusal

# -- transports


@over_each_mutation_transport
async def test_character_content_is_written_and_kept(ask: Any, loregate: Service) -> None:
    body = await ask(loregate, GENERATE, {"input": CHARACTER_INPUT})
    payload = body["data"]["generateCharacterContent"]
    content = payload["content"]
    assert content["contentType"] == "CHARACTER"
    assert len(content["text"]) > 200
    assert content["metadata"]["requestId"] == payload["requestId"]
    assert payload["rateLimit"]["scope"] == "operation:text_generation"
    assert payload["rateLimit"]["remaining"] == payload["rateLimit"]["limit"] - 1
    query = "query ($id: ID!) { content(id: $id) { ... on GeneratedContent { text } } }"
    kept = await loregate.data(query, {"id": content["contentId"]})
    assert kept["content"] == {"text": content["text"]}


@over_each_mutation_transport
async def test_a_story_element_is_written_with_its_summary(ask: Any, loregate: Service) -> None:
    parent = (await loregate.generate())["contentId"]
    given = {**STORY_INPUT, "parentElementId": parent}
    story = (await ask(loregate, STORY, {"input": given}))["data"]["generateStory"]["story"]
    assert story["elementType"] == "QUEST"
    assert story["text"]
    assert story["summary"]
    assert story["parentElementId"] == parent
    assert story["childElements"] == []
    assert story["createdAt"] == story["metadata"]["createdAt"]
    assert datetime.fromisoformat(story["createdAt"]).tzinfo
    usage = story["metadata"]["tokenUsage"]
    assert usage["totalTokens"] == usage["promptTokens"] + usage["completionTokens"]


@over_each_mutation_transport
async def test_a_theme_is_analysed_in_the_asked_order(ask: Any, loregate: Service) -> None:
    found = await ask(loregate, THEME, {"input": THEME_INPUT})
    analysis = found["data"]["analyzeTheme"]["analysis"]
    assert [e["element"] for e in analysis["elements"]] == ["MOOD", "TONE"]
    assert 0 <= analysis["categoryConfidence"] <= 1
    assert 0 <= analysis["compatibility"]["score"] <= 1
    without = {k: v for k, v in THEME_INPUT.items() if k != "targetTheme"}
    found = await ask(loregate, THEME, {"input": without})
    assert found["data"]["analyzeTheme"]["analysis"]["compatibility"] is None


@over_each_mutation_transport
async def test_a_text_is_held_against_its_rules_in_order(ask: Any, loregate: Service) -> None:
    found = await ask(loregate, VALIDATION, {"input": VALIDATION_INPUT})
    first, second = found["data"]["validateContent"]["validation"]["results"]
    assert first["ruleId"] == RULE
    assert uuid.UUID(second["ruleId"])


@over_each_query_transport
async def test_the_viewer_is_who_asks(ask: Any, loregate: Service) -> None:
    query = "{ viewer { id permissions tier expiresAt } }"
    body = await ask(loregate, query, sub="bob", permissions=["text:*"], tier="gold")
    viewer = body["data"]["viewer"]
    assert (viewer["id"], viewer["tier"]) == ("bob", "standard")
    assert viewer["permissions"] == ["text:generate"]
    assert datetime.fromisoformat(viewer["expiresAt"]).tzinfo


@over_each_query_transport
async def test_the_limits_models_and_health_are_told(ask: Any, loregate: Service) -> None:
    query = """{ rateLimits { scope limit remaining resetAt windowSeconds }
      models { name provider state configured fallback maxTokens inputPrice }
      health { status components { openai messageHub cache db } metrics { requestRate } } }"""
    data = (await ask(loregate, query))["data"]
    limits = {x["scope"]: x for x in data["rateLimits"]}
    assert limits["user"]["limit"] == 1000
    assert limits["user"]["remaining"] == 997
    assert limits["operation:theme_analysis"]["limit"] == 50
    models = {m["name"]: m for m in data["models"]}
    assert models["gpt-4-turbo"]["configured"] is False
    assert models["gpt-4-turbo"]["fallback"] == ["gpt-3.5-turbo", "storyteller"]
    assert models["storyteller"]["configured"] is True
    assert data["health"]["components"]["db"] == "HEALTHY"


@over_each_query_transport
async def test_variables_and_names_of_operations_are_heard(ask: Any, loregate: Service) -> None:
    query = (
        "query ($id: ID!, $yes: Boolean = false) { content(id: $id) { contentId @skip(if: $yes) } }"
    )
    made = await loregate.generate()
    body = await ask(loregate, query, {"id": made["contentId"]})
    assert body["data"] == {"content": {"contentId": made["contentId"]}}


@over_each_query_transport
async def test_errors_are_the_same_on_every_transport(ask: Any, loregate: Service) -> None:
    bad = {
        "{": "GRAPHQL_PARSE_FAILED",
        "{ nothing }": "GRAPHQL_VALIDATION_FAILED",
        "{ health {" + " status" * 500 + " } }": "QUERY_TOO_COMPLEX",
        "{ contents(first: 51) { edges { cursor } } }": "BAD_USER_INPUT",
        "query ($id: ID!) { content(id: $id) { contentId } }": "BAD_USER_INPUT",
    }
    for query, code in bad.items():
        body = await ask(loregate, query)
        [error] = body["errors"]
        assert error["extensions"]["code"] == code
        assert uuid.UUID(error["extensions"]["requestId"])


# -- inputs


CONTEXT = {"characterClass": "bard"}
LONG = "x" * 60_000
BAD: dict[str, tuple[str, Any, set[str]]] = {
    "an unknown enum": (GENERATE, {**CHARACTER_INPUT, "type": "SONG"}, {"input.type"}),
    "a level out of range": (
        GENERATE,
        {"type": "COMBAT", "characterContext": {"characterLevel": 21}},
        {"input.characterContext.characterLevel"},
    ),
    "a level that is no number": (
        GENERATE,
        {"type": "COMBAT", "characterContext": {"characterLevel": "five"}},
        {"input.characterContext.characterLevel"},
    ),
    "several at once": (
        GENERATE,
        {
            "type": "COMBAT",
            "characterContext": {"characterLevel": 0, "characterClass": "x" * 4_001},
            "model": {"temperature": 3, "maxTokens": 0},
            "parentContentId": "no uuid",
        },
        {
            "input.characterContext.characterLevel",
            "input.characterContext.characterClass",
            "input.model.temperature",
            "input.model.maxTokens",
            "input.parentContentId",
        },
    ),
    "several of the wrong type": (
        GENERATE,
        {"type": "X", "characterContext": {"characterLevel": 1.5, "alignment": 5}},
        {"input.type", "input.characterContext.characterLevel", "input.characterContext.alignment"},
    ),
    "an unknown model": (
        GENERATE,
        {**CHARACTER_INPUT, "model": {"name": "hal"}},
        {"input.model.name"},
    ),
    "a text too long": (THEME, {"content": LONG}, {"input.content"}),
    "no text": (THEME, {"content": ""}, {"input.content"}),
    "no rules": (VALIDATION, {**VALIDATION_INPUT, "rules": []}, {"input.rules"}),
    "a rule's id": (
        VALIDATION,
        {**VALIDATION_INPUT, "rules": [{"id": "x", "category": "QUALITY", "name": "n"}]},
        {"input.rules.0.id"},
    ),
    "a rule's category": (
        VALIDATION,
        {**VALIDATION_INPUT, "rules": [{"category": "MANNERS", "name": "n"}]},
        {"input.rules.0.category"},
    ),
    "a party's size": (
        STORY,
        {**STORY_INPUT, "context": {"partySize": 0}},
        {"input.context.partySize"},
    ),
    "a missing field": (STORY, {"elementType": "PLOT"}, {"input"}),
    "an unknown field": (STORY, {**STORY_INPUT, "colour": "red"}, {"input"}),
    "null": (STORY, None, {"input"}),
}


@pytest.mark.parametrize("name", BAD)
async def test_every_bad_field_is_named_from_input(loregate: Service, name: str) -> None:
    query, given, fields = BAD[name]
    response = await loregate.graphql(query, {"input": given})
    found = field_errors(response.json())
    assert set(found) == fields
    assert all(found.values())
    assert LONG not in response.text
    assert set(field_errors(await by_socket(loregate, query, {"input": given}))) == fields


async def test_a_field_is_named_from_input_whatever_the_variable_is_called(
    loregate: Service,
) -> None:
    query = GENERATE.replace("$input", "$mine")
    body = (await loregate.graphql(query, {"mine": {**CHARACTER_INPUT, "type": "X"}})).json()
    assert set(field_errors(body)) == {"input.type"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("{ contents(first: 0) { edges { cursor } } }", "first"),
        ("{ contents(first: 51) { edges { cursor } } }", "first"),
        ('{ contents(after: "x") { edges { cursor } } }', "after"),
        ('{ contents(after: "é") { edges { cursor } } }', "after"),
        ('{ contents(after: "") { edges { cursor } } }', "after"),
        ('{ contents(after: "Y29udGVudDo=") { edges { cursor } } }', "after"),
        ('{ contents(after: "Y29udGVudDp4") { edges { cursor } } }', "after"),
    ],
)
async def test_a_bad_argument_is_named(loregate: Service, query: str, field: str) -> None:
    body = (await loregate.graphql(query)).json()
    assert set(field_errors(body)) == {field}


# -- errors
async def test_a_bug_tells_nothing_but_a_request_id(
    loregate: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("the secret inside")

    with replaced(loregate.parts.store, get_many=broken, page=broken, add=broken):
        found = [
            await loregate.graphql('{ content(id: "x") { contentId } health { status } }'),
            await loregate.graphql("{ contents { edges { cursor } } }"),
            await loregate.graphql(GENERATE, {"input": CHARACTER_INPUT}),
        ]
    assert found[0].json()["data"]["health"]["status"]
    for response in found:
        assert response.status_code == 200
        assert "secret" not in response.text
        assert "ZeroDivision" not in response.text
        [error] = response.json()["errors"]
        request_id = response.headers["X-Request-ID"]
        assert error["extensions"] == {"code": "INTERNAL_ERROR", "requestId": request_id}
        assert any(getattr(r, "request_id", None) == request_id for r in caplog.records)


async def test_a_bug_outside_of_execution_tells_nothing_either(
    loregate: Service, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def authenticate(self, *_: Any) -> Any:
            raise ZeroDivisionError("the secret inside")

    gateway: Any = loregate.gateway
    gateway.identity = Broken()
    response = await loregate.graphql("{ viewer { id } }")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL_ERROR"


async def test_a_models_failure_comes_with_its_facts(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = refusal(400, "content_policy_violation", "the provider's words")
    response = await with_models.graphql(GENERATE, {"input": CHARACTER_INPUT})
    assert response.status_code == 200
    assert "the provider's words" not in response.text
    [error] = response.json()["errors"]
    assert error["extensions"]["code"] == "CONTENT_REJECTED"
    assert error["extensions"]["model"] == "gpt-4-turbo"


async def test_users_texts_stay_out_of_the_log(
    loregate: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    for ours in ("app", "resolvers", "loregate"):
        caplog.set_level("DEBUG", logger=ours)
    secret = "xyzzy-plugh"
    given = {**CHARACTER_INPUT, "characterContext": {"background": secret}}
    await loregate.data(GENERATE, {"input": given})
    await loregate.graphql(GENERATE, {"input": {**given, "type": secret}})
    await loregate.graphql(f'{{ content(id: "{secret}") {{ nothing }} }}')
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(GENERATE, {"input": {**given, "parentContentId": secret}})
        await socket.receive()
    assert caplog.records
    assert not [r for r in caplog.records if secret in f"{r.getMessage()}{r.__dict__}"]
