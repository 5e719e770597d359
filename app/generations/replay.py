"""Replay: the transcript of a generation whose own is gone, made from the content that it left."""

from __future__ import annotations

from typing import Any

from app.generations.generation import completed
from app.generations.transcript import RECOVERY_GAP, Event, Transcript


def transcript(
    key: str, generation_id: str, operation: str, body: dict[str, Any], text: str | None
) -> Transcript:
    """Its events stand behind any that it once had; a reader that comes back begins anew."""
    found = Transcript(key)
    found.append({"type": "started", "generation_id": generation_id, "operation": operation})
    for at, event in enumerate(events(body, text), 2 * RECOVERY_GAP):
        found.append(event, at)
    return found


def events(body: dict[str, Any], text: str | None) -> list[Event]:
    """What is told to whoever may have heard only a part: all of it again, and its end."""
    found: list[Event] = []
    if text is not None:
        found.append({"type": "reset", "attempt": 1, "reason": "replayed"})
        found.append({"type": "delta", "seq": 1, "text": text})
    return [*found, completed(body, "hit")]
