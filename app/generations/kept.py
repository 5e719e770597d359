"""The transcript of a generation whose own is gone, made from the content that it left."""

from __future__ import annotations

from typing import Any

from app.generations.transcript import APART, Event, Transcript


def transcript(
    key: str, generation_id: str, operation: str, body: dict[str, Any], text: str | None
) -> Transcript:
    """Its events stand behind any that it once had; a reader that comes back begins anew."""
    found = Transcript(key)
    found.append({"type": "started", "generation_id": generation_id, "operation": operation})
    for at, event in enumerate(ending(body, text), 2 * APART):
        found.append(event, at)
    return found


def ending(body: dict[str, Any], text: str | None) -> list[Event]:
    """What is told to whoever may have heard only a part: all of it again, and its end."""
    told: list[Event] = []
    if text is not None:
        told.append({"type": "reset", "attempt": 1, "reason": "replayed"})
        told.append({"type": "delta", "seq": 1, "text": text})
    return [*told, completed(body, "hit")]


def completed(body: dict[str, Any], cache: str) -> dict[str, Any]:
    """The last event of a generation that came to its end."""
    metadata = body["metadata"]
    return {
        "type": "completed",
        "content_id": body["content_id"],
        "finish_reason": metadata.get("finish_reason", "stop"),
        "cache": cache,
        "metadata": metadata,
    }
