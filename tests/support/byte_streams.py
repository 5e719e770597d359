"""Byte streams for a server: requests and frames in good form, then cut, doubled, bent and mixed.

`streams(seed)` is the same for the same seed. `send` is one connection, read until it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tests.attacks.conversation import CLOSE, TEXT, frame
from tests.attacks.sendings import EVENTS, bearer, request
from tests.support import rest_bodies
from tests.support.rest_bodies import GOOD

PATIENCE = 20.0  # s in which a connection is answered or closed, on a machine that does much else
AT_ONCE = 16  # connections
USERS = 50
KEPT_OPEN = 0.04  # of the streams of HTTP: nobody says that no more will come
JSON = {"Content-Type": "application/json"}
HANDSHAKE = request(
    "GET",
    "/graphql",
    {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "graphql-transport-ws",
    },
)
WORDS = (
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\x00", b" ", b"\t", b":", b",", b";", b"\xff", b"\x80"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n"),
    *(b"Connection: close\r\n", b"Connection: Upgrade\r\n", b"Expect: 100-continue\r\n"),
    *(b"Host: y\r\n", b"HTTP/1.0", b"HTTP/2.0", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1"),
    *(b"99999999999999999999", b"%00", b"../", "é".encode(), b"GET / HTTP/1.1\r\n\r\n"),
)
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
# Of RFC 6455; those from 3000 on are applications', or what a peer said. 1011 is a fault of ours.
CLOSES = {1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1012, 1013}


@dataclass(frozen=True)
class Stream:
    """Bytes in the pieces in which they are sent; `finished`: and nobody sends more."""

    pieces: tuple[bytes, ...]
    finished: bool = True

    @property
    def whole(self) -> bytes:
        return b"".join(self.pieces)


def _post(path: str, user: str, body: bytes) -> bytes:
    return request("POST", path, {**JSON, **bearer(user, tier="service")}, body)


def _chunked(path: str, user: str, body: bytes) -> bytes:
    head = request("POST", path, {**JSON, **bearer(user), "Transfer-Encoding": "chunked"})
    head = head.replace(b"Content-Length: 0\r\n", b"")
    return (
        head + b"".join(b"%x\r\n%b\r\n" % (len(x), x) for x in (body[:5], body[5:])) + b"0\r\n\r\n"
    )


def requests(user: str) -> list[bytes]:
    """Requests in good form, of which no one ends in a stream."""
    document = json.dumps({"query": "{ viewer { id } }"}).encode()
    theme = json.dumps(GOOD[rest_bodies.THEME]).encode()
    return [
        request("GET", "/health/live", {}),
        request("HEAD", "/health", {}),
        request(
            "OPTIONS", "/graphql", {"Origin": "http://x", "Access-Control-Request-Method": "POST"}
        ),
        request("GET", "/api/v2/content/x", bearer(user)),
        request("DELETE", "/api/v2/content/x", bearer(user)),
        request("GET", "/graphql?query=%7B__typename%7D", bearer(user)),
        _post("/graphql", user, document),
        _chunked("/graphql", user, document),
        _post(rest_bodies.THEME, user, theme),
        _chunked(rest_bodies.THEME, user, theme),
        HANDSHAKE,
    ]


def frames(user: str) -> list[bytes]:
    """Frames in good form, the first of them the caller's."""
    subscribe = {"type": "subscribe", "id": "1", "payload": {"query": EVENTS}}
    ask = {"type": "subscribe", "id": "2", "payload": {"query": "{ viewer { id } }"}}
    told = [{"type": "connection_init", "payload": bearer(user)}, subscribe, ask, {"type": "ping"}]
    texts = [json.dumps(one).encode() for one in told]
    return [
        *(frame(TEXT, text) for text in texts),
        frame(TEXT, texts[3][:5], fin=False) + frame(0x0, texts[3][5:]),
        frame(0x9, b"ping"),
        frame(0xA, b"pong"),
        frame(0x2, b"bytes"),
        frame(TEXT, json.dumps({"type": "complete", "id": "1"}).encode()),
        frame(CLOSE, struct.pack(">H", 1000) + b"bye"),
    ]


# -- damage
Damage = Callable[[random.Random, bytes], bytes]


def _place(rng: random.Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: _place(rng, data)]


def _flip(rng: random.Random, data: bytes) -> bytes:
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if found else 0):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def _without(rng: random.Random, data: bytes) -> bytes:
    begin = _place(rng, data)
    return data[:begin] + data[begin + rng.choice((1, 2, 10, 50)) :]


def _repeat(rng: random.Random, data: bytes) -> bytes:
    begin = _place(rng, data)
    piece = data[begin : begin + rng.choice((1, 2, 10, 100))]
    return data[:begin] + piece * rng.choice((2, 3, 20, 500)) + data[begin:]


def _grown(rng: random.Random, data: bytes) -> bytes:
    """With one letter as often as no head may have it."""
    place = _place(rng, data)
    return (
        data[:place] + bytes([rng.randrange(256)]) * rng.choice((300, 9_000, 70_000)) + data[place:]
    )


def _worded(rng: random.Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + rng.choice(WORDS) + data[place:]


def _numbered(rng: random.Random, data: bytes) -> bytes:
    """With another number in the place of one."""
    numbers = list(re.finditer(rb"\d+", data))
    if not numbers:
        return data
    one = rng.choice(numbers)
    other = rng.choice((b"0", b"1", b"-1", b"4294967296", b"18446744073709551616", b"1e3", b"0x10"))
    return data[: one.start()] + other + data[one.end() :]


DAMAGES: tuple[Damage, ...] = (
    *(_cut, _flip, _flip, _without, _repeat, _grown, _worded, _worded, _numbered),
)


def damaged(rng: random.Random, data: bytes) -> bytes:
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        data = rng.choice(DAMAGES)(rng, data)
    return data


def split(rng: random.Random, data: bytes) -> tuple[bytes, ...]:
    """In a piece, in some, or a byte at a time."""
    if rng.random() < 0.03 and len(data) < 500:
        return tuple(data[n : n + 1] for n in range(len(data)))
    cuts = sorted(_place(rng, data) for _ in range(rng.choice((0, 0, 1, 2, 5))))
    return tuple(data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if b > a)


def http_streams(seed: int) -> Iterator[Stream]:
    """One request, or some on one connection, with a damage or none."""
    rng = random.Random(seed)
    while True:
        known = requests(f"fuzz{rng.randrange(USERS)}")
        chosen = [rng.choice(known) for _ in range(rng.choice((1, 1, 1, 2, 3, 12)))]
        yield Stream(split(rng, damaged(rng, b"".join(chosen))), rng.random() >= KEPT_OPEN)


def socket_streams(seed: int) -> Iterator[Stream]:
    """A handshake, mostly good, and frames, each with a damage or none."""
    rng = random.Random(seed)
    while True:
        first, *others = frames(f"fuzz{rng.randrange(USERS)}")
        begun = HANDSHAKE if rng.random() < 0.9 else damaged(rng, HANDSHAKE)
        chosen = [first] * (rng.random() < 0.8) + rng.choices(others, k=rng.randrange(8))
        sent = b"".join(chosen)
        bent = b"".join(damaged(rng, one) if rng.random() < 0.3 else one for one in chosen)
        yield Stream((begun, *split(rng, rng.choice((bent, damaged(rng, sent))))))


# -- a connection
async def send(port: int, stream: Stream, source: str) -> bytes:
    """What came: all of it where nobody sends more, else the first bytes.

    Raises `TimeoutError` when the connection is neither answered nor closed.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    came = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            reading = asyncio.ensure_future(_read(reader, came, whole=stream.finished))
            with contextlib.suppress(OSError):  # who has closed is told no more
                for piece in stream.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if stream.finished:
                    writer.write_eof()
            await reading
    finally:
        writer.transport.abort()
    return bytes(came)


async def _read(reader: asyncio.StreamReader, came: bytearray, *, whole: bool) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            came += data
            if not whole:
                return


def faults(came: bytes) -> list[str]:
    """What no answer may have: a 5xx, bytes that are no HTTP, or a close for a fault of ours."""
    if not came:
        return []
    found = [f"status {x.decode()}" for x in STATUS.findall(came) if x.startswith(b"5")]
    if not STATUS.match(came):
        found.append(f"no HTTP: {came[:40]!r}")
    head, _, rest = came.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 101"):
        code = close_code(rest)
        if code is not None and code not in CLOSES and not 3000 <= code < 5000:
            found.append(f"close {code}")
    return found


def close_code(came: bytes) -> int | None:
    """The close code among a server's frames; none where the connection ended without."""
    while len(came) >= 2:
        opcode, size, begin = came[0] & 15, came[1] & 127, 2
        if size > 125:
            width = 2 if size == 126 else 8
            size, begin = int.from_bytes(came[2 : 2 + width], "big"), 2 + width
        if opcode == CLOSE:
            return int.from_bytes(came[begin : begin + 2], "big") if size else 1005
        came = came[begin + size :]
    return None


async def harmless(port: int, streams: Sequence[Stream]) -> list[str]:
    """Sends all of them, some at once; returns what was wrong, with the stream."""
    wrong: list[str] = []
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, stream: Stream) -> None:
        source = f"127.{2 + number % 250}.{1 + number // 250 % 250}.7"
        try:
            async with limit if stream.finished else contextlib.nullcontext():
                found = faults(await send(port, stream, source))
        except TimeoutError:
            found = ["neither answered nor closed"]
        wrong.extend(f"{fault}: {_shown(stream)}" for fault in found)

    await asyncio.gather(*(one(number, stream) for number, stream in enumerate(streams)))
    return wrong


def _shown(stream: Stream) -> str:
    told = [bytes(piece[:300]) for piece in stream.pieces[:20]]
    return f"{'finished' if stream.finished else 'kept open'} {told!r}"
