"""A provider that answers with exactly the bytes, waits and endings of a test's script."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

HANG, CLOSE, RESET = "hang", "close", "reset"  # until the client leaves; the server's own endings
Step = bytes | float | str
USAGE = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
DONE = b"data: [DONE]\n\n"


def event(**fields: Any) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"


def piece(content: Any = None, finish: Any = None, **delta: Any) -> bytes:
    told = delta | ({} if content is None else {"content": content})
    choice = {"index": 0, "delta": told, "logprobs": None, "finish_reason": finish}
    return event(id="chatcmpl-1", choices=[choice], usage=None)


ROLE = piece("", role="assistant", refusal=None)
STOP = piece(finish="stop")
USAGE_EVENT = event(choices=[], usage=USAGE)


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
EVENT_STREAM: Any = {"content_type": "text/event-stream"}


def streamed(*events: bytes | float | str, end: bool = True) -> list[Step]:
    steps = [chunked(e) if isinstance(e, bytes) else e for e in events]
    return [HEAD, *steps, *([LAST] if end else [])]


def whole(body: Any, *, status: int = 200, **headers: str) -> list[Step]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = {"content_type": "application/json", "content_length": str(len(content))} | headers
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in lines.items())
    return [f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + content]


def refusal(status: int, code: Any, said: str = "no", param: Any = None, **h: str) -> list[Step]:
    error = {"message": said, "type": "error", "param": param, "code": code}
    return whole({"error": error}, status=status, **h)


def message(finish: str | None = "stop", **fields: Any) -> list[Step]:
    return whole({"choices": [{"index": 0, "finish_reason": finish, "message": fields}]})


GOOD_ANSWER = streamed(ROLE, piece("A lamp"), piece(" went out."), STOP, USAGE_EVENT, DONE)
TEXT = "A lamp went out."
NO_SCHEMAS = refusal(400, None, "this model takes no such format", "response_format")
NO_OPTIONS = refusal(400, None, "Unrecognized argument", "stream_options")


class RawProvider:
    """A server that answers each request with exactly the bytes, waits and endings of a script."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.accepted = 0
        self.asked = asyncio.Event()
        self.takes_schemas = self.takes_options = True
        self._scripts: deque[list[Step]] = deque()
        self._open: set[asyncio.StreamWriter] = set()
        self._left = asyncio.Condition()
        self.url = ""

    def then(self, *scripts: list[Step]) -> None:
        self._scripts.extend(scripts)

    async def all_left(self) -> None:
        async with asyncio.timeout(2), self._left:
            await self._left.wait_for(lambda: not self._open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                pass
        writer.close()
        self._open.discard(writer)
        async with self._left:
            self._left.notify_all()

    def _script(self, asked: dict[str, Any]) -> list[Step]:
        if not self.takes_schemas and asked.get("response_format", {}).get("type") == "json_schema":
            return NO_SCHEMAS
        if not self.takes_options and "stream_options" in asked:
            return NO_OPTIONS
        return self._scripts.popleft() if self._scripts else GOOD_ANSWER

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
        self.requests.append(orjson.loads(await reader.readexactly(length)))
        self.heads.append(head)
        self.asked.set()
        for step in self._script(self.requests[-1]):
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step == RESET:
                writer.transport.abort()
                return False
            elif step == CLOSE:
                return False
            else:
                await reader.read()
                return False
        return True


@contextlib.asynccontextmanager
async def raw_provider_running() -> AsyncIterator[RawProvider]:
    """Ends with the proof that no connection was left open."""
    wire = RawProvider()
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    yield wire
    server.close()
    await wire.all_left()


ZIPPED = [HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")]
BODY = b"".join((piece("A lamp"), piece(" went out."), STOP, USAGE_EVENT, DONE))


@pytest.fixture
async def raw_provider() -> AsyncIterator[RawProvider]:
    async with raw_provider_running() as found:
        yield found
