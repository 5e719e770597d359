"""How programs use loregate-client, for mypy --strict alone (`make types`); nobody runs it."""

from __future__ import annotations

from typing import assert_type

from loregate_client import AsyncLoregate, GenerationEvent, Loregate, LoregateError
from loregate_client.schema import (
    GenerateStoryInput,
    GenerateStoryPayload,
    Generation,
    RateLimit,
    Story,
    StoryElementType,
    ThemeAnalysis,
)


def blocking(gate: Loregate) -> str:
    given: GenerateStoryInput = {"elementType": "SCENE", "context": {"partyLevel": 3}}
    payload = gate.write("story", given, idempotency_key="k")
    assert_type(payload, GenerateStoryPayload)
    assert_type(payload["story"]["elementType"], StoryElementType)
    analysis = gate.write("theme", {"content": "The bell rang.", "elements": ["TONE"]})["analysis"]
    assert_type(analysis, ThemeAnalysis)
    assert_type(gate.start("npc", {"role": "ALLY", "context": {}}), Generation)
    assert_type(gate.rate_limits(), list[RateLimit])
    for piece in gate.stream("story", given):
        assert_type(piece, GenerationEvent)
        if piece["type"] == "delta":
            assert_type(piece["seq"], int)
        elif piece["type"] == "completed":
            content = piece["content"]
            if content and content["typename"] == "Story":
                assert_type(content, Story)
    return payload["story"]["text"]


async def concurrent(gate: AsyncLoregate) -> None:
    payload = await gate.write("story", {"elementType": "PLOT", "context": {}})
    assert_type(payload, GenerateStoryPayload)
    async with gate.events(types=["STORY_GENERATED"], after=await gate.event_cursor()) as events:
        async for event in events:
            if event["typename"] == "StoryGeneratedEvent":
                assert_type(event["elementType"], StoryElementType)
    stream = gate.stream("story", {"elementType": "PLOT", "context": {}})
    async for piece in stream:
        assert_type(piece, GenerationEvent)
    assert_type(stream.text, str)


def refused(gate: Loregate) -> None:
    gate.write("story", {"elementType": "POEM", "context": {}})  # type: ignore[call-overload]
    gate.write("story", {"context": {}})  # type: ignore[call-overload]
    gate.write("poem", {})  # type: ignore[call-overload]
    gate.events(types=["POEM_WRITTEN"])  # type: ignore[list-item]


def told(error: LoregateError) -> None:
    assert_type(error.retry_after, float | None)
    assert_type(error.code, str)
