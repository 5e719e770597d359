"""A fast fake OpenAI server: one canned completion of about 200 tokens, after an optional delay.

python tests/benchmarks/provider.py PORT [DELAY_MS]
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import orjson
import uvloop

TEXT = "The lamps of the old harbour went out one by one, and nobody asked why. " * 11
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
    "usage": {"prompt_tokens": 240, "completion_tokens": 200, "total_tokens": 440},
}
BODY = orjson.dumps(COMPLETION)
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Connection(asyncio.Protocol):
    answered = 0
    delay = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport, self.got = transport, b""

    def data_received(self, data: bytes) -> None:
        self.got += data
        while (end := self.got.find(b"\r\n\r\n")) >= 0:
            head = self.got[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.got) < end + 4 + length:
                return
            self.got = self.got[end + 4 + length :]
            self.answer(count=head.startswith(b"get "))

    def answer(self, *, count: bool) -> None:
        if count:
            told = b"%d" % Connection.answered
            self.transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told
            )
            return
        Connection.answered += 1
        if self.delay:
            asyncio.get_running_loop().call_later(self.delay, self.transport.write, ANSWER)
        else:
            self.transport.write(ANSWER)


async def serve(port: int, delay_ms: float) -> None:
    Connection.delay = delay_ms / 1000
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
