"""A collector: OTLP over HTTP on a real socket, and what was exported to it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True)
class Exported:
    """A span as it came. times: nanoseconds of Unix time."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: dict[str, int]
    links: tuple[str, ...]  # as `traceparent`s without their flags
    failed: bool
    began: int
    ended: int
    state: str
    resource: dict[str, Any]
    raw: bytes


class Collector:
    """Listens, and has what was exported so far.

    status: what it answers; silent: whether it answers nothing.
    """

    def __init__(self) -> None:
        self.spans: list[Exported] = []
        self.headers: list[dict[str, str]] = []
        self.status, self.silent = 200, False
        self.url = ""
        self._came = asyncio.Condition()
        self._serving: set[asyncio.Task[Any]] = set()

    def named(self, name: str) -> list[Exported]:
        return [s for s in self.spans if s.name == name]

    def children(self, parent: Exported) -> list[Exported]:
        found = [s for s in self.spans if s.parent_id == parent.span_id]
        return sorted(found, key=lambda s: s.began)

    def tree(self, root: Exported, depth: int = 0) -> Iterator[str]:
        """Names, indented by two for each level, in the order of their begins."""
        yield "  " * depth + root.name
        for child in self.children(root):
            yield from self.tree(child, depth + 1)

    async def until(self, found: Callable[[], Any], seconds: float = 15) -> Any:
        """What this finds, as soon as it is something."""
        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(found)
        return found()

    async def one(self, name: str) -> Exported:
        """The first span of this name."""
        return (await self.until(lambda: self.named(name)))[0]

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[Collector]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                pairs = [line.partition(": ")[::2] for line in head[1:] if line]
                headers = {name.lower(): value for name, value in pairs}
                body = await reader.readexactly(int(headers["content-length"]))
                if self.silent:
                    await asyncio.get_running_loop().create_future()
                if self.status == 200:
                    await self._take(headers, body)
                writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: 0\r\n\r\n".encode())

    async def _take(self, headers: dict[str, str], body: bytes) -> None:
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        async with self._came:
            self.headers.append(headers)
            self.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self._came.notify_all()


def _spans(request: Any) -> Iterator[Exported]:
    for of_resource in request.resource_spans:
        resource = _pairs(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _exported(span, resource)


def _exported(span: Any, resource: dict[str, Any]) -> Exported:
    return Exported(
        span.name,
        KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _pairs(span.attributes),
        {event.name: event.time_unix_nano for event in span.events},
        tuple(f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in span.links),
        span.status.code == 2,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.trace_state,
        resource,
        span.SerializeToString(),
    )


def _pairs(attributes: Any) -> dict[str, Any]:
    return {a.key: _value(a.value) for a in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(v) for v in value.array_value.values]
    return getattr(value, kind)
