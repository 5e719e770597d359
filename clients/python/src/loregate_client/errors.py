"""What can go wrong, by its code.

LoregateError             any other code, such as INTERNAL_ERROR or GRAPHQL_VALIDATION_FAILED
├── ConnectionLost        the gateway cannot be reached, or was cut off
├── UnreadableAnswer      what came is no answer of the gateway's, such as a proxy's page
├── InvalidRequest        400  BAD_USER_INPUT
├── ContentRejected       400  CONTENT_REJECTED
├── Unauthenticated       401  UNAUTHENTICATED, TOKEN_EXPIRED
├── BudgetExceeded        402  BUDGET_EXCEEDED
├── Forbidden             403  FORBIDDEN
├── QuotaExceeded         403  QUOTA_EXCEEDED
├── NotFound              404  NOT_FOUND
├── IdempotencyConflict   409  IDEMPOTENCY_CONFLICT
├── CursorExpired         410  CURSOR_EXPIRED
├── RateLimited           429  RATE_LIMIT_EXCEEDED, TOO_MANY_OPERATIONS
├── ModelFailed           502, 503, 504  MODEL_ERROR, MODEL_UNAVAILABLE, MODEL_TIMEOUT
└── Unavailable           503  DEPENDENCY_UNAVAILABLE, INTERRUPTED, SHUTTING_DOWN
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2


class LoregateError(Exception):
    """Why something did not come.

    `code` is the gateway's, `message` its words, `details` the error's other facts by the schema's
    names. `status` is the one that REST has for the code, else the answer's; None where no answer
    came. `retry_after` is in seconds, None where the gateway named no time. Quote `request_id` when
    you report a problem. `errors` are the GraphQL errors, of which this is the first.
    """

    retryable = False  # whether a later try may mend it

    def __init__(
        self,
        message: str,
        code: str = "INTERNAL_ERROR",
        *,
        status: int | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.errors = message, code, errors
        self.details: Mapping[str, Any] = details or {}
        self.status = STATUSES.get(code, status)
        self.retry_after = retry_after
        self.request_id: str | None = self.details.get("requestId")


class ConnectionLost(LoregateError):
    retryable = True


class UnreadableAnswer(LoregateError):
    """`retryable` where it is one that a proxy gives while the gateway is away."""


class InvalidRequest(LoregateError):
    """`details["field"]` is the first bad one, such as `input.context.partyLevel`."""


class ContentRejected(LoregateError):
    """The model provider's safety system refused it."""


class Unauthenticated(LoregateError):
    """The token is wrong, or at its end, and no other could be had."""


class BudgetExceeded(LoregateError):
    """A budget has no room: `details` has `budget`, `spent`, `limit`, `unit` and `renewsAt`."""


class Forbidden(LoregateError):
    """`details["requiredPermission"]` says what the token lacks."""


class QuotaExceeded(LoregateError):
    """As much is kept as may be: `details` has `quota`, `used` and `limit`."""


class NotFound(LoregateError):
    """There is none, or it is not yours."""


class IdempotencyConflict(LoregateError):
    """The key was used for another request in the last 24 hours."""


class CursorExpired(LoregateError):
    """The log no longer holds what follows the cursor."""

    @property
    def resume_after(self) -> str:
        """The cursor to go on from: what is left of the log comes, and then what is new."""
        found: str = self.details["cursor"]
        return found


class RateLimited(LoregateError):
    """`details["scope"]` says which limit is full, such as `operation:text_generation`."""

    retryable = True


class ModelFailed(LoregateError):
    retryable = True


class Unavailable(LoregateError):
    retryable = True


KINDS: dict[str, tuple[type[LoregateError], int]] = {
    "BAD_USER_INPUT": (InvalidRequest, 400),
    "CONTENT_REJECTED": (ContentRejected, 400),
    "UNAUTHENTICATED": (Unauthenticated, 401),
    "TOKEN_EXPIRED": (Unauthenticated, 401),
    "BUDGET_EXCEEDED": (BudgetExceeded, 402),
    "FORBIDDEN": (Forbidden, 403),
    "QUOTA_EXCEEDED": (QuotaExceeded, 403),
    "NOT_FOUND": (NotFound, 404),
    "IDEMPOTENCY_CONFLICT": (IdempotencyConflict, 409),
    "CURSOR_EXPIRED": (CursorExpired, 410),
    "RATE_LIMIT_EXCEEDED": (RateLimited, 429),
    "TOO_MANY_OPERATIONS": (RateLimited, 429),
    "MODEL_ERROR": (ModelFailed, 502),
    "MODEL_UNAVAILABLE": (ModelFailed, 503),
    "MODEL_TIMEOUT": (ModelFailed, 504),
    "DEPENDENCY_UNAVAILABLE": (Unavailable, 503),
    "INTERRUPTED": (Unavailable, 503),
    "SHUTTING_DOWN": (Unavailable, 503),
}
STATUSES = {code: status for code, (_, status) in KINDS.items()} | {"INTERNAL_ERROR": 500}


def of_errors(errors: Sequence[Mapping[str, Any]], response: httpx2.Response) -> LoregateError:
    """Of an answer's GraphQL errors, by the first."""
    facts: dict[str, Any] = dict(errors[0].get("extensions") or {})
    code = facts.pop("code", "INTERNAL_ERROR")
    kind, _ = KINDS.get(code, (LoregateError, 0))
    after = facts.get("retryAfterMs")
    return kind(
        errors[0]["message"],
        code,
        status=response.status_code,
        retry_after=retry_after(response) if after is None else after / 1000,
        details=facts,
        errors=errors,
    )


def unreadable(response: httpx2.Response) -> UnreadableAnswer:
    status, kind = response.status_code, response.headers.get("content-type", "no type")
    said = f"The answer was {status} with {kind}, and none of the gateway's"
    after = retry_after(response)
    error = UnreadableAnswer(said, "UNREADABLE_ANSWER", status=status, retry_after=after)
    error.retryable = status in (429, 502, 503, 504)
    return error


def lost(message: str) -> ConnectionLost:
    return ConnectionLost(message, "CONNECTION_LOST")


def of_transport(error: httpx2.RequestError) -> LoregateError:
    """Only a lost connection is worth another try; a wrong address is not."""
    said = f"{type(error).__name__}: {error}".rstrip(": ")
    on_the_way = (httpx2.TimeoutException, httpx2.NetworkError, httpx2.RemoteProtocolError)
    if isinstance(error, on_the_way):
        return lost(said)
    return LoregateError(said, "REQUEST_FAILED")


def retry_after(response: httpx2.Response) -> float | None:
    """Seconds of the header, which has them or a date (RFC 9110, section 10.2.3)."""
    given = response.headers.get("retry-after", "")
    if given.isdigit():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None
