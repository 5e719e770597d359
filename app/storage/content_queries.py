"""The statements that read contents, whole or without their answers, which are most of their bytes.

They are made once: building one anew costs 66 µs, nearly as much as running it.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, select

from app.storage.tables import contents, idempotency

MAX_CHILDREN = 100  # of one parent

COLUMNS = {
    True: tuple(contents.c),
    False: tuple(c for c in contents.c if c is not contents.c.answer),
}


def _by_ids(whole: bool) -> Select[Any]:
    return select(*COLUMNS[whole]).where(
        contents.c.user_id == bindparam("user_id"),
        contents.c.content_id.in_(bindparam("ids", expanding=True)),
    )


def _children(whole: bool) -> Select[Any]:
    """Numbered within each parent: a crowd of one parent's must not starve another's."""
    place = func.row_number().over(
        partition_by=contents.c.parent_id, order_by=contents.c.content_id
    )
    numbered = (
        select(contents.c.content_id, place.label("place"))  # answers are not carried about
        .where(
            contents.c.user_id == bindparam("user_id"),
            contents.c.parent_id.in_(bindparam("parents", expanding=True)),
        )
        .subquery()
    )
    return (
        select(*COLUMNS[whole])
        .join(numbered, numbered.c.content_id == contents.c.content_id)
        .where(numbered.c.place <= bindparam("first"))
        .order_by(contents.c.content_id)
    )


# Those of `user_id` among `ids`, and those that continue one of `parents`, the oldest `first` of
# each; by whether they are whole.
BY_IDS = {whole: _by_ids(whole) for whole in (True, False)}
CHILDREN = {whole: _children(whole) for whole in (True, False)}
FIRST_ANSWER = select(contents, idempotency.c.fingerprint).join(
    idempotency, idempotency.c.content_id == contents.c.content_id
)


def padded(values: list[str]) -> list[str]:
    """The last one repeated up to a power of two: ten statements to prepare, not 500."""
    size = 1 << (len(values) - 1).bit_length()
    return values + values[-1:] * (size - len(values))


@cache
def page(*, whole: bool, after: bool, typed: bool) -> Select[Any]:
    """The newest `first` of `user_id`: those older than `after`, of `content_types`, if wanted."""
    query = select(*COLUMNS[whole]).where(contents.c.user_id == bindparam("user_id"))
    if after:
        query = query.where(contents.c.content_id < bindparam("after"))
    if typed:
        types: Any = bindparam("content_types", expanding=True)
        query = query.where(contents.c.content_type.in_(types))
    return query.order_by(contents.c.content_id.desc()).limit(bindparam("first"))
