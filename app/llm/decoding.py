"""The bytes of an answer's body: plain, or decoded within a bound of memory."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import httpx2

from app.llm.exchange import Exchange
from app.llm.malformed import MalformedAnswer
from app.llm.response_body import READ_BYTES

MAX_ERROR_BYTES = 64 * 1024  # bytes, decoded, of an error's body that are read
ERROR_BODY_TIMEOUT = 2.0  # s that they may take
MAX_DECODED_BYTES = 8_000_000  # bytes of an answer that came compressed without being asked to
# What zlib can read a little at a time. The window's size names the wrapping, see `zlib`.
GZIP, ZLIB, RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
ENCODINGS = {"gzip": GZIP, "x-gzip": GZIP, "deflate": ZLIB}


class Plain(httpx2.AsyncByteStream):
    """A body as it comes. A connection that it is not read whole from is closed."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_chunked(READ_BYTES):
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(str(error)) from error

    async def aclose(self) -> None:
        self._answer.close()


class Pieces(httpx2.AsyncByteStream):
    """The same of an exchange."""

    def __init__(self, answer: Exchange) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._answer.read():
            yield piece

    async def aclose(self) -> None:
        self._answer.close()


class Decompressed(httpx2.AsyncByteStream):
    """A body that was compressed, though `identity` was asked for: at most `READ_BYTES` at a time.

    Raises:
        MalformedAnswer: it is compressed in a way that nobody asked for and that cannot be read
            bit by bit, it is no archive, or it is more than `MAX_DECODED_BYTES`.
    """

    def __init__(self, stream: httpx2.AsyncByteStream, coding: str) -> None:
        self._stream, self._coding = stream, coding

    async def __aiter__(self) -> AsyncIterator[bytes]:
        window, size, inflater = ENCODINGS.get(self._coding), 0, None
        if window is None:
            raise MalformedAnswer("it is encoded in a way that was not asked for")
        chunks: Any = aiter(self._stream)  # a generator, which httpx2 types as an iterator
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                inflater = inflater or zlib.decompressobj(_window(window, chunk))
                for piece in _inflated(inflater, chunk):
                    size += len(piece)
                    if size > MAX_DECODED_BYTES:
                        raise MalformedAnswer("it decodes to more than was asked for")
                    yield piece
        if inflater is not None and not inflater.eof:
            raise httpx2.ReadError("the archive ended early")

    async def aclose(self) -> None:
        await self._stream.aclose()


def _window(window: int, begun: bytes) -> int:
    """`deflate` is zlib's format (RFC 9110, section 8.4.1.2); some servers send it bare."""
    return RAW if window == ZLIB and begun[0] & 15 != zlib.DEFLATED else window


def _inflated(inflater: Any, chunk: bytes) -> Iterator[bytes]:
    more = True
    while more:
        try:
            piece = inflater.decompress(chunk, READ_BYTES)
        except zlib.error as error:
            raise MalformedAnswer("it is no archive") from error
        if inflater.unused_data:
            raise MalformedAnswer("more follows than one archive")
        if piece:
            yield piece
        chunk = inflater.unconsumed_tail
        more = bool(chunk) or len(piece) == READ_BYTES


class ErrorBody(httpx2.AsyncByteStream):
    """An error's body, which the SDK reads whole: bounded, and no error itself when it is cut."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        kept = bytearray()
        with contextlib.suppress(TimeoutError, httpx2.HTTPError, MalformedAnswer):
            chunks: Any = aiter(self._stream)  # a generator, which httpx2 types as an iterator
            async with asyncio.timeout(ERROR_BODY_TIMEOUT), contextlib.aclosing(chunks):
                async for chunk in chunks:
                    kept += chunk
                    if len(kept) > MAX_ERROR_BYTES:
                        break
        yield bytes(kept)

    async def aclose(self) -> None:
        await self._stream.aclose()
