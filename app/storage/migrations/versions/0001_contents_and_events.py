"""Results, and the events that are published from the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "contents",
        sa.Column("content_id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("content_type", sa.Text, nullable=False),
        sa.Column("parent_id", sa.Uuid(as_uuid=False)),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("contents_of_user", "contents", ["user_id", "content_id"])
    op.create_index("contents_of_parent", "contents", ["parent_id"])
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sqlite_autoincrement=True,
    )
    op.create_index("events_by_id", "events", ["id"], unique=True)
    unpublished = sa.text("published_at IS NULL")
    op.create_index(
        "events_unpublished",
        "events",
        ["seq"],
        sqlite_where=unpublished,
        postgresql_where=unpublished,
    )


def downgrade() -> None:
    op.drop_table("events")
    op.drop_table("contents")
