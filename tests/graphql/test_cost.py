"""Cost: what a document may make the gateway do, counted and bounded before it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from graphql import (
    build_schema,
)

from app.operations import OPERATIONS
from resolvers.cost import DEAREST, INTROSPECTION, Costs
from resolvers.documents import Documents
from tests.support import service
from tests.support.graphql_requests import (
    STORY,
    STORY_INPUT,
    THEME_INPUT,
    VALIDATION_INPUT,
    aliased,
    by_get,
    by_post,
    by_socket,
)
from tests.support.graphql_schema import BUILT
from tests.support.random_documents import RandomDocument, objects
from tests.support.service import CHARACTER_INPUT, Service

READER = Documents(BUILT, introspection=True)
MAX_COST = service.Settings.model_fields["max_cost"].default
STORY_COST, NPC_COST = OPERATIONS["story"].cost, OPERATIONS["npc"].cost


def cost(text: str, **variables: Any) -> int:
    return READER.parsed(text).operation(None).cost.of(variables)


COSTS: list[tuple[str, dict[str, Any], int]] = [
    # An object of the answer costs 1, a scalar nothing.
    ("{ __typename }", {}, 0),
    ("{ health { status components { db cache } } }", {}, 2),
    ("{ a: viewer { id } b: viewer { id } }", {}, 2),
    ("{ viewer { id } viewer { tier } }", {}, 1),
    ("{ __schema { types { name } } }", {}, INTROSPECTION),
    # A page: the connection, and an edge with its node for each item.
    ("{ contents { edges { node { contentId } } } }", {}, 1 + 20 * 2),
    ("{ contents(first: 3) { edges { node { contentId } } } }", {}, 1 + 3 * 2),
    ("{ contents(first: 1000000000) { edges { cursor } } }", {}, 1 + 50),
    ("{ contents(first: 3) { pageInfo { endCursor } } }", {}, 2),
    # Nodes by their ids.
    ('{ node(id: "1") { id } }', {}, 1),
    ('{ nodes(ids: ["1", "2", "3"]) { id ... on Story { children { id } } } }', {}, 3 * 21),
    ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["1"] * 7}, 7),
    ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": "1"}, 1),
    ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ["1"] * 1000}, 100),
    ('query ($id: ID!) { nodes(ids: [$id, "2"]) { id } }', {"id": ["1"] * 9}, 2),
    # Children, below a page.
    (
        "{ contents(first: 2) { edges { node { children(first: 3) { contentId } } } } }",
        {},
        1 + 2 * (2 + 3),
    ),
    # What is long stands in the type that it costs most in.
    (
        '{ content(id: "1") { ... on Item { properties { name } }'
        " ... on ThemeAnalysis { elements { score } } } }",
        {},
        1 + 8,
    ),
    (
        '{ content(id: "1") { ... on ContentValidation { results { issues { message } } } } }',
        {},
        1 + 20 * (1 + 12),
    ),
    ('{ content(id: "1") { metadata { attempts { ms } tokenUsage { totalTokens } } } }', {}, 19),
    ('{ content(id: "1") { ... on Story { childElements } } }', {}, 1 + 20),
    (
        '{ content(id: "1") { ...a } } fragment a on Content { ...b children { contentId } }'
        " fragment b on Content { children { contentType } }",
        {},
        1 + 20,
    ),
    # Variables.
    ("query ($n: Int!) { contents(first: $n) { edges { cursor } } }", {"n": 7}, 8),
    ("query ($n: Int!) { contents(first: $n) { edges { cursor } } }", {"n": 7.0}, 8),
    ("query ($n: Int!) { contents(first: $n) { edges { cursor } } }", {"n": 1e308}, 51),
    ("query ($n: Int!) { contents(first: $n) { edges { cursor } } }", {"n": None}, 51),
    ("query ($n: Int!) { contents(first: $n) { edges { cursor } } }", {"n": True}, 51),
    ("query ($n: Int = 5) { contents(first: $n) { edges { cursor } } }", {}, 6),
    ("query ($n: Int = 5) { contents(first: $n) { edges { cursor } } }", {"n": 6, "": 0}, 7),
    (
        "query ($n: Int = 5, $m: Int!) { contents(first: $n) { edges { node {"
        " children(first: $m) { contentId } } } } }",
        {"m": 4},
        1 + 5 * (2 + 4),
    ),
    (
        "query ($m: Int!) { contents(first: 5) { edges { node {"
        " children(first: $m) { contentId } } } } }",
        {"m": 4, "": 0},
        1 + 5 * (2 + 4),
    ),
    # Generations.
    ("mutation { generateStory(input: {elementType: PLOT, context: {}}) { requestId } }", {}, 151),
    (
        "mutation ($i: StartGenerationInput!) { startGeneration(input: $i) { requestId } }",
        {"i": {"npc": {}}},
        NPC_COST + 1,
    ),
    (
        "mutation ($i: StartGenerationInput!) { startGeneration(input: $i) { requestId } }",
        {},
        DEAREST + 1,
    ),
    (
        "mutation ($s: GenerateStoryInput!) { startGeneration(input: {story: $s}) { requestId } }",
        {"s": STORY_INPUT},
        STORY_COST + 1,
    ),
    (
        "mutation ($r: [BatchRequest!]!) { generateBatch(requests: $r) {"
        " results { content { contentId } } } }",
        {"r": [{"story": {}}, {"npc": {}}]},
        STORY_COST + NPC_COST + 1 + 2 * 2,
    ),
    (
        "mutation ($r: [BatchRequest!]!) { generateBatch(requests: $r) { requestId } }",
        {"r": {"story": {}}},
        STORY_COST + 1,
    ),
    (
        "mutation ($r: [BatchRequest!]!) { generateBatch(requests: $r) { requestId } }",
        {"r": [{"story": {}}] * 1000},
        20 * STORY_COST + 1,  # more are refused by the field itself
    ),
    (
        "mutation ($r: [BatchRequest!]! = [{story: {elementType: PLOT, context: {}}},"
        " {story: {elementType: PLOT, context: {}}}])"
        " { generateBatch(requests: $r) { results { cacheStatus } } }",
        {},
        2 * STORY_COST + 1 + 2,
    ),
    (
        "mutation ($s: GenerateStoryInput!, $r: BatchRequest!)"
        " { generateBatch(requests: [{story: $s}, $r]) { results { cacheStatus } } }",
        {"r": {"npc": {}}},
        STORY_COST + NPC_COST + 1 + 2,
    ),
    # An event of a subscription.
    ("subscription { events { id content { contentId } metadata { modelUsed } } }", {}, 3),
]


@pytest.mark.parametrize(("text", "variables", "expected"), COSTS)
def test_a_document_costs_the_objects_it_may_return_and_what_it_generates(
    text: str, variables: dict[str, Any], expected: int
) -> None:
    assert cost(text, **variables) == expected


EVERYTHING = """
  contentId metadata { tokenUsage { totalTokens } attempts { ms } }
  ... on Npc { relationships { to } } ... on Item { properties { name } }
  ... on ThemeAnalysis { elements { score } compatibility { score } }
  ... on ContentValidation { results { score issues { message } } }"""
WITHIN = {
    "a page with all that stands in its contents": "{ contents(first: 50) { edges { node {"
    f" {EVERYTHING} }} }} }} }}",
    "fifty root fields of the costliest operation": "mutation ($input: ValidateContentInput!) {"
    + aliased("validateContent(input: $input) { validation { overallScore } }", 50)
    + "}",
    "a batch with all of each result": "mutation ($r: [BatchRequest!]!) {"
    f" generateBatch(requests: $r) {{ results {{ content {{ {EVERYTHING} }} }} }} }}",
}


@pytest.mark.parametrize("name", WITHIN)
def test_the_default_bound_has_room_for(name: str) -> None:
    assert MAX_COST / 4 < cost(WITHIN[name]) < MAX_COST


def test_a_list_of_objects_without_a_size_keeps_the_executor_from_being() -> None:
    schema = build_schema(
        "type Query { models: [A!]! ok: A } type A { many: [A!] words: [String] }"
    )
    with pytest.raises(LookupError, match=r"A\.many"):
        Costs(schema)
    assert Costs(schema, {"A.many": 3}).sizes["A.many"] == 3


def test_types_that_carry_each_other_on_do_not_multiply() -> None:
    """Fragments that differ by type, level by level: counted within the bound on steps."""
    kinds = ("Story", "Npc", "Item")
    fragments = [
        f"fragment f{level} on Content {{"
        + "".join(
            f" ... on {kind} {{ c: children(first: {n}) {{ ...f{level + 1} }} }}"
            for n, kind in enumerate(kinds, 1)
        )
        + " }"
        for level in range(6)
    ]
    text = '{ content(id: "1") { ...f0 } }' + "".join(fragments)
    text += " fragment f6 on Content { contentId }"
    assert cost(text) == sum(3**level for level in range(7))


# -- refused
async def by_stream(loregate: Service, query: str, variables: Any = None, **claims: Any) -> Any:
    """As server-sent events; a refusal may also be a JSON answer."""
    response = await loregate.http.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={**loregate.headers(**claims), "Accept": "text/event-stream"},
    )
    lines = [line for line in response.text.splitlines() if "QUERY_TOO_COMPLEX" in line]
    return httpx2.Response(200, content=lines[0].removeprefix("data: ")).json()


PAGE = "query ($n: Int!) { contents(first: $n) { edges { node { contentId } } } }"


@pytest.fixture
async def frugal(tmp_path: Path, redis_url: str) -> Any:
    """A service whose documents may cost 60."""
    async with service.running(service.settings(tmp_path, redis_url, max_cost=60)) as found:
        yield found


@pytest.mark.parametrize("ask", [by_post, by_get, by_socket, by_stream])
async def test_a_document_over_the_bound_is_refused_on_every_transport(
    ask: Any, frugal: Service
) -> None:
    body = await ask(frugal, PAGE, {"n": 30})
    [error] = body["errors"]
    assert "data" not in body
    assert error["message"] == (
        "The document costs 61, and at most 60 is allowed; ask for less at once"
    )
    facts = error["extensions"]
    assert (facts["code"], facts["cost"], facts["limit"]) == ("QUERY_TOO_COMPLEX", 61, 60)
    assert "errors" not in await by_post(frugal, PAGE, {"n": 29})


async def test_what_is_refused_runs_nothing_and_counts_as_one_request(frugal: Service) -> None:
    many = "mutation ($input: GenerateStoryInput!) {" + aliased(
        "generateStory(input: $input) { requestId }", 9
    )
    body = await by_post(frugal, many + "}", {"input": STORY_INPUT})
    assert body["errors"][0]["extensions"]["cost"] == 9 * (STORY_COST + 1)
    assert await frugal.counted() == 1
    assert await frugal.counted("operation:text_generation") == 0


# -- a bound indeed
async def filled(loregate: Service) -> list[str]:
    """The ids of contents of each kind: three lines of descent with ten children each time."""
    text = "mutation ($r: [BatchRequest!]!) { generateBatch(requests: $r) {"
    text += " results { content { contentId } error { message } } } }"
    ids: list[str] = [(await loregate.generate())["contentId"]]
    for _ in range(3):
        requests = [
            *({"story": {**STORY_INPUT, "parentElementId": ids[-1]}} for _ in range(5)),
            *({"characterContent": {**CHARACTER_INPUT, "parentContentId": ids[-1]}},) * 5,
            {"npc": {"role": "ALLY", "context": {}, "relationships": [{"key": "a", "value": "b"}]}},
            {"themeAnalysis": {**THEME_INPUT, "elements": None, "cache": "BYPASS"}},
            {"contentValidation": {**VALIDATION_INPUT, "cache": "BYPASS"}},
            {"item": {"kind": "RING", "context": {}, "parentContentId": ids[-1]}},
        ]
        found = await loregate.data(text, {"r": requests})
        made = found["generateBatch"]["results"]
        assert all(r["content"] for r in made), made
        ids += [r["content"]["contentId"] for r in made]
    return ids


@pytest.mark.parametrize(
    "text",
    [
        "{ contents(first: 9) { edges { node { contentId } } } }",
        "{ contents(first: 3) { pageInfo { endCursor } edges { cursor } } }",
        "query ($id: ID!) { content(id: $id) { children(first: 5) { contentId } } }",
        "query ($id: ID!) { content(id: $id) { children(first: 11) { parent { contentId } } } }",
        "{ models { name } rateLimits { scope } viewer { id } health { components { db } } }",
    ],
)
async def test_what_is_full_returns_exactly_what_it_costs(loregate: Service, text: str) -> None:
    ids = await filled(loregate)
    data = await loregate.data(text, {"id": ids[0]})
    gateway = loregate.gateway
    sizes = {
        "Query.models": len(list(gateway.models)),
        "Query.rateLimits": gateway.limiter.count + gateway.quotas.count,
    }
    read = Documents(BUILT, introspection=False, sizes=sizes).read(text)
    assert objects(data) - 1 == read.operation(None).cost.of({})


@pytest.mark.long
async def test_no_document_returns_more_objects_than_it_costs(loregate: Service) -> None:
    ids = await filled(loregate)
    ran, largest = 0, 0
    for seed in range(150):
        asked = RandomDocument(seed, ids)
        text = asked.text()
        body = await by_post(loregate, text, asked.variables, tier="service")
        if "data" not in body:
            assert body["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX", body
            continue
        returned = objects(body["data"]) - 1
        assert returned <= cost(text, **asked.variables), text
        ran, largest = ran + 1, max(largest, returned)
    assert ran > 50
    assert largest > 200


async def test_a_batch_returns_no_more_objects_than_it_costs(loregate: Service) -> None:
    text = WITHIN["a batch with all of each result"]
    requests = [{"story": STORY_INPUT}, {"contentValidation": VALIDATION_INPUT}]
    body = await by_post(loregate, text, {"r": requests})
    assert objects(body["data"]) - 1 <= cost(text, r=requests) - STORY_COST


def test_a_story_as_the_tests_ask_for_it_costs_little_more_than_its_writing() -> None:
    # The ids of its children are read, too.
    assert STORY_COST < cost(STORY) < STORY_COST + 30


def test_every_operation_says_what_it_costs() -> None:
    assert {name: o.cost for name, o in OPERATIONS.items()} == {
        "character": 100,
        "campaign": 100,
        "story": 150,
        "npc": 160,
        "location": 190,
        "item": 160,
        "theme": 230,
        "validation": 280,
    }
