"""The subscriptions: the caller's events, each with its cursor, those behind `after` first."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, cast

import strawberry

from app.events.types import BUDGET_WARNED
from app.events.types import Event as StoredEvent
from app.operations.fields import Category, ContentType
from app.operations.story import StoryElementType
from resolvers.context import ID, Info
from resolvers.enums import BudgetPeriod, BudgetUnit, EventType
from resolvers.generations import GenerationEvent
from resolvers.generations import event_of as generation_event
from resolvers.response_streams import SourceStream
from resolvers.selections import asks_for_answers
from resolvers.types import Content, ContentOf, TokenUsage, described

After = Annotated[
    str | None,
    strawberry.argument(description="A cursor: what stands behind it comes first, then live."),
]
GenerationID = Annotated[ID, strawberry.argument(description="The generation's id.")]
OnlyContentTypes = Annotated[
    list[ContentType] | None, strawberry.argument(description="Only these kinds of content.")
]


@strawberry.type(description="What an event tells about the answer that made it.")
class EventMetadata:
    model_used: str = described("The model that wrote it.")
    token_usage: TokenUsage = described("The tokens that it took.")
    prompt_version: str = described("Which wording of the prompt was used.")
    variant: str | None = described("The canary that made it; null without one.")
    traceparent: str | None = described(
        "The span that made it, by W3C trace context; null where the gateway has no traces."
    )

    @classmethod
    def of(cls, metadata: dict[str, Any]) -> EventMetadata:
        # Events of earlier versions say less.
        return cls(
            model_used=metadata["model_used"],
            token_usage=TokenUsage.of(metadata["token_usage"]),
            prompt_version=metadata.get("prompt_version", "1"),
            variant=metadata.get("variant"),
            traceparent=metadata.get("traceparent"),
        )


@strawberry.interface(description="Something that happened.")
class Event:
    id: ID = described("The same on a repeat: dedupe by it.")
    type: EventType = described("What happened.")
    cursor: str = described("Its place in the log; go on behind it with `after`.")
    content_id: ID = described("The content that it is about.")
    content_type: ContentType = described("What kind of content that is.")
    user_id: ID = described("Whose it is.")
    request_id: str = described("The request that made it.")
    source: str = described("The service that it came from.")
    occurred_at: datetime = described("When it happened.")
    metadata: EventMetadata = described("What made it.")

    @strawberry.field(description="The content itself; null when it is not yours or is gone.")
    async def content(self, info: Info) -> Content | None:
        asked = ContentOf(str(self.content_id), whole=asks_for_answers(info))
        return await info.context.contents.load(asked)


@strawberry.type(description="Character, campaign or story text was generated.")
class ContentGeneratedEvent(Event):
    pass


@strawberry.type(description="A story element was generated.")
class StoryGeneratedEvent(Event):
    element_type: StoryElementType = described("What part of a story it is.")
    summary: str = described("The element in one or two sentences.")


@strawberry.type(description="A text's theme was analysed.")
class ThemeAnalyzedEvent(Event):
    theme_category: Category = described("What kind of tale it is.")
    confidence: float = described("How sure that is, 0 to 1.")


@strawberry.type(description="A text was held against rules.")
class ValidationCompletedEvent(Event):
    passed: bool = described("Whether every judged required rule passed.")
    overall_score: float = described("The mean of the judged rules' scores, 0 to 1.")


@strawberry.type(description="A user rated a content of theirs; the last one of it counts.")
class ContentRatedEvent(Event):
    score: int = described("1 (poor) to 5 (excellent).")


@strawberry.type(
    description="A budget is spent up to where it warns; once in its period. The content is the "
    "one that it was noticed with, and may not have come to be."
)
class BudgetWarnedEvent(Event):
    budget: str = described("The budget's name.")
    period: BudgetPeriod = described("How often it renews.")
    unit: BudgetUnit = described("What it counts.")
    limit: float = described("How much there is in a period.")
    spent: float = described("How much of it is spent.")
    share: float = described("The same as a share of the limit.")
    renews_at: datetime = described("When the next period begins.")


EVENTS = (
    ContentGeneratedEvent,
    StoryGeneratedEvent,
    ThemeAnalyzedEvent,
    ValidationCompletedEvent,
    ContentRatedEvent,
    BudgetWarnedEvent,
)


def _own(payload: dict[str, Any]) -> tuple[type[Event], dict[str, Any]]:
    """The event's type, and the fields that only this type has."""
    kind = payload["type"]
    if kind == "story.generated":
        element = StoryElementType(payload["element_type"])
        return StoryGeneratedEvent, {"element_type": element, "summary": payload["summary"]}
    if kind == "theme.analyzed":
        category = Category(payload["theme_category"])
        return ThemeAnalyzedEvent, {
            "theme_category": category,
            "confidence": payload["confidence"],
        }
    if kind == "validation.completed":
        told = ("passed", "overall_score")
        return ValidationCompletedEvent, {k: payload[k] for k in told}
    if kind == "content.rated":
        return ContentRatedEvent, {"score": payload["score"]}
    if kind == BUDGET_WARNED:
        return BudgetWarnedEvent, {
            **{k: payload[k] for k in ("budget", "limit", "spent", "share")},
            "period": BudgetPeriod(payload["period"]),
            "unit": BudgetUnit(payload["unit"]),
            "renews_at": datetime.fromisoformat(payload["renews_at"]),
        }
    return ContentGeneratedEvent, {}


def event_of(cursor: str, event: StoredEvent) -> Event:
    payload = event.payload
    kind, own = _own(payload)
    return kind(
        id=ID(event.id),
        type=EventType(event.type),
        cursor=cursor,
        content_id=ID(payload["content_id"]),
        content_type=ContentType(payload["content_type"]),
        user_id=ID(event.user_id),
        request_id=payload["request_id"],
        source=payload["source"],
        occurred_at=datetime.fromisoformat(payload["occurred_at"]),
        metadata=EventMetadata.of(payload["metadata"]),
        **own,
    )


async def _watch(
    info: Info,
    types: Iterable[EventType] | None,
    after: str | None,
    *,
    content_types: Iterable[ContentType] | None = None,
    everybody: bool = False,
) -> AsyncGenerator[Any, None]:
    """The source of a subscription's events; what runs it is `response_streams.py`."""
    reader = await info.context.gateway.events.watch(
        info.context.authenticated,
        [t.value for t in types] if types else None,
        info.context.last_event_id or after,
        content_types=[t.value for t in content_types] if content_types else None,
        everybody=everybody,
    )
    return _source(SourceStream(reader, event_of))


def _source(stream: SourceStream) -> AsyncGenerator[Any, None]:
    """Strawberry reads a subscription's type from an annotation that names a generator."""
    return cast("AsyncGenerator[Any, None]", stream)


@strawberry.type(description="What can be watched, over WebSocket (graphql-transport-ws).")
class Subscription:
    @strawberry.subscription(description="Each text that is generated for you.")
    async def content_generated(
        self, info: Info, content_types: OnlyContentTypes = None, after: After = None
    ) -> AsyncGenerator[ContentGeneratedEvent, None]:
        kinds = [EventType.CONTENT_GENERATED]
        return await _watch(info, kinds, after, content_types=content_types)

    @strawberry.subscription(description="Each story element that is generated for you.")
    async def story_generated(
        self, info: Info, after: After = None
    ) -> AsyncGenerator[StoryGeneratedEvent, None]:
        return await _watch(info, [EventType.STORY_GENERATED], after)

    @strawberry.subscription(description="Each analysis that is made for you.")
    async def theme_analyzed(
        self, info: Info, after: After = None
    ) -> AsyncGenerator[ThemeAnalyzedEvent, None]:
        return await _watch(info, [EventType.THEME_ANALYZED], after)

    @strawberry.subscription(description="Each validation that is completed for you.")
    async def validation_completed(
        self, info: Info, after: After = None
    ) -> AsyncGenerator[ValidationCompletedEvent, None]:
        return await _watch(info, [EventType.VALIDATION_COMPLETED], after)

    @strawberry.subscription(
        description="One of your generations, its text as it is written; from the beginning, "
        "or from behind `after`. It completes with the generation."
    )
    async def generation(
        self, info: Info, id: GenerationID, after: After = None
    ) -> AsyncGenerator[GenerationEvent, None]:
        context = info.context
        begin = context.last_event_id or after
        reader = await context.gateway.follow(context.authenticated, str(id), begin)
        return _source(SourceStream(reader, partial(generation_event, str(id))))

    @strawberry.subscription(description="Every event of yours, of all types or of some.")
    async def events(
        self,
        info: Info,
        types: Annotated[
            list[EventType] | None, strawberry.argument(description="Only these types.")
        ] = None,
        after: After = None,
        all: Annotated[
            bool,
            strawberry.argument(
                description="Everybody's events; needs the permission `events:read-all`."
            ),
        ] = False,
    ) -> AsyncGenerator[Event, None]:
        return await _watch(info, types, after, everybody=all)
