"""Variables: counted before they are coerced to their types."""

from __future__ import annotations

from typing import Any

import pytest

from resolvers.errors import InvalidDocument
from resolvers.variables import MAX_ERRORS, MAX_ITEMS, MAX_LEVELS, MAX_VALUES, check
from tests.support.graphql_requests import STORY_INPUT, by_get, by_post, by_socket
from tests.support.service import Service


def nested(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels - 1):
        found = [found]
    return {"deep": found}


FULL = [{"key": f"key {n}", "value": "a value"} for n in range(64)]
RIGHT: dict[str, dict[str, Any]] = {
    "none": {},
    "null": {"a": None},
    "an input with everything in it": {
        "input": {**STORY_INPUT, "context": {"extra": FULL}, "parameters": FULL,
                  "theme": {"extra": FULL}}
    },
    "a batch of twenty": {"requests": [{"story": STORY_INPUT}] * 20},
    "a list of the most items": {"a": [1] * MAX_ITEMS},
    "the most values": {str(n): n for n in range(MAX_VALUES)},
    "the deepest": nested(MAX_LEVELS - 1),
    "a long text": {"a": "x" * 200_000},
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_a_request_needs_is_let_through(name: str) -> None:
    check(RIGHT[name])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a long list": ({"a": [1] * (MAX_ITEMS + 1)}, "a list of more than 200 items"),
    "a long list below": ({"a": [{"b": [1] * 201}]}, "a list of more than 200 items"),
    "an object of many fields": ({"a": dict.fromkeys(map(str, range(2_000)))}, "2000 values"),
    "many variables": (dict.fromkeys(map(str, range(2_001))), "more than 2000 values"),
    "many in lists of lists": ({"a": [[1] * 100] * 21}, "more than 2000 values"),
    "deep ones": (nested(MAX_LEVELS), "deeper than 12 levels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_too_many_values_are_refused(name: str) -> None:
    variables, said = WRONG[name]
    with pytest.raises(InvalidDocument) as caught:
        check(variables)
    [error] = caught.value.errors
    assert caught.value.code == "QUERY_TOO_COMPLEX"
    assert said in error.message


@pytest.mark.parametrize("ask", [by_post, by_get, by_socket])
async def test_they_are_refused_on_every_transport_whatever_the_document_is(
    ask: Any, loregate: Service
) -> None:
    for query in ("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", "{ viewer { id } }"):
        [error] = (await ask(loregate, query, {"ids": ["a"] * 201}))["errors"]
        assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
        assert error["message"] == "The variables have a list of more than 200 items"


async def test_of_many_wrong_values_some_are_told(loregate: Service) -> None:
    query = "query ($types: [ContentType!]) { contents(contentTypes: $types) { __typename } }"
    body = await by_post(loregate, query, {"types": ["NOTHING"] * 100})
    assert len(body["errors"]) == MAX_ERRORS + 1  # and that it stopped
