"""When something is tried again: one request (`Call`), or a stream that was cut (`Feed`).

Nothing here sends or sleeps: the clients do, each in its own way.
"""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import httpx2

from loregate_client.errors import (
    ConnectionLost,
    LoregateError,
    RateLimited,
    Unauthenticated,
    UnreadableAnswer,
    of_errors,
    of_transport,
    unreadable,
)

SHORTEST = 0.25  # s, doubled by each failure in a row
LONGEST = 15.0  # s

Failure = LoregateError | httpx2.RequestError


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row; half of it is jitter."""
    return float(min(LONGEST, SHORTEST * 2 ** min(failures, 10)) * (0.5 + random.random() / 2))


class Access:
    """The caller's token, or what gives one: asked once, and again when that one was refused."""

    def __init__(self, given: Any) -> None:
        """`given` is a string, or a function of no arguments that returns one or its awaitable."""
        self.renewable = callable(given)
        self.ask: Callable[[], Any] = given if self.renewable else lambda: given
        self.token: str | None = None

    def refuse(self, token: str | None) -> None:
        """The gateway does not take it (any more); another request may have renewed it already."""
        if self.token == token:
            self.token = None


class Attempts(ABC):
    """What is asked, again and again until it is answered."""

    accept = "application/json"

    def __init__(self, access: Access, document: str) -> None:
        self._access, self._document = access, document
        self._token: str | None = None  # that of the last try
        self._renewed = False  # since the gateway last took one

    @property
    @abstractmethod
    def variables(self) -> Mapping[str, Any]: ...

    def asked(self, token: str) -> dict[str, Any]:
        """The request's body and headers."""
        self._token = token
        headers = {
            "Accept": self.accept,
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        }
        body = {"query": self._document, "variables": self.variables}
        return {"content": json.dumps(body).encode(), "headers": headers}

    def retry(self, failure: Failure) -> float:
        """Seconds until the next try. Raises the failure where there is to be none."""
        error = of_transport(failure) if isinstance(failure, httpx2.RequestError) else failure
        if isinstance(error, Unauthenticated):
            self._access.refuse(self._token)
            if self._access.renewable and not self._renewed:
                self._renewed = True
                return 0.0
        wait = self._wait(error)
        if wait is None:
            raise error from (failure if failure is not error else None)
        return wait

    @abstractmethod
    def _wait(self, error: LoregateError) -> float | None:
        """Seconds until the next try, or None where there is to be none."""


class Call(Attempts):
    """One request, tried again where that makes nothing twice.

    All that it waits between its tries takes at most `max_wait` seconds.
    """

    def __init__(
        self,
        access: Access,
        document: str,
        variables: Mapping[str, Any] | None,
        field: str | None,
        repeatable: bool,
        max_wait: float,
    ) -> None:
        """`field` is the one whose value is wanted, where not the whole answer is."""
        super().__init__(access, document)
        self._variables, self._field, self._repeatable = variables or {}, field, repeatable
        self._left, self._failures = max_wait, 0

    @property
    def variables(self) -> Mapping[str, Any]:
        return self._variables

    def read(self, response: httpx2.Response) -> Any:
        """The answer, or its field's value. Raises `LoregateError`."""
        answer, field = json_of(response), self._field
        data, errors = answer.get("data"), answer.get("errors")
        if errors and (not data or (field and data[field] is None)):
            raise of_errors(errors, response)
        return data[field] if data and field else answer

    def _wait(self, error: LoregateError) -> float | None:
        self._failures += 1
        refused = isinstance(error, RateLimited)  # nothing was done
        if not error.retryable or not (self._repeatable or refused):
            return None
        if error.retry_after is not None:
            wait = error.retry_after + back_off(0)
        elif isinstance(error, ConnectionLost | UnreadableAnswer):
            wait = back_off(self._failures)
        else:  # a model that failed costs again
            return None
        self._left -= wait
        return wait if self._left >= 0 else None


def json_of(response: httpx2.Response) -> dict[str, Any]:
    """An answer of GraphQL's. Raises `UnreadableAnswer`."""
    if "json" in response.headers.get("content-type", ""):
        try:
            found = response.json()
        except ValueError:
            raise unreadable(response) from None
        if isinstance(found, dict) and (found.get("data") or found.get("errors")):
            return found
    raise unreadable(response)
