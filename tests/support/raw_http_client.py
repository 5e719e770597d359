"""A raw HTTP client, which sees what a library would hide: chunks, resets, and silence."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

SILENCE = 0.5  # s without a byte
MODEL = "gpt-6-luna"


@dataclass
class Reply:
    """What came: `end` is whole, closed (a FIN), reset (a RST), silent or misframed."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    end: str = "whole"

    @property
    def sent(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def body(self) -> bytes:
        """As it was before it was compressed, or the first megabyte of that."""
        if self.headers.get("content-encoding") != "gzip":
            return self.sent
        return zlib.decompressobj(wbits=31).decompress(self.sent, 2**20)

    @property
    def lines(self) -> list[str]:
        """The events' data, and whatever else stands between them."""
        return [x.removeprefix("data: ") for x in self.body.decode().split("\n\n") if x]

    @property
    def events(self) -> list[Any]:
        """The events that are JSON."""
        found = []
        for line in self.lines:
            with contextlib.suppress(orjson.JSONDecodeError):
                found.append(orjson.loads(line))
        return found

    @property
    def deltas(self) -> list[str]:
        choices = [c for e in self.events for c in e.get("choices", [])]
        texts = [c["delta"].get("content") for c in choices]
        parts = [t if isinstance(t, list) else [{"text": t}] for t in texts]
        return [p["text"] for several in parts for p in several if p["text"]]

    @property
    def finish(self) -> str | None:
        choices = [c for e in self.events for c in e.get("choices", [])]
        return next((c["finish_reason"] for c in choices if c["finish_reason"]), None)

    @property
    def usage(self) -> Any:
        return next((e["usage"] for e in self.events if e.get("usage")), None)


class Client:
    """A raw HTTP client on one connection. `most` ends an answer that has none, in chunks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, body: bytes, line: bytes = b"POST /v1/chat/completions HTTP/1.1") -> None:
        self.writer.write(b"%s\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (line, len(body)))
        self.writer.write(body)

    async def receive(self, most: int = 1000) -> Reply:
        reply = Reply()
        try:
            await self._receive(reply, most)
        except asyncio.IncompleteReadError as error:
            reply.chunks.append(error.partial)
            reply.end = "closed"
        except ConnectionResetError:
            reply.end = "reset"
        except ValueError:
            reply.end = "misframed"
        except TimeoutError:
            reply.end = "silent"
        return reply

    async def _receive(self, reply: Reply, most: int) -> None:
        begun = await self._in_time(self.reader.readexactly(1))
        rest = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        first, *lines = (begun + rest).decode().strip().split("\r\n")
        reply.status = int(first.split()[1])
        reply.headers = dict(line.split(": ", 1) for line in lines)
        if (length := reply.headers.get("content-length")) is not None:
            await self._lump(reply, int(length))
            return
        while len(reply.chunks) < most and (size := await self._size()):
            reply.chunks.append((await self._in_time(self.reader.readexactly(size + 2)))[:-2])

    async def _lump(self, reply: Reply, length: int) -> None:
        while (missing := length - len(reply.sent)) > 0:
            if not (got := await self._in_time(self.reader.read(missing))):
                raise asyncio.IncompleteReadError(b"", missing)
            reply.chunks.append(got)

    async def _size(self) -> int:
        size = int(await self._in_time(self.reader.readuntil(b"\r\n")), 16)
        if size == 0:
            await self._in_time(self.reader.readexactly(2))
        return size

    async def _in_time(self, reading: Any) -> bytes:
        got: bytes = await asyncio.wait_for(reading, SILENCE)
        return got

    async def ask(self, *, stream: bool = True, most: int = 1000, **fields: Any) -> Reply:
        self.send(question(stream=stream, **fields))
        return await self.receive(most)


def question(*, stream: bool = True, **fields: Any) -> bytes:
    """A request that the strictest provider takes, if not for these fields."""
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "Write."}]}
    body |= {"stream": stream, "reasoning_effort": "none"}
    if stream:
        body["stream_options"] = {"include_usage": True}
    return orjson.dumps(body | fields)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    host, port = url.removeprefix("http://").partition("/")[0].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
