"""Transcripts in Redis: written once, read by others, and ended by exactly one."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from app.embedded.valkey import EmbeddedValkey
from app.errors import NotFound
from app.generations.generation import interrupted
from app.generations.log import PAGE_SIZE, RUNNING, generation_key
from app.generations.transcript import RECOVERY_GAP
from tests.support.generation_processes import (
    END,
    KEY,
    STARTED,
    Process,
    begun,
    forever,
    processes,
    tell,
    texts,
    written,
)
from tests.support.waiting import until

pytestmark = pytest.mark.also_on("cluster")


# -- writing
async def test_what_one_process_writes_another_reads(process: Process) -> None:
    transcript = await begun(process)
    assert texts(await process.copy()) == ["started"]
    tell(process, transcript, "The", " lamps")
    await written(process, transcript)
    await process.log.end(transcript, END)
    copy = await process.copy()
    assert copy.events == transcript.events
    assert copy.encoded(0) == transcript.encoded(0)
    assert (copy.last_position, copy.ended) == (4, True)


async def test_what_is_written_twice_stands_there_once(process: Process) -> None:
    transcript = await begun(process)
    tell(process, transcript, "The", " lamps")
    await written(process, transcript)
    process.log._written[transcript] = 0  # private: as when a reply was lost on its way
    tell(process, transcript, " went")
    await written(process, transcript)
    await process.log.end(transcript, END)
    process.log.changed(transcript)
    await until(lambda: process.log.idle)
    assert (await process.copy()).encoded(0) == transcript.encoded(0)
    assert await process.redis.call("XLEN", KEY) == 5


@pytest.mark.parametrize("ended", [False, True])
async def test_what_redis_lost_is_written_anew(process: Process, ended: bool) -> None:
    transcript = await begun(process)
    tell(process, transcript, "The", " lamps")
    await written(process, transcript)
    await process.redis.call("DEL", KEY)
    if ended:
        await process.log.end(transcript, END)
    else:
        tell(process, transcript, " went")
    await written(process, transcript)
    assert (await process.copy()).ended is ended


async def test_a_transcript_is_kept_for_a_while_behind_its_last_event(redis_url: str) -> None:
    async with processes(redis_url, retention=0.3) as [process]:
        transcript = await begun(process)
        for _ in range(4):  # each event gives it its whole life again
            await asyncio.sleep(0.1)
            tell(process, transcript, "x")
        await written(process, transcript)
        await process.log.end(transcript, END)
        assert 0 < await process.redis.call("PTTL", KEY) <= 300
        async with asyncio.timeout(5):
            while await process.log.exists(transcript):
                await asyncio.sleep(0.02)
        with pytest.raises(NotFound):
            await process.generations.find("alice", "one")
    assert process.log.idle


async def test_nothing_is_remembered_of_what_ended(process: Process) -> None:
    for n in range(20):
        transcript = await begun(process, generation_key("alice", str(n)))
        tell(process, transcript, "The", " lamps")
        await process.log.end(transcript, END)
    await until(lambda: process.log.idle)


async def test_while_redis_is_away_readers_here_go_on_and_it_is_written_afterwards(
    own_valkey: EmbeddedValkey,
) -> None:
    async with processes(own_valkey.url) as [process]:
        transcript = await begun(process)
        os.kill(own_valkey.pid, signal.SIGSTOP)
        tell(process, transcript, "The", " lamps")
        await process.log.end(transcript, END)
        assert texts(transcript) == ["started", "The", " lamps", "completed"]
        assert not process.log.idle
        os.kill(own_valkey.pid, signal.SIGCONT)
        await until(lambda: process.redis.up and process.log.idle)
        assert (await process.copy()).encoded(0) == transcript.encoded(0)


# -- reading
async def test_many_are_read_at_once_each_from_its_place(process: Process) -> None:
    own = [await begun(process, generation_key("alice", str(n))) for n in range(5)]
    copies = [await process.copy(t.key) for t in own[:4]]
    for n, transcript in enumerate(own):
        tell(process, transcript, *(f"{n}-{k}" for k in range(n)))
        await written(process, transcript)
    await process.log.read_all(copies)
    await process.log.read_all(copies)
    assert [c.events for c in copies] == [t.events for t in own[:4]]


async def test_one_alone_and_a_long_one_are_read(process: Process) -> None:
    own = await begun(process)
    copy = await process.copy()
    tell(process, own, *(str(n) for n in range(PAGE_SIZE + 10)))
    await written(process, own)
    assert (await process.copy()).events == own.events
    await process.log.read_all([copy])
    await process.log.read_all([copy])
    assert copy.events == own.events


async def test_another_user_finds_nothing(process: Process) -> None:
    await process.begin(forever)
    assert texts(await process.generations.find("alice", "one")) == ["started"]
    with pytest.raises(NotFound):
        await process.generations.find("bob", "one")


# -- ends
async def test_a_lapsed_lease_is_ended_by_one_of_all_who_look(redis_url: str) -> None:
    async with processes(redis_url, 3, lease=0.05, reap_interval=60.0) as [one, *others]:
        transcript = await begun(one)
        tell(one, transcript, "The")
        await written(one, transcript)
        await one.log.renew_leases([KEY])
        await asyncio.sleep(0.1)
        ended = [d.log.reap(interrupted()) for d in others * 5]
        assert sum(await asyncio.gather(*ended)) == 1
        copy = await others[0].copy()
        assert (copy.last_position, copy.events[-1]) == (2 + RECOVERY_GAP, interrupted())
        assert await one.redis.call("ZCARD", RUNNING) == 0


async def test_whoever_was_ended_by_another_tells_the_others_end(redis_url: str) -> None:
    async with processes(redis_url, 2, lease=0.05, reap_interval=60.0) as [one, other]:
        transcript = await begun(one)
        await one.log.renew_leases([KEY])
        await asyncio.sleep(0.1)
        assert await other.log.reap(interrupted()) == 1
        await one.log.end(transcript, END)
        assert transcript.events[-1] == interrupted()
        assert (await other.copy()).encoded(0) == transcript.encoded(0)


async def test_what_has_ended_is_not_ended_again(redis_url: str) -> None:
    async with processes(redis_url, 2, lease=0.05, reap_interval=60.0) as [one, other]:
        transcript = await begun(one)
        await one.log.renew_leases([KEY])
        await one.log.end(transcript, END)  # and its process died before it left
        await asyncio.sleep(0.1)
        assert await other.log.reap(interrupted()) == 0
        assert (await other.copy()).events == [STARTED, END]
        assert await one.redis.call("ZCARD", RUNNING) == 0
