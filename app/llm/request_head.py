"""RequestHead: what is the same in every request to one address, as the SDK would send it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import httpx2
from yarl import URL

from app.spans import Facts

OURS = frozenset({b"content-length", b"connection"})  # the pool's to say, or the body's
BREAKS = (b"\r", b"\n", b"\0")


class RequestHead:
    """Line and headers of a request that the SDK built, for all that go to the same place.

    url: as the SDK has it. key: what a pool knows the place by. place: what a span tells of it.
    """

    __slots__ = ("_fixed", "key", "place", "url")

    def __init__(self, request: httpx2.Request) -> None:
        """Raises ValueError: a header that would break the head, or credentials in the URL."""
        self.url = request.url
        headers = [(k, v) for k, v in request.headers.raw if k.lower() not in OURS]
        if self.url.userinfo or any(mark in k + v for k, v in headers for mark in BREAKS):
            raise ValueError("not to be sent as it is")
        line = b"%b %b HTTP/1.1\r\n" % (request.method.encode(), self.url.raw_path)
        said = b"".join(b"%b: %b\r\n" % header for header in headers)
        self._fixed = b"%b%bcontent-length: " % (line, said)
        self.key: Any = aiohttp.ClientRequest(request.method, URL(str(self.url)))
        port = self.url.port or {"http": 80}.get(self.url.scheme, 443)
        self.place: Facts = {"server.address": self.url.host, "server.port": port}

    def with_body(self, body: bytes, more: Mapping[str, str]) -> bytes:
        """A whole request. `more`: further headers of this one."""
        if not more:
            return b"%b%d\r\n\r\n%b" % (self._fixed, len(body), body)
        said = "".join(f"{name}: {value}\r\n" for name, value in more.items()).encode()
        return b"%b%d\r\n%b\r\n%b" % (self._fixed, len(body), said, body)
