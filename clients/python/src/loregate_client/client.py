"""Loregate: the client for programs without an event loop; it may be shared by threads.

Made from aio.py by generate.py. Do not edit.
"""
# ruff: noqa: UP028
# fmt: off

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
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


class Stream(Generic[T]):
    """What a subscription tells, one by one. Its connection is closed with it: `with` it, or
    `close()`, where you leave the loop before its end.
    """

    def __init__(self, feed: Feed[T], told: Generator[T]) -> None:
        self._feed, self._told = feed, told

    @property
    def cursor(self) -> str | None:
        """The place behind all that was given: keep it when that is handled."""
        return self._feed.cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return next(self._told)

    def close(self) -> None:
        self._told.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GenerationStream(Stream[schema.GenerationEvent]):
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


class Loregate(schema.Operations[GenerationStream]):
    """A client of the gateway at `url`. All that fails raises `LoregateError`.

    `token` is a JWT, or a function that gives one: it is asked once, and again when the gateway
    refuses that one or it has ended. All times are seconds: `timeout` is for one answer (the
    gateway's own deadlines are shorter), `max_wait` for all that one request waits between its
    tries, `max_outage` for how long a stream that was cut tries to come back; None is for ever.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        *,
        timeout: float = 180.0,
        max_wait: float = 60.0,
        max_outage: float | None = None,
        http: httpx2.Client | None = None,
    ) -> None:
        self._url, self._access = f"{url.rstrip('/')}/graphql", Access(token)
        self._timeout = httpx2.Timeout(timeout, connect=min(CONNECT, timeout))
        self._max_wait, self._max_outage = max_wait, max_outage
        self._owned = http is None
        self._http = http or httpx2.Client(limits=LIMITS)

    def close(self) -> None:
        """Close what is kept open; an `http` that was given stays."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- asking
    def request(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        *,
        repeatable: bool | None = None,
    ) -> Answer:
        """A document of your own. Mutations are sent again after a cut only if `repeatable`."""
        if repeatable is None:
            repeatable = re.search(r"\bmutation\b", document) is None
        answer: Answer = self._ask(document, variables, repeatable=repeatable)
        return answer

    def cancel(self, id: str) -> schema.Generation:
        """The generation as it ended."""
        payload = self._ask(schema.CANCEL, {"id": id}, "cancelGeneration")
        return cast("schema.Generation", payload["generation"])

    def content(self, id: str) -> schema.Content | None:
        """Your content with this `id` or `contentId`; None where there is none."""
        found: schema.Content | None = self._ask(schema.CONTENT, {"id": id}, "content")
        return found

    def delete(self, id: str) -> None:
        """Delete the content for good. Raises `NotFound`."""
        self._ask(schema.DELETE, {"id": id}, "deleteContent")

    def rate_limits(self) -> list[schema.RateLimit]:
        found: list[schema.RateLimit] = self._ask(schema.RATE_LIMITS, {}, "rateLimits")
        return found

    def event_cursor(self) -> str:
        """The event log's end now: `events` after it misses nothing of what follows."""
        return str(self._ask(schema.EVENT_CURSOR, {}, "eventCursor"))

    def _write(self, operation: str, input: Any, key: str | None) -> Any:
        _, field, document = known(operation)
        return self._ask(document, {"input": keyed(input, key)}, field)

    def _start(self, operation: str, input: Any, key: str | None) -> schema.Generation:
        given = {"input": {known(operation)[0]: keyed(input, key)}}
        payload = self._ask(schema.START, given, "startGeneration")
        return cast("schema.Generation", payload["generation"])

    def _ask(
        self, document: str, variables: Any, field: str | None = None, *, repeatable: bool = True
    ) -> Any:
        call = Call(self._access, document, variables, field, repeatable, self._max_wait)
        while True:
            try:
                asked = call.asked(self._token())
                return call.read(self._http.post(self._url, timeout=self._timeout, **asked))
            except (LoregateError, httpx2.RequestError) as failure:
                time.sleep(call.retry(failure))

    def _token(self) -> str:
        token = self._access.token
        if token is None:
            token = self._access.ask()
            self._access.token = token
        return cast("str", token)

    # -- following
    def events(
        self,
        *,
        types: Sequence[schema.EventType] | None = None,
        after: str | None = None,
        all: bool = False,
    ) -> Stream[schema.Event]:
        """Your events from behind `after`, else from now on; each once, for as long as you iterate.

        `all` takes everybody's. Raises `CursorExpired`, which has the cursor to go on from.
        """
        wanted = None if types is None else list(types)
        feed = EventFeed(self._access, wanted, after, all, self._max_outage)
        return Stream(feed, self._follow(feed))

    def generation(self, id: str, *, after: str | None = None) -> GenerationStream:
        """What a generation tells, from its beginning or from behind `after`, to its end."""
        feed = GenerationFeed(self._access, id, after, self._max_outage)
        return GenerationStream(feed, self._follow(feed))

    def _stream(self, operation: str, input: Any, key: str | None) -> GenerationStream:
        feed = GenerationFeed(self._access, None, None, self._max_outage)
        return GenerationStream(feed, self._started(feed, operation, input, key))

    def _started(
        self, feed: GenerationFeed, operation: str, input: Any, key: str | None
    ) -> Generator[schema.GenerationEvent]:
        feed.id = (self._start(operation, input, key))["id"]
        with closing(self._follow(feed)) as pieces:
            for piece in pieces:
                yield piece

    def _follow(self, feed: Feed[T]) -> Generator[T]:
        while not feed.ended:
            try:
                with closing(self._read(feed)) as results:
                    for told in results:
                        yield told
            except (LoregateError, httpx2.RequestError) as failure:
                time.sleep(feed.retry(failure))

    def _read(self, feed: Feed[T]) -> Generator[T]:
        """What one response tells."""
        asked = feed.asked(self._token())
        timeout = httpx2.Timeout(SILENCE, connect=CONNECT)
        with self._http.stream("POST", self._url, timeout=timeout, **asked) as response:
            if not feed.admit(response):
                response.read()
                raise feed.refusal(response)
            frames = cast("Generator[ServerSentEvent]", iter(EventSource(response)))
            with closing(frames):
                for frame in frames:
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
