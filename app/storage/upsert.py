"""INSERT … ON CONFLICT, which SQLAlchemy has for each database apart."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table


def insert_into(table: Table, dialect: str) -> Any:
    """The dialect's own INSERT; its type says nothing that both share."""
    insert: Any
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert
    return insert(table)
