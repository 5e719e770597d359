"""How transcripts come to Redis: the first news at once, what follows together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from app.generations import log as generation_log
from app.generations.generation import Generation
from app.generations.log import MAX_WRITTEN, generation_key
from app.generations.transcript import Event, Transcript
from app.redis.client import Call
from tests.support.generation_processes import (
    END,
    KEY,
    Process,
    begun,
    tell,
    written,
)
from tests.support.replaced import replaced
from tests.support.waiting import until


@contextmanager
def counted(process: Process) -> Iterator[list[Sequence[Call]]]:
    """The round trips for many, as they are made."""
    run_each, trips = process.redis.run_each, list[Sequence[Call]]()

    async def counting(calls: Sequence[Call]) -> list[Any]:
        trips.append(calls)
        return await run_each(calls)

    with replaced(process.redis, run_each=counting):
        yield trips


async def test_the_first_news_are_written_without_waiting_for_more(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generation_log, "WRITE_INTERVAL", 60.0)
    transcript = await begun(process)
    tell(process, transcript, "The")
    await written(process, transcript)


async def test_what_comes_behind_the_first_is_written_together(process: Process) -> None:
    transcript = await begun(process)
    with counted(process) as trips:
        tell(process, transcript, "The")
        await until(lambda: len(trips) == 1)
        for text in (" lamps", " went", " out"):
            tell(process, transcript, text)
            await asyncio.sleep(0)
        assert len(trips) == 1
        await written(process, transcript)
        assert len(trips) == 2


async def test_many_are_written_a_few_at_a_time_and_none_is_left_out(process: Process) -> None:
    count = 2 * MAX_WRITTEN + 3
    found = [await begun(process, generation_key("alice", str(n))) for n in range(count)]
    with counted(process) as trips:
        for transcript in found:
            tell(process, transcript, "The", " lamps")
        for transcript in found:
            await written(process, transcript)
    assert [len(calls) for calls in trips] == [MAX_WRITTEN, MAX_WRITTEN, 3]


async def test_a_generation_takes_its_lease_and_tells_its_start_in_one_round_trip(
    process: Process,
) -> None:
    with counted(process) as trips:
        transcript = await begun(process)
    assert [len(calls) for calls in trips] == [2]
    assert (await process.copy()).events == transcript.events


async def test_the_work_begins_while_its_start_is_written_down_and_ends_behind_it(
    process: Process,
) -> None:
    began, let, ends = asyncio.Event(), asyncio.Event(), list[str]()
    begin, end = process.log.begin, process.log.end

    async def held(transcript: Transcript) -> None:
        await let.wait()
        await begin(transcript)
        ends.append("announced")

    async def noted(transcript: Transcript, event: Event) -> None:
        ends.append("ended")
        await end(transcript, event)

    async def work(_: Generation) -> Event:
        began.set()
        return END

    with replaced(process.log, begin=held, end=noted):
        starting = asyncio.create_task(process.begin(work))
        await asyncio.wait_for(began.wait(), 5)
        await asyncio.sleep(0)
        assert (ends, starting.done()) == ([], False), "nobody is told of what nobody could find"
        let.set()
        generation = await starting
        await until(lambda: generation.transcript.ended)
    assert ends == ["announced", "ended"]
    assert (await process.copy(KEY)).ended
