"""GatewayClient: a running gateway over HTTP, whose streams go on where they were cut.

A stream that breaks, or falls silent for three heartbeats, is opened again behind its last cursor:
through restarts, and past a token that ended where a new one can be had.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

import httpx2
import orjson

from app.terminal.failure import CommandFailed, refusal

CONNECT_TIMEOUT = 5.0  # s
ANSWER_TIMEOUT = 30.0  # s for what no model writes
WRITING_TIMEOUT = 1800.0  # s; a chain of models that all think may take so long
SILENCE_TIMEOUT = 45.0  # s; a stream beats every 15
RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # s between tries to open a stream again
MAX_WAIT = 60.0  # s that a gateway's `Retry-After` is obeyed
PATIENCE = 60.0  # s for which a generation's gateway may be away
CANCEL_TIMEOUT = 5.0  # s
OPENING_TIMEOUT = 2.0  # s for a generation's id, so that it can be cancelled

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Frame:
    """A server-sent event."""

    event: str
    id: str | None
    data: str

    def json(self) -> Any:
        return orjson.loads(self.data)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a stream is opened: a method, an address, and a body."""

    method: str
    path: str
    body: Any = None
    headers: Headers | None = None


class Place:
    """Where a stream is: behind which cursor, and how long it has been away."""

    def __init__(self, after: str | None) -> None:
        self.after = after
        self.failed = 0  # tries in a row to open it again
        self.there = False  # whether it ever was
        self._since = time.monotonic()

    def move(self, cursor: str | None) -> None:
        self.after = cursor or self.after
        self.failed, self.there, self._since = 0, True, time.monotonic()

    def given_up(self, patience: float | None) -> bool:
        away = time.monotonic() - self._since
        return not self.there or (patience is not None and away > patience)


class Interrupted(Exception):
    """The stream ended before its end. `wait`: seconds, where the gateway named some."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.why, self.wait = why, wait


class GatewayClient:
    """`token` gives one for each request; `note` is told what a person should know meanwhile.

    Raises:
        CommandFailed: whatever the gateway refused, and `UNREACHABLE` where none is.
    """

    def __init__(
        self, url: str, token: Callable[[], str | None], note: Callable[[str], None] | None = None
    ) -> None:
        self.url, self._token = url.rstrip("/"), token
        self._note = note or (lambda _: None)
        timeout = httpx2.Timeout(ANSWER_TIMEOUT, connect=CONNECT_TIMEOUT)
        host = httpx2.URL(self.url).host
        # A proxy of the environment's has no business between this machine and itself.
        outside = host not in ("localhost", "127.0.0.1", "::1")
        self._http = httpx2.AsyncClient(timeout=timeout, trust_env=outside)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    # -- one answer
    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Headers | None = None,
        within: float = ANSWER_TIMEOUT,
    ) -> Any:
        """An answer's JSON; None where it has none. `within`: seconds."""
        request = self._request(Opening(method, path, body, headers), within)
        try:
            response = await self._http.send(request)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        if response.is_success:
            return orjson.loads(response.content) if response.content else None
        raise _refused(response)

    async def graphql(self, query: str, variables: Any = None) -> Any:
        """A document's data."""
        answer = await self.ask("POST", "/graphql", {"query": query, "variables": variables})
        if "errors" in answer:
            raise refusal(400, answer)
        return answer["data"]

    def _request(self, opening: Opening, timeout: float) -> httpx2.Request:
        headers = dict(opening.headers or {})
        if token := self._token():
            headers["Authorization"] = f"Bearer {token}"
        return self._http.build_request(
            opening.method,
            self.url + opening.path,
            json=opening.body,
            headers=headers,
            timeout=httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT),
        )

    def _unreachable(self, error: Exception) -> CommandFailed:
        why = str(error) or type(error).__name__
        return CommandFailed("UNREACHABLE", f"No gateway answers at {self.url}: {why}")

    # -- streams
    async def stream(
        self,
        opening: Callable[[str | None], Opening],
        *,
        after: str | None = None,
        patience: float | None = None,
        opened: Callable[[httpx2.Response], None] | None = None,
    ) -> AsyncGenerator[Frame, None]:
        """Frames for ever; whoever has the last one leaves. `opening` is told the last cursor.

        `patience`: seconds for which the gateway may be away; None: any time, once it was there.
        """
        place = Place(after)
        while True:
            try:
                once = self._once(opening(place.after), place, opened)
                async with aclosing(once) as frames:
                    async for frame in frames:
                        yield frame
            except httpx2.TransportError as error:
                if place.given_up(patience):
                    raise self._unreachable(error) from None
                await self._wait(place, "the connection is lost", None)
            except Interrupted as error:
                await self._wait(place, error.why, error.wait)

    async def _once(
        self, opening: Opening, place: Place, opened: Callable[[httpx2.Response], None] | None
    ) -> AsyncGenerator[Frame, None]:
        """Frames until the stream breaks; it never ends otherwise."""
        request = self._request(opening, SILENCE_TIMEOUT)
        response = await self._opened(request, opened or (lambda _: None))
        try:
            await _check(response, there=place.there)
            if place.failed:
                self._note("the gateway is back")
            async for frame in _frames(response):
                place.move(frame.id)
                if frame.event == "error":
                    _end(frame)
                yield frame
        finally:
            await response.aclose()
        raise Interrupted("the stream ended")

    async def _opened(
        self, request: httpx2.Request, opened: Callable[[httpx2.Response], None]
    ) -> httpx2.Response:
        """A response whose body is still to come; `opened` is told of it also when nobody waits
        any more: what it says has begun may have to be cancelled."""
        sending = asyncio.create_task(self._http.send(request, stream=True))
        try:
            response = await asyncio.shield(sending)
        except asyncio.CancelledError:
            with suppress(httpx2.TransportError, TimeoutError):
                response = await asyncio.wait_for(sending, OPENING_TIMEOUT)
                opened(response)
                await response.aclose()
            raise
        opened(response)
        return response

    async def _wait(self, place: Place, why: str, wait: float | None) -> None:
        if not place.failed:
            self._note(f"{why}; going on as soon as the gateway answers")
        await asyncio.sleep(wait or RETRY_DELAYS[min(place.failed, len(RETRY_DELAYS) - 1)])
        place.failed += 1


class Generation:
    """A generation that this client asks for. `id`: once the gateway has said it."""

    def __init__(self, client: GatewayClient, path: str, body: Any) -> None:
        self._client, self._path, self._body = client, path, body
        self._key = str(uuid4())
        self.id: str | None = None

    async def events(self) -> AsyncGenerator[dict[str, Any], None]:
        """Its events with their cursors, to the last one."""
        frames = self._client.stream(self._opening, patience=PATIENCE, opened=self._opened)
        async with aclosing(frames):
            async for frame in frames:
                if frame.event == "position":
                    continue
                event = frame.json()
                yield {**event, "cursor": frame.id}
                if event["type"] in ("completed", "failed", "cancelled"):
                    return

    def _opening(self, after: str | None) -> Opening:
        if self.id is None:  # under the same key: a second try does not begin a second one
            headers = {"Idempotency-Key": self._key}
            return Opening("POST", f"{self._path}/stream", self._body, headers)
        headers = {"Last-Event-ID": after} if after else {}
        return Opening("GET", f"/api/v2/generations/{self.id}/events", None, headers)

    def _opened(self, response: httpx2.Response) -> None:
        self.id = response.headers.get("x-generation-id", self.id)

    async def cancel(self) -> None:
        """Ends it at the gateway, where it can be reached soon."""
        if self.id is None:
            return
        with suppress(CommandFailed, TimeoutError):
            async with asyncio.timeout(CANCEL_TIMEOUT):
                await self._client.ask("DELETE", f"/api/v2/generations/{self.id}")


async def _check(response: httpx2.Response, *, there: bool) -> None:
    """Raises `CommandFailed`; or `Interrupted` where a stream that was there may come back."""
    if response.is_success:
        return
    await response.aread()
    failure = _refused(response)
    if there and (response.status_code in (429, 502, 503, 504)):
        raise Interrupted(failure.message, failure.wait and min(failure.wait, MAX_WAIT))
    raise failure


def _refused(response: httpx2.Response) -> CommandFailed:
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        body = None
    told = response.headers.get("retry-after", "")
    return refusal(response.status_code, body, float(told) if told.isdigit() else None)


def _end(frame: Frame) -> None:
    """Why the gateway ends a stream: to go on elsewhere, or for good."""
    body = frame.json()
    if body["code"] in ("SHUTTING_DOWN", "TOKEN_EXPIRED"):
        raise Interrupted(body["message"])
    raise refusal(410, body)


async def _frames(response: httpx2.Response) -> AsyncGenerator[Frame, None]:
    """Events apart, by lines of bytes: text may hold what Python takes for a line's end."""
    fields: dict[str, str] = {}
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            name, _, value = line.rstrip(b"\r").decode().partition(": ")
            if name in ("event", "id", "data"):
                fields[name] = f"{fields[name]}\n{value}" if name in fields else value
            elif not line.strip() and fields:
                if "data" in fields:
                    yield Frame(fields.get("event", ""), fields.get("id"), fields["data"])
                fields = {}
