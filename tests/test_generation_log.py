"""Transcripts in Redis: written once, read by others, and ended by exactly one."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from app.embedded.valkey import EmbeddedValkey
from app.errors import NotFound
from app.generations.generation import interrupted
from app.generations.log import PAGE, RUNNING, generation_key
from app.generations.transcript import APART
from tests.generating import END, KEY, STARTED, Desk, begun, desks, forever, tell, texts, written
from tests.sockets import until


# -- writing
async def test_what_one_process_writes_another_reads(desk: Desk) -> None:
    transcript = await begun(desk)
    assert texts(await desk.copy()) == ["started"]
    tell(desk, transcript, "The", " lamps")
    await written(desk, transcript)
    await desk.log.end(transcript, END)
    copy = await desk.copy()
    assert copy.events == transcript.events
    assert copy.encoded(0) == transcript.encoded(0)
    assert (copy.last, copy.ended) == (4, True)


async def test_what_is_written_twice_stands_there_once(desk: Desk) -> None:
    transcript = await begun(desk)
    tell(desk, transcript, "The", " lamps")
    await written(desk, transcript)
    desk.log._written[transcript] = 0
    tell(desk, transcript, " went")
    await written(desk, transcript)
    await desk.log.end(transcript, END)
    desk.log.changed(transcript)
    await until(lambda: not desk.log._dirty and not desk.log._written)
    assert (await desk.copy()).encoded(0) == transcript.encoded(0)
    assert await desk.redis.call("XLEN", KEY) == 5


@pytest.mark.parametrize("ended", [False, True])
async def test_what_redis_lost_is_written_anew(desk: Desk, ended: bool) -> None:
    transcript = await begun(desk)
    tell(desk, transcript, "The", " lamps")
    await written(desk, transcript)
    await desk.redis.call("DEL", KEY)
    if ended:
        await desk.log.end(transcript, END)
    else:
        tell(desk, transcript, " went")
    await written(desk, transcript)
    assert (await desk.copy()).ended is ended


async def test_a_transcript_is_kept_for_a_while_behind_its_last_event(redis_url: str) -> None:
    async with desks(redis_url, life=0.3) as [desk]:
        transcript = await begun(desk)
        for _ in range(4):  # each event gives it its whole life again
            await asyncio.sleep(0.1)
            tell(desk, transcript, "x")
        await written(desk, transcript)
        await desk.log.end(transcript, END)
        assert 0 < await desk.redis.call("PTTL", KEY) <= 300
        async with asyncio.timeout(5):
            while await desk.log.exists(transcript):
                await asyncio.sleep(0.02)
        with pytest.raises(NotFound):
            await desk.generations.find("alice", "one")
    assert not desk.log._written


async def test_nothing_is_remembered_of_what_ended(desk: Desk) -> None:
    for n in range(20):
        transcript = await begun(desk, generation_key("alice", str(n)))
        tell(desk, transcript, "The", " lamps")
        await desk.log.end(transcript, END)
    await until(lambda: not desk.log._dirty and not desk.log._written)


async def test_while_redis_is_away_readers_here_go_on_and_it_is_written_afterwards(
    own_valkey: EmbeddedValkey,
) -> None:
    async with desks(own_valkey.url) as [desk]:
        transcript = await begun(desk)
        os.kill(own_valkey.pid, signal.SIGSTOP)
        tell(desk, transcript, "The", " lamps")
        await desk.log.end(transcript, END)
        assert texts(transcript) == ["started", "The", " lamps", "completed"]
        assert transcript in desk.log._written
        os.kill(own_valkey.pid, signal.SIGCONT)
        await until(lambda: desk.redis.up and not desk.log._dirty and not desk.log._written)
        assert (await desk.copy()).encoded(0) == transcript.encoded(0)


# -- reading
async def test_many_are_read_at_once_each_from_its_place(desk: Desk) -> None:
    own = [await begun(desk, generation_key("alice", str(n))) for n in range(5)]
    copies = [await desk.copy(t.key) for t in own[:4]]
    for n, transcript in enumerate(own):
        tell(desk, transcript, *(f"{n}-{k}" for k in range(n)))
        await written(desk, transcript)
    await desk.log.read_all(copies)
    await desk.log.read_all(copies)
    assert [c.events for c in copies] == [t.events for t in own[:4]]


async def test_one_alone_and_a_long_one_are_read(desk: Desk) -> None:
    own = await begun(desk)
    copy = await desk.copy()
    tell(desk, own, *(str(n) for n in range(PAGE + 10)))
    await written(desk, own)
    assert (await desk.copy()).events == own.events
    await desk.log.read_all([copy])
    await desk.log.read_all([copy])
    assert copy.events == own.events


async def test_another_user_finds_nothing(desk: Desk) -> None:
    await desk.begin(forever)
    assert texts(await desk.generations.find("alice", "one")) == ["started"]
    with pytest.raises(NotFound):
        await desk.generations.find("bob", "one")


# -- ends
async def test_a_lapsed_lease_is_ended_by_one_of_all_who_look(redis_url: str) -> None:
    async with desks(redis_url, 3, lease=0.05, reap_every=60.0) as [one, *others]:
        transcript = await begun(one)
        tell(one, transcript, "The")
        await written(one, transcript)
        await one.log.keep([KEY])
        await asyncio.sleep(0.1)
        ended = [d.log.reap(interrupted()) for d in others * 5]
        assert sum(await asyncio.gather(*ended)) == 1
        copy = await others[0].copy()
        assert (copy.last, copy.events[-1]) == (2 + APART, interrupted())
        assert await one.redis.call("ZCARD", RUNNING) == 0


async def test_whoever_was_ended_by_another_tells_the_others_end(redis_url: str) -> None:
    async with desks(redis_url, 2, lease=0.05, reap_every=60.0) as [one, other]:
        transcript = await begun(one)
        await one.log.keep([KEY])
        await asyncio.sleep(0.1)
        assert await other.log.reap(interrupted()) == 1
        await one.log.end(transcript, END)
        assert transcript.events[-1] == interrupted()
        assert (await other.copy()).encoded(0) == transcript.encoded(0)


async def test_what_has_ended_is_not_ended_again(redis_url: str) -> None:
    async with desks(redis_url, 2, lease=0.05, reap_every=60.0) as [one, other]:
        transcript = await begun(one)
        await one.log.keep([KEY])
        await one.log.end(transcript, END)  # and its process died before it left
        await asyncio.sleep(0.1)
        assert await other.log.reap(interrupted()) == 0
        assert (await other.copy()).events == [STARTED, END]
        assert await one.redis.call("ZCARD", RUNNING) == 0
