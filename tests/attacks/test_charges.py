"""Requests that come to nothing and would count nothing, and floods of who has no good token."""

from __future__ import annotations

from dataclasses import replace

from tests.attacks.attack import Attack, Expected, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Http, Raw

COUNTED = (b"x-ratelimit-remaining: ", b"ratelimit: ")  # which nothing has that was not counted
FLOOD = 320  # requests; 300 a minute are answered
UNMETERED = "OWASP API4:2023, unrestricted resource consumption; CWE-770"
GUESSING = "OWASP API2:2023, broken authentication; CWE-307"


def nothing(method: str, path: str, status: int, headers: str = "") -> Attack:
    """A request with a token that comes to nothing, and counts all the same."""
    sent = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\n{headers}\r\n"
    name = f"{method} {path} {headers}".strip()
    what = "a request that comes to nothing, sent as often as one likes"
    return Attack(name, what, UNMETERED, Raw((sent.encode(),)), answered(status, has=COUNTED))


NOTHING = [
    nothing("GET", "/nothing", 404),
    nothing("HEAD", "/nothing", 404),
    nothing("GET", "/api/v2/nothing", 404),
    nothing("GET", "/static/nothing", 404),
    nothing("POST", "/health", 405, "Content-Length: 0\r\n"),
    nothing("PROPFIND", "/api/v2/events", 405),
    nothing("PUT", "/graphql", 405, "Content-Length: 0\r\n"),
    nothing("GET", "/graphql?query={viewer{id}}", 406, "Accept: text/csv\r\n"),
    nothing("GET", "/api/v2/events", 400, "Last-Event-ID: x\r\n"),
    nothing("POST", "/api/v2/text/character", 415, "Content-Type: a/b\r\nContent-Length: 0\r\n"),
]


def flood(name: str, what: str, request: bytes, refused: int = 401) -> Attack:
    expected = Expected(statuses=(refused,), has=(b"RATE_LIMIT_EXCEEDED", b"retry-after: "))
    return Attack(name, what, GUESSING, Raw((request,) * FLOOD, FLOOD), expected, cpu=1.0)


GET = b"GET /api/v2/events HTTP/1.1\r\nHost: x\r\n"
FLOODS = [
    flood("no token", "requests without a token, one after the other", GET + b"\r\n"),
    flood("bad tokens", "tokens are guessed", GET + b"Authorization: Bearer a.b.c\r\n\r\n"),
    flood(
        "bad tokens for addresses that lead nowhere",
        "tokens are guessed where nobody looks",
        b"GET /nothing HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a.b.c\r\n\r\n",
    ),
    flood(
        "documents without a token",
        "public documents, one after the other",
        b"GET /graphql?query={__typename} HTTP/1.1\r\nHost: x\r\n\r\n",
        refused=200,
    ),
]


@each(NOTHING)
def test_what_comes_to_nothing_counts(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)


@each(FLOODS)
def test_an_address_has_a_budget(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)


@each([replace(FLOODS[1], name="bad tokens before a good one")])
def test_a_good_token_gets_in_from_an_address_that_is_behind_its_budget(
    gateway: Gateway, attack: Attack, edge: str
) -> None:
    holds(gateway, attack, edge)
    good = Http("GET", "/api/v2/nothing")
    holds(gateway, replace(attack, send=good, expect=answered(404)), good.edges[0])
