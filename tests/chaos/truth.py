"""Truth: what is really in the log, in the database and in the generations' transcripts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import create_async_engine

from app.events.cursor import EntryId, Position
from app.events.log import stream_key
from app.generations.log import generation_key
from app.generations.transcript import FINAL_TYPES
from app.storage.tables import UNPUBLISHED, events

PAGE = 5_000


@dataclass(frozen=True)
class Published:
    """An entry of the log."""

    position: Position
    id: str
    user: str


@dataclass(frozen=True)
class Stored:
    """An event in the database, in stored order."""

    id: str
    user: str
    content_id: str
    stored_at: datetime


async def published(redis_url: str) -> list[Published]:
    """The whole log."""
    found: list[Published] = []
    async with Redis.from_url(redis_url) as redis:
        after = "-"
        while rows := await _page(redis, after):
            found += [_entry(entry_id, fields) for entry_id, fields in rows]
            after = "(" + rows[-1][0].decode()
    return found


async def _page(redis: Redis, after: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    rows: Any = await redis.xrange(stream_key(0), after, "+", count=PAGE)
    return list(rows)


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Published:
    event = json.loads(fields[b"event"])
    position = Position(int(fields[b"epoch"]), EntryId.parse(entry_id))
    return Published(position, event["id"], event["user_id"])


async def stored(database: str) -> list[Stored]:
    """All events, in stored order."""
    asked = select(events.c.id, events.c.user_id, events.c.payload, events.c.stored_at)
    engine = create_async_engine(database)
    try:
        async with engine.connect() as connection:
            rows = (await connection.execute(asked.order_by(events.c.seq))).all()
    finally:
        await engine.dispose()
    return [Stored(r.id, r.user_id, json.loads(r.payload)["content_id"], r.stored_at) for r in rows]


async def unpublished(database: str) -> int:
    """How many events the outbox still holds."""
    engine = create_async_engine(database)
    try:
        async with engine.connect() as connection:
            found = await connection.scalar(select(func.count()).where(UNPUBLISHED))
    finally:
        await engine.dispose()
    return int(found or 0)


async def ends(redis: Redis, user: str, generation_id: str) -> list[str] | None:
    """The types of a generation's last events as they are written down; None: it is forgotten."""
    rows: Any = await redis.xrange(generation_key(user, generation_id))
    kinds = [json.loads(fields[b"e"])["type"] for _, fields in rows]
    return [kind for kind in kinds if kind in FINAL_TYPES] if kinds else None
