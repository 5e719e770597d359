"""Documents whose answers are large, documents without a token, variables without end."""

from __future__ import annotations

from typing import Any

from tests.attacks.attack import Attack, Expected, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import GRAPHQL, GRAPHQL_SSE, Document
from tests.support.graphql_requests import STORY_INPUT, aliased

OWN = "issue 9, point 3; CWE-770"
COST = "IBM GraphQL cost specification; CWE-770"
OWASP = "OWASP GraphQL cheat sheet"
CLOSED = b"A bearer token is required"
COMPLEX = Expected(codes=("QUERY_TOO_COMPLEX",), closes=(4400,), lacks=(b'"data"',))
HTTP = (GRAPHQL, GRAPHQL_SSE)


def row(name: str, what: str, source: str, query: str, variables: Any = None) -> Attack:
    """A row of a document that is refused before it runs."""
    return Attack(name, what, source, Document(query, variables), COMPLEX)


def unknown(name: str, what: str, source: str, query: str, **more: Any) -> Attack:
    """A row of a document without a token, of which nothing is read."""
    sent = Document(query, anonymous=True, more=more, edges=HTTP)
    return Attack(name, what, source, sent, answered(401, has=(CLOSED,), lacks=(b"locations",)))


def page(inner: str, first: int = 50) -> str:
    return f"contents(first: {first}) {{ edges {{ node {{ {inner} }} }} }}"


def on(kind: str, inner: str) -> str:
    return f"... on {kind} {{ {inner} }}"


IDS = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
MAKE = "mutation ($input: GenerateStoryInput!) { generateStory(input: $input) { requestId } }"
BATCH = "mutation ($all: [BatchRequest!]!) { generateBatch(requests: $all) { requestId } }"
DEEP: Any = "x"
for _ in range(500):
    DEEP = [DEEP]

ATTACKS = [
    # -- introspection
    row("introspection of introspection", "the fields of each field's type, all of them",
        f"{OWN}; CVE-2022-21721", "{ __schema { types { fields { type { "
        + aliased("fields { name description type { name } }", 8) + " } } } } }"),
    row("introspection under aliases", "the schema's types twenty times", f"{OWN}; {OWASP}",
        "{ " + aliased("__schema { types { name description fields { name description } } }", 20)
        + " }"),
    row("introspection's implementers", "for each field all types that may stand there", OWN,
        "{ __schema { types { fields { type { " + aliased("possibleTypes { name description }", 9)
        + " } } } } }"),
    row("unwrapped for ever", "ofType under sixty names", OWN, "{ __schema { types { fields { "
        + aliased("type { ofType { ofType { name description kind } } }", 60) + " } } } }"),
    unknown("introspection of a stranger", "the schema without a token", f"{OWASP}, introspection",
            "{ __schema { types { name } } }"),
    unknown("a stranger's nested introspection", "27 MB for 2.6 KB", OWN,
            "{ __schema { types { fields { type { fields { type { name } } } } } } }"),
    # -- lists of contents, and inside them
    row("lists of texts", "a place's occupants fifty times, of fifty places", OWN,
        "{ " + page(on("Location", aliased("occupants", 50))) + " }"),
    row("lists of objects", "a person's relationships thirty times, of fifty persons", OWN,
        "{ " + page(on("Npc", aliased("relationships { nature }", 30))) + " }"),
    row("texts of children", "all words of 2,500 contents", OWN,
        "{ " + page("children(first: 50) { " + on("Story", "text") + " }") + " }"),
    row("children for their metadata", "2,500 answers read for a flag of each", OWN,
        "{ " + page("children(first: 50) { metadata { cached } }") + " }"),
    row("lists of lists of children", "occupants of the children of fifty contents", OWN,
        "{ " + page("children { " + on("Location", "occupants hooks secrets") + " }") + " }"),
    row("parents of children of contents", "2,500 look-ups of as few contents", OWN,
        "{ " + page("children(first: 50) { parent { id } }") + " }"),
    row("a long name", "3,000 letters as the key of 2,500 values", f"{OWN}; {COST}",
        "{ " + page("children(first: 50) { " + "a" * 3_000 + ": id }") + " }"),
    row("pages beside each other", "fifty pages with all words", COST,
        "{ " + aliased(page(on("Story", "text summary")), 25) + " }"),
    row("a text under 390 names of fifty", "each name the whole text", OWN,
        "{ " + page(on("Story", aliased("text", 50))) + " }"),
    # -- variables
    row("5,000 ids", "coerced before they are counted", OWN, IDS, {"ids": ["a"] * 5_000}),
    row("5,000 operations", "of a batch of twenty", f"{OWN}; {OWASP}, batching", BATCH,
        {"all": [{"npc": {}}] * 5_000}),
    row("many lists", "none of them long", OWN, BATCH,
        {"all": [{"story": {**STORY_INPUT, "parameters": [{"key": str(n), "value": "x"}
                                                          for n in range(60)]}}] * 20}),
    row("a wide object", "an input of 5,000 fields that it does not have", OWN, MAKE,
        {"input": {f"f{n}": n for n in range(5_000)}}),
    row("a deep variable", "500 lists in each other", "CWE-674", IDS, {"ids": DEEP}),
    row("variables that nobody declared", "3,000 of them", OWN, "{ viewer { id } }",
        {f"v{n}": n for n in range(3_000)}),
    Attack("200 wrong values", "each with an error of its own", OWN,
           Document("query ($t: [ContentType!]) { contents(contentTypes: $t) { __typename } }",
                    {"t": ["NOTHING"] * 200}),
           Expected(codes=("BAD_USER_INPUT",), closes=(4400,), lacks=(b"$t[20]", b"index 20"))),
    # -- without a token
    unknown("a stranger's long document", "60 KB to be parsed", OWN,
            "{ health {" + " a" * 30_000 + "} }"),
    unknown("a stranger's health", "asked for under 300 names", OWN,
            "{ health { " + aliased("status", 300) + " } }"),
    unknown("a stranger's comments", "64 KB of them before a public field", OWN,
            "#\n" * 30_000 + "{ __typename }"),
    unknown("a stranger's typo", "an error would tell of the schema", "CWE-209",
            "{ viewer { nam } }"),
    unknown("a stranger's fragments", "that spread each other twice, 20 deep", OWASP,
            "{ ...f0 } " + " ".join(f"fragment f{n} on Query {{ a{n}: viewer {{ id }} ...f{n + 1}"
                                    f" ...f{n + 1} }}" for n in range(20))
            + " fragment f20 on Query { __typename }"),
    unknown("a guarded field behind a text", "a brace in a string that ends nothing", "CWE-436",
            '{ health(a: "}") { status } viewer { id } }'),
    unknown("a guarded field behind a block string", "a quote in it that ends nothing", "CWE-436",
            '{ health(a: """ " """) { status } viewer { id } }'),
    unknown("a guarded field behind a comment", "a brace in it that ends nothing", "CWE-436",
            "{ health { status } # }\n viewer { id } }"),
    unknown("another operation", "beside a public one", "CWE-863",
            "query a { __typename } query b { viewer { id } }", operationName="b"),
    unknown("an alias", "a guarded field under a public name", "CWE-863",
            "{ health: viewer { id } }"),
]  # fmt: skip


@each(ATTACKS)
def test_a_document_is_refused_before_it_costs_anything(
    gateway: Gateway, attack: Attack, edge: str
) -> None:
    holds(gateway, attack, edge)
