"""What a generation tells is handed on to who waits for it, in that moment; the rest is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.generations import deltas as deltas_module
from app.generations.cursor import Cursors
from app.generations.deltas import DeltaWriter
from app.generations.reader import GenerationReader
from app.generations.transcript import MAX_PUSHES, Event, Transcript

STARTED: Event = {"type": "started", "operation": "character"}
END: Event = {"type": "completed", "content_id": "1"}
cursor = Cursors()


def delta(text: str) -> Event:
    return {"type": "delta", "seq": 1, "text": text}


def begun() -> Transcript:
    found = Transcript("key")
    found.append(STARTED)
    return found


async def nothing() -> None:
    pass


async def pushed_to(transcript: Transcript, take: Any) -> tuple[GenerationReader, Any]:
    """A reader that waits, with its task; its events are what the task gives."""
    reader = GenerationReader(cursor, "7", 1, transcript, nothing)
    reader.push_to(take)

    async def rest() -> list[str]:
        return [event.get("text", event["type"]) async for _, event in reader]

    task = asyncio.create_task(rest())
    await asyncio.sleep(0)
    return reader, task


async def test_the_first_piece_is_handed_on_in_the_moment_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deltas_module, "DELTA_INTERVAL", 60.0)
    transcript, got = begun(), list[str]()
    deltas = DeltaWriter(transcript, lambda _: None, streams=True, field=None)

    def take(given: str, event: Event) -> bool:
        got.append(event["text"])
        assert given == cursor.encode("7", 2)
        return True

    reader, task = await pushed_to(transcript, take)
    deltas.on_text("The")
    assert got == ["The"]
    assert reader.cursor == cursor.encode("7", 2)
    deltas.on_text(" lamps")
    assert got == ["The"], "what follows is joined"
    deltas.close()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_not_taken_is_read_and_the_end_is_heard_once() -> None:
    transcript, got, room = begun(), list[str](), 1

    def take(_: str, event: Event) -> bool:
        if len(got) < room:
            got.append(event["text"])
            return True
        return False

    _, task = await pushed_to(transcript, take)
    for text in ("a", "b", "c"):
        transcript.append(delta(text))
    assert got == ["a"]
    transcript.append(END)
    assert await task == ["b", "c", "completed"]


async def test_a_reader_ends_though_all_was_handed_on() -> None:
    transcript, got = begun(), list[str]()

    def take(_: str, event: Event) -> bool:
        got.append(event["type"])
        return True

    _, task = await pushed_to(transcript, take)
    transcript.append(delta("a"))
    transcript.append(END)
    async with asyncio.timeout(5):
        assert await task == []
    assert got == ["delta", "completed"]


async def test_more_readers_than_are_handed_on_at_once_all_hear_of_it() -> None:
    transcript, got = begun(), list[str]()

    def take(_: str, event: Event) -> bool:
        got.append(event["text"])
        return True

    readers = [await pushed_to(transcript, take) for _ in range(MAX_PUSHES + 10)]
    transcript.append(delta("a"))
    assert len(got) == MAX_PUSHES
    transcript.append(END | {"text": "end"})
    rest = await asyncio.gather(*(task for _, task in readers))
    assert len(got) + sum(map(len, rest)) == 2 * len(readers)
