"""Requests that are odd in their method, target, version or headers, and those that go on."""

from __future__ import annotations

from tests.attacks.attack import Attack, answered, cut_off, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Http, Raw
from tests.support.rest_bodies import GOOD, TEXT

END = b"\r\nHost: x\r\nConnection: close\r\n\r\n"
JSON = b"Content-Type: application/json\r\n"
HIDDEN = (b'"openapi"',)
SECRETS = (b"root:", b"LOREGATE", b"sqlite", b"Traceback")


def line(name: str, what: str, source: str, start: bytes, *statuses: int | None) -> Attack:
    """A row of a request line, which must not be answered with 200 or 5xx."""
    return Attack(name, what, source, Raw((start + END,), answers=None),
                  cut_off(*statuses, lacks=SECRETS))  # fmt: skip


def path(name: str, what: str, source: str, target: bytes, *statuses: int) -> Attack:
    return line(name, what, source, b"GET " + target + b" HTTP/1.1", *(statuses or (401, 404)))


def unfinished(name: str, head: bytes, sent: bytes) -> Attack:
    """A row of somebody who leaves while his body is read."""
    told = b"POST " + head + b"\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\n" + JSON + sent
    return Attack(name, "a client that leaves, which is no fault of ours", "CWE-755",
                  Raw((told,), answers=None, leaves=True), cut_off(400, None))  # fmt: skip


ATTACKS = [
    unfinished("half a body", TEXT.encode() + b" HTTP/1.1", b'Content-Length: 100\r\n\r\n{"type":'),
    unfinished("half a document", b"/graphql HTTP/1.1", b'Content-Length: 100\r\n\r\n{"query":'),
    unfinished("half a batch", b"/api/v2/batch HTTP/1.1", b"Content-Length: 100\r\n\r\n"),
    unfinished("half a chunk", b"/graphql HTTP/1.1", b"Transfer-Encoding: chunked\r\n\r\n50\r\n{"),
    unfinished("no last chunk", b"/graphql HTTP/1.1",
               b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
    # -- versions and methods
    line("HTTP/0.9", "a line alone, as in 1991", "RFC 1945", b"GET /health", 400, None),
    line("HTTP/2 preface", "of somebody who knows that we speak it", "RFC 9113 3.4",
         b"PRI * HTTP/2.0", 400, 404, 405, None),
    line("HTTP/9.9", "a version to come", "RFC 9110 2.5", b"GET /health HTTP/9.9", 400, 505, None),
    line("no version", "HTTP alone", "RFC 9112 3", b"GET /health HTTP", 400, None),
    line("a method of no letters", "NUL as a method", "RFC 9110 9.1", b"\x00\x01 / HTTP/1.1", 400,
         None),
    line("a method that nobody knows", "of letters", "RFC 9110 9.1", b"BREW / HTTP/1.1", 400, 404,
         405, 501),
    line("TRACE", "which would echo a cookie to a script", "Cross-site tracing; CWE-693",
         b"TRACE /health HTTP/1.1", 400, 405, 501),
    line("CONNECT", "the gateway as a proxy to its Redis", "RFC 9110 9.3.6; CWE-441",
         b"CONNECT 127.0.0.1:6379 HTTP/1.1", 400, 404, 405, 501, None),
    line("TLS", "a ClientHello on a plain port", "RFC 8446 4.1.2",
         b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), 400, None),
    line("Redis", "a command to whom it may concern", "CWE-918", b"*1\r\n$4\r\nPING", 400, None),
    line("SSH", "a banner", "RFC 4253 4.2", b"SSH-2.0-OpenSSH_9.9", 400, None),
    # -- targets
    path("another's absolute target", "a proxy's form of another host", "RFC 9112 3.2.2; CWE-918",
         b"http://169.254.169.254/latest/meta-data/", 400, 401, 404, 421),
    path("a target without a slash", "a file's name", "RFC 9112 3.2", b"etc/passwd", 400, 404),
    path("dots", "out of the root", "CWE-22", b"/../../../../etc/passwd"),
    path("dots, encoded", "out of the root", "CWE-22; CVE-2021-41773 (Apache)",
         b"/.%2e/%2e%2e/%2e%2e/etc/passwd"),
    path("dots, encoded twice", "decoded once too often", "CWE-174; CVE-2021-42013 (Apache)",
         b"/%%32%65%%32%65/%252e%252e/etc/passwd"),
    path("dots, overlong", "'/' in two bytes", "CWE-176; CVE-2000-0884 (IIS)",
         b"/console/..%c0%af..%c0%af..%c0%afetc/passwd"),
    path("dots, full width", "what some normalise to dots", "CWE-176",
         b"/console/%ef%bc%8e%ef%bc%8e/%ef%bc%8e%ef%bc%8e/etc/passwd"),
    path("dots, backslash", "another system's slash", "CWE-22",
         b"/console/..%5c..%5c..%5cetc/passwd"),
    path("dots among files", "out of a folder of files", "CWE-22; CVE-2024-23334 (aiohttp)",
         b"/console/static/../../../../pyproject.toml"),
    path("an encoded slash among files", "out of a folder of files", "CWE-22",
         b"/console/..%2f..%2f..%2fpyproject.toml"),
    path("an absolute path among files", "joined, it wins", "CWE-36", b"/console//etc/passwd"),
    path("a NUL among files", "a name that ends early in C", "CWE-158",
         b"/console/%00/../../etc/passwd"),
    path("dotfiles", "what lies in a root by mistake", "CWE-538", b"/.env"),
    path("a dot repository", "what lies in a root by mistake", "CWE-538", b"/.git/config"),
    path("a semicolon", "parameters of a path, that a proxy does not see", "CWE-436",
         b"/api/v2/events;/../../health"),
    path("two slashes", "a host for who redirects to it", "CWE-601", b"//evil.example/%2f.."),
    path("a path of NUL", "in Latin-1", "CWE-158", b"/api/v2/content/%00"),
    path("a path of bad UTF-8", "bytes that are no text", "CWE-176",
         b"/api/v2/content/%ff%fe%c3%28"),
    path("a percent sign alone", "no escape", "RFC 3986 2.1", b"/api/v2/content/%", 400, 401, 404),
    path("CR LF in a path", "a header for who logs or redirects it", "CWE-93; CWE-117",
         b"/api/v2/x%0d%0aSet-Cookie:%20a=b%0d%0a%7b%22level%22:%22error%22%7d"),
    path("a template in a path", "evaluated where it is told", "CWE-1336",
         b"/{{7*7}}${7*7}%7b%7b7*7%7d%7d"),
    # -- headers
    Attack("h2c upgrade", "a tunnel past the proxy's rules", "h2c smuggling, Bishop Fox 2020",
           Raw((b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",)),
           answered(200, lacks=(b"101 Switching",))),
    Attack("Expect with 401", "a body promised, and refused before", "RFC 9110 10.1.1",
           Raw((b"POST " + TEXT.encode() + b" HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                b"Content-Length: 100\r\n\r\n",)),
           answered(401, 417)),
    Attack("Expect of another kind", "what nobody meets", "RFC 9110 10.1.1; Expect desync, 2025",
           Raw((b"GET /health/live HTTP/1.1\r\nHost: x\r\nExpect: y 100-continue\r\n\r\n",)),
           answered(200, 417)),
    Attack("Connection names Authorization", "a hop that takes the token away",
           "RFC 9110 7.6.1; CVE-2022-1388 (BIG-IP)",
           Raw((b"GET /api/v2/content/x HTTP/1.1\r\nHost: x\r\n"
                b"Connection: close, Authorization\r\n\r\n",)),
           answered(401)),
    Attack("X-HTTP-Method-Override", "a GET that deletes", "CWE-650",
           Http("GET", "/api/v2/content/7c9e6679-7425-40de-944b-e07fc1f90ae7",
                headers={"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"}),
           answered(404, lacks=(b"204",))),
    Attack("X-Original-URL", "a path for the framework, another for the proxy",
           "CVE-2018-14773 (Symfony)",
           Http("GET", "/health/live", headers={"X-Original-URL": "/api/v2/openapi.json",
                                                "X-Rewrite-URL": "/api/v2/openapi.json"}),
           answered(200, lacks=HIDDEN)),
    Attack("X-Forwarded-Host", "a host that a cache keeps in links", "CWE-349; web cache poisoning",
           Http("GET", "/api/v2/openapi.json", headers={"X-Forwarded-Host": "evil.example",
                "X-Forwarded-Server": "evil.example", "Forwarded": "host=evil.example",
                "X-Host": "evil.example", "X-Forwarded-Prefix": "/evil.example"}),
           answered(200, 404, lacks=(b"evil.example",))),
    Attack("Host of another", "a host that is told again", "CWE-644; CWE-601",
           Http("GET", "/graphql/", headers={"Host": "evil.example"}),
           answered(200, 307, 308, 400, 401, 404, 405, 406, 421, lacks=(b"evil.example",))),
    Attack("a header of emoji", "bytes that are no Latin-1 of anybody's", "RFC 9110 5.5",
           Raw((b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: "
                + "🐉".encode() + b"\r\n\r\n",)),
           answered(200, lacks=("🐉".encode(),))),
    Attack("a request's id of 129 letters", "a line of the log as long as one likes", "CWE-117",
           Http("GET", "/health/live", headers={"X-Request-ID": "a" * 129}),
           answered(200, lacks=(b"a" * 129,))),
    Attack("a request's id that is a line", "JSON and a line of its own", "CWE-117",
           Raw((b'GET /health/live HTTP/1.1\r\nHost: x\r\nX-Request-ID: a","level":"error\r\n\r\n',
                )),
           answered(200, lacks=(b'"level"',))),
    Attack("two tokens", "one for the proxy, one for us", "RFC 9110 5.3; CWE-436",
           Raw((b"GET /api/v2/content/x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\n"
                b"Authorization: Bearer x\r\n\r\n",)),
           answered(401)),
    Attack("a range of nothing", "ranges that overlap a thousand times", "CVE-2011-3192 (Apache)",
           Http("GET", "/api/v2/openapi.json",
                headers={"Range": "bytes=" + ",".join("0-" for _ in range(500))}),
           answered(200, 206, 400, 416)),
    Attack("Accept without end", "5,000 types to be weighed", "CWE-407",
           Http("POST", "/graphql", {"query": "{ viewer { id } }"},
                headers={"Accept": ", ".join(f"a/{n};q=0.{n}" for n in range(600))}),
           answered(200, 400, 406, 431)),
    Attack("Accept of quotation marks", "parameters that never end", "CWE-1333",
           Http("POST", "/graphql", {"query": "{ viewer { id } }"},
                headers={"Accept": 'a/b;c="' + '\\"' * 3000}),
           answered(200, 400, 406)),
    Attack("Content-Type of parameters", "a type that is parsed slowly",
           "CVE-2024-24762 (multipart)",
           Http(body={}, headers={"Content-Type": "application/json; " + '!=";' * 2000}),
           answered(400, 415)),
    Attack("Cache-Control without end", "a thousand directives", "CWE-407",
           Http(body=GOOD[TEXT] | {"type": "none"},
                headers={"Cache-Control": ", ".join(["max-age=1"] * 700)}),
           answered(400, 431)),
    Attack("cookies", "two thousand, of somebody who has none", "CWE-770",
           Http("GET", "/health/live",
                headers={"Cookie": "; ".join(f"a{n}=b" for n in range(900))}),
           answered(200, 431)),
]  # fmt: skip


@each(ATTACKS)
def test_an_odd_request_is_refused_and_no_more(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)
