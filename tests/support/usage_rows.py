"""Rows of usage to write, and what the table has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select
from uuid_utils.compat import uuid7

from app.storage.store import Store
from app.storage.tables import usage
from app.storage.usage import UsageRow


def a_usage_row(user_id: str = "mira", **fields: Any) -> UsageRow:
    given: dict[str, Any] = {
        "id": str(uuid7()),
        "at": datetime.now(UTC),
        "content_id": str(uuid7()),
        "tier": "standard",
        "operation": "story",
        "model": "gpt-4-turbo",
        "prompt_version": "1",
        "calls": 1,
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "nano_usd": 1_600_000,
    }
    return UsageRow(user_id=user_id, **(given | fields))


async def usage_rows(store: Store) -> list[UsageRow]:
    """All that is written, the oldest first."""

    def work(connection: Connection) -> list[UsageRow]:
        rows = connection.execute(select(usage).order_by(usage.c.id)).mappings()
        return [UsageRow(**dict(row)) for row in rows]

    return await store.database.read(work)
