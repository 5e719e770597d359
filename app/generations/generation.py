"""Generation: a generation that this process runs, and the events in which one ends."""

from __future__ import annotations

import asyncio
from typing import Any

from app.errors import GatewayError
from app.generations.deltas import DeltaWriter
from app.generations.transcript import Event, Transcript

RETRY_AFTER_MS = 1_000  # for what failed with its process


def completed(body: dict[str, Any], cache: str) -> Event:
    """How a generation ends that came to its own end; `cache`: what the cache did."""
    metadata = body["metadata"]
    return {
        "type": "completed",
        "content_id": body["content_id"],
        "finish_reason": metadata.get("finish_reason", "stop"),
        "cache": cache,
        "metadata": metadata,
    }


def interrupted() -> Event:
    """How a generation ends whose process died or was stopped."""
    return {
        "type": "failed",
        "code": "INTERRUPTED",
        "message": "The process that wrote it has ended; start it again",
        "retryable": True,
        "retry_after_ms": RETRY_AFTER_MS,
    }


def failed(error: GatewayError) -> Event:
    retry_after = error.retry_after
    return {
        "type": "failed",
        "code": error.code,
        "message": error.message,
        "retryable": retry_after is not None or error.status in (502, 504),
        "retry_after_ms": None if retry_after is None else round(retry_after * 1000),
        "details": error.details,
    }


class Generation:
    """A generation that this process runs."""

    def __init__(self, generation_id: str, transcript: Transcript, deltas: DeltaWriter) -> None:
        self.id, self.transcript, self.deltas = generation_id, transcript, deltas
        self.task: asyncio.Task[None] | None = None
        self.known = asyncio.Event()  # it can be read and cancelled, from elsewhere too
        self.cancelled = self.ending = False

    def cancel(self) -> None:
        """Stop the writing; what is being stored by now is stored."""
        if self.task is not None and not self.cancelled and not self.ending:
            self.cancelled = True
            self.task.cancel()
