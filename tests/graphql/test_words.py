"""What errors say: fields by GraphQL's names, little of the caller's words, hints in dev only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from resolvers.errors import MAX_MESSAGE, shortened
from tests.support import service
from tests.support.service import Service

LONG = "longword" * 2_000
MISSPELT = "{ helth { status } }"


async def error(loregate: Service, query: str, variables: Any = None, **more: Any) -> Any:
    asked = {"query": query, "variables": variables, **more}
    answer = await loregate.http.post("/graphql", json=asked, headers=loregate.headers())
    return answer.json()["errors"][0]


async def test_a_message_names_the_field_as_graphql_does(loregate: Service) -> None:
    query = (
        """mutation ($input: GenerateStoryInput!) { generateStory(input: $input) { requestId } }"""
    )
    bad = {"elementType": "PLOT", "context": {"partyLevel": 99}}
    found = await error(loregate, query, {"input": bad})
    assert found["extensions"]["field"] == "input.context.partyLevel"
    assert "input.context.partyLevel" in found["message"]
    assert "party_level" not in str(found)


QUOTING: dict[str, dict[str, Any]] = {
    "an operation's name": {"query": "{ __typename }", "operationName": LONG},
    "a field": {"query": f"{{ {LONG} }}"},
    "an argument": {"query": f'{{ content(id: "a", {LONG}: 5) {{ contentId }} }}'},
    "a fragment": {"query": f"{{ ...{LONG} }}"},
    "a directive": {"query": f"{{ __typename @{LONG} }}"},
    "a literal": {"query": f'{{ contents(first: "{LONG}") {{ edges {{ cursor }} }} }}'},
    "an object": {
        "query": f'{{ contents(first: {{a: "{"a b " * 4_000}"}}) {{ edges {{ cursor }} }} }}'
    },
    "a type": {"query": f"query ($a: {LONG}) {{ __typename }}"},
    "a variable's name": {"query": f"{{ content(id: ${LONG}) {{ contentId }} }}"},
    "a variable's value": {
        "query": "query ($a: Int) { contents(first: $a) { edges { cursor } } }",
        "variables": {"a": LONG},
    },
    "an enum's value": {
        "query": "query ($a: [ContentType!]) { contents(contentTypes: $a) { edges { cursor } } }",
        "variables": {"a": [LONG]},
    },
    "a key of an input": {
        "query": "mutation ($a: AnalyzeThemeInput!) { analyzeTheme(input: $a) { requestId } }",
        "variables": {"a": {"content": "x", LONG: 5}},
    },
    "a cursor": {
        "query": "query ($a: String) { contents(after: $a) { edges { cursor } } }",
        "variables": {"a": LONG},
    },
    "a model": {
        "query": "mutation ($a: AnalyzeThemeInput!) { analyzeTheme(input: $a) { requestId } }",
        "variables": {"a": {"content": "x", "elements": [LONG]}},
    },
    "a document's id": {"query": None, "documentId": LONG},
    "a syntax error": {"query": f"{{ a ( {LONG} }}"},
    "a string without an end": {"query": '{ a(b: "' + "x" * 10_000},
}


@pytest.mark.parametrize("what", QUOTING)
async def test_a_message_repeats_at_most_200_characters_of_the_callers(
    loregate: Service, what: str
) -> None:
    answer = await loregate.http.post("/graphql", json=QUOTING[what], headers=loregate.headers())
    found = answer.json()["errors"]
    for one in found:
        assert len(one["message"]) <= MAX_MESSAGE
        assert all(len(v) <= 300 for v in one["extensions"].values() if isinstance(v, str))


def test_a_shortened_message_still_says_what_is_wrong() -> None:
    said = shortened(f"Cannot query field '{'a' * 500}' on type 'Query'.")
    assert said.startswith("Cannot query field 'aaa")
    assert said.endswith("…' on type 'Query'.")
    assert shortened("Syntax Error: Unexpected <EOF>.") == "Syntax Error: Unexpected <EOF>."


@pytest.mark.parametrize("dev", [True, False])
async def test_what_was_meant_is_said_in_development_only(
    tmp_path: Path, redis_url: str, dev: bool
) -> None:
    """Elsewhere a guess would tell names of a schema that may be hidden."""
    given = service.settings(tmp_path, redis_url)
    given._dev = dev  # private: no setting makes it so, only the command
    async with service.running(given) as found:
        said = (await error(found, MISSPELT))["message"]
    assert ("Did you mean 'health'?" in said) is dev
