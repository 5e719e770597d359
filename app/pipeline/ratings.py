"""Ratings: what users say of their contents, and the report of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from uuid_utils import uuid7

from app.errors import DependencyUnavailable, InvalidRequest, NotFound
from app.events.log import EventLog
from app.events.types import SOURCE, Event, made_by
from app.operations.rating import RatingRequest, read_rating
from app.pipeline.charges import Kind
from app.pipeline.contents import Contents
from app.pipeline.context import RequestContext
from app.storage.ratings import Rating, RatingGroup
from app.storage.store import Record, Store

__all__ = ["Rating", "RatingGroup", "RatingReport", "Ratings"]

DEFAULT_SPAN = timedelta(days=30)
MAX_SPAN = timedelta(days=400)  # a year and what one compares it with
MAX_GROUPS = 200  # of a report; the least rated are left out


@dataclass(frozen=True, slots=True)
class RatingReport:
    """The ratings that were given from `since` to before `until`, by what made their contents.

    truncated: whether there are more groups.
    """

    since: datetime
    until: datetime
    groups: list[RatingGroup]
    truncated: bool


class Ratings:
    """Rates, reads and reports. `rated` hears the model, the prompt's version and the score."""

    def __init__(
        self,
        store: Store,
        contents: Contents,
        log: EventLog,
        *,
        rated: Callable[[str, str, int], None] = lambda *_: None,
    ) -> None:
        self._store, self._contents, self._log, self._rated = store, contents, log, rated

    async def rate(
        self, context: RequestContext, content_id: str, raw: bytes | dict[str, Any]
    ) -> Rating:
        """The caller's last word on a content of theirs; the same word again changes nothing.

        Raises:
            Forbidden, RateLimited, Unauthenticated, InvalidRequest, NotFound,
            DependencyUnavailable: another try is safe.
        """
        await context.require("content:write")
        await context.charge(Kind.READ)
        given = read_rating(raw)
        record = await self._contents.own(context.caller, content_id)
        rating, event = _rating(record, given), _event(record, given, context.request_id)
        stored = await self._store.ratings.put(rating, event)
        if stored is None:
            raise NotFound("No content of yours has this id")
        if stored:
            self._rated(rating.model, rating.prompt_version, rating.score)
            await self._publish(event)
        return rating

    async def _publish(self, event: Event) -> None:
        """What cannot be published now, the relay will."""
        with contextlib.suppress(DependencyUnavailable):
            await self._log.publish([event])
            self._store.published([event.id])

    async def read(self, context: RequestContext, content_id: str) -> Rating:
        """What the caller said of a content of theirs.

        Raises:
            Forbidden, RateLimited, Unauthenticated, NotFound, DependencyUnavailable
        """
        await context.authorize("content:read")
        record = await self._contents.own(context.caller, content_id, whole=False)
        found = await self._store.ratings.of(context.caller.id, [record.content_id])
        if record.content_id not in found:
            raise NotFound("This content is not rated")
        return found[record.content_id]

    async def report(
        self, context: RequestContext, since: datetime | None, until: datetime | None
    ) -> RatingReport:
        """Everybody's ratings of the last thirty days, or of a time of at most 400.

        Raises:
            Forbidden: without `gateway:admin`.
            RateLimited, Unauthenticated, InvalidRequest, DependencyUnavailable
        """
        await context.authorize("gateway:admin")
        begin, end = _span(since, until)
        found = await self._store.ratings.report(since=begin, until=end, most=MAX_GROUPS + 1)
        return RatingReport(begin, end, found[:MAX_GROUPS], len(found) > MAX_GROUPS)


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """From when to when. Raises `InvalidRequest` unless it is a time of at most `MAX_SPAN`."""
    try:
        end = _aware(until) or datetime.now(UTC)
        begin = _aware(since) or end - DEFAULT_SPAN
    except OverflowError:
        raise InvalidRequest.at(("until",), "it is out of the calendar") from None
    if not timedelta(0) < end - begin <= MAX_SPAN:
        said = f"a time before `until`, by at most {MAX_SPAN.days} days, is wanted"
        raise InvalidRequest.at(("since",), said)
    return begin, end


def _aware(given: datetime | None) -> datetime | None:
    """A time without a zone is UTC's."""
    if given is None:
        return None
    return given.astimezone(UTC) if given.tzinfo else given.replace(tzinfo=UTC)


def _rating(record: Record, given: RatingRequest) -> Rating:
    metadata = record.answer["metadata"]
    return Rating(
        content_id=record.content_id,
        user_id=record.user_id,
        operation=record.operation,
        model=metadata["model_used"],
        upstream_model=metadata.get("upstream_model"),
        prompt_version=metadata.get("prompt_version", "1"),
        variant=metadata.get("variant") or "",
        score=given.score,
        comment=given.comment or "",
        rated_at=datetime.now(UTC),
    )


def _event(record: Record, given: RatingRequest, request_id: str) -> Event:
    """Without the comment: it is a user's own text, and listeners need none of it."""
    return Event(
        {
            "type": "content.rated",
            "id": str(uuid7()),
            "content_id": record.content_id,
            "content_type": record.content_type,
            "metadata": made_by(record.answer["metadata"]),
            "user_id": record.user_id,
            "request_id": request_id,
            "source": SOURCE,
            "occurred_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "score": given.score,
        }
    )
