"""Tokens that another reader would read otherwise, and cursors that nobody was given."""

from __future__ import annotations

import base64
import json
import struct
import time
import zlib
from typing import Any

from app.events.cursor import Cursor, EntryId, Position
from app.generations.cursor import Cursors
from app.seal import ProcessKeys, Seal
from tests.attacks.attack import Attack, Expected, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import SSE, Bearer, Document, Http, Raw
from tests.support.issuer import forged
from tests.support.service import SECRET

NOW = int(time.time())
GOOD: dict[str, Any] = {"sub": "m", "iat": NOW - 60, "exp": NOW + 86_400, "permissions": ["*:*"]}
CLAIMS = json.dumps(GOOD).encode()
REFUSED = Expected(statuses=(401,), codes=("UNAUTHENTICATED",), closes=(4403,))
WHOLE = forged({"alg": "HS256", "typ": "JWT"}, GOOD, SECRET)

SPACES = {"a no-break space": "\xa0", "a next line": "\x85", "a tab": "\t"}


def padded(at: int) -> str:
    parts = WHOLE.split(".")
    parts[at] += "=" * (-len(parts[at]) % 4 or 4)
    return ".".join(parts)


def of_kind(kind: object) -> Bearer:
    return Bearer(forged({"alg": "HS256", "typ": kind}, GOOD, SECRET))


def claiming(raw: bytes) -> Bearer:
    return Bearer(forged({"alg": "HS256", "typ": "JWT"}, raw, SECRET))


def two_headers(path: str) -> Raw:
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode()
    return Raw((head + b"Authorization: Bearer TOKEN\r\nAuthorization: Bearer TOKEN\r\n\r\n",))


def row(name: str, what: str, source: str, token: Bearer) -> Attack:
    return Attack(name, what, source, token, REFUSED)


TOKENS = [
    *(row(f"padding in part {at}", "`=` where base64url has none", "RFC 7515 2; CWE-347",
          Bearer(padded(at))) for at in range(3)),
    row("a signature's spare bits", "another text of the same token", "CWE-347",
        Bearer(WHOLE[:-1] + chr(ord(WHOLE[-1]) + 1))),
    row("claims with a byte-order mark", "which other readers refuse", "RFC 8259 8.1",
        claiming(b"\xef\xbb\xbf" + CLAIMS)),
    row("claims in UTF-16", "which other readers refuse", "RFC 7519 7.2",
        claiming(CLAIMS.decode().encode("utf-16"))),
    row("a claim twice", "of which readers take the first or the last", "RFC 7519 4; CWE-436",
        claiming(b'{"sub":"alice",' + CLAIMS[1:])),
    row("a header twice", "the same for the algorithm", "RFC 7515 4; CWE-436",
        Bearer(forged(b'{"alg":"none","alg":"HS256"}', GOOD, SECRET))),
    *(row(f"typ {kind}", "a token of the same issuer, for another use", "RFC 8725 3.11",
          of_kind(kind)) for kind in ("logout+jwt", "dpop+jwt", "secevent+jwt", "JWE", 5)),
    *(row(f"{name} for a space", "what only looks like a separator", "RFC 6750 2.1",
          Bearer(WHOLE, scheme=f"Bearer{space}"))
      for name, space in SPACES.items()),
    *(Attack(f"two Authorization headers, {path}", "of which two readers take two",
             "RFC 9110 5.3; CWE-436", two_headers(path), answered(401))
      for path in ("/api/v2/content/x", "/api/v2/events", "/graphql?query={viewer{id}}")),
]  # fmt: skip


@each(TOKENS)
def test_no_token_that_is_read_in_two_ways_is_taken(
    gateway: Gateway, attack: Attack, edge: str
) -> None:
    holds(gateway, attack, edge)


# -- cursors
def old_cursor() -> str:
    """As they were: under a checksum that anybody can make."""
    body = struct.pack(">BB", 1, 1) + struct.pack(">BIQI", 0, 7, 0, 0)
    return base64.urlsafe_b64encode(body + struct.pack(">I", zlib.crc32(body))).decode().rstrip("=")


BEGIN = Cursor(1, {0: Position(7, EntryId(0, 0))}).encode(Seal("events", ProcessKeys()))
GENERATION = "0198f3a0-0000-7000-8000-000000000000"
OF_GENERATION = Cursors(Seal("generations", ProcessKeys())).encode(GENERATION, 1)
EVENTS = "subscription ($after: String) { events(after: $after) { cursor } }"
EXPIRED = Expected(statuses=(200, 410), codes=(), has=(b"CURSOR_EXPIRED",))
MADE_UP = "a place that nobody was told; the log's begin has everybody's events read"

CURSORS = [
    *(Attack(f"{name} over GraphQL", MADE_UP, "CWE-345; CWE-400",
             Document(EVENTS, {"after": text}, edges=("graphql-sse", "websocket")), EXPIRED)
      for name, text in {"an old cursor": old_cursor(), "a forged cursor": BEGIN}.items()),
    *(Attack(f"{name} over REST", MADE_UP, "CWE-345; CWE-400",
             Http("GET", f"/api/v2/events?after={text}", headers={"Accept": SSE}), EXPIRED)
      for name, text in {"an old cursor": old_cursor(), "a forged cursor": BEGIN}.items()),
    Attack("a forged cursor of a generation", "of one that is not there", "CWE-345",
           Http("GET", f"/api/v2/generations/{GENERATION}/events?after={OF_GENERATION}",
                headers={"Accept": SSE}), answered(410, codes=("CURSOR_EXPIRED",))),
    Attack("a cursor of another kind", "a generation's for events", "CWE-345",
           Http("GET", f"/api/v2/events?after={OF_GENERATION}", headers={"Accept": SSE}),
           answered(400, codes=("INVALID_REQUEST",))),
]  # fmt: skip


@each(CURSORS)
def test_no_cursor_that_was_not_given_out_is_believed(
    gateway: Gateway, attack: Attack, edge: str
) -> None:
    holds(gateway, attack, edge)
