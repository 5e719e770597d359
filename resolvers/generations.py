"""Generations over GraphQL: jobs with an id, and their events as they come."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import strawberry

from app.generations.transcript import Transcript
from app.operations.metadata import FinishReason
from app.pipeline.answer import CacheStatus
from app.pipeline.gateway import Gateway
from resolvers.batch import BatchRequest
from resolvers.context import ID, Info
from resolvers.enums import described_enum
from resolvers.payloads import Payload
from resolvers.selections import asks_for_answers
from resolvers.types import Attempt, Content, ContentOf, described


@strawberry.input(one_of=True, description="What to generate: exactly one field is given.")
class StartGenerationInput(BatchRequest):
    pass


class GenerationState(Enum):
    """How far a generation is."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


described_enum(
    GenerationState,
    "GenerationState",
    "How far a generation is.",
    {
        "RUNNING": "It is being written.",
        "COMPLETED": "Its content is stored.",
        "FAILED": "It has ended without content.",
        "CANCELLED": "It was cancelled.",
    },
)


@strawberry.interface(description="Something that a generation tells.")
class GenerationEvent:
    generation_id: ID = described("Whose event it is.")
    cursor: str = described("Its place; go on behind it with `after`.")


@strawberry.type(description="The generation has begun.")
class GenerationStarted(GenerationEvent):
    operation: str = described("What is generated, such as `character`.")


@strawberry.type(description="The next piece of the text.")
class GenerationDelta(GenerationEvent):
    seq: int = described("1, 2, 3 and so on.")
    text: str = described("The piece; all since the last reset, joined, are the text.")


@strawberry.type(description="A model failed midway and another attempt begins: drop the text.")
class GenerationReset(GenerationEvent):
    attempt: int = described("Which attempt begins.")
    reason: str = described("Why the last one ended, such as `stalled` or `cut`.")


@strawberry.type(description="The generation has ended: its content is stored.")
class GenerationCompleted(GenerationEvent):
    content_id: ID = described("The content's id.")
    finish_reason: FinishReason = described("Whether the text came to its own end.")
    cache_status: CacheStatus = described("What the cache did.")

    @strawberry.field(description="The content itself; null when it has been deleted.")
    async def content(self, info: Info) -> Content | None:
        asked = ContentOf(str(self.content_id), whole=asks_for_answers(info))
        return await info.context.contents.load(asked)


@strawberry.type(description="The generation has ended without content.")
class GenerationFailed(GenerationEvent):
    code: str = described("The code, as in an error's `extensions`.")
    message: str = described("What went wrong.")
    retryable: bool = described("Whether it may go better when it is started again.")
    retry_after_ms: int | None = described("Milliseconds until that makes sense, if known.")
    attempts: list[Attempt] = described("What was tried.")


@strawberry.type(description="The generation was cancelled.")
class GenerationCancelled(GenerationEvent):
    pass


EVENTS = (
    GenerationStarted,
    GenerationDelta,
    GenerationReset,
    GenerationCompleted,
    GenerationFailed,
    GenerationCancelled,
)


@strawberry.type(description="A job that writes one content.")
class Generation:
    id: ID = described("Its id.")
    operation: str = described("What is generated, such as `character`.")
    state: GenerationState = described("How far it is.")
    cursor: str = described("Its last event's place; `generation(after:)` goes on behind it.")
    text: str | None = described("The text so far; null where none is told before the end.")
    failure: GenerationFailed | None = described("Why it has no content.")
    content_id: ID | None = described("The content's id, once it is stored.")

    @strawberry.field(description="The content, once it is stored.")
    async def content(self, info: Info) -> Content | None:
        if self.content_id is None:
            return None
        asked = ContentOf(str(self.content_id), whole=asks_for_answers(info))
        return await info.context.contents.load(asked)


@strawberry.type(description="A generation that was started.")
class StartGenerationPayload(Payload):
    generation: Generation = described("The generation; subscribe to `generation(id)`.")


@strawberry.type(description="A generation that was to be cancelled.")
class CancelGenerationPayload(Payload):
    generation: Generation = described("The generation; it may have ended before.")


def event_of(generation_id: str, cursor: str, event: dict[str, Any]) -> GenerationEvent:
    """An event of a transcript as its type."""
    kind = event["type"]
    return KINDS[kind](event, {"generation_id": ID(generation_id), "cursor": cursor})


def _failed(event: dict[str, Any], common: dict[str, Any]) -> GenerationFailed:
    tried = event.get("details", {}).get("tried", [])
    return GenerationFailed(
        **common,
        code=event["code"],
        message=event["message"],
        retryable=event["retryable"],
        retry_after_ms=event["retry_after_ms"],
        attempts=[Attempt.of(a) for a in tried],
    )


KINDS: dict[str, Callable[[dict[str, Any], dict[str, Any]], GenerationEvent]] = {
    "started": lambda e, common: GenerationStarted(**common, operation=e["operation"]),
    "delta": lambda e, common: GenerationDelta(**common, seq=e["seq"], text=e["text"]),
    "reset": lambda e, common: GenerationReset(**common, attempt=e["attempt"], reason=e["reason"]),
    "completed": lambda e, common: GenerationCompleted(
        **common,
        content_id=ID(e["content_id"]),
        finish_reason=FinishReason(e["finish_reason"]),
        cache_status=CacheStatus(e["cache"]),
    ),
    "failed": _failed,
    "cancelled": lambda _, common: GenerationCancelled(**common),
}


def generation_of(gateway: Gateway, generation_id: str, transcript: Transcript) -> Generation:
    """A generation as its transcript tells it now."""
    last = transcript.events[-1]
    cursor = gateway.generations.cursor(generation_id, transcript)
    common = {"generation_id": ID(generation_id), "cursor": cursor}
    ended = last["type"] if transcript.ended else "running"
    return Generation(
        id=ID(generation_id),
        operation=transcript.events[0]["operation"],
        state=GenerationState(ended),
        cursor=cursor,
        text=transcript.text,
        failure=_failed(last, common) if ended == "failed" else None,
        content_id=ID(last["content_id"]) if ended == "completed" else None,
    )
