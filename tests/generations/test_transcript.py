"""Transcripts: their places and readers, how text becomes deltas, and what outlives them."""

from __future__ import annotations

import asyncio
import base64
import random
import struct
import zlib
from typing import Any

import orjson
import pytest

from app.errors import CursorExpired, InvalidRequest
from app.generations import replay
from app.generations.cursor import Cursors
from app.generations.deltas import DELTA_INTERVAL, DeltaWriter
from app.generations.reader import GenerationReader
from app.generations.transcript import RECOVERY_GAP, Event, Transcript
from app.seal import ProcessKeys, Seal

TALE = "  The lamps went out.\n\nSomething\tknocked,  twice; nobody went to see.  \n"
STARTED: Event = {"type": "started", "operation": "character"}
END: Event = {"type": "completed", "content_id": "1"}
cursor = Cursors()
TICK = 0.002  # s that a timer may fire early


def delta(text: str) -> Event:
    return {"type": "delta", "seq": 1, "text": text}


def transcript_of(*events: Event) -> Transcript:
    found = Transcript("key")
    for event in events:
        found.append(event)
    return found


async def nothing() -> None:
    pass


def reader_of(transcript: Transcript, after: int = 0) -> GenerationReader:
    return GenerationReader(cursor, "7", after, transcript, nothing)


async def read(transcript: Transcript, after: int = 0) -> list[tuple[int, Event]]:
    reader = reader_of(transcript, after)
    async with asyncio.timeout(5):
        return [(reader.position, event) async for _, event in reader]


# -- places and readers
async def test_a_reader_gets_what_is_there_and_what_comes_to_the_last_event() -> None:
    transcript = transcript_of(STARTED, delta("a"))
    early = asyncio.create_task(read(transcript))
    await asyncio.sleep(0)
    transcript.append(delta("b"))
    transcript.append(END)
    wanted = list(enumerate([STARTED, delta("a"), delta("b"), END], 1))
    assert await early == wanted
    assert await read(transcript) == wanted
    assert await read(transcript, 2) == wanted[2:]
    assert await read(transcript, 4) == []


async def test_what_comes_while_a_reader_takes_an_event_reaches_it() -> None:
    transcript = transcript_of(STARTED, delta("a"))
    found = []
    async for _, event in reader_of(transcript):
        found.append(event["type"])
        if len(found) == 1:
            transcript.append(delta("b"))
            transcript.append(END)
    assert found == ["started", "delta", "delta", "completed"]


async def test_an_event_wakes_each_reader_and_a_reader_that_left_is_forgotten() -> None:
    transcript = transcript_of(STARTED)
    readers = [asyncio.create_task(read(transcript)) for _ in range(3)]
    await asyncio.sleep(0)
    readers[0].cancel()
    await asyncio.wait({readers[0]})
    assert len(transcript.waiting) == 2
    transcript.append(END)
    assert [len(await task) for task in readers[1:]] == [2, 2]
    assert not transcript.waiting


async def test_an_end_stands_far_behind_what_readers_may_have_heard() -> None:
    transcript = transcript_of(STARTED, delta("a"))
    transcript.append(END, 2 + RECOVERY_GAP)
    assert transcript.last_position == 2 + RECOVERY_GAP
    assert await read(transcript, 40) == [(2 + RECOVERY_GAP, END)]
    assert [at for at, _ in transcript.encoded(1)] == [2, 2 + RECOVERY_GAP]


def test_nothing_stands_behind_the_end_nor_twice_at_a_place() -> None:
    transcript = transcript_of(STARTED)
    transcript.append(delta("a"), 2)
    transcript.append(delta("again"), 2)
    assert transcript.text == "a"
    assert not transcript.ended
    transcript.append(END)
    transcript.append(delta("late"))
    assert (transcript.ended, transcript.last_position, transcript.text) == (True, 3, "a")


def test_its_text_is_what_was_told_since_the_last_reset() -> None:
    reset = {"type": "reset", "attempt": 2, "reason": "cut"}
    assert transcript_of(STARTED).text is None
    assert transcript_of(STARTED, delta("a"), delta(" b")).text == "a b"
    assert transcript_of(STARTED, delta("a"), reset).text == ""
    assert transcript_of(STARTED, delta("a"), reset, delta("c"), END).text == "c"


async def test_waiting_for_the_end_ends_with_it_or_with_the_time() -> None:
    transcript = transcript_of(STARTED)
    await transcript.wait_ended(0.01)
    assert not transcript.ended
    waiting = asyncio.create_task(transcript.wait_ended(5))
    await asyncio.sleep(0)
    transcript.append(delta("a"))
    transcript.append(END)
    await asyncio.wait_for(waiting, 1)
    assert not transcript.waiting


# -- cursors
def test_a_cursor_is_its_place() -> None:
    for at in (0, 1, 77, 3 * RECOVERY_GAP):
        assert cursor.decode("one", cursor.encode("one", at)) == at


GARBAGE = ["", "x", "ä", "AAAA", "=" * 24, "é" * 24, "A" * 5000]


@pytest.mark.parametrize(
    "text", [*GARBAGE, pytest.param(cursor.encode("other", 3), id="of another")]
)
def test_what_is_no_cursor_of_this_generation_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        cursor.decode("one", text)
    assert refused.value.details["field"] == "after"


def test_a_changed_cursor_is_refused() -> None:
    text = cursor.encode("one", 3)
    for at, char in enumerate(text):
        changed = text[:at] + ("B" if char == "A" else "A") + text[at + 1 :]
        with pytest.raises((InvalidRequest, CursorExpired)):
            cursor.decode("one", changed)


def test_an_older_cursor_and_one_of_another_key_are_expired_and_tell_the_beginning() -> None:
    body = struct.pack(">IQ", zlib.crc32(b"one"), 3)
    old = base64.urlsafe_b64encode(body + struct.pack(">I", zlib.crc32(body))).decode()
    other = Cursors(Seal("generations", ProcessKeys())).encode("one", 3)
    for text in (old, other):
        with pytest.raises(CursorExpired) as expired:
            cursor.decode("one", text)
        assert cursor.decode("one", expired.value.details["cursor"]) == 0


# -- telling
class Heard:
    """A telling, its transcript, and when each event came."""

    def __init__(self, *, streams: bool = True, field: str | None = None) -> None:
        self.transcript = transcript_of(STARTED)
        self.times: list[float] = []
        loop = asyncio.get_running_loop()
        self.deltas = DeltaWriter(
            self.transcript,
            lambda _: self.times.append(loop.time()),
            streams=streams,
            field=field,
        )

    @property
    def said(self) -> list[Any]:
        """Deltas as text, resets as their reason."""
        return [e.get("text", e.get("reason")) for e in self.transcript.events[1:]]

    async def hear(self, pieces: list[str], pause: float = 0.0) -> None:
        for piece in pieces:
            self.deltas.on_text(piece)
            await asyncio.sleep(pause)


def pieces(text: str, seed: int) -> list[str]:
    rng = random.Random(seed)
    found = []
    while text:
        size = rng.randint(1, 7)
        found.append(text[:size])
        text = text[size:]
    return found


@pytest.mark.parametrize("seed", range(5))
async def test_the_deltas_are_the_stored_text(seed: int) -> None:
    heard = Heard()
    await heard.hear(pieces(TALE, seed), 0.003)
    heard.deltas.complete(TALE.strip())
    assert len(heard.said) > 2
    assert "".join(heard.said) == TALE.strip() == heard.transcript.text
    deltas = heard.transcript.events[1:]
    assert [e["seq"] for e in deltas] == list(range(1, len(deltas) + 1))


async def test_deltas_are_20_ms_apart() -> None:
    heard = Heard()
    await heard.hear(list(TALE * 2), 0.001)
    gaps = [b - a for a, b in zip(heard.times, heard.times[1:], strict=False)]
    assert len(gaps) > 2
    assert min(gaps) > DELTA_INTERVAL - TICK
    last = len(heard.times)
    heard.deltas.complete((TALE * 2).strip())
    assert len(heard.times) <= last + 1  # the rest, whole


async def test_the_first_piece_is_told_at_once() -> None:
    heard = Heard()
    heard.deltas.on_text("The")
    assert heard.said == ["The"]


@pytest.mark.parametrize("seed", range(3))
async def test_of_a_story_its_content_is_told_and_nothing_else(seed: int) -> None:
    heard = Heard(field="content")
    story = {"content": TALE, "summary": "Lamps go out."}
    await heard.hear(pieces(orjson.dumps(story).decode(), seed))
    heard.deltas.complete(TALE.strip())
    assert "".join(heard.said) == TALE.strip()


async def test_another_attempt_is_told_where_something_was_told_of_the_last() -> None:
    heard = Heard()
    heard.deltas.on_reset("silent")
    assert heard.said == []
    heard.deltas.on_text("The lam")
    heard.deltas.on_text("ps")
    heard.deltas.on_reset("cut")
    heard.deltas.on_reset("cut")
    heard.deltas.on_text("A door")
    heard.deltas.complete("A door opened.")
    assert heard.said[:2] == ["The lam", "cut"]
    assert "".join(heard.said[2:]) == "A door opened."
    assert [e["attempt"] for e in heard.transcript.events if e["type"] == "reset"] == [3]
    assert heard.transcript.text == "A door opened."


async def test_what_was_told_otherwise_is_corrected() -> None:
    heard = Heard()
    heard.deltas.on_text("The lamp")
    heard.deltas.complete("A lamp went out.")
    assert heard.said == ["The lamp", "corrected", "A lamp went out."]


async def test_what_was_not_streamed_comes_whole() -> None:
    heard = Heard()
    heard.deltas.complete("A lamp went out.")
    assert heard.said == ["A lamp went out."]


async def test_what_has_no_prose_tells_nothing() -> None:
    heard = Heard(streams=False)
    await heard.hear(['{"name": ', '"Odile"}'])
    heard.deltas.on_reset("cut")
    heard.deltas.complete("Odile")
    assert heard.said == []


async def test_a_closed_telling_tells_nothing_more() -> None:
    heard = Heard()
    heard.deltas.on_text("The ")
    heard.deltas.on_text("lamps")
    heard.deltas.close()
    heard.deltas.on_text(" went")
    heard.deltas.on_reset("cut")
    heard.deltas.complete("The lamps went")
    await asyncio.sleep(2 * DELTA_INTERVAL)  # the timer that would have told the rest
    assert heard.said == ["The"]
    assert len(heard.times) == 1


# -- kept
def test_of_what_is_gone_its_content_tells() -> None:
    body = {"content_id": "7", "metadata": {"finish_reason": "length", "cached": False}}
    found = replay.transcript("key", "7", "character", body, "The lamps.")
    started, reset, text, end = found.events
    assert (started["operation"], started["generation_id"]) == ("character", "7")
    assert (reset["type"], reset["reason"]) == ("reset", "replayed")
    assert (text["seq"], text["text"]) == (1, "The lamps.")
    assert (end["type"], end["finish_reason"], end["content_id"]) == ("completed", "length", "7")
    assert (found.ended, found.text) == (True, "The lamps.")


async def test_who_comes_back_too_late_begins_anew() -> None:
    body = {"content_id": "7", "metadata": {}}
    found = replay.transcript("key", "7", "character", body, "The lamps.")
    for heard in (0, 1, 250, 250 + RECOVERY_GAP):
        last = [e["type"] for _, e in await read(found, heard)][-3:]
        assert last == ["reset", "delta", "completed"]


def test_what_has_no_prose_has_only_its_end() -> None:
    found = replay.transcript("key", "7", "npc", {"content_id": "7", "metadata": {}}, None)
    assert [e["type"] for e in found.events] == ["started", "completed"]
    assert found.text is None


async def test_a_reader_goes_on_behind_what_it_gave_or_where_it_began() -> None:
    transcript, left = Transcript("key"), list[str]()
    for text in ("a", "b"):
        transcript.append({"type": "delta", "text": text})

    async def leave() -> None:
        left.append("gone")

    reader = GenerationReader(cursor, "7", 1, transcript, leave)
    assert reader.cursor == cursor.encode("7", 1)
    given, event = await anext(reader)
    assert (given, event["text"]) == (cursor.encode("7", 2), "b")
    assert reader.cursor == given
    await reader.aclose()
    await reader.aclose()
    assert left == ["gone"]
