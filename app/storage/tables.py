"""The tables: `contents` keeps results, `events` keeps what happened until it is published,
`idempotency` which result answered which key first, `holdings` how much each user keeps, `usage`
what was spent on models, `ratings` how good users found their contents, `erasures` who was erased
lately."""

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

REVISION = "0004"  # the migration that makes these tables; a test holds it to alembic's head


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

# What each request spent on each model it called, whatever became of it. A row is written once and
# outlives the content: only its user's name is taken out when the user is erased.
usage = Table(
    "usage",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),  # uuid7: its order is time's
    Column("at", Instant, nullable=False),
    # For which content it was spent, whether or not that came to be: the name of what a budget
    # reserved for it.
    Column("content_id", Uuid(as_uuid=False), nullable=False),
    Column("user_id", Text, nullable=False),  # empty: of somebody who was erased
    Column("tier", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt_version", Text, nullable=False),
    Column("answers", Integer, nullable=False),  # 1: this model's answer was given
    Column("calls", Integer, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),  # of the prompt's
    Column("cache_write_tokens", BigInteger, nullable=False),  # of the prompt's
    Column("reasoning_tokens", BigInteger, nullable=False),  # of the completion's
    Column("estimated_tokens", BigInteger, nullable=False),  # of both: as the gateway counted
    Column("nano_usd", BigInteger),  # billionths of a US dollar; NULL: a price is not known
    Index("usage_by_time", "at"),
    Index("usage_of_user", "user_id", "at"),
)

# A user's last word on each content, kept beside who wrote it: the content may be deleted.
ratings = Table(
    "ratings",
    metadata,
    Column("content_id", Uuid(as_uuid=False), primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("upstream_model", Text),
    Column("prompt_version", Text, nullable=False),
    Column("variant", Text, nullable=False),  # of a canary; empty: of none
    Column("score", Integer, nullable=False),  # 1 to 5
    Column("comment", Text, nullable=False),
    Column("rated_at", Instant, nullable=False),
    Index("ratings_by_time", "rated_at"),
    Index("ratings_of_user", "user_id"),
)

# Whose data was erased lately, by a hash of the id: what they began before it is stored no more.
erasures = Table(
    "erasures",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("before", Text, nullable=False),  # see `app.erasure`
    Column("erased_at", Instant, nullable=False),
)
