"""A client of Loregate: `Loregate`, and `AsyncLoregate` for asyncio.

The types of what is sent and what comes stand in `loregate_client.schema`.
"""

from loregate_client.aio import Answer, AsyncGenerationStream, AsyncLoregate, AsyncStream
from loregate_client.client import GenerationStream, Loregate, Stream
from loregate_client.errors import (
    BudgetExceeded,
    ConnectionLost,
    ContentRejected,
    CursorExpired,
    Forbidden,
    IdempotencyConflict,
    InvalidRequest,
    LoregateError,
    ModelFailed,
    NotFound,
    QuotaExceeded,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UnreadableAnswer,
)
from loregate_client.schema import Content, Event, Generation, GenerationEvent

__all__ = [
    "Answer",
    "AsyncGenerationStream",
    "AsyncLoregate",
    "AsyncStream",
    "BudgetExceeded",
    "ConnectionLost",
    "Content",
    "ContentRejected",
    "CursorExpired",
    "Event",
    "Forbidden",
    "Generation",
    "GenerationEvent",
    "GenerationStream",
    "IdempotencyConflict",
    "InvalidRequest",
    "Loregate",
    "LoregateError",
    "ModelFailed",
    "NotFound",
    "QuotaExceeded",
    "RateLimited",
    "Stream",
    "Unauthenticated",
    "Unavailable",
    "UnreadableAnswer",
]
