"""The tables: `contents` keeps results, `events` keeps what happened until it is published,
`idempotency` which result answered which key first, `holdings` how much each user keeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    Uuid,
)

REVISION = "0003"  # the migration that makes these tables; a test holds it to alembic's head


class Instant(TypeDecorator[datetime]):
    """An aware time, in UTC. SQLite has no time zones: there it stands as UTC without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        found: datetime = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return found.astimezone(UTC)


metadata = MetaData()

# Answers and payloads are Text: JSONB would reorder their keys and refuses \u0000.
contents = Table(
    "contents",
    metadata,
    Column("content_id", Uuid(as_uuid=False), primary_key=True),  # uuid7: its order is time's
    Column("user_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column(
        "parent_id", Uuid(as_uuid=False)
    ),  # no foreign key: a parent may be deleted, or another's
    Column("answer", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("contents_of_user", "user_id", "content_id"),
    Index("contents_of_parent", "parent_id"),
)

events = Table(
    "events",
    metadata,
    # SQLite numbers rows by itself only where the column is exactly INTEGER PRIMARY KEY.
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("stored_at", Instant, nullable=False),
    Column("published_at", Instant),
    Index("events_by_id", "id", unique=True),
    sqlite_autoincrement=True,  # a number is never given twice, even after rows are deleted
)
UNPUBLISHED = events.c.published_at.is_(None)
Index(
    "events_unpublished", events.c.seq, sqlite_where=UNPUBLISHED, postgresql_where=UNPUBLISHED
)  # partial: it is as small as the backlog

# The first answer to each idempotency key. Its unique key decides between two that ran at once.
idempotency = Table(
    "idempotency",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("content_id", Uuid(as_uuid=False), nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("idempotency_by_age", "created_at"),
    Index("idempotency_of_content", "content_id"),
)

# What `contents` has of each user, so that nobody needs to count.
holdings = Table(
    "holdings",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("contents", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
