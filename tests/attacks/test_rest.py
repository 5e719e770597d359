"""Bodies, headers and cursors of the REST edge, and of the streams on it and beside it."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from tests.attacks.attack import Attack, Expected, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import SSE, Http
from tests.support.rest_bodies import GOOD, NPC, RULE, TEXT, THEME, VALIDATION

SECRETS = (b"Traceback", b"sqlite", b"/app/", b"site-packages", b"pydantic")
BAD = answered(400, codes=("INVALID_REQUEST",), lacks=SECRETS)
TOO_LARGE = answered(400, 413, codes=("INVALID_REQUEST", "PAYLOAD_TOO_LARGE"), lacks=SECRETS)
NOT_FOUND = answered(404, codes=("NOT_FOUND",), lacks=SECRETS)
CURSOR = Expected(statuses=(400, 410, 200), codes=("INVALID_REQUEST", "CURSOR_EXPIRED",
                  "BAD_USER_INPUT"), lacks=SECRETS)  # fmt: skip


def raw(name: str, what: str, source: str, body: bytes, expect: Expected = BAD,
        calls: int = 0, **headers: str) -> Attack:  # fmt: skip
    """A row of a body as it is."""
    told = {k.replace("_", "-"): v for k, v in headers.items()}
    return Attack(name, what, source, Http(body=body, headers=told), expect, calls=calls)


def changed(name: str, what: str, source: str, path: str = TEXT, expect: Expected = BAD,
            calls: int = 0, **fields: Any) -> Attack:  # fmt: skip
    """A row of a good body with these fields changed."""
    sent = Http("POST", path, {**GOOD.get(path, {}), **fields})
    return Attack(name, what, source, sent, expect, calls=calls)


def context(name: str, what: str, source: str, value: Any, key: str = "character_class") -> Attack:
    return changed(name, what, source, character_context={key: value})


def keyed(name: str, what: str, source: str, key: str) -> Attack:
    """A row of an idempotency key."""
    return Attack(name, what, source, Http(body=GOOD[TEXT], headers={"Idempotency-Key": key}), BAD)


def cursor(name: str, what: str, source: str, value: str) -> Attack:
    """A row of a `Last-Event-ID`, of a stream that must not begin where it says."""
    headers = {"Accept": SSE, "Last-Event-ID": value}
    return Attack(name, what, source, Http("GET", "/api/v2/events", headers=headers), CURSOR)


def got(name: str, what: str, source: str, path: str, expect: Expected = NOT_FOUND) -> Attack:
    return Attack(name, what, source, Http("GET", path), expect)


WHOLE = json.dumps(GOOD[TEXT]).encode()
MANY = 250_000  # bytes, a little less than a body may have
OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

ATTACKS = [
    # -- JSON
    raw("deep lists", "100,000 brackets", "CWE-674; CVE-2022-21680", b"[" * 100_000),
    raw("deep objects", "40,000 of them", "CWE-674", b'{"type":' * 20_000 + b"1" + b"}" * 20_000),
    raw("deep within a field", "500 lists in a list", "CWE-674",
        b'{"type":"backstory","character_context":{"a":' + b"[" * 500 + b"]" * 500 + b"}}"),
    raw("a long number", "200,000 digits", "CVE-2020-10735",
        b'{"type":"backstory","character_context":{"character_level":' + b"9" * 200_000 + b"}}"),
    raw("a great exponent", "infinite", "CWE-190",
        b'{"type":"backstory","character_context":{"character_level":1e999999}}'),
    raw("NaN", "what Python takes for JSON", "RFC 8259 6",
        b'{"type":"backstory","character_context":{"character_level":NaN}}'),
    raw("a key twice", "of which parsers take one or the other", "RFC 8259 4; CWE-436",
        b'{"type":"backstory","type":"nope","character_context":{}}'),
    raw("bad UTF-8", "bytes that are no text", "CWE-176",
        b'{"type":"backstory","character_context":{"a":"\xff\xfe"}}'),
    raw("a surrogate alone", "what cannot be encoded again", "CWE-176",
        b'{"type":"backstory","character_context":{"a":"\\ud800"}}'),
    raw("a BOM", "before the JSON", "RFC 8259 8.1", b"\xef\xbb\xbf" + WHOLE,
        answered(200, 400, lacks=SECRETS)),
    raw("UTF-16", "another encoding", "RFC 8259 8.1", WHOLE.decode().encode("utf-16")),
    raw("UTF-7", "another, which hides quotation marks", "CVE-2017-5645; CWE-838", WHOLE,
        answered(200), calls=1, Content_Type="application/json; charset=utf-7"),
    raw("a comment", "JSON5", "RFC 8259", b"/* */" + WHOLE),
    raw("two values", "one behind the other", "RFC 8259 2", WHOLE + WHOLE),
    raw("a list", "where an object is", "CWE-704", b"[]"),
    raw("a text", "where an object is", "CWE-704", b'"__proto__"'),
    raw("nothing", "no body", "CWE-20", b""),
    raw("260 KB", "more than a body may have", "CWE-770", b" " * 262_145, TOO_LARGE),
    raw("250 KB of nothing", "white space", "CWE-407", b" " * MANY),
    raw("a thousand keys", "more than there may be", "CWE-407; hash collisions",
        json.dumps({**GOOD[TEXT], "character_context": {f"k{n}": "v" for n in range(1000)}})
        .encode()),
    # -- encodings and types
    raw("gzip", "a body that is packed", "CWE-409", gzip.compress(WHOLE),
        answered(400, 415), Content_Encoding="gzip"),
    raw("a gzip bomb", "200 MB in 200 KB", "CWE-409", gzip.compress(bytes(20_000_000)),
        answered(400, 415), Content_Encoding="gzip"),
    raw("deflate", "the same", "CWE-409", zlib.compress(WHOLE), answered(400, 415),
        Content_Encoding="deflate"),
    raw("a form", "what a page of another site may send without asking", "CWE-352",
        b"type=backstory", answered(415), Content_Type="application/x-www-form-urlencoded"),
    raw("text/plain", "the same", "CWE-352", WHOLE, answered(415), Content_Type="text/plain"),
    raw("XML", "with an entity of a file's", "CWE-611",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        answered(415, lacks=(b"root:",)), Content_Type="application/xml"),
    raw("multipart", "parts without end", "CVE-2024-47874 (Starlette)",
        b"--x\r\n" * 20_000, answered(415), Content_Type="multipart/form-data; boundary=x"),
    raw("YAML", "with a constructor", "CWE-502; CVE-2020-14343",
        b"!!python/object/apply:os.system []",
        answered(415), Content_Type="application/yaml"),
    raw("pickle", "an object that runs", "CWE-502", b"cos\nsystem\n(S'id'\ntR.", answered(415),
        Content_Type="application/octet-stream"),
    # -- fields
    context("a level of 10**30", "more than any", "CWE-190", 10**30, "character_level"),
    context("a level of true", "which is 1", "CWE-704", True, "character_level"),
    context("a level in other digits", "what int() reads", "CWE-1289", "٥٥", "character_level"),
    context("a class of an object", "as a NoSQL condition", "CWE-943", {"$gt": ""}),
    context("a class of 5,000 letters", "longer than a value may be", "CWE-770", "a" * 5000),
    context("an extra of deep lists", "no list of texts", "CWE-674", [[[[[[]]]]]], "extra"),
    changed("a type that is none", "a long one, told again", "CWE-209", type="a" * 100_000),
    changed("a type of markup", "told again in an error", "CWE-79",
            type="<script>alert(1)</script>"),
    changed("a model that is none", "a path", "CWE-22", model={"name": "../../v1/files"}),
    changed("a model's URL", "asked on the gateway's behalf", "CWE-918",
            model={"name": "http://169.254.169.254/"}),
    changed("a temperature of infinity", "in words", "CWE-704",
            model={"name": "gpt-6-luna", "temperature": "Infinity"}),
    changed("tokens without end", "the whole of an account", "OWASP LLM10",
            model={"name": "gpt-6-luna", "max_tokens": 10**9}),
    changed("a parent of SQL", "no id", "CWE-89",
            parent_content_id="' OR 1=1; DROP TABLE contents; --"),
    changed("a theme of a hundred keys", "more than there may be", "CWE-770",
            theme={f"k{n}": "v" for n in range(100)}),
    changed("a theme of 60,000 letters", "longer than a text may be", "CWE-770", THEME,
            content="a" * 60_000),
    changed("21 rules", "more than there may be", "CWE-770", VALIDATION, rules=[RULE] * 21),
    changed("rules without end", "100 KB of them", "CWE-770", VALIDATION, rules=[RULE] * 2000),
    changed("occupants of a million", "a list's length as a number", "CWE-704", NPC, traits=10**6),
    # -- prototypes and templates: taken as what they are, which is text
    changed("a prototype", "members of every object elsewhere", "CWE-1321",
            expect=answered(200, lacks=(b"isAdmin",)), calls=1,
            **{"__proto__": {"isAdmin": True}, "constructor": {"prototype": {"isAdmin": True}}}),
    changed("a template", "evaluated where it is filled in", "CWE-1336",
            expect=answered(200, lacks=(b"LOREGATE", *SECRETS)), calls=1,
            character_context={"character_class": "{{7*7}}${7*7}{0.__class__}%(x)s{settings.key}"}),
    # -- keys
    keyed("a key of a line", "a header's, or a log's", "CWE-93", "a b\tc"),
    keyed("a key of 300 letters", "longer than a key may be", "CWE-770", "a" * 300),
    keyed("an empty key", "everybody's", "CWE-639", ""),
    keyed("a key of other letters", "no visible ASCII", "CWE-176", "schlüssel"),
    # -- cursors
    cursor("a cursor of zeros", "from the beginning", "CWE-639", "0-0"),
    cursor("a cursor of SQL", "no cursor", "CWE-89", "' OR '1'='1"),
    cursor("a cursor of Redis", "another stream's", "CWE-74", "0 STREAMS loregate:revoked 0"),
    cursor("a cursor of 7,000 letters", "longer than any", "CWE-770", "A" * 7000),
    cursor("a cursor of bad base64", "padding where none is", "CWE-20", "AQEA====AAAA"),
    cursor("a cursor of nothing", "spaces", "CWE-20", "%20"),
    cursor("a cursor of all bits", "from the end of time", "CWE-190", "_" * 31),
    got("events after a list", "two cursors", "CWE-235", "/api/v2/events?after=a&after=b",
        Expected(statuses=(400, 406, 410), lacks=SECRETS)),
    got("a generation of another", "whose id was seen somewhere", "CWE-639",
        f"/api/v2/generations/{OTHER}/events", Expected(statuses=(404, 406), lacks=SECRETS)),
    got("a content of another", "whose id was seen somewhere", "CWE-639",
        f"/api/v2/content/{OTHER}"),
    got("a content of SQL", "no id", "CWE-89", "/api/v2/content/'%20OR%201=1--"),
    got("a content of a pattern", "everybody's", "CWE-943", "/api/v2/content/%25"),
    got("a content of braces", "another slot of Redis", "CWE-74", "/api/v2/content/%7Balice%7D:*"),
    # -- a batch
    changed("a batch of batches", "20 of 20 of 20", "CWE-674; CWE-776", "/api/v2/batch",
            expect=answered(200, 400, lacks=SECRETS),
            requests=[{"id": str(n), "path": "/api/v2/batch", "body": {}} for n in range(20)]),
    changed("a batch of 1,000", "more than there may be", "CWE-770", "/api/v2/batch",
            requests=[{"id": str(n), "path": TEXT, "body": GOOD[TEXT]} for n in range(1000)]),
    changed("a batch of other paths", "what a proxy keeps inside", "CWE-918; CWE-441",
            "/api/v2/batch", expect=answered(200, 400, lacks=(b"process_cpu", *SECRETS)),
            requests=[{"id": "a", "path": "/metrics", "body": {}},
                      {"id": "b", "path": "http://169.254.169.254/", "body": {}}]),
]  # fmt: skip


@each(ATTACKS)
def test_no_body_does_worse_than_being_refused(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)
