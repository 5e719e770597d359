"""What was spent on models, how good users found their contents, and who was erased lately."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# SQLite has no time zones: there an instant stands as UTC without one.
INSTANT = sa.DateTime(timezone=True)
COUNTS = ("prompt", "completion", "cached", "cache_write", "reasoning", "estimated")


def upgrade() -> None:
    op.create_table(
        "usage",
        sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("content_id", sa.Uuid(as_uuid=False), nullable=False),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("user_id", "tier", "operation", "model", "prompt_version")
        ),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("calls", sa.Integer, nullable=False),
        *(sa.Column(f"{name}_tokens", sa.BigInteger, nullable=False) for name in COUNTS),
        sa.Column("nano_usd", sa.BigInteger),
        sa.Index("usage_by_time", "at"),
        sa.Index("usage_of_user", "user_id", "at"),
    )
    op.create_table(
        "ratings",
        sa.Column("content_id", sa.Uuid(as_uuid=False), primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("user_id", "operation", "model")),
        sa.Column("upstream_model", sa.Text),
        *(
            sa.Column(name, kind, nullable=False)
            for name, kind in (
                ("prompt_version", sa.Text),
                ("variant", sa.Text),
                ("score", sa.Integer),
                ("comment", sa.Text),
                ("rated_at", INSTANT),
            )
        ),
        sa.Index("ratings_by_time", "rated_at"),
        sa.Index("ratings_of_user", "user_id"),
    )
    op.create_table(
        "erasures",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("before", sa.Text, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("erasures")
    op.drop_table("ratings")
    op.drop_table("usage")
