"""Pages of elsewhere whose own name leads here, and answers that are opened as pages."""

from __future__ import annotations

from tests.attacks.attack import Attack, Expected, answered, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Http, Raw

EVIL = b"Host: rebound.example\r\nOrigin: http://rebound.example\r\n"
REBINDING = "a page's own name leads here, so that Host and Origin agree"
SAFE = (b"nosniff", b"frame-ancestors 'none'", b"default-src 'none'")
FRAMED = "an answer as a page, in somebody's frame or read as a script"


def rebound(line: bytes) -> Raw:
    return Raw((line + b" HTTP/1.1\r\n" + EVIL + b"\r\n",))


ATTACKS = [
    *(Attack(f"DNS rebinding of {path}", REBINDING, "CWE-350; CVE-2022-32212",
             rebound(f"GET {path}".encode()), answered(400, has=(b"LOREGATE_ALLOWED_HOSTS",)))
      for path in ("/health", "/api/v2/docs", "/graphql?query={__typename}", "/console/session")),
    *(Attack(f"framing {path}", FRAMED, "CWE-1021; CWE-693", Http("GET", path, anonymous=True),
             Expected(has=SAFE))
      for path in ("/health", "/api/v2/errors", "/api/v2/content/x", "/nowhere", "/graphql")),
    Attack("an answer kept by a cache", "what one caller got is given to another", "CWE-525",
           Http("GET", "/api/v2/content/x"), answered(404, has=(b"no-store",))),
]  # fmt: skip


@each(ATTACKS)
def test_no_page_of_elsewhere_reads_or_frames_an_answer(
    gateway: Gateway, attack: Attack, edge: str
) -> None:
    holds(gateway, attack, edge)
