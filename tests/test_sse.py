"""A streamed answer: its events however the bytes are cut, and what they make over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections import deque
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.llm.base import Completion, Failed, Finish, Usage, Work
from app.llm.openai import OpenAIWriter
from app.llm.sse import MAX_EVENT, Events, EventTooLong
from app.operations import CHARACTER, Operation
from tests.wishes import GOOD
from tests.writers import KEY, writer_at

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
    events = Events()
    return [data for chunk in chunks for data in events.feed(chunk)]


def read_slowly(stream: bytes) -> list[bytes]:
    """The rules of WHATWG HTML, section 9.2.6, said line by line."""
    stream = stream.removeprefix(b"\xef\xbb\xbf")
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    found, data = [], []
    for line in lines:
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif not line:
            found += [b"\n".join(data)] if data else []
            data = []
    return found


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
@example(b"data: a\r\n\r\ndata: b\r\n\r\n", [8, 9, 10])
@example(b"\xef\xbb\xbfdata: a\n\n", [1, 2])
def test_any_cut_of_the_bytes_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in pairwise(places)]
    by_byte = (stream[i : i + 1] for i in range(len(stream)))
    assert fed(*chunks) == fed(*by_byte) == fed(stream) == read_slowly(stream)


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


@pytest.mark.parametrize("size", [1000, 2 * MAX_EVENT])
def test_an_event_too_long_ends_the_reading(size: int) -> None:
    for spare in (0, 1):
        stream = b"data: " + b"x" * (MAX_EVENT - 6 + spare) + b"\n\n"
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        with pytest.raises(EventTooLong) if spare else contextlib.nullcontext():
            assert fed(*chunks) == [stream[6:-2]]


def test_many_small_events_are_no_long_one() -> None:
    assert len(fed(b"data: 12345678\n\n" * 100_000)) == 100_000


def test_comments_without_an_end_are_bounded() -> None:
    with pytest.raises(EventTooLong):
        fed(*[b": keep-alive\n" * 1000] * 100)


# -- over a socket
SECRET_WORDS = "Vexis of the Hollow Reed"
HANG, CLOSE, RESET = "hang", "close", "reset"  # until the client leaves; the server's own endings
Step = bytes | float | str
USAGE = {"prompt_tokens": 120, "completion_tokens": 40, "total_tokens": 160}
DONE = b"data: [DONE]\n\n"


def event(**fields: Any) -> bytes:
    return b"data: " + orjson.dumps(fields) + b"\n\n"


def piece(content: Any = None, finish: Any = None, **delta: Any) -> bytes:
    told = delta | ({} if content is None else {"content": content})
    choice = {"index": 0, "delta": told, "logprobs": None, "finish_reason": finish}
    return event(id="chatcmpl-1", choices=[choice], usage=None)


ROLE = piece("", role="assistant", refusal=None)
STOP = piece(finish="stop")
TOLD = event(choices=[], usage=USAGE)


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
EVENTS: Any = {"content_type": "text/event-stream"}


def streamed(*events: bytes | float | str, end: bool = True) -> list[Step]:
    steps = [chunked(e) if isinstance(e, bytes) else e for e in events]
    return [HEAD, *steps, *([LAST] if end else [])]


def whole(body: Any, *, status: int = 200, **headers: str) -> list[Step]:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    lines = {"content_type": "application/json", "content_length": str(len(content))} | headers
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in lines.items())
    return [f"HTTP/1.1 {status} Status\r\n{head}\r\n".encode() + content]


def refusal(status: int, code: Any, said: str = "no", param: Any = None, **h: str) -> list[Step]:
    error = {"message": said, "type": "error", "param": param, "code": code}
    return whole({"error": error}, status=status, **h)


def message(finish: str | None = "stop", **fields: Any) -> list[Step]:
    return whole({"choices": [{"index": 0, "finish_reason": finish, "message": fields}]})


GOOD_ANSWER = streamed(ROLE, piece("A lamp"), piece(" went out."), STOP, TOLD, DONE)
TEXT = "A lamp went out."
NO_SCHEMAS = refusal(400, None, "this model takes no such format", "response_format")
NO_OPTIONS = refusal(400, None, "Unrecognized argument", "stream_options")


class Wire:
    """A server that answers each request with exactly the bytes, waits and endings of a script."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.accepted = 0
        self.asked = asyncio.Event()
        self.takes_schemas = self.takes_options = True
        self._scripts: deque[list[Step]] = deque()
        self._open: set[asyncio.StreamWriter] = set()
        self._left = asyncio.Condition()
        self.url = ""

    def then(self, *scripts: list[Step]) -> None:
        self._scripts.extend(scripts)

    async def all_left(self) -> None:
        async with asyncio.timeout(2), self._left:
            await self._left.wait_for(lambda: not self._open)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self._open.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answer(reader, writer):
                pass
        writer.close()
        self._open.discard(writer)
        async with self._left:
            self._left.notify_all()

    def _script(self, asked: dict[str, Any]) -> list[Step]:
        if not self.takes_schemas and asked.get("response_format", {}).get("type") == "json_schema":
            return NO_SCHEMAS
        if not self.takes_options and "stream_options" in asked:
            return NO_OPTIONS
        return self._scripts.popleft() if self._scripts else GOOD_ANSWER

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
        self.requests.append(orjson.loads(await reader.readexactly(length)))
        self.heads.append(head)
        self.asked.set()
        for step in self._script(self.requests[-1]):
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step == RESET:
                writer.transport.abort()
                return False
            elif step == CLOSE:
                return False
            else:
                await reader.read()
                return False
        return True


class Ear:
    """Notes what a listener hears."""

    def __init__(self) -> None:
        self.heard_of: list[str] = []

    def heard(self, text: str) -> None:
        assert text
        self.heard_of.append(text)

    def forget(self, reason: str) -> None:
        raise AssertionError("it is not the writer's to forget")

    @property
    def text(self) -> str:
        return "".join(self.heard_of)


def work(operation: Operation[Any, Any] = CHARACTER, **model: Any) -> Work:
    body = GOOD[operation.path] | {"model": model}
    if operation is CHARACTER:
        body |= {"character_context": {"name": SECRET_WORDS}}
    request = operation.read(body)
    return Work(operation, request, operation.prompt(request))


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Wire]:
    """Ends with the proof that no connection was left open."""
    wire = Wire()
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    yield wire
    server.close()
    await wire.all_left()


@contextlib.asynccontextmanager
async def writing(url: str, **over: Any) -> AsyncIterator[OpenAIWriter]:
    writer = writer_at(url, **over)
    try:
        yield writer
    finally:
        await writer.close()


async def write(
    writer: OpenAIWriter, asked: Work | None = None, seconds: float = 5.0, ear: Ear | None = None
) -> Completion:
    until = asyncio.get_running_loop().time() + seconds
    return await writer.write(asked or work(), until=until, listener=ear)


async def fails(writer: OpenAIWriter, seconds: float = 5.0, ear: Ear | None = None) -> Failed:
    with pytest.raises(Failed) as failed:
        await write(writer, seconds=seconds, ear=ear)
    return failed.value


ZIPPED = [HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n")]
BODY = b"".join((piece("A lamp"), piece(" went out."), STOP, TOLD, DONE))
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
    "an event too long": (hung(b"data: " + b"x" * MAX_EVENT), "malformed", False),
    "far too much": (hung(*[piece("x" * 4000)] * 10), "malformed", True),
    "no archive": ([*ZIPPED, chunked(BODY), HANG], "malformed", False),
    "a page": ([HEAD.replace(b"event-stream", b"html"), chunked(b"<p>"), LAST], "malformed", False),
    "reset": (streamed(ROLE, RESET), "cut", False),
    "reset in the text": (streamed(piece("A"), 0.02, RESET), "cut", True),
    "closed": (streamed(piece("A"), CLOSE), "cut", True),
    "ended in order": (streamed(piece("A")), "cut", True),
    "done without a reason": (hung(piece("A"), DONE), "cut", True),
    "nothing": (streamed(), "cut", False),
    "too short": ([*whole(piece("A"), content_length="999", **EVENTS), CLOSE], "cut", True),
    "error": (hung(failing(None)), "failed", False),
    "error in words": (hung(piece("A"), event(error=REFUSED)), "failed", True),
    "error, too long": (hung(failing("context_length_exceeded")), "too_long", False),
    "error, filtered": (hung(piece("A"), failing("content_filter")), "rejected", True),
    "refusal": (hung(ROLE, piece(refusal=REFUSED)), "rejected", False),
    "filtered": (hung(piece("A"), piece(finish="content_filter")), "rejected", True),
    "empty": (streamed(ROLE, STOP, TOLD, DONE), "empty", False),
    "blank": (streamed(piece(" \n"), STOP, TOLD, DONE), "empty", True),
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
    name: str, writer: OpenAIWriter, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    script, outcome, partial = FAULTS[name]
    wire.then(script)
    ear = Ear()
    error = await fails(writer, ear=ear)
    assert (error.outcome, error.partial) == (outcome, partial)
    assert bool(ear.heard_of) == partial
    filtered = "content_filter" if "filtered" in name else ""
    assert error.reason == ("refusal" if "refusal" in name else filtered)
    for private in (KEY, SECRET_WORDS, REFUSED):
        assert private not in f"{error} {caplog.text} {[r.__dict__ for r in caplog.records]}"
    if HANG in script or name.endswith("far too long"):
        await wire.all_left()


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
    "without DONE": (streamed(piece(TEXT), STOP, TOLD), SAID),
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
async def test_each_form_of_an_answer_is_read(name: str, writer: OpenAIWriter, wire: Wire) -> None:
    script, usage = ANSWERS[name]
    wire.then(script)
    ear = Ear()
    async with asyncio.timeout(1.5):  # none of them waits for what cannot follow
        answer = await write(writer, ear=ear)
    assert (answer.text, answer.finish, ear.text) == (TEXT, Finish.STOP, TEXT)
    assert answer.usage.counted if usage is None else answer.usage == usage
