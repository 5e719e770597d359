"""The floods: what each of a flooder's connections does, again and again, until its time is over.

    python -m tests.benchmarks.flooders FLOOD PORT SECONDS TOKEN

prints as JSON what the flooder got: how often it connected, bytes sent, answers by status, and how
its connections ended. One that was cut off comes again after 50 ms.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from tests.attacks.conversation import frame
from tests.attacks.sendings import request
from tests.support.rest_bodies import GOOD, TEXT

AGAIN = 0.05  # s
ADDRESS = "127.0.66.6"  # the flooder's own: bounds of an address are not the honest user's
PIECE = 65_536  # bytes
HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n"
)


class Connection:
    """One of the flooder's, which counts what becomes of it."""

    def __init__(self, port: int, end: float, signed: str, got: Counter[str]) -> None:
        self.port, self.end, self.got = port, end, got
        self.bearer = f"Authorization: Bearer {signed}\r\n".encode()
        self.signed = signed
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def run(self, flood: Callable[[Connection], Awaitable[None]]) -> None:
        while time.monotonic() < self.end:
            try:
                async with asyncio.timeout_at(self._loop_end()):
                    self.reader, self.writer = await asyncio.open_connection(
                        "127.0.0.1", self.port, local_addr=(ADDRESS, 0)
                    )
                    self.got["connections"] += 1
                    await flood(self)
            except TimeoutError:
                self.got["held"] += 1
            except (ConnectionError, asyncio.IncompleteReadError, OSError) as error:
                self.got[type(error).__name__] += 1
            finally:
                with contextlib.suppress(AttributeError):
                    self.writer.transport.abort()
            await asyncio.sleep(AGAIN)

    def _loop_end(self) -> float:
        return asyncio.get_running_loop().time() + max(0.0, self.end - time.monotonic())

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()
        self.got["bytes"] += len(data)

    async def for_ever(self, data: bytes, pause: float = 0.0) -> None:
        """The same bytes again, and nothing is read but the end."""
        while not self.reader.at_eof():
            await self.send(data)
            if pause:
                await asyncio.sleep(pause)
        raise ConnectionResetError

    async def answer(self) -> None:
        """Read one answer with a length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.got[head[9:12].decode()] += 1
        _, _, length = head.lower().partition(b"content-length: ")
        await self.reader.readexactly(int(length.split(b"\r\n")[0] or 0))

    async def opened(self) -> None:
        """A WebSocket, whose answer is read."""
        await self.send(HANDSHAKE + b"\r\n")
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.got[head[9:12].decode()] += 1


# -- below the application
async def pipelined(it: Connection) -> None:
    await it.for_ever(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)


async def pipelined_bodies(it: Connection) -> None:
    one = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n" + it.bearer + b"\r\n{ }"
    await it.for_ever(one * 100)


async def request_line(it: Connection) -> None:
    await it.send(b"GET /")
    await it.for_ever(b"a" * PIECE)


async def header_bytes(it: Connection) -> None:
    await it.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
    await it.for_ever(b"a" * PIECE)


async def header_count(it: Connection) -> None:
    await it.send(b"GET / HTTP/1.1\r\nHost: x\r\n")
    await it.for_ever(b"A: b\r\n" * 10_000)


async def trailers(it: Connection) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    await it.send(head + it.bearer + b"\r\n2\r\n{}\r\n0\r\n")
    await it.for_ever(b"A: b\r\n" * 10_000)


async def silent(it: Connection) -> None:
    await it.reader.read(1)
    raise ConnectionResetError


async def dripping_head(it: Connection) -> None:
    await it.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    await it.for_ever(b"a", 0.1)


async def body_behind_401(it: Connection) -> None:
    await it.send(b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    await it.for_ever(b"a" * PIECE)


async def body_behind_413(it: Connection) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n"
    await it.send(head + it.bearer + b"Content-Type: application/json\r\n\r\n")
    await it.for_ever(b"a" * PIECE)


async def slow_body(it: Connection) -> None:
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n"
    await it.send(head + it.bearer + b"Content-Type: application/json\r\n\r\n")
    await it.for_ever(b" ", 0.1)


async def answers_unread(it: Connection) -> None:
    """Ten pages of the schema asked for, one after another, of which nothing is read."""
    ask = b"GET /api/v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    it.reader = asyncio.StreamReader(limit=1)  # nobody's
    while True:
        await it.send(ask)
        await asyncio.sleep(0.01)


# -- WebSockets
async def pings(it: Connection) -> None:
    await it.opened()
    await it.for_ever(frame(0x9, b"p" * 125) * 500)


async def continuations(it: Connection) -> None:
    await it.opened()
    await it.send(frame(0x1, b"{", fin=False))
    await it.for_ever(frame(0x0, b"", fin=False) * 5000)


async def big_handshake(it: Connection) -> None:
    await it.send(HANDSHAKE + b"X-Big: ")
    await it.for_ever(b"a" * PIECE)


async def uninitialised(it: Connection) -> None:
    await it.opened()
    await it.reader.read(1000)
    raise ConnectionResetError


async def messages(it: Connection) -> None:
    """As large as they may be, before anybody knows whose."""
    await it.opened()
    await it.for_ever(frame(0x1, b'{"type":"ping","payload":{"a":"' + b"a" * 200_000 + b'"}}'))


async def socket_pings(it: Connection) -> None:
    """Of the protocol's own, each to be answered, by somebody with a token."""
    await it.opened()
    init = {"type": "connection_init", "payload": {"authorization": it.signed}}
    await it.send(frame(0x1, json.dumps(init).encode()))
    await it.for_ever(frame(0x1, b'{"type":"ping","payload":{"a":"b"}}') * 500)


# -- requests
async def _asked(it: Connection, path: str, body: Any, headers: dict[str, str]) -> None:
    whole = request(
        "POST", path, {"Content-Type": "application/json", **headers}, json.dumps(body).encode()
    )
    while True:
        await it.send(whole)
        await it.answer()


async def limited(it: Connection) -> None:
    """Somebody of the free tier, who is refused after a fifth of a minute's requests."""
    headers = {"Authorization": f"Bearer {it.signed}"}
    await _asked(it, TEXT, GOOD[TEXT], headers)


async def limited_documents(it: Connection) -> None:
    headers = {"Authorization": f"Bearer {it.signed}"}
    fields = " ".join(f"a{n}: viewer {{ id tier }}" for n in range(40))
    await _asked(it, "/graphql", {"query": f"{{ {fields} }}"}, headers)


async def bad_tokens(it: Connection) -> None:
    headers = {"Authorization": f"Bearer {it.signed[:-4]}AAAA"}
    await _asked(it, TEXT, GOOD[TEXT], headers)


async def introspection(it: Connection) -> None:
    types = "types { name fields { name args { name type { name } } type { name } } }"
    query = "{ __schema { " + " ".join(f"a{n}: {types}" for n in range(30)) + " } }"
    await _asked(it, "/graphql", {"query": query}, {})


async def nested_lists(it: Connection) -> None:
    inner = "id"
    for _ in range(4):
        inner = "id contentId children { " + inner + " }"
    query = "{ contents(first: 50) { edges { node { " + inner + " } } } }"
    headers = {"Authorization": f"Bearer {it.signed}"}
    await _asked(it, "/graphql", {"query": query}, headers)


async def event_streams(it: Connection) -> None:
    head = b"GET /api/v2/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
    await it.send(head + it.bearer + b"\r\n")
    status = await it.reader.readuntil(b"\r\n\r\n")
    it.got[status[9:12].decode()] += 1
    while await it.reader.read(1000):
        pass
    raise ConnectionResetError


@dataclass(frozen=True)
class Flood:
    what: str
    run: Callable[[Connection], Awaitable[None]]
    connections: int = 1


FLOODS = {
    "pipelining": Flood("requests without end, no answer read", pipelined),
    "pipelined bodies": Flood("the same with a token and a body", pipelined_bodies),
    "request line": Flood("a request line without end", request_line),
    "header bytes": Flood("a header without end", header_bytes),
    "header count": Flood("headers without end", header_count),
    "trailers": Flood("trailers without end", trailers),
    "silent": Flood("connections that say nothing", silent, 1000),
    "dripping head": Flood("ten bytes a second of a head", dripping_head, 200),
    "body behind 401": Flood("a body of 100 GB, no token", body_behind_401, 2),
    "body behind 413": Flood("the same with a token", body_behind_413, 2),
    "slow body": Flood("ten bytes a second of a body", slow_body, 200),
    "answers unread": Flood("135 KB asked for again and again", answers_unread, 4),
    "pings": Flood("WebSocket pings, no pong read", pings),
    "continuations": Flood("empty continuation frames", continuations),
    "big handshake": Flood("a WebSocket's handshake without end", big_handshake),
    "uninitialised": Flood("sockets that never say who", uninitialised, 200),
    "messages": Flood("messages of 200 KB, no token", messages, 2),
    "protocol pings": Flood("pings of graphql-transport-ws, with a token", socket_pings),
    "limited": Flood("text asked for at 429", limited, 2),
    "limited documents": Flood("documents asked for at 429", limited_documents, 2),
    "bad tokens": Flood("a bad signature", bad_tokens, 2),
    "introspection": Flood("nested introspection, no token", introspection),
    "nested lists": Flood("children of children of contents", nested_lists),
    "event streams": Flood("streams of events of one user", event_streams, 200),
}


async def flooding(name: str, port: int, seconds: float, signed: str) -> Counter[str]:
    flood, got = FLOODS[name], Counter[str]()
    end = time.monotonic() + seconds
    each = [Connection(port, end, signed, got) for _ in range(flood.connections)]
    await asyncio.gather(*(one.run(flood.run) for one in each))
    return got


if __name__ == "__main__":
    os.nice(19)  # the honest user's client is on the same core, and must not wait for this one
    name, port, seconds, signed = sys.argv[1:]
    print(json.dumps(uvloop.run(flooding(name, int(port), float(seconds), signed))))
