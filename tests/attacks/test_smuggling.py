"""Requests that two parsers read differently."""

from __future__ import annotations

from tests.attacks.attack import Attack, cut_off, each, holds
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Raw

ATTACKS = [
    Attack(
        "CL.TE",
        "both lengths: a proxy that goes by the first would pass the second on as a body",
        "RFC 9112 6.3; CWE-444",
        Raw((
            b"POST /api/v2/theme/analyze HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n",
        )),
        cut_off(400),
    ),
]  # fmt: skip


@each(ATTACKS)
def test_no_request_is_smuggled(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)
