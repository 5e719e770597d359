"""AsyncLoregate: the client for asyncio.

client.py, for programs without an event loop, is made of this file by generate.py.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from inspect import isawaitable
from typing import Any, Generic, NotRequired, Self, TypedDict, TypeVar, cast

import httpx2
from httpx2 import EventSource, ServerSentEvent

from loregate_client import schema
from loregate_client.attempts import Access, Call
from loregate_client.errors import LoregateError
from loregate_client.feed import EventFeed, Feed, GenerationFeed

CONNECT = 10.0  # s
SILENCE = 40.0  # s without a byte after which a stream is taken for cut; the gateway's beat is 15
# Each stream holds a connection for as long as it lasts.
LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=20)

T = TypeVar("T")


class Answer(TypedDict):
    """An answer that has data; `errors` where a part of it is missing for them."""

    data: dict[str, Any]
    errors: NotRequired[list[dict[str, Any]]]
    extensions: NotRequired[dict[str, Any]]


class AsyncStream(Generic[T]):
    """What a subscription tells, one by one. Its connection is closed with it: `async with` it, or
    `aclose()`, where you leave the loop before its end.
    """

    def __init__(self, feed: Feed[T], told: AsyncGenerator[T]) -> None:
        self._feed, self._told = feed, told

    @property
    def cursor(self) -> str | None:
        """The place behind all that was given: keep it when that is handled."""
        return self._feed.cursor

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await anext(self._told)

    async def aclose(self) -> None:
        await self._told.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncGenerationStream(AsyncStream[schema.GenerationEvent]):
    """What a generation tells."""

    _feed: GenerationFeed

    @property
    def id(self) -> str | None:
        """The generation's; None until `stream` has started it."""
        return self._feed.id

    @property
    def text(self) -> str:
        """The text so far, since the last reset."""
        return self._feed.text


class AsyncLoregate(schema.AsyncOperations[AsyncGenerationStream]):
    """A client of the gateway at `url`. All that fails raises `LoregateError`.

    `token` is a JWT, or a function that gives one: it is asked once, and again when the gateway
    refuses that one or it has ended. All times are seconds: `timeout` is for one answer (the
    gateway's own deadlines are shorter), `max_wait` for all that one request waits between its
    tries, `max_outage` for how long a stream that was cut tries to come back; None is for ever.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str | Awaitable[str]],
        *,
        timeout: float = 180.0,
        max_wait: float = 60.0,
        max_outage: float | None = None,
        http: httpx2.AsyncClient | None = None,
    ) -> None:
        self._url, self._access = f"{url.rstrip('/')}/graphql", Access(token)
        self._timeout = httpx2.Timeout(timeout, connect=min(CONNECT, timeout))
        self._max_wait, self._max_outage = max_wait, max_outage
        self._owned = http is None
        self._http = http or httpx2.AsyncClient(limits=LIMITS)

    async def aclose(self) -> None:
        """Close what is kept open; an `http` that was given stays."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    # -- asking
    async def request(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        *,
        repeatable: bool | None = None,
    ) -> Answer:
        """A document of your own. Mutations are sent again after a cut only if `repeatable`."""
        if repeatable is None:
            repeatable = re.search(r"\bmutation\b", document) is None
        answer: Answer = await self._ask(document, variables, repeatable=repeatable)
        return answer

    async def cancel(self, id: str) -> schema.Generation:
        """The generation as it ended."""
        payload = await self._ask(schema.CANCEL, {"id": id}, "cancelGeneration")
        return cast("schema.Generation", payload["generation"])

    async def content(self, id: str) -> schema.Content | None:
        """Your content with this `id` or `contentId`; None where there is none."""
        found: schema.Content | None = await self._ask(schema.CONTENT, {"id": id}, "content")
        return found

    async def delete(self, id: str) -> None:
        """Delete the content for good. Raises `NotFound`."""
        await self._ask(schema.DELETE, {"id": id}, "deleteContent")

    async def rate_limits(self) -> list[schema.RateLimit]:
        found: list[schema.RateLimit] = await self._ask(schema.RATE_LIMITS, {}, "rateLimits")
        return found

    async def event_cursor(self) -> str:
        """The event log's end now: `events` after it misses nothing of what follows."""
        return str(await self._ask(schema.EVENT_CURSOR, {}, "eventCursor"))

    async def _write(self, operation: str, input: Any, key: str | None) -> Any:
        _, field, document = known(operation)
        return await self._ask(document, {"input": keyed(input, key)}, field)

    async def _start(self, operation: str, input: Any, key: str | None) -> schema.Generation:
        given = {"input": {known(operation)[0]: keyed(input, key)}}
        payload = await self._ask(schema.START, given, "startGeneration")
        return cast("schema.Generation", payload["generation"])

    async def _ask(
        self, document: str, variables: Any, field: str | None = None, *, repeatable: bool = True
    ) -> Any:
        call = Call(self._access, document, variables, field, repeatable, self._max_wait)
        while True:
            try:
                asked = call.asked(await self._token())
                return call.read(await self._http.post(self._url, timeout=self._timeout, **asked))
            except (LoregateError, httpx2.RequestError) as failure:
                await asyncio.sleep(call.retry(failure))

    async def _token(self) -> str:
        token = self._access.token
        if token is None:
            token = self._access.ask()
            if isawaitable(token):
                token = await token
            self._access.token = token
        return cast("str", token)

    # -- following
    def events(
        self,
        *,
        types: Sequence[schema.EventType] | None = None,
        after: str | None = None,
        all: bool = False,
    ) -> AsyncStream[schema.Event]:
        """Your events from behind `after`, else from now on; each once, for as long as you iterate.

        `all` takes everybody's. Raises `CursorExpired`, which has the cursor to go on from.
        """
        wanted = None if types is None else list(types)
        feed = EventFeed(self._access, wanted, after, all, self._max_outage)
        return AsyncStream(feed, self._follow(feed))

    def generation(self, id: str, *, after: str | None = None) -> AsyncGenerationStream:
        """What a generation tells, from its beginning or from behind `after`, to its end."""
        feed = GenerationFeed(self._access, id, after, self._max_outage)
        return AsyncGenerationStream(feed, self._follow(feed))

    def _stream(self, operation: str, input: Any, key: str | None) -> AsyncGenerationStream:
        feed = GenerationFeed(self._access, None, None, self._max_outage)
        return AsyncGenerationStream(feed, self._started(feed, operation, input, key))

    async def _started(
        self, feed: GenerationFeed, operation: str, input: Any, key: str | None
    ) -> AsyncGenerator[schema.GenerationEvent]:
        feed.id = (await self._start(operation, input, key))["id"]
        async with aclosing(self._follow(feed)) as pieces:
            async for piece in pieces:
                yield piece

    async def _follow(self, feed: Feed[T]) -> AsyncGenerator[T]:
        while not feed.ended:
            try:
                async with aclosing(self._read(feed)) as results:
                    async for told in results:
                        yield told
            except (LoregateError, httpx2.RequestError) as failure:
                await asyncio.sleep(feed.retry(failure))

    async def _read(self, feed: Feed[T]) -> AsyncGenerator[T]:
        """What one response tells."""
        asked = feed.asked(await self._token())
        timeout = httpx2.Timeout(SILENCE, connect=CONNECT)
        async with self._http.stream("POST", self._url, timeout=timeout, **asked) as response:
            if not feed.admit(response):
                await response.aread()
                raise feed.refusal(response)
            frames = cast("AsyncGenerator[ServerSentEvent]", aiter(EventSource(response)))
            async with aclosing(frames):
                async for frame in frames:
                    told = feed.receive(frame, response)
                    if told is not None:
                        yield told
        feed.end_of_response()


def known(operation: str) -> tuple[str, str, str]:
    """Its field in a start, its mutation, and the document. Raises `ValueError`."""
    found = schema.OPERATIONS.get(operation)
    if found is None:
        names = ", ".join(schema.OPERATIONS)
        raise ValueError(f"there is no operation {operation}; there are {names}")
    return found


def keyed(given: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    """The input with a key, by which the same request sent again gets the first answer."""
    return {"idempotencyKey": key or uuid.uuid4().hex, **given}
