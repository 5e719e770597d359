"""Weights: how many bytes an answer may have, counted and bounded before anything runs."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, get_introspection_query

from resolvers.documents import Documents
from resolvers.errors import InvalidDocument
from resolvers.weights import MAX_WEIGHT, Weights, check
from tests.support.graphql_schema import BUILT

READER = Documents(BUILT, introspection=True)
CONSOLE = Path("app/console/static/console/schema.js")
OPTIONS = ("specified_by_url", "directive_is_repeatable", "schema_description",
           "input_value_deprecation", "experimental_directive_deprecation", "one_of")  # fmt: skip


def weight(text: str, **variables: Any) -> int:
    return READER.parsed(text).operation(None).weight.of(variables)


# -- introspection
def console() -> str:
    """The console's question for the schema, as its script puts it together."""
    script = CONSOLE.read_text()
    parts = dict(re.findall(r"const (\w+) =\s*[`'](.*?)[`'];", script, re.DOTALL))
    text = parts["DOCUMENT"]
    while (found := re.search(r"\$\{(\w+)\}", text)) is not None:
        text = text.replace(found[0], parts[found[1]])
    return text


def introspections() -> dict[str, str]:
    """The question for the schema as clients ask it."""
    found = {"the console's": console()}
    # graphql-js 14 to 17 write it like this, and GraphiQL, Apollo, GraphQL Code Generator, GraphQL
    # Inspector, Altair and Insomnia take it from there, each with other options.
    for given in itertools.product((False, True), repeat=len(OPTIONS)):
        options: Any = dict(zip(OPTIONS, given, strict=True))
        named = " ".join(name for name, on in options.items() if on)
        found[f"graphql-js, {named or 'plain'}"] = get_introspection_query(**options)
    found["graphql-js with short type references"] = get_introspection_query(type_depth=7)
    return found


@pytest.mark.parametrize("text", introspections().values(), ids=introspections())
def test_the_introspection_of_stock_clients_is_let_through(text: str) -> None:
    assert MAX_WEIGHT / 5 < weight(text) < MAX_WEIGHT * 0.8


INNER = "fields { type { fields { type { name kind description } } } }"
TOO_HEAVY = {
    "fields of fields' types, and theirs": f"{{ __schema {{ types {{ {INNER} }} }} }}",
    "types that may stand for others": "{ __schema { types { fields { type { a: possibleTypes"
    " { name description } b: possibleTypes { name description } } } } } }",
    "twenty at once": "{"
    + " ".join(f"a{i}: __schema {{ types {{ fields {{ name description }} }} }}" for i in range(20))
    + "}",
    "unwrapped from many places": "{ __schema { types { fields { "
    + " ".join(f"a{i}: type {{ ofType {{ ofType {{ name description }} }} }}" for i in range(15))
    + " } } } }",
    "below one type": '{ __type(name: "Query") { '
    + " ".join(f"a{i}: fields {{ type {{ fields {{ type {{ name }} }} }} }}" for i in range(40))
    + " } }",
}


@pytest.mark.parametrize("text", TOO_HEAVY.values(), ids=TOO_HEAVY)
def test_introspection_that_multiplies_is_too_heavy(text: str) -> None:
    assert weight(text) > MAX_WEIGHT


def test_a_weight_over_the_bound_is_refused_by_its_figures() -> None:
    check(MAX_WEIGHT)
    with pytest.raises(InvalidDocument) as caught:
        check(MAX_WEIGHT + 1)
    [shown] = caught.value.formatted("an id")
    assert shown["message"] == (
        "The document's answer may weigh 2,000,001 bytes, and at most 2,000,000 are allowed: "
        "ask for fewer items, or for less of each"
    )
    facts = shown["extensions"]
    assert (facts["code"], facts["weight"], facts["limit"]) == (
        "QUERY_TOO_COMPLEX",
        MAX_WEIGHT + 1,
        MAX_WEIGHT,
    )


# -- the table
def test_a_list_of_scalars_without_a_size_keeps_the_executor_from_being() -> None:
    with pytest.raises(LookupError, match=r"A\.words"):
        Weights(build_schema("type Query { a: A } type A { words: [String] }"))


def test_a_longer_key_weighs_more() -> None:
    assert weight("{ health { aaaaaaaaaa: status } }") - weight("{ health { a: status } }") == 9
