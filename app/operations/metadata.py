"""Facts of an answer's metadata: why the model stopped, and how each attempt on one ended."""

from __future__ import annotations

from enum import StrEnum


class FinishReason(StrEnum):
    """Why a model stopped, where its answer is of use."""

    STOP = "stop"
    LENGTH = "length"  # max_tokens were reached; the text is not whole


class AttemptOutcome(StrEnum):
    """How one attempt on a model ended."""

    OK = "ok"
    # The model was not called.
    LIMITED = "limited"  # its rate limit was full
    OPEN = "open"  # its circuit breaker was open
    BUSY = "busy"  # as many calls as may be were running, and as many as may be were waiting
    UNCONFIGURED = "unconfigured"  # it has no key here
    # The model was called, and did not answer.
    UNREACHABLE = "unreachable"  # the connection was refused, or reset before any answer
    OVERLOADED = "overloaded"  # 429
    FAILED = "failed"  # 408, 409, 5xx, or an error in place of the next piece
    FORBIDDEN = "forbidden"  # 401, 403, 404: this gateway may not use it
    REFUSED = "refused"  # any other 4xx
    TOO_LONG = "too_long"  # the prompt does not fit the model's context
    REJECTED = "rejected"  # the provider's safety system
    SILENT = "silent"  # no first token in time
    STALLED = "stalled"  # no next token in time
    TIMEOUT = "timeout"  # not whole in time
    # The model answered, and the answer is of no use.
    CUT = "cut"  # it ended without a finish reason
    MALFORMED = "malformed"  # it was no chat completion
    EMPTY = "empty"
    EXHAUSTED = "exhausted"  # thinking used its tokens up before the first word
    TRUNCATED = "truncated"  # max_tokens ended an answer that is of no use in part
    INVALID = "invalid"  # it does not fit the operation, also when asked again
    CANCELLED = "cancelled"  # the client's own wish
