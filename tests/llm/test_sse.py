"""A streamed answer: its events however the bytes are cut, and what they make over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.llm.completion import Usage
from app.llm.openai import OpenAIWriter
from app.llm.sse import MAX_EVENT_BYTES, EventParser, EventTooLong
from app.operations.metadata import FinishReason
from tests.support.openai_writers import KEY, SECRET_WORDS, RecordingListener, failure_of, write
from tests.support.raw_provider import (
    BODY,
    CLOSE,
    DONE,
    EVENT_STREAM,
    GOOD_ANSWER,
    HANG,
    HEAD,
    LAST,
    RESET,
    ROLE,
    STOP,
    TEXT,
    USAGE,
    USAGE_EVENT,
    ZIPPED,
    RawProvider,
    Step,
    chunked,
    event,
    message,
    piece,
    streamed,
    whole,
)
from tests.support.sse_by_line import read_by_line

LINES = st.sampled_from(
    [b"data: one", b"data:two", b"data:  spaced", "data: Ünïcödé 🐉 海".encode(), b"data", b"data:"]
    + [b"database: no", b": a comment", b":", b"event: message", b"id: 7", b"retry: 100"]
    + [b""] * 4
)
ENDS = st.sampled_from([b"\n", b"\r", b"\r\n"])
STREAMS = st.builds(
    lambda mark, lines: mark + b"".join(line + end for line, end in lines),
    st.sampled_from([b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    st.lists(st.tuples(LINES, ENDS), max_size=12),
)


def fed(*chunks: bytes) -> list[bytes]:
    events = EventParser()
    return [data for chunk in chunks for data in events.feed(chunk)]


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 9, 10])
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
def test_any_cut_of_the_bytes_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(places)]
    by_byte = (stream[i : i + 1] for i in range(len(stream)))
    assert fed(*chunks) == fed(*by_byte) == fed(stream) == read_by_line(stream)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b'data: {"a":1}\n\ndata: [DONE]\n\n', [b'{"a":1}', b"[DONE]"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": ping\n\nevent: x\nid: 1\ndata: a\nretry: 5\n\n", [b"a"]),
        (b"event: ping\n\n\n\n\ndata:a\n\n", [b"a"]),
        (b"data: a\r\rdata: b\n\r\ndata: c\r\n\n", [b"a", b"b", b"c"]),
        (b"data: never ended\n", []),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
    ],
)
def test_what_a_stream_says(stream: bytes, events: list[bytes]) -> None:
    assert fed(stream) == events


@pytest.mark.parametrize("size", [1000, 2 * MAX_EVENT_BYTES])
def test_an_event_too_long_ends_the_reading(size: int) -> None:
    for spare in (0, 1):
        stream = b"data: " + b"x" * (MAX_EVENT_BYTES - 6 + spare) + b"\n\n"
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        with pytest.raises(EventTooLong) if spare else contextlib.nullcontext():
            assert fed(*chunks) == [stream[6:-2]]


def test_many_small_events_are_no_long_one() -> None:
    assert len(fed(b"data: 12345678\n\n" * 100_000)) == 100_000


def test_comments_without_an_end_are_bounded() -> None:
    with pytest.raises(EventTooLong):
        fed(*[b": keep-alive\n" * 1000] * 100)


# -- over a socket


REFUSED = "I'm sorry, but I can't help with that."


def hung(*events: bytes) -> list[Step]:
    return streamed(*events, HANG)


def failing(code: str | None) -> bytes:
    return event(error={"message": REFUSED, "code": code})


FAULTS: dict[str, tuple[list[Step], str, bool]] = {
    "no JSON": (hung(piece("A"), b"data: {\n\n"), "malformed", True),
    "no object": (hung(b"data: [1]\n\n"), "malformed", False),
    "no chunk": (hung(event(id="x")), "malformed", False),
    "choices no list": (hung(event(choices={"0": 1})), "malformed", False),
    "a choice no object": (hung(event(choices=[1])), "malformed", False),
    "a delta no object": (hung(event(choices=[{"delta": "A"}])), "malformed", False),
    "content no text": (hung(piece("A"), piece(content=5)), "malformed", True),
    "a tool": (hung(piece("A"), piece(finish="tool_calls")), "malformed", True),
    "a reason no text": (hung(piece("A"), piece(finish=5)), "malformed", True),
    "an event too long": (hung(b"data: " + b"x" * MAX_EVENT_BYTES), "malformed", False),
    "far too much": (hung(*[piece("x" * 4000)] * 10), "malformed", True),
    "no archive": ([*ZIPPED, chunked(BODY), HANG], "malformed", False),
    "a page": ([HEAD.replace(b"event-stream", b"html"), chunked(b"<p>"), LAST], "malformed", False),
    "reset": (streamed(ROLE, RESET), "cut", False),
    "reset in the text": (streamed(piece("A"), 0.02, RESET), "cut", True),
    "closed": (streamed(piece("A"), CLOSE), "cut", True),
    "ended in order": (streamed(piece("A")), "cut", True),
    "done without a reason": (hung(piece("A"), DONE), "cut", True),
    "nothing": (streamed(), "cut", False),
    "too short": ([*whole(piece("A"), content_length="999", **EVENT_STREAM), CLOSE], "cut", True),
    "error": (hung(failing(None)), "failed", False),
    "error in words": (hung(piece("A"), event(error=REFUSED)), "failed", True),
    "error, too long": (hung(failing("context_length_exceeded")), "too_long", False),
    "error, filtered": (hung(piece("A"), failing("content_filter")), "rejected", True),
    "refusal": (hung(ROLE, piece(refusal=REFUSED)), "rejected", False),
    "filtered": (hung(piece("A"), piece(finish="content_filter")), "rejected", True),
    "empty": (streamed(ROLE, STOP, USAGE_EVENT, DONE), "empty", False),
    "blank": (streamed(piece(" \n"), STOP, USAGE_EVENT, DONE), "empty", True),
    "no room": (streamed(ROLE, piece(finish="length"), DONE), "exhausted", False),
    "whole, no JSON": (whole(b"<html>a proxy's page</html>"), "malformed", False),
    "whole, no object": (whole([1]), "malformed", False),
    "whole, no choices": (whole({"id": "x"}), "malformed", False),
    "whole, cut": ([*whole({"choices": []}, content_length="99"), CLOSE], "cut", False),
    "whole, without a reason": (message(None, content="A"), "cut", True),
    "whole, null": (message(content=None), "empty", False),
    "whole, refusal": (message(content=None, refusal=REFUSED), "rejected", False),
    "whole, error": (whole({"error": {"message": REFUSED}}), "failed", False),
    "whole, far too long": (whole(b" " * 8_000_001, content_length="9999999"), "malformed", False),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_is_an_outcome_and_leaves_no_connection(
    name: str, writer: OpenAIWriter, raw_provider: RawProvider, caplog: pytest.LogCaptureFixture
) -> None:
    script, outcome, partial = FAULTS[name]
    raw_provider.then(script)
    ear = RecordingListener()
    error = await failure_of(writer, ear=ear)
    assert (error.outcome, error.partial) == (outcome, partial)
    assert bool(ear.heard_of) == partial
    filtered = "content_filter" if "filtered" in name else ""
    assert error.reason == ("refusal" if "refusal" in name else filtered)
    for private in (KEY, SECRET_WORDS, REFUSED):
        assert private not in f"{error} {caplog.text} {[r.__dict__ for r in caplog.records]}"
    if HANG in script or name.endswith("far too long"):
        await raw_provider.all_left()


ODD = event(choices=[{"index": 1, "delta": {"content": "another"}, "finish_reason": "length"}])
NULLS = event(choices=[{"index": 0, "delta": {"content": None, "tool_calls": None}, "x": 1}], y=2)
FILTERS = event(choices=[], prompt_filter_results=[{"prompt_index": 0}])
CHOICE = {"index": 0, "message": {"content": TEXT}, "finish_reason": "stop"}
SAID, COUNTED = Usage(120, 40), None
ANSWERS: dict[str, tuple[list[Step], Usage | None]] = {
    "as it should be": (GOOD_ANSWER, SAID),
    "with more than was asked": (streamed(FILTERS, ROLE, ODD, NULLS, BODY), SAID),
    "with comments": (streamed(b": OPENROUTER PROCESSING\n\n", BODY, b": bye\n\n"), SAID),
    "byte by byte": (streamed(*(BODY[i : i + 1] for i in range(len(BODY)))), SAID),
    "compressed": ([*ZIPPED, chunked(gzip.compress(BODY)), LAST], SAID),
    "with CRLF": (streamed(BODY.replace(b"\n", b"\r\n")), SAID),
    "without DONE": (streamed(piece(TEXT), STOP, USAGE_EVENT), SAID),
    "without a usage": (streamed(piece(TEXT), STOP, DONE), COUNTED),
    "without an end": (streamed(piece(TEXT, finish="stop"), CLOSE), COUNTED),
    "reset after its end": (streamed(piece(TEXT), STOP, 0.02, RESET), COUNTED),
    "a usage with its piece": (hung(event(choices=[CHOICE], usage=USAGE)), SAID),
    "hanging after DONE": (hung(BODY), SAID),
    "without a type": ([HEAD.replace(b"content-type", b"x-type"), chunked(BODY), LAST], SAID),
    "whole": (whole({"choices": [CHOICE], "usage": USAGE}), SAID),
    "whole, without a usage": (message(content=TEXT, role="assistant"), COUNTED),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_each_form_of_an_answer_is_read(
    name: str, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    script, usage = ANSWERS[name]
    raw_provider.then(script)
    ear = RecordingListener()
    async with asyncio.timeout(1.5):  # none of them waits for what cannot follow
        answer = await write(writer, ear=ear)
    assert (answer.text, answer.finish, ear.text) == (TEXT, FinishReason.STOP, TEXT)
    assert answer.usage.counted if usage is None else answer.usage == usage
