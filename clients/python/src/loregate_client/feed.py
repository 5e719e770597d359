"""Feed: a subscription that goes on where it was cut.

Its results come as GraphQL over server-sent events: `next` has a result and its cursor, an id alone
is a position, `complete` is the end. Nothing here sends or sleeps.
"""

from __future__ import annotations

import json
import logging
import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import httpx2

from loregate_client.attempts import Access, Attempts, Failure, back_off, json_of
from loregate_client.errors import LoregateError, lost, of_errors, unreadable
from loregate_client.schema import EVENTS, GENERATION, Event, EventType, GenerationEvent

MAX_KNOWN = 10_000  # ids of events; a repeat comes within seconds of the first

T = TypeVar("T")
log = logging.getLogger("loregate_client")


class Feed(Attempts, Generic[T]):
    """`cursor` is the place behind all that was given: keep it when that is handled."""

    accept = "text/event-stream"

    def __init__(
        self, access: Access, document: str, after: str | None, max_outage: float | None
    ) -> None:
        super().__init__(access, document)
        self.cursor, self._max_outage = after, max_outage
        self.ended = False
        self._failures, self._waited = 0, 0.0  # in a row; the last one's seconds
        self._opened: float | None = None  # when this connection first told something
        self._heard: float | None = None  # when any did, or the first one failed

    # -- while it is read
    def admit(self, response: httpx2.Response) -> bool:
        """Whether a stream has begun; else `refusal` says why not, once the response is read."""
        kind = response.headers.get("content-type", "")
        return bool(kind.startswith(self.accept))

    def refusal(self, response: httpx2.Response) -> LoregateError:
        errors = json_of(response).get("errors")
        return of_errors(errors, response) if errors else unreadable(response)

    def receive(self, sse: httpx2.ServerSentEvent, response: httpx2.Response) -> T | None:
        """What it tells, if anything. Raises `LoregateError`, in which the stream has ended."""
        if sse.event == "complete":
            self.ended = True
            return None
        told = json.loads(sse.data) if sse.event == "next" else {}
        if told and told.get("data") is None:
            # The cursor of CURSOR_EXPIRED is the caller's to take.
            raise of_errors(told["errors"], response)
        self._take(sse.id)
        return self._read(told["data"], told.get("errors")) if told else None

    def end_of_response(self) -> None:
        """A response that is over without `complete` was cut."""
        if not self.ended:
            raise lost("The stream broke off")

    def _take(self, cursor: str) -> None:
        self.cursor = cursor or self.cursor
        self._renewed = False
        self._heard = time.monotonic()
        if self._opened is None:
            self._opened = self._heard

    @abstractmethod
    def _read(self, data: Any, errors: Any) -> T | None:
        """The caller's value of a result; None where there is none."""

    # -- when it was cut
    def retry(self, failure: Failure) -> float:
        if self.ended:
            return 0.0
        wait = super().retry(failure)
        self._opened = None
        return wait

    def _wait(self, error: LoregateError) -> float | None:
        now = time.monotonic()
        lasted = -1.0 if self._opened is None else now - self._opened
        # The connection that was cut may count as open for a while.
        at_first = self._opened is None and self.cursor is None
        if not error.retryable or (error.code == "TOO_MANY_OPERATIONS" and at_first):
            return None
        self._heard = now if self._heard is None else self._heard
        self._failures = 0 if lasted > self._waited else self._failures + 1
        self._waited = (error.retry_after or 0.0) + back_off(self._failures)
        if self._max_outage is not None and now + self._waited > self._heard + self._max_outage:
            return None
        log.info("a stream was cut, and goes on in %.1f s: %s", self._waited, error)
        return self._waited


class EventFeed(Feed[Event]):
    """The caller's events, each once."""

    def __init__(
        self,
        access: Access,
        types: list[EventType] | None,
        after: str | None,
        everybody: bool,
        max_outage: float | None,
    ) -> None:
        super().__init__(access, EVENTS, after, max_outage)
        self._types, self._everybody = types, everybody
        self._known: dict[str, None] = {}  # in the order in which they came

    @property
    def variables(self) -> Mapping[str, Any]:
        return {"types": self._types, "all": self._everybody, "after": self.cursor}

    def _read(self, data: Any, errors: Any) -> Event | None:
        event: Event = data["events"]
        if event["id"] in self._known:
            return None
        self._known[event["id"]] = None
        if len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        if errors:
            event["errors"] = errors
        return event


class GenerationFeed(Feed[GenerationEvent]):
    """What a generation tells, to its end. `text` is the text so far."""

    def __init__(
        self, access: Access, id: str | None, after: str | None, max_outage: float | None
    ) -> None:
        super().__init__(access, GENERATION, after, max_outage)
        self.id, self.text = id, ""

    @property
    def variables(self) -> Mapping[str, Any]:
        return {"id": self.id, "after": self.cursor}

    def _read(self, data: Any, errors: Any) -> GenerationEvent:
        told = data["generation"]
        told["type"] = told.pop("typename").removeprefix("Generation").lower()
        piece: GenerationEvent = told
        if piece["type"] == "delta":
            self.text += piece["text"]
        elif piece["type"] == "reset":
            self.text = ""
        elif piece["type"] != "started":
            self.ended = True  # whether or not `complete` still comes
        return piece
