"""What pages of other sites may have a browser send, and may read of the answer: nothing."""

from __future__ import annotations

from tests.attacks.attack import Attack, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import SSE, Http

EVIL = "https://evil.example"
CWE = "CWE-346; CWE-942"
ALLOWED = (b"access-control-allow-origin", b"access-control-allow-credentials")
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization",
}
# The gateway's host, and what is made to look like it.
ORIGINS = {
    "another site": EVIL,
    "no origin": "null",
    "our host as a prefix": "http://127.0.0.1.evil.example",
    "our host as a user": "http://127.0.0.1@evil.example",
    "our host behind a dot": "http://evil.127.0.0.1",
    "our host with another port": "http://127.0.0.1:1",
    "our host with a scheme of its own": "chrome-extension://127.0.0.1",
    "a file": "file://",
    "a broken one": "http://[",
    "two of them": f"http://127.0.0.1, {EVIL}",
    "a wildcard": "*",
    "other letters": "http://127。0。0。1".encode().decode("latin-1"),
}


def row(name: str, what: str, origin: str, method: str, path: str, **headers: str) -> Attack:
    told = {"Origin": origin, **{k.replace("_", "-"): v for k, v in headers.items()}}
    body = {"query": "{ __typename }"} if method == "POST" else None
    return Attack(name, what, CWE, Http(method, path, body, headers=told, anonymous=True),
                  answered(200, 400, 401, 403, 405, 406, lacks=ALLOWED))  # fmt: skip


ATTACKS = [
    *(row(f"an answer for {name}", "read by a page of its own", origin, "GET", "/health")
      for name, origin in ORIGINS.items()),
    *(row(f"a document for {name}", "sent by a page of its own", origin, "POST", "/graphql")
      for name, origin in ORIGINS.items()),
    row("a preflight", "whether a token may be sent", EVIL, "OPTIONS", "/graphql", **PREFLIGHT),
    row("a preflight of REST", "whether a token may be sent", EVIL, "OPTIONS", "/api/v2/batch",
        **PREFLIGHT),
    row("a preflight of a private network", "from the internet to this machine", EVIL, "OPTIONS",
        "/graphql", **PREFLIGHT, Access_Control_Request_Private_Network="true"),
    row("a stream", "of events, read by an EventSource", EVIL, "GET", "/api/v2/events", Accept=SSE),
]  # fmt: skip


@each(ATTACKS)
def test_no_page_of_anothers_reads_an_answer(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)
