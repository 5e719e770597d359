"""Ratings: what users say of their contents, and the report of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import strawberry

from app.operations.rating import MAX_COMMENT
from app.pipeline.ratings import Rating as StoredRating
from app.pipeline.ratings import RatingGroup as Group
from app.pipeline.ratings import RatingReport as Report
from resolvers.inputs import optional
from resolvers.payloads import Payload
from resolvers.types import described


@strawberry.input(description="What you say of a content; the last word counts.")
class RateContentInput:
    id: strawberry.ID = described("The content's `id`, or its `contentId`.")
    score: int = described("1 (poor) to 5 (excellent).")
    comment: str | None = optional(
        f"At most {MAX_COMMENT:,} characters; without one an earlier comment is gone."
    )

    @property
    def raw(self) -> dict[str, Any]:
        """The same as REST's body."""
        comment = None if self.comment is strawberry.UNSET else self.comment
        return {"score": self.score, "comment": comment}


@strawberry.type(description="What a user says of a content of theirs.")
class Rating:
    content_id: strawberry.ID = described("The `contentId` of the content.")
    score: int = described("1 (poor) to 5 (excellent).")
    comment: str | None = described("In words; null without any.")
    rated_at: datetime = described("When it was said.")

    @classmethod
    def of(cls, rating: StoredRating) -> Rating:
        return cls(
            content_id=strawberry.ID(rating.content_id),
            score=rating.score,
            comment=rating.comment or None,
            rated_at=rating.rated_at,
        )


@strawberry.type(description="A rated content.")
class RateContentPayload(Payload):
    rating: Rating = described("The rating, as it is kept.")


@strawberry.type(description="The ratings of what was made alike.")
class RatingGroup:
    operation: str = described("The operation, such as `story`.")
    model: str = described("The model, as `metadata.modelUsed` has it.")
    prompt_version: str = described("The wording of the operation's prompt.")
    variant: str | None = described("The canary that made it; null without one.")
    count: int = described("How many contents were rated.")
    mean: float = described("Their mean score.")
    scores: list[int] = described("How many of them got 1, 2, 3, 4 and 5.")

    @classmethod
    def of(cls, group: Group) -> RatingGroup:
        return cls(
            operation=group.operation,
            model=group.model,
            prompt_version=group.prompt_version,
            variant=group.variant,
            count=group.count,
            mean=group.mean,
            scores=list(group.scores),
        )


@strawberry.type(description="Everybody's ratings of a time, by what made the contents.")
class RatingReport:
    since: datetime = described("From when ratings are counted.")
    until: datetime = described("Up to when; what was rated at that very moment is not.")
    groups: list[RatingGroup] = described("The groups, the most rated first.")
    truncated: bool = described("Whether there are more groups than these.")

    @classmethod
    def of(cls, report: Report) -> RatingReport:
        return cls(
            since=report.since,
            until=report.until,
            groups=[RatingGroup.of(group) for group in report.groups],
            truncated=report.truncated,
        )
