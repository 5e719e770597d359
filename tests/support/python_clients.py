"""Both of loregate-client's clients by the same names, so that one test holds both to one truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

import httpx2
import pytest
from loregate_client import AsyncLoregate, Loregate

Connect = Callable[..., AbstractAsyncContextManager[Any]]
END = object()


class ThreadedStream:
    """A stream of `Loregate`, each of its steps in a thread."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        found = await asyncio.to_thread(next, self._stream, END)
        if found is END:
            raise StopAsyncIteration
        return found

    async def aclose(self) -> None:
        await asyncio.to_thread(self._stream.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class Threaded:
    """`Loregate`, each of its calls in a thread."""

    def __init__(self, gate: Loregate) -> None:
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._gate, name)
        if name in ("events", "generation", "stream"):
            return lambda *given, **named: ThreadedStream(method(*given, **named))
        return lambda *given, **named: asyncio.to_thread(method, *given, **named)


@asynccontextmanager
async def _asyncio(*given: Any, handler: Any = None, **named: Any) -> AsyncIterator[Any]:
    if handler is not None:
        named["http"] = httpx2.AsyncClient(transport=httpx2.MockTransport(handler))
    async with AsyncLoregate(*given, **named) as gate:
        yield gate


@asynccontextmanager
async def _threaded(*given: Any, handler: Any = None, **named: Any) -> AsyncIterator[Any]:
    if handler is not None:
        named["http"] = httpx2.Client(transport=httpx2.MockTransport(handler))
    with Loregate(*given, **named) as gate:
        yield Threaded(gate)


CLIENTS = {"async": _asyncio, "sync": _threaded}
# For what takes its seconds: the client without an event loop, which is made of the other one,
# takes them in `make test-long`.
slow = pytest.mark.parametrize(
    "connect", ["async", pytest.param("sync", marks=pytest.mark.long)], indirect=True
)


@pytest.fixture(params=list(CLIENTS))
def connect(request: pytest.FixtureRequest) -> Connect:
    """`connect(url, token, …)`; `handler` answers its requests instead of a gateway."""
    return CLIENTS[request.param]


class Answers:
    """A gateway of so many words: each request takes the next answer."""

    def __init__(self, *answers: Any) -> None:
        self._answers: Iterator[Any] = iter(answers)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else httpx2.Response(200, json=answer)


def page(status: int, text: str = "<h1>a proxy's</h1>", **headers: str) -> Callable[[], Any]:
    """Something else than the gateway's answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda: httpx2.Response(status, text=text, headers=named)


async def take(stream: Any, count: int) -> list[Any]:
    """So many of what a stream tells."""
    async with asyncio.timeout(30):
        return [await anext(stream) for _ in range(count)]


async def rest(stream: Any) -> list[Any]:
    """What it tells to its end."""
    async with asyncio.timeout(30):
        return [told async for told in stream]
