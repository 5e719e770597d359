"""Documents that are small to write and large to read, and bodies that are no documents."""

from __future__ import annotations

import json
from typing import Any

from tests.attacks.attack import Attack, Expected, answered, closed, each, holds
from tests.attacks.conversation import frame
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import GRAPHQL, GRAPHQL_SSE, WEBSOCKET, Document, Frames, Http
from tests.support.graphql_requests import THEME, THEME_INPUT, aliased

COP = "graphql-cop"
ARMOR = "GraphQL Armor"
OWASP = "OWASP GraphQL cheat sheet"
DVGA = "Damn Vulnerable GraphQL Application"
SECRETS = (b"Traceback", b"sqlite", b"/app/", b"site-packages")
COMPLEX = Expected(codes=("QUERY_TOO_COMPLEX",), closes=(4400,), lacks=SECRETS)
UNREADABLE = Expected(codes=("GRAPHQL_PARSE_FAILED",), closes=(4400,), lacks=SECRETS)
INVALID = Expected(codes=("GRAPHQL_VALIDATION_FAILED",), closes=(4400,), lacks=SECRETS)
BOUNDED = Expected(
    codes=("QUERY_TOO_COMPLEX", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"),
    closes=(4400,),
    lacks=SECRETS,
)
BAD_INPUT = Expected(
    codes=("BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "INVALID_REQUEST", "QUERY_TOO_COMPLEX"),
    closes=(4400,),
    lacks=SECRETS,
)


def row(name: str, what: str, source: str, query: str, expect: Expected = COMPLEX) -> Attack:
    return Attack(name, what, source, Document(query), expect)


def given(name: str, what: str, source: str, **variables: Any) -> Attack:
    """A row of a theme's analysis with these fields in its input."""
    sent = Document(THEME, {"input": {**THEME_INPUT, **variables}})
    return Attack(name, what, source, sent, BAD_INPUT)


def body(name: str, what: str, source: str, sent: Any, *statuses: int) -> Attack:
    """A row of a body that is no question."""
    return Attack(name, what, source, Http("POST", "/graphql", sent),
                  answered(*(statuses or (400, 422)), lacks=SECRETS), edges=(GRAPHQL,))  # fmt: skip


def nested(word: str, depth: int, leaf: str = "id") -> str:
    return f"{word} {{ " * depth + leaf + " }" * depth


def fragments(count: int, spread: int) -> str:
    """Each fragment spreads the next under so many keys: spread ** count contents."""
    made = [
        f"fragment F{n} on Content {{ "
        + " ".join(f"a{m}: parent {{ ...F{n + 1} }}" for m in range(spread))
        + " }"
        for n in range(count)
    ]
    start = 'query { content(id: "x") { ...F0 } }'
    return "\n".join([start, *made, f"fragment F{count} on Content {{ id }}"])


ATTACKS = [
    # -- many of one
    row("alias overload", "a field 1,000 times under other names", f"{COP}; CWE-770",
        "{ " + aliased("viewer { id }", 1000) + " }"),
    row("alias overload below", "the same, not at the root", f"{ARMOR}; CWE-770",
        "{ viewer { " + aliased("id", 1000) + " } }"),
    row("batched guesses", "100 mutations, to get round a limit of requests", f"{OWASP}, batching",
        "mutation { " + aliased("deleteContent(id: 1) { requestId }", 100) + " }"),
    row("field duplication", "a field 1,000 times under its name", f"{COP}; CWE-407",
        "{ viewer { " + "id " * 1000 + "} }"),
    row("typename flood", "a field that costs nothing, 5,000 times", f"{COP}; CWE-770",
        "{ " + aliased("__typename", 5000) + " }", BOUNDED),
    row("typename flood below", "the same in a list", f"{COP}; CWE-770",
        "{ models { " + aliased("__typename", 1000) + " } }"),
    row("directive overload", "one directive 500 times", f"{COP}; CVE-2022-37734 (graphql-java)",
        "{ __typename " + "@skip(if: false) " * 500 + "}", BOUNDED),
    row("unknown directives", "500 that nobody has", f"{COP}; CWE-407",
        "{ __typename " + "@aa " * 500 + "}", BOUNDED),
    row("unknown fields", "1,000 fields, each with suggestions to find", "CWE-407",
        "{ " + " ".join(f"viewe{n}" for n in range(1000)) + " }", BOUNDED),
    row("suggestions", "a schema told by its errors", "Clairvoyance; CWE-209", "{ viewr { id } }",
        Expected(codes=("GRAPHQL_VALIDATION_FAILED",), closes=(4400,),
                 lacks=(b"viewer", *SECRETS))),
    row("arguments", "one argument 1,000 times", "CWE-407",
        "{ content(" + 'id: "a" ' * 1000 + ") { id } }", BOUNDED),
    row("variables", "1,000 variables that nobody uses", "CWE-407",
        "query (" + " ".join(f"$v{n}: Int" for n in range(1000)) + ") { __typename }", BOUNDED),
    row("operations", "200 operations, none of them named", "CWE-407",
        "{ __typename } " * 200, BOUNDED),
    row("conflicts", "fields of one key, compared pair by pair", "CVE-2022-30288; graphql-js 1.8",
        "{ " + " ".join(f"a: content(id: {n}) {{ id }}" for n in range(200)) + " }"),
    row("conflicts in fragments", "the same through inline fragments", "graphql-js issue 2185",
        "{ " + "... on Query { viewer { ... on Viewer { id } } } " * 120 + "}"),
    # -- deep ones
    row("depth", "a list of children in each child", f"{DVGA}; {OWASP}, depth",
        "{ contents(first: 1) { edges { node { " + nested("children(first: 1)", 20) + " } } } }"),
    row("breadth of depth", "fifty children of fifty children of fifty contents",
        f"{DVGA}; CWE-770",
        "{ contents(first: 50) { edges { node { " + nested("children(first: 50)", 3) + " } } } }"),
    row("depth of types", "a type's fields' type's fields …", f"{COP}, circular introspection",
        "{ __schema { types { " + nested("fields { type", 12, "name").replace(" }", " } }",
                                                                              12) + " } } }"),
    row("depth of inline fragments", "selections of nothing but selections",
        "CVE-2022-31163; CWE-674",
        "{ " + "... { " * 400 + "__typename" + " }" * 400 + " }", BOUNDED),
    row("depth of brackets", "10,000 of them, without an end", "CWE-674", "{" * 10_000, UNREADABLE),
    row("depth of lists", "a literal of 700 lists", "CWE-674",
        "{ nodes(ids: " + "[" * 700 + "]" * 700 + ") { id } }", BOUNDED),
    row("depth of objects", "a literal of 300 objects", "CWE-674",
        "mutation { analyzeTheme(input: " + "{a: " * 300 + "1" + "}" * 300 + ") { requestId } }",
        BOUNDED),
    row("depth of a variable's type", "a list of lists of …", "CWE-674",
        "query ($a: " + "[" * 700 + "Int" + "]" * 700 + ") { __typename }", BOUNDED),
    # -- fragments
    row("circular fragment", "that spreads itself", f"{DVGA}; CVE-2022-30288 (Agoo)",
        "{ ...A } fragment A on Query { __typename ...A }", INVALID),
    row("circular fragments", "three, in a ring", f"{DVGA}; CWE-674",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { ...C } "
        "fragment C on Query { ...A }", INVALID),
    row("fragment bomb", "10 ** 8 selections in 9 fragments", "Billion laughs; CWE-776",
        fragments(8, 10)),
    row("fragment bomb, wide", "2 ** 40 in 41", "Billion laughs; CWE-776", fragments(40, 2)),
    row("unused fragments", "49 that nobody spreads, each with errors", "CWE-407",
        "{ __typename } " + " ".join(f"fragment F{n} on Query {{ nope{n} }}" for n in range(49)),
        BOUNDED),
    # -- introspection
    row("introspection bomb", "each type's fields' types, four times over", f"{COP}; CWE-770",
        "{ __schema { types { " + nested("fields { type", 4, "name").replace(" }", " } }",
                                                                             4) + " } } }",
        BOUNDED),
    row("introspection by alias", "the schema fifty times", COP,
        "{ " + aliased("__schema { types { name fields { name } } }", 50) + " }"),
    row("introspection of one type", "the same, by __type", COP,
        "{ " + aliased('__type(name: "Query") { fields { type { fields { name } } } }', 50) + " }"),
    row("introspection of ofType", "deep where nothing is", COP,
        "{ __schema { types { fields { type { " + nested("ofType", 12, "name") + " } } } } }"),
    # -- words
    row("a document of commas", "60,000 that mean nothing", "CWE-407",
        "{ __typename " + "," * 60_000 + "}",
        Expected(lacks=SECRETS)),
    row("a document of comments", "20,000 of them", "CWE-407", "#\n" * 20_000 + "{ __typename }",
        Expected(codes=("GRAPHQL_PARSE_FAILED", "QUERY_TOO_COMPLEX"), closes=(4400,),
                 lacks=SECRETS)),
    row("a document of 70,000 letters", "longer than any", "CWE-770",
        "{ " + "a" * 70_000 + " }", BOUNDED),
    row("a long number", "60,000 digits, which take long to read", "CVE-2020-10735; CWE-407",
        "{ contents(first: " + "9" * 60_000 + ") { edges { cursor } } }",
        Expected(codes=(*BOUNDED.codes, "BAD_USER_INPUT"), closes=(4400,), lacks=SECRETS)),
    row("a float of a great exponent", "infinite", "CWE-190",
        "{ contents(first: 1e400) { edges { cursor } } }", BOUNDED),
    row("an Int of 64 bits", "more than an Int is", "GraphQL 3.5.1; CWE-190",
        "{ contents(first: 9223372036854775807) { edges { cursor } } }", BOUNDED),
    row("escapes in a text", "surrogates that are no character", "GraphQL 2.9.4; CWE-176",
        '{ content(id: "\\uD800\\u0000") { id } }', UNREADABLE),
    row("an escape beyond Unicode", "braces, and more than there is", "GraphQL 2.9.4",
        '{ content(id: "\\u{FFFFFFFFFFFF}") { id } }', UNREADABLE),
    row("a block text of indents", "lines to be compared", "CWE-407",
        '{ content(id: """' + "\n ".join(" " * (n % 50) for n in range(2000)) + '""") { id } }',
        Expected(lacks=SECRETS)),
    row("a text without its end", "a quotation mark, and 60,000 letters", "CWE-1333",
        '{ content(id: "' + "a" * 60_000, UNREADABLE),
    row("a control character", "a NUL in a document", "GraphQL 2.1; CWE-158", "{ \x00 }",
        UNREADABLE),
    row("names of other letters", "a Cyrillic one in a field's name", "CWE-1007",
        "{ vi\u0435wer { id } }",
        UNREADABLE),
    row("a prototype's name", "a field of every object elsewhere", "CWE-1321",
        "{ __proto__ constructor }", INVALID),
    row("a subscription of two", "which may have one root field", "GraphQL 5.2.3.1",
        "subscription { a: events { id } b: events { id } }", BOUNDED),
    # -- variables
    given("a variable of 10,000 items", "elements that are counted when they are read", "CWE-770",
          elements=["MOOD"] * 10_000),
    row("introspection within its bounds", "the schema's lists thirty times, 2.6 KB", "CWE-770",
        "{ __schema { " + aliased("types { name fields { name args { name type { name } } "
                                  "type { name } } }", 30) + " } }"),
    given("a variable of 2,000 errors", "each item wrong, each told", "CWE-770; CWE-209",
          elements=["NOPE"] * 2000),
    given("a variable of unknown fields", "5,000 that nobody asked for", "CWE-915",
          **{f"x{n}": 1 for n in range(5000)}),
    given("a variable with a prototype", "members of every object elsewhere", "CWE-1321",
          **{"__proto__": {"isAdmin": True}, "constructor": {"prototype": {}}}),
    given("an enum of a number", "what stands where a name is wanted", "CWE-704", elements=[0]),
    given("an enum of an object", "as a NoSQL condition", "CWE-943", elements=[{"$gt": ""}]),
    given("a text of an object", "as a NoSQL condition", "CWE-943", content={"$ne": None}),
    Attack("a document that nobody trusts", "Apollo's hash, to fill a cache", "CWE-524; CWE-349",
           Document("{ __typename }", more={"extensions": {"persistedQuery": {
               "version": 1, "sha256Hash": "0" * 64}}}),
           Expected(lacks=SECRETS)),
    # -- bodies
    body("a batch", "100 questions in a list", f"{OWASP}, batching; {COP}",
         [{"query": "{ __typename }"}] * 100),
    body("a batch of none", "an empty list", COP, []),
    body("a body of deep lists", "100,000 brackets", "CWE-674", b"[" * 100_000),
    body("a body of deep objects", "30,000 of them", "CWE-674", b'{"a":' * 30_000),
    body("a body that is a text", "JSON, and no object", "GraphQL over HTTP 5",
         b'"{ __typename }"'),
    body("a body of bad UTF-8", "bytes that are no text", "CWE-176", b'{"query":"\xff\xfe"}'),
    body("a body in UTF-16", "another encoding of JSON", "RFC 8259 8.1",
         '{"query":"{ __typename }"}'.encode("utf-16")),
    body("a long number in a body", "100,000 digits", "CVE-2020-10735",
         b'{"query":"{ __typename }","variables":{"a":' + b"9" * 100_000 + b"}}", 200, 400, 422),
    body("variables that are a list", "no object", "GraphQL over HTTP 5.1",
         {"query": "{ __typename }", "variables": [1]}),
    body("a query that is a list", "no text", "CWE-704", {"query": ["{ __typename }"]}),
    Attack("a form", "what a page of another site may send without asking", f"{COP}; CWE-352",
           Http("POST", "/graphql", b"query=%7B__typename%7D",
                headers={"Content-Type": "application/x-www-form-urlencoded"}), answered(415)),
    Attack("text/plain", "the same", f"{COP}; CWE-352",
           Http("POST", "/graphql", b'{"query":"{ __typename }"}',
                headers={"Content-Type": "text/plain"}), answered(415)),
    Attack("multipart", "files, as for graphql-upload", "CVE-2022-40734; CWE-352",
           Http("POST", "/graphql", b'--x\r\nContent-Disposition: form-data; name="operations"\r\n'
                b'\r\n{"query":"mutation { __typename }"}\r\n--x--\r\n',
                headers={"Content-Type": "multipart/form-data; boundary=x"}), answered(415)),
    Attack("a mutation by GET", "by a link or a picture", f"{COP}; CWE-352",
           Http("GET", "/graphql?query=mutation%7B__typename%7D"), answered(405)),
    Attack("a document that ends a page", "a script in GraphiQL's address", "CWE-79; graphql-cop",
           Http("GET", "/graphql?query=%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E",
                headers={"Accept": "text/html"}),
           answered(200, 400, 403, 404, 405, 406, lacks=(b"<script>alert",))),
    # -- over a WebSocket
    Attack("operations at once", "1,000 of them, none read", "CWE-770",
           Frames(tuple(frame(1, json.dumps({"type": "subscribe", "id": str(n), "payload": {
               "query": "subscription { events { id } }"}}).encode()) for n in range(300)),
               until=("error",)),
           Expected(codes=("TOO_MANY_OPERATIONS",), closes=(4429,)), cpu=0.2),
    Attack("subscribe before init", "a question of nobody", "graphql-transport-ws",
           Frames((frame(1, b'{"type":"subscribe","id":"1","payload":{"query":"{ __typename }"}}'),
                   ),
                  acknowledged=False), closed(4401)),
    Attack("init twice", "another's rights on an open socket", "graphql-transport-ws",
           Frames((frame(1, b'{"type":"connection_init","payload":{}}'),)), closed(4429)),
    Attack("an id twice", "two operations that are one", "graphql-transport-ws",
           Frames((frame(1, b'{"type":"subscribe","id":"1","payload":{"query":"subscription '
                            b'{ events { id } }"}}') * 2,)), closed(4409)),
    Attack("the older protocol", "subscriptions-transport-ws", "graphql-ws",
           Frames((frame(1, b'{"type":"connection_init"}'),), acknowledged=False,
                  protocol="graphql-ws"), closed(4406)),
]  # fmt: skip


@each(ATTACKS)
def test_no_document_costs_more_than_it_may(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)


NOTHING_TOLD = Expected(
    codes=("UNAUTHENTICATED", "QUERY_TOO_COMPLEX", "GRAPHQL_PARSE_FAILED"),
    closes=(4401, 4403),
    lacks=(b"did you mean", *SECRETS),
)


def unasked(name: str, what: str, source: str, query: str, *edges: str) -> Attack:
    """A row of a document without a token, of which nothing is told and little is read."""
    sent = Document(query, anonymous=True)
    return Attack(name, what, source, sent, NOTHING_TOLD, edges=edges)


ANONYMOUS = [
    unasked("fields without a token", "1,000 that may not exist", "CWE-770",
            "{ " + " ".join(f"viewe{n}" for n in range(1000)) + " }"),
    unasked("a mutation without a token", "a model's work for nothing", "CWE-306",
            'mutation { deleteContent(id: "x") { requestId } }'),
    unasked("a subscription without a token", "events of nobody", "CWE-306",
            "subscription { events { id } }", GRAPHQL_SSE, WEBSOCKET),
    unasked("a hidden field without a token", "beside a public one, in a fragment", "CWE-863",
            "{ health { status } ...A } fragment A on Query { viewer { id } }"),
    unasked("fragments without a token", "a bomb of them", "CWE-776", fragments(20, 10)),
]  # fmt: skip


@each(ANONYMOUS)
def test_without_a_token_little_is_read(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)
