"""A fast fake OpenAI server: one canned answer of about 200 tokens, whole or streamed.

python tests/benchmarks/provider.py PORT [DELAY_MS]

Whole answers come after the delay. A stream comes as one burst, unless the model's name says how
it is paced: `mock-d250-i20` is 250 ms before the first token and 20 ms between two. GET
`/pace/250/20` says the same of every answer from then on, for servers that name the model
themselves.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Any

import orjson
import uvloop

TEXT = "The lamps of the old harbour went out one by one, and nobody asked why. " * 11
USAGE = {"prompt_tokens": 240, "completion_tokens": 200, "total_tokens": 440}
COMPLETION = {
    "id": "chatcmpl-bench",
    "object": "chat.completion",
    "created": 1_760_000_000,
    "model": "bench",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": TEXT, "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": USAGE,
}
BODY = orjson.dumps(COMPLETION)
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_bench\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
TOKENS = [word + " " for word in (TEXT * 2).split()[:200]]
PACED = re.compile(rb'"mock-d(\d+)(?:-i(\d+))?"')
SAID = re.compile(rb"get /pace/(\d+)/(\d+) ")
STREAMED = re.compile(rb'"stream":\s*true')
COUNTED = re.compile(rb'"include_usage":\s*true')


def event(value: bytes) -> bytes:
    """A server-sent event in an HTTP chunk of its own."""
    said = b"data: " + value + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(said), said)


def chunk(delta: dict[str, Any], finish: str | None = None, usage: Any = None) -> bytes:
    choices = [] if usage else [{"index": 0, "delta": delta, "finish_reason": finish}]
    told = {**COMPLETION, "object": "chat.completion.chunk", "choices": choices, "usage": usage}
    return event(orjson.dumps(told))


ROLE = chunk({"role": "assistant", "content": ""})
PIECES = [chunk({"content": token}) for token in TOKENS]
FINISH, COUNT = chunk({}, "stop"), chunk({}, usage=USAGE)
NO_LIST = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
DONE = event(b"[DONE]") + b"0\r\n\r\n"
BURST = STREAM + ROLE + b"".join(PIECES) + FINISH


class Connection(asyncio.Protocol):
    answered = 0
    delay = pace = 0.0  # s

    def connection_made(self, transport: Any) -> None:
        self.transport, self.got = transport, b""
        self.waiting: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiting is not None:
            self.waiting.cancel()

    def data_received(self, data: bytes) -> None:
        self.got += data
        while (end := self.got.find(b"\r\n\r\n")) >= 0:
            head = self.got[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.got) < end + 4 + length:
                return
            body = self.got[end + 4 : end + 4 + length]
            self.got = self.got[end + 4 + length :]
            if b"/models " in head.split(b"\r\n", 1)[0]:
                self.transport.write(NO_LIST)
            elif said := SAID.match(head):
                Connection.delay, Connection.pace = (int(ms) / 1000 for ms in said.groups())
                self.answer(body, count=True)
            else:
                self.answer(body, count=head.startswith(b"get "))

    def answer(self, body: bytes, *, count: bool) -> None:
        if count:
            told = b"%d" % Connection.answered
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told
            )
            return
        Connection.answered += 1
        paced = PACED.search(body)
        delay = int(paced[1]) / 1000 if paced else self.delay
        if STREAMED.search(body):
            end = (COUNT if COUNTED.search(body) else b"") + DONE
            self.stream(delay, int(paced[2] or 0) / 1000 if paced else self.pace, end)
        else:
            self.write(delay, ANSWER)

    def write(self, delay: float, answer: bytes) -> None:
        if delay:
            loop = asyncio.get_running_loop()
            self.waiting = loop.call_later(delay, self.transport.write, answer)
        else:
            self.transport.write(answer)

    def stream(self, delay: float, pace: float, end: bytes) -> None:
        if not pace:
            self.write(delay, BURST + end)
            return
        self.transport.write(STREAM + ROLE)
        self.waiting = asyncio.get_running_loop().call_later(delay, self.step, 0, pace, end)

    def step(self, number: int, pace: float, end: bytes) -> None:
        """Write one token, and the end behind the last; the next one comes `pace` later."""
        if number + 1 == len(PIECES):
            self.transport.write(PIECES[number] + FINISH + end)
            return
        self.transport.write(PIECES[number])
        loop = asyncio.get_running_loop()
        self.waiting = loop.call_later(pace, self.step, number + 1, pace, end)


async def serve(port: int, delay_ms: float) -> None:
    Connection.delay = delay_ms / 1000
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
