"""ResponseBody: the bytes of a model's answer, as they come or gathered for a while."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

import httpx2

READ_BYTES = 64 * 1024  # bytes that are read at once; a full one means that more waits
GATHER_INTERVAL = 0.02  # s; as long as the deltas of a generation are joined (`generations.deltas`)
MAX_GATHER_INTERVAL = 0.1  # s; where nobody hears the answer before it is whole


class AnswerBody(Protocol):
    """`async with body:`, and `await body.read()` until it gives none.

    Leaving the block closes the answer, and its connection if it was not read whole. Reading
    raises what the transport raises.
    """

    @property
    def content_type(self) -> str:
        """In small letters; empty where it has none."""

    async def read(self) -> bytes:
        """The next bytes; none at the end."""

    async def gather(self, seconds: float) -> None:
        """Leave what comes within this time to the kernel, so that it is read in one turn.

        At 5 ms a token and 20 ms that is a quarter of the turns. An end of the stream waits as
        long.
        """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ResponseBody:
    """That of a response which the SDK gave."""

    __slots__ = ("_answer", "_chunks", "_loop", "_response")

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._loop = asyncio.get_running_loop()
        # Decoding what is not encoded costs a third of the reading.
        plain = response.headers.get("content-encoding", "identity") == "identity"
        self._answer: Any = _aiohttp_response(response) if plain else None
        self._chunks = response.aiter_raw() if plain else response.aiter_bytes()

    async def __aenter__(self) -> ResponseBody:
        return self

    @property
    def content_type(self) -> str:
        return str(self._response.headers.get("content-type", "")).lower()

    async def read(self) -> bytes:
        """Up to `READ_BYTES` bytes, or more where they are decoded; none at the end."""
        if self._answer is not None:
            found: bytes = await self._answer.content.read(READ_BYTES)
            return found
        return await anext(self._chunks, b"")

    async def gather(self, seconds: float) -> None:
        transport = _transport(self._answer)
        if transport is None:
            return
        waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, _wake, waiter)
        try:
            with contextlib.suppress(RuntimeError):  # the connection was lost: reading will say so
                transport.pause_reading()
                await waiter
                transport.resume_reading()
        finally:
            timer.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._chunks.aclose()
        await self._response.aclose()


class ArrivalRate:
    """Whether pieces of text come so quickly that gathering them saves turns of the loop.

    The first ones are never waited for: a short answer, or one that comes in one burst, is not
    held up.
    """

    __slots__ = ("_clock", "_first", "_last")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._first = self._last = 0.0

    def interval(self, *, heard: bool) -> float:
        """Seconds for which the next pieces are to be gathered.

        Where nobody hears them, up to a twentieth of the time that the stream has taken: by so
        much, at most, its end is late.
        """
        if heard:
            return GATHER_INTERVAL
        return min(MAX_GATHER_INTERVAL, max(GATHER_INTERVAL, (self._last - self._first) / 20))

    def is_quick(self, events: int, had_text: bool) -> bool:
        """To be asked after each reading, with what it gave."""
        now, last = self._clock(), self._last
        if not had_text:
            return False
        self._first, self._last = self._first or now, now
        return now - self._first >= GATHER_INTERVAL and (events > 1 or now - last < GATHER_INTERVAL)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _aiohttp_response(response: httpx2.Response) -> Any:
    """aiohttp's own response, which the transport adds; None where the body must be decoded.

    Three generators and two wrappers stand between; to resume them costs more than to read.
    """
    return response.extensions.get("answer")


def _transport(answer: Any) -> Any:
    """The transport below; None once the answer is whole, or its connection lost."""
    connection = getattr(answer, "connection", None)
    return None if connection is None else connection.transport
