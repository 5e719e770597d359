"""Ratings: a user's last word on each content, and what it says of models and prompts.

A rating outlives its content, without the comment: what was made badly is often deleted, and would
be missing from what is told of its model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Executable,
    Row,
    Select,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
)

from app.events.types import Event
from app.storage.database import Database
from app.storage.tables import contents, events, ratings
from app.storage.upsert import insert_into
from app.storage.write_batch import event_row

SCORES = (1, 2, 3, 4, 5)
MAX_IDS = 500  # in one statement

INSERT_EVENT = insert(events)
# Locked until the rating is committed: a deletion waits for it, and takes its comment away.
THERE = (
    select(contents.c.content_id)
    .where(
        contents.c.user_id == bindparam("user_id"),
        contents.c.content_id == bindparam("content_id"),
    )
    .with_for_update(read=True, key_share=True)
)
OF_CONTENTS = (
    select(ratings)
    .join(contents, contents.c.content_id == ratings.c.content_id)
    .where(
        contents.c.user_id == bindparam("user_id"),
        ratings.c.content_id.in_(bindparam("ids", expanding=True)),
    )
)
MADE_BY = (
    ratings.c.operation,
    ratings.c.model,
    ratings.c.prompt_version,
    ratings.c.variant,
)


@dataclass(frozen=True, slots=True)
class Rating:
    """What a user says of a content, and who made that. variant, comment: empty without one."""

    content_id: str
    user_id: str
    operation: str
    model: str
    upstream_model: str | None
    prompt_version: str
    variant: str
    score: int  # 1 to 5
    comment: str
    rated_at: datetime  # aware


@dataclass(frozen=True, slots=True)
class RatingGroup:
    """The ratings of what was made alike. scores: how many gave 1, 2, 3, 4 and 5."""

    operation: str
    model: str
    prompt_version: str
    variant: str | None
    scores: tuple[int, ...]

    @property
    def count(self) -> int:
        return sum(self.scores)

    @property
    def mean(self) -> float:
        return sum(s * n for s, n in zip(SCORES, self.scores, strict=True)) / self.count


class Ratings:
    """Every call ends within the database's time-out, or raises `DependencyUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, rating: Rating, event: Event) -> bool | None:
        """Store the user's last word and its event together, nothing where it is the same word.

        Returns whether it is a new one; None: the user has no such content (any more).
        """
        stored: bool | None = None

        def work(connection: Connection) -> None:
            nonlocal stored
            stored = _put(connection, rating, event)

        await self._database.write(work)
        return stored

    async def of(self, user_id: str, content_ids: Sequence[str]) -> dict[str, Rating]:
        """What the user said of contents that are still there, by their ids; 500 at most."""
        asked: dict[str, Any] = {"user_id": user_id, "ids": list(content_ids)[:MAX_IDS]}
        rows = await self._database.read(lambda c: c.execute(OF_CONTENTS, asked).all())
        return {row.content_id: Rating(**row._asdict()) for row in rows}

    async def report(self, *, since: datetime, until: datetime, most: int) -> list[RatingGroup]:
        """The last words that were said from `since` to before `until`, by what made the contents;
        the `most` groups with the most ratings, those first."""
        asked = {"since": since, "until": until, "most": most}
        rows = await self._database.read(lambda c: c.execute(REPORT, asked).all())
        return [_group(row) for row in rows]


def _put(connection: Connection, rating: Rating, event: Event) -> bool | None:
    asked = {"user_id": rating.user_id, "content_id": rating.content_id}
    if connection.scalar(THERE, asked) is None:
        return None
    changed = connection.scalar(_upsert(connection.dialect.name), asdict(rating))
    if changed is None:
        return False
    connection.execute(INSERT_EVENT, event_row(event, datetime.now(UTC)))
    return True


@lru_cache
def _upsert(dialect: str) -> Executable:
    """The last word over an earlier one; it returns nothing where both say the same."""
    new = insert_into(ratings, dialect)
    said = ("score", "comment")
    statement: Executable = new.on_conflict_do_update(
        index_elements=[ratings.c.content_id],
        set_={name: new.excluded[name] for name in (*said, "rated_at")},
        where=or_(*(ratings.c[name] != new.excluded[name] for name in said)),
    ).returning(ratings.c.content_id)
    return statement


def _report() -> Select[Any]:
    count = func.count().label("count")
    given = [func.sum(case((ratings.c.score == s, 1), else_=0)).label(f"s{s}") for s in SCORES]
    return (
        select(*MADE_BY, count, *given)
        .where(ratings.c.rated_at >= bindparam("since"), ratings.c.rated_at < bindparam("until"))
        .group_by(*MADE_BY)
        .order_by(count.desc(), *MADE_BY)
        .limit(bindparam("most"))
    )


REPORT = _report()


def _group(row: Row[Any]) -> RatingGroup:
    scores = tuple(int(getattr(row, f"s{score}")) for score in SCORES)
    variant = row.variant or None
    return RatingGroup(row.operation, row.model, row.prompt_version, variant, scores)
