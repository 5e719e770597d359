"""Documents: what is read, what is refused before it costs anything, what is remembered."""

from __future__ import annotations

import gc

import pytest
from graphql import get_introspection_query

from resolvers import complexity, documents
from resolvers.documents import Documents
from resolvers.errors import InvalidDocument
from tests.support.graphql_schema import BUILT


@pytest.fixture
def read() -> Documents:
    return Documents(BUILT, introspection=True)


def refused(read: Documents, text: str) -> InvalidDocument:
    with pytest.raises(InvalidDocument) as caught:
        read.read(text)
    return caught.value


def nested(levels: int) -> str:
    return "{" + "a{" * levels + "b" + "}" * levels + "}"


def chain(fragments: int, spreads: str) -> str:
    """Fragments that each hold the next, the last one a field."""
    made = [
        f"fragment f{i} on Query {{ {spreads.replace('?', f'...f{i + 1}')} }}"
        for i in range(fragments)
    ]
    return "{...f0} " + " ".join(made) + f" fragment f{fragments} on Query {{ __typename }}"


def below(levels: str, times: int) -> str:
    """A page's contents and what stands below each of them, so many levels deep."""
    depth = times * (levels.count("{") + 1)
    return (
        "{ contents(first: 50) { edges { node { "
        + f"{levels} {{ " * times
        + "contentId"
        + " }" * depth
        + " } } } }"
    )


def differing(one: int, other: int) -> str:
    """Children under one key, whose number depends on their parent's type."""
    below = "{ contentId createdAt }"
    return (
        "{ contents(first: 50) { edges { node {"
        f" ... on Story {{ x: children(first: {one}) {below} }}"
        f" ... on GeneratedContent {{ x: children(first: {other}) {below} }} }} }} }} }}"
    )


TOO_COMPLEX = {
    "depth": nested(complexity.MAX_DEPTH),
    "depth past the parser": nested(3_000),
    "depth through fragments": "{...a} "
    + " ".join(
        f"fragment {x} on Query {{ q {{ ...{y} }} }}"
        for x, y in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)
    )
    + " fragment q on Query { __typename }",
    "root fields": "{" + " ".join(f"a{i}: __typename" for i in range(51)) + "}",
    "root fields through fragments": "{...a ...b}"
    + " fragment a on Query {"
    + " ".join(f"a{i}: __typename" for i in range(30))
    + "}"
    + " fragment b on Query {"
    + " ".join(f"b{i}: __typename" for i in range(30))
    + "}",
    "fields": "{ contents(first: 50) { edges { node { "
    + " ".join(f"a{i}: contentId" for i in range(60))
    + " } } } }",
    "a huge page": "{ contents(first: 9999999999) { edges { node { "
    + " ".join(f"a{i}: contentId" for i in range(60))
    + " } } } }",
    "nodes whose ids are a variable": "query ($ids: [ID!]!) { nodes(ids: $ids) { "
    + " ".join(f"a{i}: id" for i in range(31))
    + " } }",
    "children of children": "{ contents { edges { node { children { children {"
    " contentId } } } } } }",
    "children of children down to the deepest level": below("children", 12),
    "parents and children in turns": below("parent { children", 5),
    "children through fragments": "{ contents { edges { node { ...a } } } }"
    " fragment a on Content { x: children { ...b } y: children { ...b } }"
    " fragment b on Content { children { contentId } }",
    "children whose number is a variable": "query ($n: Int) { contents(first: 50) { edges { node {"
    " children(first: $n) { contentId createdAt } } } } }",
    "children whose numbers differ by type": differing(1, 50),
    "children whose numbers differ by type, the other way about": differing(50, 1),
    "fields paid with a page below nothing": "{ a: contents(first: -9) { ...page }"
    " b: contents(first: 50) { ...page } } fragment page on ContentConnection { edges { node { "
    + " ".join(f"a{i}: contentId" for i in range(60))
    + " } } }",
    "ids of children of children": "{ contents(first: 50) { edges { node { children {"
    " ... on Story { childElements } } } } } }",
    "500 identical fields": "{ health {" + " status" * 500 + " } }",
    "11 identical fields": "{ health {" + " status" * 11 + " } }",
    "identical fields in fragments": "{"
    + " ".join(f"...f{i}" for i in range(11))
    + "}"
    + " ".join(f"fragment f{i} on Query {{ health {{ status }} }}" for i in range(11)),
    "identical fields below identical fields": "{"
    + "health { components { db db db } } " * 4
    + "}",
    "identical fields where nobody spreads them": "{ __typename } fragment x on Health {"
    + " status" * 300
    + " }",
    "2^n fields": "{...f0} "
    + " ".join(
        f"fragment f{i} on Query {{ a: health {{...f{i + 1}}} b: health {{...f{i + 1}}} }}"
        for i in range(13)
    )
    + " fragment f13 on Query { __typename }",
    "selections": "{ health {" + " ".join(f"a{i}: status" for i in range(400)) + " } }",
    "values": "{ contents(contentTypes: [" + "STORY " * 201 + "]) { __typename } }",
    "definitions": " ".join(f"query q{i} {{ __typename }}" for i in range(51)),
    "tokens": "{" + " ".join(f"a{i}: __typename" for i in range(600)) + "}",
    "comments": "{ __typename }" + "#\n" * 300,
    "characters": "{ __typename }" + " " * documents.MAX_DOCUMENT_LENGTH,
    "nested values": "{ contents(contentTypes: " + "[" * 500 + "]" * 500 + ") { __typename } }",
    "spreads": "{"
    + " ".join(f"a{i}: health {{...f0}}" for i in range(40))
    + "}"
    + " ".join(
        f"fragment f{i} on Health {{ a{i}: status "
        + " ".join(f"...f{j}" for j in range(i + 1, 21))
        + "}"
        for i in range(21)
    ),
}


SAYS = {
    "depth": "deeper than 15 levels",
    "root fields": "more than 50 root fields",
    "fields": "more than 3000 fields",
    "children of children": "more than 3000 fields",
    "children of children down to the deepest level": "more than 3000 fields",
    "children whose numbers differ by type": "more than 3000 fields",
    "fields paid with a page below nothing": "more than 3000 fields",
    "children whose number is a variable": "more than 3000 fields",
    "500 identical fields": "more than 400 selections",
    "11 identical fields": "status in one place more than 10 times",
    "selections": "more than 400 selections",
    "values": "more than 200 values",
    "definitions": "more than 50 operations and fragments",
    "tokens": "more than 1500 tokens",
    "comments": "more than 200 comments",
    "characters": "more than 65536 characters",
    "spreads": "spread too often",
}


@pytest.mark.parametrize("name", TOO_COMPLEX)
def test_a_document_over_a_bound_is_too_complex(read: Documents, name: str) -> None:
    error = refused(read, TOO_COMPLEX[name])
    assert error.code == "QUERY_TOO_COMPLEX"
    [shown] = error.formatted("an id")
    assert SAYS.get(name, "") in shown["message"]
    assert len(shown["message"]) < 300


ACCEPTED = {
    "GraphiQL's introspection": get_introspection_query(
        input_value_deprecation=True, directive_is_repeatable=True, schema_description=True
    ),
    "50 roots": "{" + " ".join(f"a{i}: __typename" for i in range(50)) + "}",
    "50 contents": "{"
    + " ".join(
        f'a{i}: content(id: "{i}") {{ contentId metadata {{ modelUsed }} }}' for i in range(50)
    )
    + "}",
    "a full page": "{ contents(first: 50) { edges { node { "
    + " ".join(f"a{i}: contentId" for i in range(50))
    + " } } } }",
    "a full page of parents and children": "{ contents(first: 50) { edges { node { contentId"
    " parent { contentId parent { contentId } } children { contentId }"
    " ... on Story { childElements } } } } }",
    "a page of children": '{ content(id: "1") { children(first: 50) { '
    + " ".join(f"a{i}: contentId" for i in range(50))
    + " } } }",
    "nodes by a variable": "query ($ids: [ID!]!) { nodes(ids: $ids) { "
    + " ".join(f"a{i}: id" for i in range(29))
    + " } }",
    "three nodes with what they have": '{ nodes(ids: ["1", "2", "3"]) { '
    + " ".join(f"a{i}: id" for i in range(200))
    + " } }",
    "children of one content's children": '{ content(id: "1") { children { contentId children {'
    " contentId contentType createdAt } } } }",
    "one fragment often": "{"
    + " ".join(f"a{i}: health {{ ...h }}" for i in range(50))
    + "} fragment h on Health { status components { db } }",
    "fragments that spread the next twice": chain(24, "? ?"),
    "a chain of fragments": chain(48, "?"),
    "the longest text inline": 'mutation { analyzeTheme(input: { content: "'
    + "x" * 50_000
    + '" }) { requestId } }',
    "ten identical fields": "{ health {" + " status" * 10 + " } }",
    "ten inline inputs": "mutation {"
    + " ".join(
        f'a{i}: generateStory(input: {{ elementType: PLOT, context: {{ setting: "s" }},'
        f' theme: {{ tone: "t" }}, model: {{ temperature: 1 }} }}) {{ requestId }}'
        for i in range(10)
    )
    + "}",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED)
def test_what_a_client_may_reasonably_ask_is_read(read: Documents, text: str) -> None:
    assert read.read(text).node.definitions


CYCLES = [
    "{...a} fragment a on Query {...a}",
    "{...a} fragment a on Query {...b} fragment b on Query {...a}",
    "{...a} fragment a on Query { health {...b} } fragment b on Health { status ...c ...b }"
    " fragment c on Health { ...b ...c }",
]


@pytest.mark.parametrize("text", CYCLES)
def test_fragments_in_a_circle_are_refused(read: Documents, text: str) -> None:
    assert refused(read, text).code == "GRAPHQL_VALIDATION_FAILED"


def test_a_circle_through_fields_is_refused(read: Documents) -> None:
    text = "{...a} fragment a on Query { health {...b} } fragment b on Health { components {...b} }"
    assert refused(read, text).code == "QUERY_TOO_COMPLEX"


@pytest.mark.parametrize(
    "text", ["{", "}", "", "query", "{ health(", '{ a(b: "\\ud800") }', "\x00"]
)
def test_what_cannot_be_parsed_says_where(read: Documents, text: str) -> None:
    error = refused(read, text)
    assert error.code == "GRAPHQL_PARSE_FAILED"
    [shown] = error.formatted("an id")
    assert shown["locations"]
    assert shown["extensions"] == {"code": "GRAPHQL_PARSE_FAILED", "requestId": "an id"}


def test_every_error_of_a_document_is_told_up_to_ten(read: Documents) -> None:
    assert len(refused(read, "{ one two }").errors) == 2
    many = "{" + " ".join(f"x{i}" for i in range(30)) + "}"
    assert len(refused(read, many).errors) == documents.MAX_ERRORS + 1  # and that it stopped


def test_no_name_of_the_schema_is_suggested(read: Documents) -> None:
    [shown] = refused(read, "{ helth { status } }").formatted("an id")
    assert shown["message"] == "Cannot query field 'helth' on type 'Query'."


def test_without_introspection_the_schema_stays_hidden() -> None:
    hidden = Documents(BUILT, introspection=False)
    assert refused(hidden, "{ __schema { description } }").code == "GRAPHQL_VALIDATION_FAILED"
    assert refused(hidden, '{ __type(name: "Query") { name } }').code == "GRAPHQL_VALIDATION_FAILED"
    assert hidden.read("{ __typename }").operation(None).root_fields == ["__typename"]


def test_the_same_text_is_read_once(read: Documents) -> None:
    assert read.read("{ __typename }") is read.read("{ __typename }")


def test_only_right_and_short_documents_are_remembered_and_the_least_used_go(
    read: Documents,
) -> None:
    first = read.read("{ __typename }")
    for i in range(documents.MAX_CACHED_DOCUMENTS - 1):
        read.read(f"{{ a{i}: __typename }}")
    assert read.read("{ __typename }") is first  # used again, so another goes
    read.read("{ last: __typename }")
    assert read.read("{ __typename }") is first
    assert len(read.known) == documents.MAX_CACHED_DOCUMENTS
    refused(read, "{ nothing }")
    long = "{ __typename }" + " " * documents.MAX_CACHED_LENGTH
    assert read.read(long) is not read.read(long)
    assert not {"{ nothing }", long}.intersection(read.known)


def test_root_fields_are_counted_by_their_keys_through_fragments(read: Documents) -> None:
    text = """
      query one { health { status } again: health { status } health { status } ...more }
      query two { ... on Query { ...more } viewer { id } }
      fragment more on Query { viewer { id } __typename }
    """
    document = read.read(text)
    assert sorted(document.operation("one").root_fields) == [
        "__typename",
        "health",
        "health",
        "viewer",
    ]
    assert sorted(document.operation("two").root_fields) == ["__typename", "viewer"]


@pytest.mark.parametrize("name", [None, "three"])
def test_an_operation_that_cannot_be_told_is_the_clients_mistake(
    read: Documents, name: str | None
) -> None:
    document = read.read("query one { __typename } query two { __typename }")
    with pytest.raises(InvalidDocument) as caught:
        document.operation(name)
    assert caught.value.code == "BAD_USER_INPUT"


def test_long_documents_are_remembered_up_to_a_length_of_all(read: Documents) -> None:
    long = "{ __typename }" + " " * (documents.MAX_CACHED_LENGTH - 20)
    for i in range(100):
        read.read(f"{long} #{i}")
        assert sum(map(len, read.known)) <= documents.MAX_CACHED_CHARACTERS
    read.read(f"{long} #99")
    assert len(read.known) == documents.MAX_CACHED_CHARACTERS // len(f"{long} #99")


def test_a_document_that_is_forgotten_is_no_garbage() -> None:
    read = Documents(BUILT, introspection=True)
    read.read("{ health { status } }")
    gc.collect()  # of what reading it has left
    gc.disable()
    try:
        read.known.clear()
        assert gc.collect() == 0
    finally:
        gc.enable()
