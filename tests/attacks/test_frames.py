"""WebSockets opened by others' pages, and frames that RFC 6455 does not have."""

from __future__ import annotations

import json

from tests.attacks.attack import Attack, Expected, answered, closed, each, holds
from tests.attacks.conversation import KEY, frame
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Frames, Raw

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0
RFC = "RFC 6455"
PROTOCOL_ERROR = closed(1002, 1006)
PING_MESSAGE = b'{"type":"ping"}'
BITS_OF_SIZE_64 = b"\x81\xff"  # a text of a length of 64 bits, masked


def frames(
    name: str, what: str, source: str, *sent: bytes, code: Expected = PROTOCOL_ERROR
) -> Attack:
    """A row of frames before anybody said who he is: they are refused as frames."""
    return Attack(name, what, source, Frames(sent, acknowledged=False), code)


def messages(name: str, what: str, source: str, *sent: bytes, code: int = 4400) -> Attack:
    """A row of frames in good form, of messages that are not, on an open socket."""
    return Attack(name, what, source, Frames(sent), closed(code))


def handshake(name: str, what: str, source: str, *changed: str) -> Attack:
    """A row of a handshake with these headers in place of the good ones of their names."""
    good = {
        "Host": "127.0.0.1", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "graphql-transport-ws",
    }  # fmt: skip
    for line in changed:
        header, _, value = line.partition(": ")
        good.pop(header, None)
        if value:
            good[header] = value
    told = "".join(f"{header}: {value}\r\n" for header, value in good.items())
    sent = Raw((f"GET /graphql HTTP/1.1\r\n{told}\r\n".encode(),))
    return Attack(name, what, source, sent, answered(400, 426, None, lacks=(b"connection_ack",)))


def told(**fields: object) -> bytes:
    return frame(TEXT, json.dumps(fields).encode())


ATTACKS = [
    # -- frames
    frames("unmasked", "a frame that a proxy may take for HTTP",
           f"{RFC} 5.1; cache poisoning, 2010",
           frame(TEXT, PING_MESSAGE, mask=False)),
    *(frames(f"reserved bit {bit}", "of an extension that was not agreed on", f"{RFC} 5.2",
             frame(TEXT, PING_MESSAGE, rsv=bit)) for bit in (1, 2, 4)),
    *(frames(f"opcode {code:#x}", "that nobody has given a meaning", f"{RFC} 5.2",
             frame(code, b"a")) for code in (0x3, 0x7, 0xB, 0xF)),
    frames("a ping in fragments", "a control frame that goes on", f"{RFC} 5.5",
           frame(PING, b"a", fin=False)),
    frames("a close in fragments", "a control frame that goes on", f"{RFC} 5.5",
           frame(CLOSE, b"\x03\xe8", fin=False)),
    frames("a ping of 126 bytes", "a control frame that is too long", f"{RFC} 5.5",
           frame(PING, b"a" * 126)),
    frames("a continuation of nothing", "without a beginning", f"{RFC} 5.4",
           frame(CONTINUATION, b"a")),
    frames("a text within a text", "a beginning before the end", f"{RFC} 5.4",
           frame(TEXT, b"a", fin=False), frame(TEXT, b"b")),
    frames("a declared exabyte", "a length of which nothing comes", f"{RFC} 5.2; CWE-789",
           BITS_OF_SIZE_64 + (2**60).to_bytes(8, "big") + b"mask", code=closed(1009, 1002, 1006)),
    frames("a length with its highest bit", "which must be 0", f"{RFC} 5.2",
           BITS_OF_SIZE_64 + (2**63 + 5).to_bytes(8, "big") + b"mask",
           code=closed(1009, 1002, 1006)),
    frames("a message over the bound", "300 KB, declared", "CWE-770",
           BITS_OF_SIZE_64 + (300_000).to_bytes(8, "big") + b"mask", code=closed(1009)),
    frames("a message over the bound, in fragments", "300 KB, in pieces of 30", "CWE-770",
           frame(TEXT, b"a" * 30_000, fin=False),
           *[frame(CONTINUATION, b"a" * 30_000, fin=False)] * 9, code=closed(1009)),
    frames("deflate that was not agreed on", "a zip bomb for who unpacks it", "RFC 7692; CWE-409",
           frame(TEXT, bytes.fromhex("ecc101010000008090feaf") * 50, rsv=4)),
    frames("a text of bad UTF-8", "bytes that are no text", f"{RFC} 8.1",
           frame(TEXT, b"\xff\xfe"), code=closed(1007)),
    frames("a text of an overlong slash", "'/' in two bytes", f"{RFC} 8.1; CWE-176",
           frame(TEXT, b"\xc0\xaf"), code=closed(1007)),
    frames("a text of surrogates", "UTF-16's own", f"{RFC} 8.1", frame(TEXT, b"\xed\xa0\x80"),
           code=closed(1007)),
    frames("a close with half a code", "one byte", f"{RFC} 5.5.1", frame(CLOSE, b"\x03")),
    *(frames(f"a close with {code}", "a code that is not for the wire", f"{RFC} 7.4",
             frame(CLOSE, code.to_bytes(2, "big"))) for code in (0, 999, 1005, 1006, 1015)),
    frames("a close with a reason of bad UTF-8", "bytes that are no text", f"{RFC} 5.5.1",
           frame(CLOSE, b"\x03\xe8\xff\xfe"), code=closed(1002, 1007)),
    frames("a frame behind a close", "when nothing more may be said", f"{RFC} 5.5.1",
           frame(CLOSE, b"\x03\xe8"), told(type="ping"), code=closed(1000)),
    frames("HTTP in a socket", "a request where frames are", "CWE-444",
           b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"),
    # -- messages
    messages("bytes", "where texts are", "graphql-transport-ws", frame(BINARY, PING_MESSAGE),
             ),
    messages("no JSON", "a text that is none", "graphql-transport-ws", frame(TEXT, b"{")),
    messages("a list", "where an object is", "graphql-transport-ws", frame(TEXT, b"[]")),
    messages("a type of nobody's", "a message that is not in the protocol", "graphql-transport-ws",
             told(type="__proto__")),
    messages("a type twice", "of which parsers take one or the other", "RFC 8259 4",
             frame(TEXT, b'{"type":"ping","type":"nope"}')),
    messages("deep lists", "100,000 brackets", "CWE-674", frame(TEXT, b"[" * 100_000)),
    messages("deep objects in a payload", "5,000 of them", "CWE-674",
             frame(TEXT, b'{"type":"ping","payload":' + b'{"a":' * 5000 + b"1" + b"}" * 5001)),
    messages("a long id", "of 100 KB, told again with each answer", "CWE-770",
             told(type="subscribe", id="a" * 100_000, payload={"query": "{ __typename }"})),
    messages("an id of a number", "no text", "graphql-transport-ws",
             told(type="subscribe", id=1, payload={"query": "{ __typename }"})),
    messages("next of a client", "a message of the server's", "graphql-transport-ws",
             told(type="next", id="1", payload={})),
    messages("a payload of a list", "no object", "graphql-transport-ws",
             told(type="subscribe", id="1", payload=[])),
    messages("a surrogate in a message", "what cannot be encoded again", "CWE-176",
             frame(TEXT, b'{"type":"\\ud800"}')),
    # -- handshakes
    handshake("no key", "which proves that it is understood", f"{RFC} 4.2.1", "Sec-WebSocket-Key"),
    handshake("two versions", "of which one is meant", f"{RFC} 4.2.2",
              "Sec-WebSocket-Version: 13, 8"),
    handshake("version 8", "of a draft", f"{RFC} 4.4", "Sec-WebSocket-Version: 8"),
    handshake("a short key", "no 16 bytes", f"{RFC} 4.2.1", "Sec-WebSocket-Key: YQ=="),
    Attack("a POST that is upgraded", "another method", f"{RFC} 4.2.1",
           Raw((b"POST /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
                b"Sec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n",)),
                answered(400, 401, 405, 415)),
    Attack("frames before the handshake's answer", "messages for whoever comes behind", "CWE-444",
           Raw((b"GET /health/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade"
                b"\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
                b"\r\n" + frame(TEXT, PING_MESSAGE),)), answered(403, 404, 400, 200, 426, None)),
    # -- messages that count for no limit
    messages("pings of the protocol", "4,000 at once, with a token", "CWE-770",
             frame(TEXT, PING_MESSAGE) * 4_000, code=1008),
    messages("completes of nothing", "4,000 of an operation that never was", "CWE-770",
             frame(TEXT, b'{"type":"complete","id":"x"}') * 4_000, code=1008),
    # -- pages of others
    *(Attack(f"a socket from {origin}", "cross-site WebSocket hijacking", "CWE-1385",
             Frames((told(type="connection_init"),), acknowledged=False,
                    headers=(f"Origin: {origin}",)),
             Expected(statuses=(101, 403), closes=(4403,)))
      for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example",
                     "http://127.0.0.1@evil.example", "file://", "http://[", "http://localhost:1")),
]  # fmt: skip


@each(ATTACKS)
def test_no_frame_does_worse_than_closing_its_socket(
    gateway: Gateway, attack: Attack, edge: str
) -> None:
    holds(gateway, attack, edge)
