"""What can go wrong, as facts. The edges turn them into responses; nothing else does.

    GatewayError
    ├── InvalidRequest          400  INVALID_REQUEST
    ├── ContentRejected         400  CONTENT_REJECTED
    ├── Unauthenticated         401  UNAUTHENTICATED
    ├── TokenExpired            401  TOKEN_EXPIRED           app.open_streams
    ├── BudgetExceeded          402  BUDGET_EXCEEDED
    ├── Forbidden               403  FORBIDDEN
    ├── QuotaExceeded           403  QUOTA_EXCEEDED
    ├── DocumentNotTrusted      403  DOCUMENT_NOT_TRUSTED    resolvers.trusted_documents
    ├── NotFound                404  NOT_FOUND
    ├── MethodNotAllowed        405  METHOD_NOT_ALLOWED
    ├── NotAcceptable           406  NOT_ACCEPTABLE          resolvers.media_types
    ├── RequestTimeout          408  REQUEST_TIMEOUT         app.http_protocol
    ├── IdempotencyConflict     409  IDEMPOTENCY_CONFLICT
    ├── UserErased              409  USER_ERASED
    ├── CursorExpired           410  CURSOR_EXPIRED
    ├── PayloadTooLarge         413  PAYLOAD_TOO_LARGE
    ├── AddressTooLong          414  URI_TOO_LONG
    ├── UnsupportedMediaType    415  UNSUPPORTED_MEDIA_TYPE
    ├── BadQuestion             422  BAD_USER_INPUT          resolvers.questions
    │   └── UnreadableQuestion  400  BAD_USER_INPUT          resolvers.questions
    ├── RateLimited             429  RATE_LIMIT_EXCEEDED
    ├── TooManyOperations       429  TOO_MANY_OPERATIONS     resolvers.websocket_messages
    ├── TooManySubscriptions    429  TOO_MANY_OPERATIONS     app.pipeline.subscriptions
    ├── HeadersTooLarge         431  HEADERS_TOO_LARGE       app.http_heads
    ├── Left                    499  CANCELLED
    ├── InternalError           500  INTERNAL_ERROR
    ├── ShuttingDown            503  SHUTTING_DOWN           app.open_streams
    ├── TooManyConnections      503  TOO_MANY_CONNECTIONS    app.connections
    ├── ModelFailure
    │   ├── ModelError          502  MODEL_ERROR
    │   ├── ModelUnavailable    503  MODEL_UNAVAILABLE
    │   └── ModelTimeout        504  MODEL_TIMEOUT
    └── DependencyUnavailable   503  DEPENDENCY_UNAVAILABLE
        ├── ConnectionLost      503  DEPENDENCY_UNAVAILABLE  app.storage.database
        ├── CommitUncertain     503  DEPENDENCY_UNAVAILABLE  app.storage.database
        └── ErasureUnfinished   503  DEPENDENCY_UNAVAILABLE  app.pipeline.user_data

A class with no status of its own here is never raised. Where none is named, a class stands in this
module; elsewhere stands what only that module can find.
`SettingsError` stands apart: it stops the start, and never reaches a caller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

MAX_QUOTED = 200  # characters of a caller's own that a message repeats


def quoted(text: str) -> str:
    """A caller's words as a message may repeat them: whole, or cut with an ellipsis."""
    return text if len(text) <= MAX_QUOTED else f"{text[: MAX_QUOTED - 1]}…"


class GatewayError(Exception):
    """A refusal or failure that a caller may see: `code`, `status`, `message` and `details`.

    `details` holds facts for the caller and nothing of the inside; keys are snake_case.
    `retry_after` is seconds until another try makes sense, or None when it never will.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"

    def __init__(
        self, message: str, *, retry_after: float | None = None, **details: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers that belong to this error whatever the route, beside `Retry-After`."""
        return {}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One bad field: where it stands in the request, and what is wrong with it."""

    path: tuple[str | int, ...]
    error: str

    @property
    def field(self) -> str:
        """The path as REST names it; keys in it may be the caller's own."""
        return quoted(".".join(map(str, self.path)))


class InvalidRequest(GatewayError):
    """The request cannot be read. `errors` names every bad field, the first one first."""

    status, code = 400, "INVALID_REQUEST"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        where = f"{first.field}: " if first.path else ""
        super().__init__(
            f"Invalid request: {where}{first.error}",
            field=first.field,
            error=first.error,
            errors=[{"field": e.field, "error": e.error} for e in self.errors],
        )

    @classmethod
    def at(cls, path: tuple[str | int, ...], error: str) -> InvalidRequest:
        return cls([FieldError(path, error)])


class ContentRejected(GatewayError):
    """The model provider's safety system refused the request or its answer."""

    status, code = 400, "CONTENT_REJECTED"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(
            "The model provider's safety system refused this content", model=model, reason=reason
        )


class Unauthenticated(GatewayError):
    """No usable token. `reason` is one of the closed set that the contract lists; `says` tells
    more of it than the reason does, and nothing of the token.
    """

    status, code = 401, "UNAUTHENTICATED"

    SAYS: ClassVar[dict[str, str]] = {
        "missing": "A bearer token is required",
        "malformed": "The token is malformed",
        "expired": "The token has expired",
        "not_yet_valid": "The token is not valid yet",
        "wrong_issuer": "The token was issued by somebody else",
        "wrong_audience": "The token is meant for another audience",
        "revoked": "The token has been revoked",
        "invalid": "The token is invalid",
    }

    def __init__(self, reason: str, says: str | None = None) -> None:
        self.reason = reason
        super().__init__(says or self.SAYS[reason], reason=reason)

    @property
    def headers(self) -> dict[str, str]:
        # RFC 6750, section 3.1: a request without credentials gets no error code.
        if self.reason == "missing":
            return {"WWW-Authenticate": 'Bearer realm="loregate"'}
        return {
            "WWW-Authenticate": 'Bearer realm="loregate", error="invalid_token", '
            f'error_description="{self.message}"'
        }


class Forbidden(GatewayError):
    status, code = 403, "FORBIDDEN"

    def __init__(self, required_permission: str) -> None:
        super().__init__(
            f"Permission {required_permission} is required",
            required_permission=required_permission,
        )


class QuotaExceeded(GatewayError):
    """The caller keeps as much as they may: `quota` is contents or bytes."""

    status, code = 403, "QUOTA_EXCEEDED"

    def __init__(self, quota: str, used: int, limit: int) -> None:
        super().__init__(
            f"You keep {used:,} {quota}, and may keep {limit:,}; delete some content first",
            quota=quota,
            used=used,
            limit=limit,
        )


class BudgetExceeded(GatewayError):
    """A budget has no room for what a call of the model may take.

    spent: settled; reserved: of calls that are under way. These and `limit` are in US dollars or in
    tokens, as `unit` says. renews_at: RFC 3339, when a new period begins.
    """

    status, code = 402, "BUDGET_EXCEEDED"

    def __init__(
        self,
        budget: str,
        *,
        unit: str,
        spent: float,
        reserved: float,
        limit: float,
        renews_at: str,
        retry_after: float,
    ) -> None:
        self.budget = budget
        super().__init__(
            f"Budget {budget} has no room for this request: "
            f"of {_amount(limit, unit)} {_amount(spent, unit)} are spent and "
            f"{_amount(reserved, unit)} reserved; it renews at {renews_at}",
            retry_after=retry_after,
            budget=budget,
            unit=unit,
            spent=spent,
            reserved=reserved,
            limit=limit,
            renews_at=renews_at,
        )


def _amount(amount: float, unit: str) -> str:
    return f"${amount:,.9f}".rstrip("0").rstrip(".") if unit == "usd" else f"{amount:,} tokens"


class NotFound(GatewayError):
    status, code = 404, "NOT_FOUND"


class MethodNotAllowed(GatewayError):
    status, code = 405, "METHOD_NOT_ALLOWED"

    def __init__(self, allow: str) -> None:
        super().__init__(f"Method not allowed; this route takes {allow}")
        self.allow = allow

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": self.allow}


class IdempotencyConflict(GatewayError):
    status, code = 409, "IDEMPOTENCY_CONFLICT"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request in the last 24 hours")


class UserErased(GatewayError):
    """The caller's data was erased after the request began, or a moment before."""

    status, code = 409, "USER_ERASED"

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "Your data was erased while this was under way; nothing of it is kept",
            retry_after=retry_after,
        )


class CursorExpired(GatewayError):
    """The log no longer holds what follows the cursor; `cursor` is the place to go on from."""

    status, code = 410, "CURSOR_EXPIRED"

    def __init__(self, cursor: str) -> None:
        super().__init__(
            "The events behind this cursor are gone; go on from the given cursor", cursor=cursor
        )


class PayloadTooLarge(GatewayError):
    status, code = 413, "PAYLOAD_TOO_LARGE"


class AddressTooLong(GatewayError):
    status, code = 414, "URI_TOO_LONG"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"An address may have at most {most} bytes; send a GraphQL document by POST"
        )


class UnsupportedMediaType(GatewayError):
    status, code = 415, "UNSUPPORTED_MEDIA_TYPE"


class RateLimited(GatewayError):
    """A limit is full: `scope` says which; waiting `retry_after` seconds gets a lone client in."""

    status, code = 429, "RATE_LIMIT_EXCEEDED"

    def __init__(
        self, scope: str, limit: int, window: float, retry_after: float, reset_at: float
    ) -> None:
        self.scope, self.limit, self.window, self.reset_at = scope, limit, window, reset_at
        self.retry_after_ms = math.ceil(retry_after * 1000)
        seconds = max(1, math.ceil(retry_after))
        super().__init__(
            f"Rate limit {scope} is full: {limit} in {window:g} seconds; "
            f"try again in {seconds} seconds",
            retry_after=retry_after,
            scope=scope,
            limit=limit,
            window=f"{window:g} seconds",
            retry_after_ms=self.retry_after_ms,
        )
        self.details["retry_after"] = f"{seconds} seconds"


class InternalError(GatewayError):
    """Something of ours broke. The log has the rest; the caller gets an id to name."""

    def __init__(self) -> None:
        super().__init__("Internal error; quote the request id when you report it")


class Left(GatewayError):
    """The client went away: before its request was read, or wishing that it is then given up."""

    status, code = 499, "CANCELLED"

    def __init__(
        self, message: str = "The client left, and the request was cancelled as it had wished"
    ) -> None:
        super().__init__(message)


class ModelFailure(GatewayError):
    """A model gave no usable answer; `attempts` is how often it was asked."""

    def __init__(
        self, message: str, model: str, attempts: int = 1, retry_after: float | None = None
    ) -> None:
        super().__init__(message, retry_after=retry_after, model=model, attempts=attempts)
        self.model = model


class ModelError(ModelFailure):
    """The model answered, and what it answered is of no use."""

    status, code = 502, "MODEL_ERROR"


class ModelUnavailable(ModelFailure):
    """The model cannot be reached, or is overloaded."""

    status, code = 503, "MODEL_UNAVAILABLE"


class ModelTimeout(ModelFailure):
    status, code = 504, "MODEL_TIMEOUT"


class DependencyUnavailable(GatewayError):
    """`dependency` is database, redis or keys: the kind, never the address."""

    status, code = 503, "DEPENDENCY_UNAVAILABLE"

    def __init__(self, dependency: str, retry_after: float = 5.0) -> None:
        super().__init__(
            f"The {dependency} cannot be reached now; try again later",
            retry_after=retry_after,
            dependency=dependency,
        )


class SettingsError(Exception):
    """A setting is wrong or missing; the message names it, what it was and what it may be."""
