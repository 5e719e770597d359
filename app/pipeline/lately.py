"""Lately: what a user got lately of the storyteller, so that another text is another.

A ring in Redis for each user and operation: of the twelve newest texts the marks by which a reader
would know them again, up to twelve hashes of 4 bytes each. The admission's call reads it and the
publishing writes it, so neither takes a round trip of its own. Without Redis nothing is avoided.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.llm.completion import MARK_BYTES, MAX_MARKS
from app.llm.model import STORYTELLER
from app.pipeline.reading import PreparedRequest
from app.redis import steps
from app.redis.client import user_slot
from app.redis.steps import Step

LATELY_TTL = 86_400.0  # s behind the last text; who comes back after a day has forgotten the first
PIECE = MARK_BYTES * MAX_MARKS
NONE = bytes(MARK_BYTES)  # in the room that is left


def ring_to_read(request: PreparedRequest) -> str | None:
    """The ring's key, where the storyteller may have to draw a seed for this request."""
    if not request.operation.caller_chooses or request.work.prompt.choice.seed is not None:
        return None
    may_tell = any(model.name == STORYTELLER for model in request.links)
    return _key(request) if may_tell else None


def pieces(ring: bytes) -> tuple[tuple[bytes, ...], ...]:
    """The marks of each piece of a ring, which the admission's script gives one behind another."""
    return tuple(_marks(ring[at : at + PIECE]) for at in range(0, len(ring), PIECE))


def told(request: PreparedRequest, marks: Sequence[bytes], content_id: str) -> list[Step]:
    """What puts a new text's marks into the ring; nothing for a text without any."""
    if not marks:
        return []
    piece = b"".join(marks[:MAX_MARKS]).ljust(PIECE, b"\0")
    return [steps.push(_key(request), piece, LATELY_TTL, content_id)]


def _marks(piece: bytes) -> tuple[bytes, ...]:
    found = (piece[at : at + MARK_BYTES] for at in range(0, PIECE, MARK_BYTES))
    return tuple(mark for mark in found if mark != NONE)


def _key(request: PreparedRequest) -> str:
    return f"{user_slot(request.caller.id)}:lately:{request.operation.name}"
