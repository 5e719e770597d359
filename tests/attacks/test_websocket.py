"""Floods on WebSocket below the application, none of which needs a token: frames and handshakes
without end."""

from __future__ import annotations

from tests.attacks.attack import Attack, answered, closed, cut_off, each, holds
from tests.attacks.conversation import KEY, frame
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Frames, Raw

CONT, TEXT, BINARY, PING, PONG = 0x0, 0x1, 0x2, 0x9, 0xA
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + KEY.encode() + b"\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n"
)


def early(*frames: bytes) -> Frames:
    """Of somebody who has not said who it is."""
    return Frames(frames, acknowledged=False)


ATTACKS = [
    Attack("40,000 pings", "each of which would be answered", "RFC 6455 5.5.2; CWE-400",
           early(frame(PING) * 40_000), closed(1008)),
    Attack("large pings", "8,000 with 125 bytes, whose pongs are not read", "RFC 6455 5.5; CWE-770",
           early(frame(PING, bytes(125)) * 8_000), closed(1008)),
    Attack("40,000 pongs", "that nobody asked for", "RFC 6455 5.5.3; CWE-400",
           early(frame(PONG) * 40_000), closed(1008)),
    Attack("empty fragments", "40,000 of one message", "RFC 6455 5.4; CVE-2021-32640 (ws)",
           early(frame(TEXT, fin=False) + frame(CONT, fin=False) * 40_000), closed(1008)),
    Attack("fragments of one byte", "40,000 of one message", "RFC 6455 5.4; CWE-770",
           early(frame(TEXT, fin=False) + frame(CONT, b"a", fin=False) * 40_000), closed(1008)),
    Attack("pings among fragments", "so that neither ends", "RFC 6455 5.4",
           early(frame(TEXT, fin=False) + (frame(CONT, fin=False) + frame(PING)) * 20_000),
           closed(1008)),
    Attack("a message of 300 KB in fragments", "each within the bound", "RFC 6455 10.4; CWE-770",
           early(frame(TEXT, b"a" * 100_000, fin=False), frame(CONT, b"a" * 100_000, fin=False),
                 frame(CONT, b"a" * 100_000)), closed(1009)),
    Attack("40,000 empty messages", "before the first is read", "CWE-770",
           early(frame(TEXT) * 40_000), closed(4400)),
    Attack("40,000 binary messages", "which the protocol does not have", "CWE-770",
           early(frame(BINARY) * 40_000), closed(4400)),
    Attack("frames before the answer to the handshake", "pings without end",
           "RFC 6455 4.1; CWE-444",
           Raw((HANDSHAKE + b"\r\n" + frame(PING) * 40_000,), answers=None), cut_off(101)),
    Attack("a bad frame before the answer to the handshake", "of a reserved kind",
           "RFC 6455 5.2", Raw((HANDSHAKE + b"\r\n" + frame(3),), answers=None), cut_off(101)),
    # -- handshakes
    Attack("a handshake behind a request", "in the same segment, whose answers must not change "
           "places", "RFC 9112 9.3.2; CWE-444",
           Raw((b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + HANDSHAKE + b"\r\n",), answers=2),
           answered(200, has=(b" 101 Switching",))),
    Attack("a handshake with a header of 10 KB", "longer than what is read of one", "CWE-770",
           Raw((HANDSHAKE + b"Cookie: " + b"a" * 10_240 + b"\r\n\r\n",), answers=None),
           cut_off(431, codes=("HEADERS_TOO_LARGE",))),
    Attack("a handshake of 100 KB", "in one header", "CWE-770",
           Raw((HANDSHAKE + b"Cookie: " + b"a" * 102_400 + b"\r\n\r\n",), answers=None),
           cut_off(431, codes=("HEADERS_TOO_LARGE",))),
    Attack("a handshake with 1,000 headers", "of two letters", "CWE-770",
           Raw((HANDSHAKE + b"a: b\r\n" * 1_000 + b"\r\n",), answers=None),
           cut_off(431, codes=("HEADERS_TOO_LARGE",))),
    Attack("a handshake with a target of 9 KB", "all of it a query", "RFC 9110 15.5.15",
           Raw((HANDSHAKE.replace(b"/graphql", b"/graphql?" + b"a" * 9_216) + b"\r\n",),
               answers=None), cut_off(414, codes=("URI_TOO_LONG",))),
    Attack("a handshake with a body", "in which stands another request", "CWE-444",
           Raw((HANDSHAKE + b"Content-Length: 40\r\n\r\n" + b"a" * 40,), answers=None),
           cut_off(400)),
    Attack("a handshake of HTTP/1.0", "which has no Upgrade", "RFC 6455 4.1",
           Raw((HANDSHAKE.replace(b"1.1", b"1.0") + b"\r\n",), answers=None), cut_off(400)),
    Attack("a handshake by POST", "with no body", "RFC 6455 4.1",
           Raw((HANDSHAKE.replace(b"GET", b"POST") + b"\r\n",), answers=None),
           cut_off(400, 405)),
    Attack("a handshake with a short key", "of three bytes", "RFC 6455 4.2.1",
           Raw((HANDSHAKE.replace(KEY.encode(), b"AAAA") + b"\r\n",)), answered(400)),
]  # fmt: skip


@each(ATTACKS)
def test_a_flood_is_cut_off(gateway: Gateway, attack: Attack, edge: str) -> None:
    holds(gateway, attack, edge)
