"""How many contents each user keeps, and of how many bytes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

OCTETS = {"sqlite": "length(CAST(answer AS BLOB))", "postgresql": "octet_length(answer)"}


def upgrade() -> None:
    table = op.create_table(
        "holdings",
        sa.Column("user_id", sa.Text, primary_key=True),
        sa.Column("contents", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    contents = sa.table("contents", sa.column("user_id"))
    octets: sa.ColumnElement[int] = sa.literal_column(OCTETS[op.get_bind().dialect.name])
    # A sum of PostgreSQL's bigint is a numeric.
    held = sa.cast(sa.func.sum(octets), sa.BigInteger)
    counted = sa.select(contents.c.user_id, sa.func.count(), held).group_by(contents.c.user_id)
    op.execute(sa.insert(table).from_select(["user_id", "contents", "bytes"], counted))


def downgrade() -> None:
    op.drop_table("holdings")
