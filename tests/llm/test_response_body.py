"""Body: a stream's bytes, gathered where they come quickly; never at the cost of its end."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.llm import response_body as module
from app.llm.deadline import CallDeadline
from app.llm.openai import OpenAIWriter
from app.llm.response_body import GATHER_INTERVAL, ArrivalRate, ResponseBody
from tests.support.openai_writers import RecordingListener, write
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


@contextlib.asynccontextmanager
async def answered(
    writer: OpenAIWriter, raw_provider: RawProvider, *script: Step
) -> AsyncIterator[ResponseBody]:
    raw_provider.then(list(script))
    # private: the answer as the SDK has it, which the writer itself gives to nobody
    response = await writer._post({"model": "m", "messages": []})  # private
    async with ResponseBody(response) as found:
        yield found


async def rest(body: ResponseBody) -> bytes:
    found = b""
    while chunk := await body.read():
        found += chunk
    return found


def transport(body: ResponseBody) -> Any:
    return body._answer.connection.transport  # private: whether it is paused


async def test_the_transports_own_reader_is_found_under_the_sdks(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    async with answered(writer, raw_provider, *streamed(BODY)) as body:
        assert body._answer is not None  # private: without it all is read, but slower
        assert await rest(body) == BODY


async def test_an_answer_without_that_reader_is_read_all_the_same(
    writer: OpenAIWriter, raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_aiohttp_response", lambda response: None)
    async with answered(writer, raw_provider, *streamed(BODY)) as body:
        await body.gather()  # nothing to gather with, and no error
        assert await rest(body) == BODY


async def test_a_compressed_answer_is_decoded(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    script = [*ZIPPED, chunked(gzip.compress(BODY)), LAST]
    async with answered(writer, raw_provider, *script) as body:
        assert await rest(body) == BODY


async def test_what_comes_while_it_gathers_is_read_at_once(
    writer: OpenAIWriter, raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATHER_INTERVAL", 0.5)
    pieces = [s for n in range(5) for s in (0.01, chunked(b"%d" % n))]
    async with answered(writer, raw_provider, HEAD, chunked(b"first"), *pieces, LAST) as body:
        assert await body.read() == b"first"
        gathering = asyncio.create_task(body.gather())
        await asyncio.sleep(0)
        assert not transport(body).is_reading()
        await gathering
        assert await body.read() == b"01234"
        assert await rest(body) == b""
    await write(writer)
    assert raw_provider.accepted == 1, "the connection is used again"


@pytest.mark.parametrize("ending", [CLOSE, RESET])
async def test_an_end_that_comes_while_it_gathers_is_no_good_end(
    ending: str, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    async with answered(writer, raw_provider, HEAD, chunked(b"first"), ending) as body:
        assert await body.read() == b"first"
        await body.gather()
        with pytest.raises(Exception, match=r"not completed|Connection|reset|closed"):
            await rest(body)
        await body.gather()  # nor is it an error to gather then


class Closed:
    """uvloop's transport once its socket is closed; asyncio's own says nothing."""

    def pause_reading(self) -> None:
        """It is open still."""

    def resume_reading(self) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")


async def test_a_socket_that_closes_while_it_gathers_is_told_by_the_reading(
    writer: OpenAIWriter, raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_transport", lambda answer: Closed())
    async with answered(writer, raw_provider, *streamed(BODY)) as body:
        await body.gather()
        assert await rest(body) == BODY


async def test_a_call_that_is_cancelled_while_it_gathers_leaves_no_connection(
    writer: OpenAIWriter, raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GATHER_INTERVAL", 60.0)
    async with answered(writer, raw_provider, HEAD, chunked(b"first"), HANG) as body:
        await body.read()
        gathering = asyncio.create_task(body.gather())
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


def test_a_burst_is_never_held_up() -> None:
    assert quick((0.0, 200), (0.001, 300), (GATHER_INTERVAL / 2, 100)) == [False] * 3


async def test_nothing_is_gathered_across_a_deadline() -> None:
    now = asyncio.get_running_loop().time()
    async with CallDeadline(now + 50.0, 10.0) as watch:
        assert (watch.leaves(9.0), watch.leaves(11.0)) == (True, False)
        watch.expect(100.0)
        assert (watch.leaves(49.0), watch.leaves(51.0)) == (True, False)
