"""Request: what a client of the fake provider sent, read off its connection."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

import orjson

PATH = "/chat/completions"
MODELS = "/models"
# Where a redirection leads, on the same server: to an answer, or back to itself.
ELSEWHERE, LOOP = f"/elsewhere/v1{PATH}", f"/loop/v1{PATH}"
MAX_BODY_BYTES = 8 * 1024 * 1024  # bytes of a request's body; a prompt has a few thousand


@dataclass(frozen=True, slots=True)
class Request:
    """`asked` is the body's JSON object, None where it is none; `whole`: its body was read."""

    method: str
    path: str
    headers: dict[str, str]
    asked: dict[str, Any] | None = None
    whole: bool = True

    @property
    def last(self) -> bool:
        """Whether nothing can follow on its connection."""
        return not self.whole or self.headers.get("connection", "").lower() == "close"

    @property
    def wants_completion(self) -> bool:
        return self.method == "POST" and self.path.endswith(PATH)

    @property
    def wants_models(self) -> bool:
        return self.method == "GET" and self.path.endswith(MODELS)


class Reader(asyncio.StreamReader):
    """A reader that knows at once when its client has gone, also while nobody reads."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self.gone: asyncio.Future[None] = loop.create_future()

    def feed_eof(self) -> None:
        self._notify()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self._notify()
        super().set_exception(exc)

    def _notify(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)


async def read(reader: asyncio.StreamReader) -> Request:
    """The next request. Raises `IncompleteReadError` or `ConnectionError` where none comes."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.LimitOverrunError:
        raise ConnectionResetError from None
    first, *lines = head.split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
    method, _, rest = first.partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        return Request(method, path, headers, whole=False)
    content = await reader.readexactly(int(length))
    with contextlib.suppress(orjson.JSONDecodeError):
        if isinstance(asked := orjson.loads(content), dict):
            return Request(method, path, headers, asked)
    return Request(method, path, headers)
