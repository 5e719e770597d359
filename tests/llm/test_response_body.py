"""Body: a stream's bytes, gathered where they come quickly; never at the cost of its end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from app.llm import response_body as module
from app.llm.deadline import CallDeadline
from app.llm.exchange import Exchange
from app.llm.openai import OpenAIWriter
from app.llm.response_body import GATHER_INTERVAL, AnswerBody, ArrivalRate, ResponseBody
from tests.support.openai_writers import RecordingListener, open_writer, write
from tests.support.raw_provider import (
    BODY,
    CLOSE,
    DONE,
    HANG,
    HEAD,
    LAST,
    RESET,
    STOP,
    USAGE_EVENT,
    ZIPPED,
    RawProvider,
    Step,
    chunked,
    piece,
    streamed,
)

WAYS = {"our own": True, "the SDK's": False}


@pytest.fixture(params=WAYS)
async def sender(
    request: pytest.FixtureRequest, raw_provider: RawProvider
) -> AsyncIterator[OpenAIWriter]:
    """A writer for each way of an answer: without connections that are kept it is the SDK's."""
    async with open_writer(raw_provider.url, reuse_connections=WAYS[request.param]) as found:
        yield found


@contextlib.asynccontextmanager
async def answered(
    writer: OpenAIWriter, raw_provider: RawProvider, *script: Step
) -> AsyncIterator[AnswerBody]:
    raw_provider.then(list(script))
    # private: the answer as it came, which the writer itself gives to nobody
    response = await writer._post({"model": "m", "messages": []})  # private
    async with response as found:
        yield found


async def rest(body: AnswerBody) -> bytes:
    found = b""
    while chunk := await body.read():
        found += chunk
    return found


def transport(body: Any) -> Any:
    """Private: whether it is paused."""
    if isinstance(body, Exchange):
        return body._used.transport  # private
    return body._answer.connection.transport  # private


async def test_an_answer_over_a_kept_connection_is_an_exchange(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    async with answered(writer, raw_provider, *streamed(BODY)) as body:
        assert isinstance(body, Exchange), "else all is read, but slower"
        assert await rest(body) == BODY


async def test_the_transports_own_reader_is_found_under_the_sdks(raw_provider: RawProvider) -> None:
    async with (
        open_writer(raw_provider.url, reuse_connections=False) as writer,
        answered(writer, raw_provider, *streamed(BODY)) as body,
    ):
        assert isinstance(body, ResponseBody)
        assert body._answer is not None  # private: without it all is read, but slower
        assert await rest(body) == BODY


async def test_an_answer_without_that_reader_is_read_all_the_same(
    raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_aiohttp_response", lambda response: None)
    async with (
        open_writer(raw_provider.url, reuse_connections=False) as writer,
        answered(writer, raw_provider, *streamed(BODY)) as body,
    ):
        await body.gather(0.01)  # nothing to gather with, and no error
        assert await rest(body) == BODY


async def test_a_compressed_answer_is_decoded(
    sender: OpenAIWriter, raw_provider: RawProvider
) -> None:
    script = [*ZIPPED, chunked(gzip.compress(BODY)), LAST]
    async with answered(sender, raw_provider, *script) as body:
        assert await rest(body) == BODY


async def test_what_comes_while_it_gathers_is_read_at_once(
    sender: OpenAIWriter, raw_provider: RawProvider
) -> None:
    pieces = [s for n in range(5) for s in (0.01, chunked(b"%d" % n))]
    async with answered(sender, raw_provider, HEAD, chunked(b"first"), *pieces, LAST) as body:
        assert await body.read() == b"first"
        gathering = asyncio.create_task(body.gather(0.5))
        await asyncio.sleep(0)
        assert not transport(body).is_reading()
        await gathering
        assert await body.read() == b"01234"
        assert await rest(body) == b""


async def test_a_connection_that_was_paused_is_used_again(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    async with answered(writer, raw_provider, *streamed(BODY)[:-1], 0.05, LAST) as body:
        assert await body.read()
        await body.gather(0.1)
        await rest(body)
    await write(writer)
    assert raw_provider.accepted == 1


@pytest.mark.parametrize("ending", [CLOSE, RESET])
async def test_an_end_that_comes_while_it_gathers_is_no_good_end(
    ending: str, sender: OpenAIWriter, raw_provider: RawProvider
) -> None:
    async with answered(sender, raw_provider, HEAD, chunked(b"first"), ending) as body:
        assert await body.read() == b"first"
        await body.gather(0.02)
        with pytest.raises(Exception, match=r"not completed|Connection|reset|closed"):
            await rest(body)
        await body.gather(0.02)  # nor is it an error to gather then


class Closed:
    """uvloop's transport once its socket is closed; asyncio's own says nothing."""

    def pause_reading(self) -> None:
        """It is open still."""

    def resume_reading(self) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    def close(self) -> None:
        """It is."""


async def test_a_socket_that_closes_while_it_gathers_is_told_by_the_reading(
    raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_transport", lambda answer: Closed())
    async with (
        open_writer(raw_provider.url, reuse_connections=False) as writer,
        answered(writer, raw_provider, *streamed(BODY)) as body,
    ):
        await body.gather(0.02)
        assert await rest(body) == BODY


async def test_so_is_one_of_an_exchange(writer: OpenAIWriter, raw_provider: RawProvider) -> None:
    async with answered(writer, raw_provider, HEAD, chunked(b"first"), HANG) as body:
        assert isinstance(body, Exchange)
        used, own = body._used, transport(body)  # private
        used.transport = Closed()
        assert await body.read() == b"first"
        await body.gather(0.02)
        used.transport = own
        own.abort()
        with pytest.raises(httpx2.ReadError):
            await rest(body)


async def test_a_call_that_is_cancelled_while_it_gathers_leaves_no_connection(
    sender: OpenAIWriter, raw_provider: RawProvider
) -> None:
    async with answered(sender, raw_provider, HEAD, chunked(b"first"), HANG) as body:
        await body.read()
        gathering = asyncio.create_task(body.gather(60.0))
        await asyncio.sleep(0)
        gathering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gathering
    await raw_provider.all_left()


async def test_quick_pieces_are_heard_together_and_whole(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    steady = [s for n in range(100) for s in (chunked(piece(f"{n} ")), 0.005)]
    raw_provider.then([HEAD, *steady, chunked(STOP + USAGE_EVENT + DONE), LAST])
    ear = RecordingListener()
    answer = await write(writer, ear=ear)
    assert answer.text == ear.text == "".join(f"{n} " for n in range(100))
    assert len(ear.heard_of) < 80
    assert ear.heard_of[0] == "0 ", "the first one waits for no other"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def quick(*readings: tuple[float, int]) -> list[bool]:
    """After each reading, some seconds behind the last, with so many events."""
    clock, found = Clock(), []
    pace = ArrivalRate(clock)
    for seconds, events in readings:
        clock.now += seconds
        found.append(pace.is_quick(events, had_text=events > 0))
    return found


def test_a_stream_is_quick_once_its_pieces_come_faster_than_they_are_gathered() -> None:
    assert quick(*[(0.006, 1)] * 5) == [False] * 4 + [True]
    assert quick((0.0, 1), (0.03, 1), (0.03, 1), (0.03, 0)) == [False] * 4
    assert quick((0.0, 1), (0.03, 1), (0.005, 1), (0.021, 4), (0.03, 1)) == [False] * 2 + [
        True,
        True,
        False,
    ]


def test_pieces_that_nobody_hears_are_gathered_for_a_twentieth_of_the_streams_time() -> None:
    clock = Clock()
    pace = ArrivalRate(clock)
    found = []
    for seconds in (0.0, 0.2, 0.8, 9.0):
        clock.now += seconds
        pace.is_quick(1, had_text=True)
        found.append((pace.interval(heard=True), round(pace.interval(heard=False), 6)))
    assert found == [(0.02, 0.02), (0.02, 0.02), (0.02, 0.05), (0.02, 0.1)]


async def test_the_last_pieces_of_a_quick_stream_that_nobody_hears_are_whole(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    steady = [s for n in range(100) for s in (chunked(piece(f"{n} ")), 0.005)]
    raw_provider.then([HEAD, *steady, chunked(STOP + USAGE_EVENT + DONE), LAST])
    assert (await write(writer)).text == "".join(f"{n} " for n in range(100))


def test_a_burst_is_never_held_up() -> None:
    assert quick((0.0, 200), (0.001, 300), (GATHER_INTERVAL / 2, 100)) == [False] * 3


async def test_nothing_is_gathered_across_a_deadline() -> None:
    now = asyncio.get_running_loop().time()
    async with CallDeadline(now + 50.0, 10.0) as watch:
        assert (watch.leaves(9.0), watch.leaves(11.0)) == (True, False)
        watch.expect(100.0)
        assert (watch.leaves(49.0), watch.leaves(51.0)) == (True, False)
