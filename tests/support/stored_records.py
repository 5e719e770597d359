"""Records and events to store, and a count of what the engines did."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import sqlalchemy
from uuid_utils.compat import uuid7

from app.events.types import Event
from app.storage.store import Record


def a_record(user_id: str = "mira", **fields: Any) -> Record:
    given: dict[str, Any] = {
        "content_id": str(uuid7()),
        "operation": "story",
        "content_type": "story",
        "answer": {"content": "The tide took the lamp."},
        "created_at": datetime.now(UTC),
    }
    return Record(user_id=user_id, **(given | fields))


def an_event(user_id: str = "mira") -> Event:
    return Event({"type": "content.generated", "id": str(uuid4()), "user_id": user_id})


@contextlib.contextmanager
def engine_events_heard(name: str) -> Iterator[list[Any]]:
    """What every engine of the process reported under this name of SQLAlchemy's events."""
    seen: list[Any] = []

    def hear(*arguments: Any) -> None:
        seen.append(arguments)

    sqlalchemy.event.listen(sqlalchemy.Engine, name, hear)
    try:
        yield seen
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, name, hear)
