"""Floods on HTTP below the application, none of which needs a token: heads, bodies and requests
without end. How slowly they may come is in tests/service/test_http_protocol.py."""

from __future__ import annotations

from tests.attacks.attack import Attack, answered, cut_off, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Raw
from tests.support.rest_bodies import TEXT

HEAD = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
TARGET = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" % TEXT.encode()
AUTHORIZED = TARGET + b"Authorization: Bearer TOKEN\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
TOO_LARGE, TOO_LONG = "HEADERS_TOO_LARGE", "URI_TOO_LONG"
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
SMUGGLED = b"GET /api/v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"

ATTACKS = [
    Attack("a head of 200 KB", "one header of it all", "CWE-770; CVE-2018-12121 (Node.js)",
           Raw((HEAD + b"A: " + b"a" * 200_000 + b"\r\n\r\n",), answers=None),
           cut_off(431, codes=(TOO_LARGE,))),
    Attack("a head that does not end", "a megabyte of a header's name", "CWE-770",
           Raw((HEAD, b"a" * 2**20), answers=None), cut_off(431, codes=(TOO_LARGE,))),
    Attack("10,000 headers", "of two letters each", "CWE-770; CVE-2011-3414",
           Raw((HEAD + b"a: b\r\n" * 10_000 + b"\r\n",), answers=None),
           cut_off(431, codes=(TOO_LARGE,))),
    Attack("101 headers", "small ones", "CWE-770",
           Raw((HEAD + b"a: b\r\n" * 100 + b"\r\n",), answers=None),
           cut_off(431, codes=(TOO_LARGE,))),
    Attack("a megabyte of empty lines", "before a request", "RFC 9112 2.2; CWE-770",
           Raw((b"\r\n" * 2**19,), answers=None), cut_off(431, codes=(TOO_LARGE,))),
    Attack("a target of 9 KB", "longer than any that is read", "RFC 9110 15.5.15",
           Raw((b"GET /" + b"a" * 9_216 + b" HTTP/1.1\r\nHost: x\r\n\r\n",), answers=None),
           cut_off(414, codes=(TOO_LONG,))),
    Attack("a target without end", "a megabyte of it", "RFC 9110 15.5.15; CWE-770",
           Raw((b"GET /" + b"a" * 2**20,), answers=None), cut_off(414, codes=(TOO_LONG,))),
    Attack("a GraphQL target of 9 KB", "refused in GraphQL's form", "RFC 9110 15.5.15",
           Raw((b"GET /graphql?query=" + b"a" * 9_216 + b" HTTP/1.1\r\nHost: x\r\n\r\n",),
               answers=None),
           cut_off(414, codes=(TOO_LONG,), has=(b'"errors"',))),
    # -- bodies
    Attack("a body behind a 401", "a megabyte that nobody asked for", "RFC 9112 9.6; CWE-400",
           Raw((TARGET + b"Content-Length: 10000000000\r\n\r\n", b"a" * 900_000), answers=None),
           cut_off(401, codes=("UNAUTHENTICATED",), has=(b"connection: close",))),
    Attack("a body behind a 413", "announced as ten gigabytes", "RFC 9110 15.5.14; CWE-400",
           Raw((AUTHORIZED + b"Content-Length: 10000000000\r\n\r\n", b"a" * 900_000),
               answers=None),
           cut_off(413, codes=("PAYLOAD_TOO_LARGE",), has=(b"connection: close",))),
    Attack("chunks behind a 401", "that do not end", "RFC 9112 7.1; CWE-400",
           Raw((TARGET + CHUNKED, b"1\r\na\r\n" * 100_000), answers=None),
           cut_off(401, codes=("UNAUTHENTICATED",), has=(b"connection: close",))),
    Attack("a chunk's extension without end", "half a megabyte behind a semicolon",
           "CVE-2024-22019 (Node.js)",
           Raw((AUTHORIZED + CHUNKED, b"1;" + b"a" * 500_000), answers=None),
           cut_off(413, codes=("PAYLOAD_TOO_LARGE",))),
    Attack("a trailer without end", "half a megabyte behind the last chunk", "RFC 9112 7.1.2",
           Raw((AUTHORIZED + CHUNKED, b"1\r\n{\r\n0\r\nA: " + b"a" * 500_000), answers=None),
           cut_off(413, codes=("PAYLOAD_TOO_LARGE",))),
    Attack("a token in a trailer", "which is no header", "RFC 9110 6.5.1; CVE-2022-32213",
           Raw((TARGET + CHUNKED, b"2\r\n{}\r\n0\r\nAuthorization: Bearer TOKEN\r\n\r\n")),
           answered(401, codes=("UNAUTHENTICATED",))),
    Attack("a request in the body of an upgrade", "h2c, which is not spoken",
           "h2c smuggling; CWE-444",
           Raw((TARGET + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED), SMUGGLED),
               answers=None),
           cut_off(401, 400, lacks=(b'"openapi"',))),
    *(Attack(f"half a body for {path}", "of a client that leaves", "CWE-755",
             Raw((b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                  b"Authorization: Bearer TOKEN\r\nContent-Length: 100\r\n\r\n{"
                  % path.encode(),), answers=0), answered())
      for path in (TEXT, "/graphql")),
    # -- requests
    Attack("requests behind a refused one", "which closes its connection", "CWE-444",
           Raw((b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + SMUGGLED,), answers=None),
           cut_off(400, codes=("INVALID_REQUEST",), lacks=(b'"openapi"',))),
]  # fmt: skip


@each(ATTACKS)
def test_a_flood_is_cut_off(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)
