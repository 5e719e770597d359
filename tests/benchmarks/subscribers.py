"""Subscribers of one process: memory of each, and how long one event takes to reach all of them.

    make bench-subscribers [ARGS="--subscribers 1000,5000 --rounds 20"]

The gateway has core 0. Core 1 has the subscribers (one raw protocol each, which counts frames),
Valkey, and the publisher, which writes into the log as another gateway would. A second table has
one subscriber among them that reads nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import uvloop

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from app.embedded.valkey import start_valkey  # noqa: E402  # after the path
from app.events.log import EventLog  # noqa: E402
from app.events.types import Event  # noqa: E402
from app.redis.client import Redis  # noqa: E402
from tests.benchmarks.bench import LOAD_CORE, SERVER, model, server, used  # noqa: E402
from tests.support.service import token  # noqa: E402

USER = "crowd"
QUERY = (
    "subscription { contentGenerated "
    "{ id cursor type contentId contentType occurredAt metadata { modelUsed } } }"
)
OPENING = (
    f"GET /graphql HTTP/1.1\r\nhost: 127.0.0.1:{SERVER}\r\nupgrade: websocket\r\n"
    "connection: upgrade\r\nsec-websocket-version: 13\r\n"
    f"sec-websocket-key: {base64.b64encode(bytes(16)).decode()}\r\n"
    "sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
).encode()
TOGETHER = 100  # connections that open at once
FLOOD = 3_000  # events that a stalled subscriber does not take; its socket's buffers hold fewer


def masked(message: Any) -> bytes:
    """A client's text frame (RFC 6455, section 5.2), masked with zeros."""
    body = orjson.dumps(message)
    head = bytes([0x81, 0x80 | len(body)]) if len(body) < 126 else b"\x81\xfe"
    length = b"" if len(body) < 126 else len(body).to_bytes(2, "big")
    return head + length + bytes(4) + body


class Crowd:
    """All subscribers together."""

    def __init__(self) -> None:
        self.ready = self.lost = 0
        self.awaited = b""  # the id of the event that counts
        self.came: list[float] = []

    async def until(self, reached: Any, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not reached():
                if self.lost:
                    raise SystemExit(f"{self.lost} subscribers were cut off")
                await asyncio.sleep(0.005)


class Subscriber(asyncio.Protocol):
    """One socket that subscribes, answers pings, and notes when events come."""

    def __init__(self, crowd: Crowd, bearer: str) -> None:
        self.crowd, self.bearer, self.rest, self.open = crowd, bearer, b"", False
        self.counting = True

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(OPENING)

    def data_received(self, data: bytes) -> None:
        self.rest += data
        if not self.open:
            end = self.rest.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in self.rest[:16]:
                raise SystemExit(f"the socket was refused: {self.rest[:200]!r}")
            self.open, self.rest = True, self.rest[end + 4 :]
            payload = {"authorization": self.bearer}
            self.transport.write(masked({"type": "connection_init", "payload": payload}))
        while (frame := self.frame()) is not None:
            self.heard(frame)

    def frame(self) -> bytes | None:
        """The next text frame of a server, which is not masked."""
        while len(self.rest) > 1:
            kind, length, at = self.rest[0] & 15, self.rest[1] & 127, 2
            if length == 126:
                length, at = int.from_bytes(self.rest[2:4], "big"), 4
            if len(self.rest) < at + length:
                return None
            body, self.rest = self.rest[at : at + length], self.rest[at + length :]
            if kind == 1:
                return body
        return None

    def heard(self, frame: bytes) -> None:
        if b'"next"' in frame[:40]:
            if self.counting and self.crowd.awaited in frame:
                self.crowd.came.append(time.perf_counter())
        elif b'"connection_ack"' in frame:
            message = {"id": "1", "type": "subscribe", "payload": {"query": QUERY}}
            self.transport.write(masked(message))
            self.crowd.ready += 1
        elif b'"ping"' in frame:
            self.transport.write(masked({"type": "pong"}))
        else:
            raise SystemExit(f"unexpected: {frame[:300]!r}")

    def connection_lost(self, error: Exception | None) -> None:
        self.crowd.lost += self.counting


def event(number: int) -> Event:
    usage = {"prompt_tokens": 120, "completion_tokens": 200, "total_tokens": 320}
    return Event(
        {
            "type": "content.generated",
            "id": f"event-{time.time_ns()}-{number}",
            "content_id": "01a20436-077a-7000-8000-000000000000",
            "content_type": "character",
            "metadata": {"model_used": "gpt-4-turbo", "token_usage": usage},
            "user_id": USER,
            "request_id": "bench",
            "source": "llm-service",
            "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
    )


def _all_ready(crowd: Crowd, count: int) -> bool:
    return crowd.ready == count


async def gathered(crowd: Crowd, count: int, bearer: str) -> list[Subscriber]:
    loop, found = asyncio.get_running_loop(), []
    for begun in range(0, count, TOGETHER):
        together = range(min(TOGETHER, count - begun))
        made = [
            loop.create_connection(lambda: Subscriber(crowd, bearer), "127.0.0.1", SERVER)
            for _ in together
        ]
        found += [protocol for _, protocol in await asyncio.gather(*made)]
        await crowd.until(partial(_all_ready, crowd, len(found)))
    await asyncio.sleep(1.5)  # the last ones have subscribed, and memory has settled
    return found


async def rounds(crowd: Crowd, log: EventLog, count: int, times: int) -> list[list[float]]:
    """Seconds from the publishing to each arrival, sorted, for each round."""
    found = []
    for number in range(times):
        crowd.came.clear()
        told = event(number)
        crowd.awaited = told.id.encode()
        began = time.perf_counter()
        await log.publish([told])
        await crowd.until(lambda: len(crowd.came) >= count)
        found.append(sorted(at - began for at in crowd.came))
        await asyncio.sleep(0.05)
    return found


def shown(found: list[list[float]]) -> str:
    count = len(found[0])
    picks = (0, count // 2, int(count * 0.99) - 1, count - 1)
    return " | ".join(f"{statistics.median(r[p] for r in found) * 1000:.1f}" for p in picks)


async def measured(redis_url: str, session: int, count: int, times: int) -> str:
    crowd, redis = Crowd(), Redis(redis_url)
    log, bearer = EventLog(redis), token(USER, exp=int(time.time()) + 7200)
    idle = used(session)[1]
    subscribers = await gathered(crowd, count, bearer)
    grown = (used(session)[1] - idle) * 1024 / count
    await rounds(crowd, log, count, 2)  # warm
    before = used(session)[0]
    plain = await rounds(crowd, log, count, times)
    cpu = (used(session)[0] - before) * 1e6 / times / count
    await left(subscribers)
    crowd = Crowd()
    # One that takes nothing, until neither its socket nor the gateway's holds any more of it.
    [stalled] = await gathered(crowd, 1, bearer)
    stalled.counting = False
    stalled.transport.pause_reading()
    for number in range(0, FLOOD, 100):
        await log.publish([event(n) for n in range(number, number + 100)])
    crowd.ready = 0
    subscribers = await gathered(crowd, count, bearer)
    await rounds(crowd, log, count, 2)
    beside = await rounds(crowd, log, count, times)
    size = used(session)[1]
    await left([stalled, *subscribers])
    await redis.close()
    return f"| {count} | {grown:.1f} | {size:.0f} | {cpu:.1f} | {shown(plain)} | {shown(beside)} |"


async def left(subscribers: list[Subscriber]) -> None:
    for subscriber in subscribers:
        subscriber.counting = False
        subscriber.transport.abort()
    await asyncio.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", default="1000,5000")
    parser.add_argument("--rounds", type=int, default=20)
    given = parser.parse_args()
    os.sched_setaffinity(0, LOAD_CORE)
    print(f"{os.cpu_count()} CPUs, {model()}, Python {platform.python_version()}\n")
    ms, say = "first | p50 | p99 | all ms", "CPU µs a delivery"
    print(f"| subscribers | KB each | RSS MB | {say} | {ms} | beside a stalled one: {ms} |")
    print("|" + "---|" * 12)
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = start_valkey(data / "v", persist=False)
        stack.callback(valkey.stop)
        os.sched_setaffinity(valkey.pid, LOAD_CORE)
        for count in map(int, given.subscribers.split(",")):
            with ExitStack() as one, server("loregate", one, valkey.url) as session:
                print(uvloop.run(measured(valkey.url, session, count, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
