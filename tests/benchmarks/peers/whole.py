"""Load of answers that come whole: connections that ask again as soon as they were answered."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import uvloop

from tests.benchmarks import bench

BROKEN = 60.0  # s after the load for the answers that are still to come
SAID = b"asked why"  # stands in the fake provider's text alone


@dataclass
class Answers:
    """What came: seconds each, how many were wrong, and one of the wrong ones."""

    took: list[float] = field(default_factory=list)
    bad: int = 0
    example: bytes = b""
    on: bool = True

    def add(self, seconds: float, answer: bytes) -> None:
        self.took.append(seconds)
        if not (answer[9:12] == b"200" and SAID in answer and b'"errors"' not in answer):
            self.bad, self.example = self.bad + 1, answer[:600]

    @property
    def p50(self) -> float:
        return statistics.median(self.took) * 1000

    @property
    def p99(self) -> float:
        return sorted(self.took)[int(len(self.took) * 0.99)] * 1000


class Client(asyncio.Protocol):
    """One connection. Bodies come with a length, or in chunks."""

    def __init__(self, answers: Answers, request: bytes) -> None:
        self._answers, self._request = answers, request
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._got, self._head, self._length = bytearray(), -1, -1
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._head < 0 and not self._read_head():
            return
        if self._length >= 0:
            whole = len(self._got) >= self._head + self._length
        else:
            whole = self._got.endswith(b"0\r\n\r\n")
        if whole:
            self._answers.add(time.perf_counter() - self._began, bytes(self._got))
            if self._answers.on:
                self._ask()
            else:
                self._transport.close()

    def _read_head(self) -> bool:
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return False
        head, self._head = bytes(self._got[:end]).lower(), end + 4
        if (at := head.find(b"content-length:")) >= 0:
            self._length = int(head[at + 15 :].split(b"\r\n", 1)[0])
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self._answers.on:
            self._answers.bad += 1
            self._answers.example = f"the connection was closed: {error!r}".encode()
        if not self.closed.done():
            self.closed.set_result(None)


async def _ask(requests: list[bytes], seconds: float) -> Answers:
    answers, loop = Answers(), asyncio.get_running_loop()
    clients: list[Client] = []
    for request in requests:

        def make(request: bytes = request) -> Client:
            return Client(answers, request)

        _, client = await loop.create_connection(make, "127.0.0.1", bench.SERVER)
        clients.append(client)
    await asyncio.sleep(seconds)
    answers.on = False
    await asyncio.wait([client.closed for client in clients], timeout=BROKEN)
    return answers


def ask(requests: list[bytes], seconds: float) -> Answers:
    """Each of the requests over and over on a connection of its own, for so long."""
    return uvloop.run(_ask(requests, seconds))
