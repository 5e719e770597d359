"""Public documents: what may be read without a token, told without parsing."""

from __future__ import annotations

import pytest
from graphql import get_introspection_query

from resolvers.public_documents import MAX_INTROSPECTION_LENGTH, MAX_PUBLIC_LENGTH, is_public

FIELDS = frozenset({"health", "__typename"})
INTROSPECTION = FIELDS | {"__schema", "__type"}

PUBLIC = [
    "{ health { status } }",
    "{__typename}",
    "\ufeff # a comment { viewer }\n { __typename }",
    "query Probe { health { status components { db } } }",
    'query ($a: Boolean! = true, $b: [String!] = ["{ viewer }"]) @a(b: {c: 1}) {'
    " a: health @skip(if: $a) { status } }",
    "{ viewer: health { status } }",
    "{ ...f } fragment f on Query { ...g } fragment g on Query { health { status } __typename }",
    "{ ...f } fragment f on Query { ...f health { status } }",
    "{ health { ... on Health { ...f } } } fragment f on Health { status }",
]


@pytest.mark.parametrize("text", PUBLIC)
def test_what_selects_public_fields_alone_is_public(text: str) -> None:
    assert is_public(text, None, FIELDS)


HIDDEN = [
    "",
    "{",
    "{ }",
    "{ health { status }",
    "query",
    "{ viewer { id } }",
    "{ health { status } viewer { id } }",
    "{ health: viewer { id } }",
    "{ health(a: {b: [1]}) { status } viewer { id } }",
    '{ health(a: "}") { status } viewer { id } }',
    "{ health # }\n viewer { id } }",
    "{ health viewer }",
    "{ health @skip(if: true) viewer }",
    "{ ...f } fragment f on Query { ...g } fragment g on Query { viewer { id } }",
    "{ ... on Query { health { status } } }",
    "{ ... { health { status } } }",
    "{ ... @skip(if: true) { health { status } } }",
    "mutation { health }",
    "subscription { health }",
    "type Query { health: Int }",
    "query a { health { status } } query b { health { status } }",
    "fragment f on Query { health { status } }",
    "{ health { status } } query a { viewer { id } }",
    '{ health(a: """ " """) { status } viewer { id } }',
    "{ health \x00 }",
    "{ health { status } }" + " " * MAX_PUBLIC_LENGTH,
    "{ __schema { description } }",
]


@pytest.mark.parametrize("text", HIDDEN)
def test_what_is_not_known_to_be_public_is_not(text: str) -> None:
    assert not is_public(text, None, FIELDS)


def test_the_operation_that_is_named_is_looked_at() -> None:
    text = "query a { health { status } } query b { viewer { id } }"
    assert is_public(text, "a", FIELDS)
    assert not is_public(text, "b", FIELDS)
    assert not is_public(text, "c", FIELDS)


def test_an_introspection_of_graphql_js_with_every_option_is_looked_at_whole() -> None:
    text = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
        experimental_directive_deprecation=True,
        one_of=True,
    )
    assert is_public(text, "IntrospectionQuery", INTROSPECTION, most=MAX_INTROSPECTION_LENGTH)
    assert not is_public(text, "IntrospectionQuery", FIELDS, most=MAX_INTROSPECTION_LENGTH)
