"""The form that a stream's events share: read faster, and never otherwise than as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.llm.chunk_template import ChunkTemplate
from app.llm.failure import AttemptFailed
from app.llm.sse import MAX_EVENT_BYTES, EventParser, EventTooLong, StreamedCompletion
from tests.support.openai_writers import RecordingListener
from tests.support.raw_provider import STOP, USAGE_EVENT
from tests.support.sse_by_line import read_by_line

Write = Callable[[Any], bytes]
WRITERS: dict[str, Write] = {
    "compact": orjson.dumps,
    "spaced": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "escaped": lambda value: json.dumps(value).encode(),
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WORDS = st.one_of(
    TEXTS, st.sampled_from(["lamp ", " the", "Fährmann", "龍の巣", '"', "\\", "a\nb"])
)


def chunk(content: str, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": None, **more}
    return {"id": "chatcmpl-1", "choices": [choice], "usage": None}


def outcome_of(events: Sequence[bytes], looks: int) -> tuple[str, str, Any, Any]:
    """What is heard of these events, how they fail, and what they end with."""
    ear = RecordingListener()
    answer, outcome = StreamedCompletion(4000, ear), ""
    answer._template_tries = looks  # private: 0 reads all as JSON
    try:
        answer.take(events)
    except AttemptFailed as failure:
        outcome = failure.outcome.value
    return ear.text, outcome, answer.finish, answer.usage


@given(
    st.lists(WORDS, min_size=2, max_size=8),
    st.sampled_from(sorted(WRITERS)),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 300), st.integers(0, 255)), max_size=2),
)
@example(["a", "b"], "compact", [(1, 66, 0x22)])
def test_events_in_a_form_say_what_their_json_says_also_when_a_byte_is_wrong(
    words: list[str], writer: str, wrong: list[tuple[int, int, int]]
) -> None:
    events = [WRITERS[writer](chunk(word)) for word in words]
    for number, place, byte in wrong:
        event = bytearray(events[number % len(events)])
        event[place % len(event)] = byte
        events[number % len(events)] = bytes(event)
    events += [event.removeprefix(b"data: ").strip() for event in (STOP, USAGE_EVENT)]
    assert outcome_of(events, looks=4) == outcome_of(events, looks=0)


@pytest.mark.parametrize("writer", WRITERS)
def test_a_form_is_found_in_whatever_way_the_json_is_written(writer: str) -> None:
    event = WRITERS[writer](chunk("lamp"))
    form = ChunkTemplate.of(event, chunk("lamp"), "lamp")
    assert form is not None
    assert form.text(WRITERS[writer](chunk("Hollow Reed"))) == "Hollow Reed"
    assert form.text(WRITERS[writer](chunk("a \\ and a\n"))) is None  # escapes are JSON's to read
    assert form.text(WRITERS[writer](chunk("", finish_reason="stop"))) is None
    assert form.text(event[:-1]) is None


@pytest.mark.parametrize(
    "inside",
    [
        b'Hollow", "refusal": "Reed',  # another field
        b'"',
        b"a\tb",  # a control character, which JSON must escape
        b"a\nb",
        b"\xc3",  # half a character
        b"\xed\xa0\x80",  # a surrogate
    ],
)
def test_what_would_be_no_text_in_json_is_not_in_a_form(inside: bytes) -> None:
    event = orjson.dumps(chunk("lamp"))
    form = ChunkTemplate.of(event, chunk("lamp"), "lamp")
    assert form is not None
    assert form.text(event.replace(b"lamp", b"Hollow")) == "Hollow"
    assert form.text(event.replace(b"lamp", inside)) is None


@pytest.mark.parametrize("content", ["chatcmpl-1", "content", "."])
def test_a_text_that_stands_elsewhere_too_is_no_form_of_that_place(content: str) -> None:
    first = {"usage": None, "choices": [{"delta": {"content": content}}], "id": content}
    form = ChunkTemplate.of(orjson.dumps(first), first, content)  # what stands last in it is the id
    assert form is None


def test_an_event_shorter_than_its_form_is_not_in_it() -> None:
    form = ChunkTemplate(b'{"content":"', b'"}')
    assert form.text(b'{"content":"a"}') == "a"
    assert form.text(b'{"content":"}') is None


def test_many_events_of_a_form_are_read_together_with_their_escapes() -> None:
    form = ChunkTemplate(b'{"content":"', b'"}')
    words = ["lamp ", "a\n", '"', "\\", "龍", ""]
    events = [orjson.dumps({"content": word}) for word in words]
    assert form.texts([*events, b"[DONE]"]) == words
    assert form.texts([b"[DONE]", *events]) == []
    assert form.texts([*events[:2], b"[DONE]", *events[2:]]) == []


@pytest.mark.parametrize(
    "texts",
    [
        [b"x\\", b',"y'],  # one string less, and one more
        [b'a","b', b"y"],
        [b'a",1,"b', b"y"],
        [b"a\tb", b"y"],
        [b"\xc3", b"\xbc"],  # a character's halves
        [b"\\ud83d", b"\\ude00"],
    ],
)
def test_events_that_are_no_json_are_not_read_together(texts: list[bytes]) -> None:
    form = ChunkTemplate(b'{"content":"', b'"}')
    assert form.texts([b'{"content":"%b"}' % text for text in texts]) == []


def test_one_event_with_more_than_a_text_is_no_form() -> None:
    two = chunk("a") | {"choices": [*chunk("a")["choices"], *chunk("b", index=1)["choices"]]}
    ended = chunk("a", finish_reason="stop")
    for first in (two, ended):
        answer = StreamedCompletion(4000, None)
        answer.take([orjson.dumps(first)])
        assert answer._template is None  # private: read faster or not, the text is the same


LINES = st.sampled_from([b"data: one\n\n", b'data: {"a":"\xc3\xbc"}\n\n', b"data: \n\n"] * 3)
ODD = st.sampled_from(
    [b"\n", b": ping\n\n", b"data:no space\n\n", b"data: a\ndata: b\n\n", b"id: 1\n"]
)


@given(st.lists(st.one_of(LINES, LINES, LINES, ODD), max_size=9), st.lists(st.integers(0, 150)))
def test_many_plain_events_at_once_are_those_that_come_one_by_one(
    lines: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(lines)
    places = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    events = EventParser()
    found = [data for a, b in pairwise(places) for data in events.feed(stream[a:b])]
    assert found == read_by_line(stream)


def test_a_plain_event_too_long_ends_the_reading_also_among_others() -> None:
    short, long = b"data: a\n\n", b"data: " + b"x" * MAX_EVENT_BYTES + b"\n\n"
    with pytest.raises(EventTooLong):
        EventParser().feed(short + long + short)
