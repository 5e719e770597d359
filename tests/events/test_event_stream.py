"""EventStream: what a client gets of it, and what is left of it when the client is gone."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message

from app.sse import EventStream, Frame
from tests.support.skipping_loop import SkippingLoop, run_on_skipping_loop

GET = {"type": "http", "method": "GET"}
SOON = 10.0  # s in which what must happen happens


@dataclass
class Dispatched:
    """What a browser makes of a stream: https://html.spec.whatwg.org, section 9.2.6."""

    events: list[tuple[str, str]]
    last_id: str = ""

    @classmethod
    def of(cls, stream: bytes) -> Dispatched:
        found, kind, last, data = cls([]), "", "", ""
        for line in re.split("\r\n|\r|\n", stream.decode())[:-1]:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "id" and "\0" not in value:
                last = value
            elif name == "data":
                data += value + "\n"
            elif line == "":
                found.last_id = last
                if data:
                    found.events.append((kind or "message", data.removesuffix("\n")))
                kind = data = ""
        return found


class Client:
    """The other end of a response, in memory: reads all, and stays, until told otherwise."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.reads, self.left = asyncio.Event(), asyncio.Event()
        self.got = asyncio.Condition()
        self.times: list[float] = []
        self.busy = False
        self.reads.set()

    async def send(self, message: Message) -> None:
        assert not self.busy, "a server may send what waits in any order"
        self.busy = True
        await self.reads.wait()
        self.busy = False
        self.messages.append(message)
        self.times.append(asyncio.get_running_loop().time())
        async with self.got:
            self.got.notify_all()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    @property
    def bodies(self) -> list[bytes]:
        return [m.get("body", b"") for m in self.messages if m["type"] == "http.response.body"]

    async def until(self, bodies: int) -> None:
        """Returns when it got so many."""
        async with self.got:
            await self.got.wait_for(lambda: len(self.bodies) >= bodies)


class Source:
    """An iterator's events: those it has at once, then one for each `give`; it tells its end."""

    def __init__(self, *frames: Frame) -> None:
        self.queue: asyncio.Queue[Frame | Exception | None] = asyncio.Queue()
        for frame in frames:
            self.give(frame)
        self.waiting, self.closed = asyncio.Event(), asyncio.Event()

    def give(self, frame: Frame | Exception | None) -> None:
        self.queue.put_nowait(frame)

    async def events(self) -> AsyncIterator[Frame]:
        try:
            while True:
                if self.queue.empty():
                    self.waiting.set()
                frame = await self.queue.get()
                if frame is None:
                    return
                if isinstance(frame, Exception):
                    raise frame
                yield frame
        finally:
            await asyncio.sleep(0)  # as one that has to give something back
            self.closed.set()


async def streaming(source: Source, **given: Any) -> tuple[Client, asyncio.Task[None]]:
    """A client that has got all there is yet, and the response that is being sent to it."""
    client = Client()
    stream = EventStream(source.events(), **given)
    running = asyncio.create_task(stream(GET, client.receive, client.send))
    await source.waiting.wait()
    return client, running


def clean(source: Source) -> bool:
    """Whether the iterator was closed, and no task is left beside the test's own."""
    return source.closed.is_set() and asyncio.all_tasks() == {asyncio.current_task()}


def test_headers_and_a_comment_come_before_the_first_event() -> None:
    async def work(_: SkippingLoop) -> list[Message]:
        source, headers = Source(), {"X-Cache": "MISS", "cache-control": "public"}
        client, running = await streaming(source, headers=headers)
        found = list(client.messages)
        source.give(None)
        await running
        return found

    start, comment = run_on_skipping_loop(work)
    assert dict(start["headers"]) == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-store",
        b"x-accel-buffering": b"no",
        b"x-cache": b"MISS",
    }
    assert start["status"] == 200
    assert comment == {"type": "http.response.body", "body": b":\n", "more_body": True}


one_line = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"))


@given(data=st.none() | st.text(), event=one_line, id=one_line)
def test_a_browser_reads_what_was_sent(data: str | None, event: str | None, id: str | None) -> None:
    """Without data it keeps the id and dispatches nothing."""
    sent = None if data is None else data.encode()
    found = Dispatched.of(b":\n" + Frame(sent, event, id).encode())
    seen = [] if data is None else [(event or "message", re.sub("\r\n|\r", "\n", data))]
    assert found == Dispatched(seen, id or "")


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\r\n", "\n\ndata: forged", "a\0"])
def test_a_name_or_id_cannot_begin_another_line(bad: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Frame(b"x", event=bad)
    with pytest.raises(ValueError, match="one line"):
        Frame(b"x", id=bad)


def test_the_end_of_the_events_is_the_end_of_the_response() -> None:
    async def work(_: SkippingLoop) -> tuple[list[bytes], Message, bool]:
        client, source = Client(), Source(Frame(b"1", "count", "a"), Frame(b"2\n3"))
        source.give(None)
        await EventStream(source.events())(GET, client.receive, client.send)
        return client.bodies, client.messages[-1], clean(source)

    bodies, last, ended = run_on_skipping_loop(work)
    assert bodies == [b":\n", b"event: count\nid: a\ndata: 1\n\n", b"data: 2\ndata: 3\n\n", b""]
    assert not last.get("more_body")
    assert ended


def test_silence_is_filled_with_the_position() -> None:
    """Each 15 s of silence, counted from the last thing that was sent; no empty line alone."""

    async def work(loop: SkippingLoop) -> tuple[list[bytes], list[float]]:
        source = Source()
        cursor: str | None = None
        client, running = await streaming(source, position=lambda: cursor and Frame(id=cursor))
        await client.until(2)
        cursor = "p1"
        await asyncio.sleep(10)
        source.give(Frame(b"x", id="p2"))
        cursor = "p2"
        await client.until(5)
        source.give(None)
        await running
        return client.bodies, client.times[1:]

    bodies, times = run_on_skipping_loop(work)
    assert bodies == [b":\n", b":\n", b"id: p2\ndata: x\n\n", b"id: p2\n\n", b"id: p2\n\n", b""]
    assert times == pytest.approx([0, 15, 25, 40, 55, 55])
    assert Dispatched.of(b"".join(bodies)) == Dispatched([("message", "x")], "p2")


@pytest.mark.parametrize("first", ["the event", "the heartbeat"])
def test_a_position_is_never_sent_before_its_event_nor_an_older_one_behind_it(first: str) -> None:
    async def work(_: SkippingLoop) -> list[bytes]:
        source, cursor = Source(), "1"
        given = {"position": lambda: Frame(id=cursor), "heartbeat": 1, "write_timeout": 60}
        client, running = await streaming(source, **given)
        client.reads.clear()
        await asyncio.sleep(0.5 if first == "the event" else 1.5)
        cursor = "2"
        source.give(Frame(b"x", id="2"))
        await asyncio.sleep(30)
        client.reads.set()
        await client.until(4)
        source.give(None)
        await running
        return client.bodies[1:4]

    event, old, new = b"id: 2\ndata: x\n\n", b"id: 1\n\n", b"id: 2\n\n"
    wanted = [event, new, new] if first == "the event" else [old, event, new]
    assert run_on_skipping_loop(work) == wanted


@pytest.mark.parametrize("blocked_on", ["an event", "a heartbeat"])
@pytest.mark.parametrize(("heartbeat", "write_timeout"), [(15.0, 20.0), (20.0, 5.0)])
def test_a_client_that_takes_nothing_is_cut_off(
    blocked_on: str, heartbeat: float, write_timeout: float
) -> None:
    async def work(loop: SkippingLoop) -> tuple[float, bool, bool]:
        source = Source()
        client, running = await streaming(source, heartbeat=heartbeat, write_timeout=write_timeout)
        client.reads.clear()
        await asyncio.sleep(1)
        if blocked_on == "an event":
            source.give(Frame(b"x"))
        await running
        return loop.now, not client.messages[-1]["more_body"], clean(source)

    when, whole, closed = run_on_skipping_loop(work)
    began = 1 if blocked_on == "an event" else heartbeat
    assert when == pytest.approx(began + write_timeout)
    assert closed
    assert not whole  # a whole response would say that nothing is missing


def test_a_slow_client_that_reads_in_time_stays() -> None:
    async def work(_: SkippingLoop) -> list[bytes]:
        source = Source()
        client, running = await streaming(source, heartbeat=3600)
        for number in range(5):
            client.reads.clear()
            source.give(Frame(b"%d" % number))
            await asyncio.sleep(19)
            client.reads.set()
            await client.until(2 + number)
        source.give(None)
        await running
        return client.bodies[1:-1]

    assert run_on_skipping_loop(work) == [b"data: %d\n\n" % n for n in range(5)]


@pytest.mark.parametrize("blocked", [False, True])
def test_a_client_that_leaves_ends_the_iterator(blocked: bool) -> None:
    async def work(loop: SkippingLoop) -> tuple[float, bool]:
        source = Source()
        client, running = await streaming(source)
        if blocked:
            client.reads.clear()
            source.give(Frame(b"x"))
            await asyncio.sleep(1)
        client.left.set()
        await running
        return loop.now, clean(source)

    when, closed = run_on_skipping_loop(work)
    assert when == (1 if blocked else 0)
    assert closed


async def test_a_server_that_raises_says_that_the_client_left() -> None:
    client, source = Client(), Source(Frame(b"x"))

    async def send(message: Message) -> None:
        if client.bodies:
            raise BrokenPipeError
        await client.send(message)

    await EventStream(source.events())(GET, client.receive, send)
    assert client.bodies == [b":\n"]
    assert source.closed.is_set()


@pytest.mark.parametrize("error", [KeyError("x"), TimeoutError()])
async def test_what_the_iterator_raises_is_raised_on(error: Exception) -> None:
    client, source = Client(), Source(Frame(b"x"))
    source.give(error)
    with pytest.raises(type(error)) as raised:
        await EventStream(source.events())(GET, client.receive, client.send)
    assert raised.value is error
    assert client.messages[-1]["more_body"]
    assert clean(source)


async def test_a_server_that_stops_ends_the_iterator() -> None:
    source = Source()
    _, running = await streaming(source)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert clean(source)


@contextlib.asynccontextmanager
async def serving(source: Source, **given: Any) -> AsyncIterator[int]:
    """The port of a server with one stream."""

    async def handle(_: Any) -> EventStream:
        return EventStream(source.events(), **given)

    app = Starlette(routes=[Route("/", handle)])
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off", access_log=False)
    config.timeout_graceful_shutdown = 1  # s; also when a test fails with a response open
    running = asyncio.create_task((server := uvicorn.Server(config)).serve())
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await running


async def ask(
    port: int, method: bytes = b"GET"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(method + b" / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return reader, writer


async def test_a_real_server_flushes_headers_and_events_at_once() -> None:
    source = Source()
    async with asyncio.timeout(SOON), serving(source) as port:
        reader, writer = await ask(port)
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-type: text/event-stream; charset=utf-8" in head
        assert b"content-length" not in head
        assert await reader.readuntil(b":\n\r\n")
        source.give(Frame(b"hello", id="1"))
        assert b"id: 1\ndata: hello\n\n" in await reader.readuntil(b"\n\n\r\n")
        source.give(None)
        assert await reader.read() == b"0\r\n\r\n"
        writer.close()


async def test_a_connection_that_closes_ends_a_waiting_iterator() -> None:
    source = Source()
    async with asyncio.timeout(SOON), serving(source) as port:
        reader, writer = await ask(port)
        await reader.readuntil(b":\n\r\n")
        writer.transport.abort()
        await source.closed.wait()


async def test_a_connection_that_is_not_read_is_cut_off() -> None:
    source = Source()
    async with asyncio.timeout(SOON), serving(source, write_timeout=0.1) as port:
        reader, writer = await ask(port)
        await reader.readuntil(b":\n\r\n")
        for _ in range(400):  # 25 MB; who does not read has buffers for about 5
            source.give(Frame(b"x" * 65_536))
        await source.closed.wait()
        assert not source.queue.empty()
        writer.transport.abort()


async def test_an_error_breaks_the_response_off() -> None:
    source = Source(Frame(b"x"))
    source.give(KeyError("unforeseen"))
    async with asyncio.timeout(SOON), serving(source) as port:
        reader, writer = await ask(port)
        assert not (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()


async def test_head_tells_the_headers_and_opens_nothing() -> None:
    source = Source(Frame(b"x"))
    async with asyncio.timeout(SOON), serving(source) as port:
        reader, writer = await ask(port, b"HEAD")
        answer = await reader.read()
        writer.close()
    assert b"text/event-stream" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert source.queue.qsize() == 1
