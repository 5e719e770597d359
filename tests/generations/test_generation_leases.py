"""What a process generates: its leases, who cancels it, how it ends, and who reads it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from app.embedded.valkey import EmbeddedValkey
from app.errors import DependencyUnavailable, ModelTimeout
from app.generations.generation import Generation, interrupted
from app.generations.log import CANCELLING, RUNNING, generation_key
from app.generations.transcript import Event
from tests.support.generation_processes import (
    END,
    KEY,
    Process,
    begun,
    forever,
    processes,
    tell,
    texts,
)
from tests.support.waiting import tasks_named, until

pytestmark = pytest.mark.also_on("cluster")


# -- leases
async def test_a_renewed_lease_does_not_lapse(redis_url: str) -> None:
    async with processes(redis_url, 2, lease=1.2, reap_interval=0.1) as [one, other]:
        generation = await one.begin(forever)
        await asyncio.sleep(2.0)
        assert not (await other.copy()).ended
        generation.cancel()
        await generation.transcript.wait_ended(5)
        assert texts(await other.copy()) == ["started", "cancelled"]


async def test_readers_everywhere_hear_that_a_process_died(redis_url: str) -> None:
    async with processes(redis_url, 2, lease=1.0, reap_interval=0.1) as [one, other]:
        await one.begin(forever)
        follow = await other.generations.subscribe(
            await other.generations.find("alice", "one"), "one"
        )
        one.die()
        async with asyncio.timeout(5):
            events = [event async for _, event in follow]
        await follow.aclose()
        assert [e["type"] for e in events] == ["started", "failed"]
        assert (events[1]["code"], events[1]["retryable"]) == ("INTERRUPTED", True)


async def test_a_process_that_was_taken_for_dead_gives_up(redis_url: str) -> None:
    async with processes(redis_url, 2, reap_interval=60.0) as [one, other]:
        generation = await one.begin(forever)
        assert generation.task is not None
        await one.redis.call("ZADD", RUNNING, 0, KEY)
        assert await other.log.reap(interrupted()) == 1
        tell(one, generation.transcript, "The")
        await asyncio.wait({generation.task}, timeout=5)
        assert texts(generation.transcript) == ["started", "The", "failed"]
        assert texts(await other.copy()) == ["started", "failed"]
        assert await one.redis.call("ZCARD", RUNNING) == 0


async def test_after_redis_was_away_the_living_have_time_to_renew(
    own_valkey: EmbeddedValkey,
) -> None:
    given = {"lease": 0.3, "reap_interval": 0.05, "renewal_timeout": 3.0}
    async with processes(own_valkey.url, 2, **given) as [one, other]:
        transcript = await begun(one)
        await one.log.renew_leases([KEY])
        os.kill(own_valkey.pid, signal.SIGSTOP)
        await asyncio.sleep(0.7)
        os.kill(own_valkey.pid, signal.SIGCONT)
        await until(lambda: one.redis.up and other.redis.up)
        # A look that Redis was asked for in its absence may give the lease once more: wait longer.
        await asyncio.sleep(0.8)
        assert await one.redis.call("ZCARD", RUNNING) == 1
        assert not (await one.copy()).ended
        await one.log.renew_leases([KEY])
        await one.log.end(transcript, END)
        assert transcript.events[-1] == END


async def test_after_redis_was_away_the_dead_are_found_too(own_valkey: EmbeddedValkey) -> None:
    given = {"lease": 0.3, "reap_interval": 0.05, "renewal_timeout": 0.3}
    async with processes(own_valkey.url, 2, **given) as [one, other]:
        await begun(one)
        await one.log.renew_leases([KEY])
        os.kill(own_valkey.pid, signal.SIGSTOP)
        await asyncio.sleep(0.7)
        os.kill(own_valkey.pid, signal.SIGCONT)
        await until(lambda: one.redis.up and other.redis.up)
        found = await one.copy()
        async with asyncio.timeout(5):
            while not found.ended:
                await one.log.read(found)
        assert found.events[-1] == interrupted()


# -- cancelling
async def test_a_wish_to_cancel_reaches_the_process_that_runs_it_once(process: Process) -> None:
    await process.log.cancel(KEY)
    assert await process.log.renew_leases([generation_key("alice", "other")]) == set()
    assert await process.log.renew_leases([KEY]) == {KEY}
    assert await process.log.renew_leases([KEY]) == set()
    await process.redis.call("ZADD", CANCELLING, 1, KEY)  # of long ago
    await process.log.renew_leases([])
    assert await process.log.renew_leases([KEY]) == set()


async def test_a_generation_is_cancelled_from_another_process(redis_url: str) -> None:
    async with processes(redis_url, 2) as [one, other]:
        generation = await one.begin(forever)
        found = await other.generations.find("alice", "one")
        ended = await other.generations.cancel(found)
        assert texts(ended) == texts(generation.transcript) == ["started", "cancelled"]
        assert not other.generations.copies


async def test_a_reader_that_leaves_does_not_leave_who_waits_for_the_end(redis_url: str) -> None:
    async with processes(redis_url, 2) as [one, other]:
        await one.begin(forever)
        found = await other.generations.find("alice", "one")
        follow = await other.generations.subscribe(found, "one")
        assert (await anext(follow))[1]["type"] == "started"
        cancelling = asyncio.create_task(other.generations.cancel(found))
        await until(lambda: found.readers == 2)
        await follow.aclose()
        assert (await cancelling).ended


async def test_cancelled_elsewhere_while_redis_is_away_is_refused(
    own_valkey: EmbeddedValkey,
) -> None:
    async with processes(own_valkey.url, 2) as [one, other]:
        generation = await one.begin(forever)
        found = await other.generations.find("alice", "one")
        os.kill(own_valkey.pid, signal.SIGSTOP)
        with pytest.raises(DependencyUnavailable):
            await other.generations.cancel(found)
        assert not generation.cancelled
        own = await one.generations.cancel(generation.transcript)  # this one needs no Redis
        os.kill(own_valkey.pid, signal.SIGCONT)
        assert texts(own) == ["started", "cancelled"]


async def test_an_end_that_is_being_written_down_is_not_cancelled(
    own_valkey: EmbeddedValkey,
) -> None:
    async def work(_: Generation) -> Event:
        os.kill(own_valkey.pid, signal.SIGSTOP)
        return END

    async with processes(own_valkey.url) as [process]:
        generation = await process.begin(work)
        await until(lambda: generation.ending)
        generation.cancel()
        await asyncio.sleep(0)
        os.kill(own_valkey.pid, signal.SIGCONT)
        await generation.transcript.wait_ended(5)
        assert texts(generation.transcript) == ["started", "completed"]
        assert process.generations.running_here.keys() <= {KEY}


# -- how work ends
async def test_errors_end_a_generation_as_they_are(process: Process) -> None:
    async def timeout(_: Generation) -> Event:
        raise ModelTimeout("gpt-4-turbo was too slow", "gpt-4-turbo")

    async def wrong(_: Generation) -> Event:
        raise ValueError("a secret")

    ends = []
    for n, work in enumerate((timeout, wrong)):
        generation = await process.begin(work, str(n))
        await generation.transcript.wait_ended(5)
        ends.append(generation.transcript.events[-1])
    assert [(e["code"], e["retryable"]) for e in ends] == [
        ("MODEL_TIMEOUT", True),
        ("INTERNAL_ERROR", False),
    ]
    assert "secret" not in str(ends)
    await until(lambda: not process.generations.running_here)


async def test_a_stopped_process_ends_what_it_runs(redis_url: str) -> None:
    async with processes(redis_url, 2) as [one, other]:
        generation = await one.begin(forever)
        await one.generations.stop()
        assert generation.transcript.events[-1] == interrupted()
        assert texts(await other.copy()) == ["started", "failed"]
        assert await other.redis.call("ZCARD", RUNNING) == 0


# -- readers
@pytest.mark.parametrize("wish", ["continue", "cancel"])
async def test_a_reader_that_leaves_before_its_first_event_has_left(
    process: Process, wish: str
) -> None:
    generation = await process.begin(forever, on_disconnect=wish)
    follow = await process.generations.subscribe(generation.transcript, "one")
    assert generation.transcript.readers == 1
    await follow.aclose()
    await follow.aclose()
    assert generation.transcript.readers == 0
    assert generation.cancelled is (wish == "cancel")


async def test_the_last_reader_that_leaves_cancels_where_that_was_wished(redis_url: str) -> None:
    async with processes(redis_url, 2) as [one, other]:
        generation = await one.begin(forever, on_disconnect="cancel")
        found = await other.generations.find("alice", "one")
        readers = [await other.generations.subscribe(found, "one") for _ in range(2)]
        await readers[0].aclose()
        assert other.generations.copies
        assert await other.redis.call("ZCARD", CANCELLING) == 0
        await readers[1].aclose()
        assert not other.generations.copies
        await generation.transcript.wait_ended(5)
        assert texts(generation.transcript) == ["started", "cancelled"]


@pytest.mark.parametrize("wish", ["continue", "cancel"])
async def test_who_leaves_while_it_starts_leaves_no_ruin(
    own_valkey: EmbeddedValkey, wish: str
) -> None:
    async def work(_: Generation) -> Event:
        return END

    async with processes(own_valkey.url) as [process]:
        os.kill(own_valkey.pid, signal.SIGSTOP)
        starting = asyncio.create_task(process.begin(work, on_disconnect=wish))
        await until(lambda: process.generations.running_here)
        [generation] = process.generations.running_here.values()
        starting.cancel()
        await asyncio.wait({starting})
        os.kill(own_valkey.pid, signal.SIGCONT)
        await generation.transcript.wait_ended(5)
        wanted = "completed" if wish == "continue" else "cancelled"
        assert generation.transcript.events[-1]["type"] == wanted
        await until(
            lambda: not process.generations.running_here and not process.generations.running
        )


async def test_a_copy_that_nobody_reads_is_not_looked_for(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with processes(redis_url, 2) as [one, other]:
        await one.begin(forever)
        for _ in range(3):
            follow = await other.generations.subscribe(
                await other.generations.find("alice", "one"), "one"
            )
            assert (await anext(follow))[1]["type"] == "started"
            [polling] = tasks_named("generations-copies")
            await asyncio.sleep(0)  # it looks, and waits for its next look
            await follow.aclose()
            await asyncio.wait_for(polling, 5)
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


async def test_what_a_dead_process_had_stored_is_told_as_completed(redis_url: str) -> None:
    """It had told its own reader so, and could not write that down."""
    asked: list[Event] = []

    async def recover(started: Event) -> list[Event] | None:
        asked.append(started)
        return [{"type": "reset"}, {"type": "delta", "text": "The whole."}, END]

    async with processes(redis_url, 2, lease=0.4, reap_interval=0.05, recover=recover) as [
        one,
        other,
    ]:
        generation = await one.begin(forever, user_id="alice")
        tell(one, generation.transcript, "The wh")
        one.die()
        found = await other.copy()
        async with asyncio.timeout(5):
            while not found.ended:
                await asyncio.sleep(0.01)
                await other.log.read(found)
        told = texts(found)
        assert told[0] == "started"
        assert told[-3:] == ["reset", "The whole.", "completed"]
        assert {e["user_id"] for e in asked} == {"alice"}
