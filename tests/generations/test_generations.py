"""Generations through the service: jobs that are started, read by many, resumed and cancelled."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.generations.log import generation_key
from tests.support.generation_clients import (
    CANCEL,
    CHARACTER,
    FOLLOW,
    LONG,
    SLOW,
    SOON,
    START,
    HeardGeneration,
    aborted_within,
    cancelled,
    follow,
    gateways_on_one_database,
    generation_now,
    read_halfway,
    read_to_end,
    resumed,
    start,
)
from tests.support.rest_bodies import TALE
from tests.support.rest_requests import redis_of
from tests.support.service import CHARACTER_INPUT, Service
from tests.support.upstream import FAULTS, PROSE, Behaviour, Upstream, prose
from tests.support.waiting import until

STORY_INPUT = {"story": {"elementType": "PLOT", "context": {"campaignTheme": "a drowned crown"}}}
RULES = [{"category": "QUALITY", "name": "readable"}]
PLAIN: dict[str, Any] = {
    "theme": {"themeAnalysis": {"content": TALE}},
    "validation": {
        "contentValidation": {"content": TALE, "contentType": "character", "rules": RULES}
    },
    "npc": {"npc": {"role": "MENTOR", "context": {"setting": "Saltmere"}}},
}


# -- starting
async def test_it_is_started_before_the_model_answers(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(silent=True)
    answer = (await with_models.data(START, {"input": CHARACTER}))["startGeneration"]
    assert answer["generation"]["operation"] == "character"
    assert (answer["generation"]["state"], answer["generation"]["text"]) == ("RUNNING", None)
    assert answer["rateLimit"]["scope"]
    found = await generation_now(with_models, answer["generation"]["id"])
    assert (found["state"], found["contentId"], found["content"]) == ("RUNNING", None, None)
    assert (await cancelled(with_models, found["id"]))["state"] == "CANCELLED"


async def test_a_bad_input_and_a_missing_permission_start_nothing(
    with_models: Service, provider: Upstream
) -> None:
    claims: Any
    bad = {"characterContent": {**CHARACTER_INPUT, "characterContext": {"characterLevel": 99}}}
    for given, claims, code in (
        (bad, {}, "BAD_USER_INPUT"),
        (CHARACTER, {"permissions": ["content:read"]}, "FORBIDDEN"),
    ):
        body = (await with_models.graphql(START, {"input": given}, **claims)).json()
        assert body["errors"][0]["extensions"]["code"] == code
    assert not provider.requests
    assert with_models.gateway.generations.running == 0


# -- reading
async def test_all_readers_get_the_same_text_whenever_they_come(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = SLOW
    generation_id = await start(with_models, CHARACTER)
    early = asyncio.create_task(read_to_end(with_models, generation_id))
    half = await read_halfway(with_models, generation_id)
    assert not half.ended
    with_half = half.text
    running = await generation_now(with_models, generation_id)
    assert running["state"] == "RUNNING"
    assert LONG.startswith(running["text"])
    told = [
        *await asyncio.gather(
            early,
            read_to_end(with_models, generation_id),
            read_to_end(with_models, generation_id, half),
        ),
        await read_to_end(with_models, generation_id),  # it has ended by now
    ]
    assert {t.text for t in told} == {LONG}
    assert LONG.startswith(with_half)
    assert with_half != LONG
    assert {t.cursor for t in told} == {told[0].cursor}
    assert told[0].kinds == ["GenerationStarted", "GenerationDelta", "GenerationCompleted"]
    assert len(provider.requests) == 1
    content = (await generation_now(with_models, generation_id))["content"]
    assert content == {
        "__typename": "GeneratedContent",
        "contentId": generation_id,
        "text": LONG,
    }


async def test_a_query_tells_how_it_ended(with_models: Service, provider: Upstream) -> None:
    done = await start(with_models, CHARACTER)
    await read_to_end(with_models, done)
    provider.then(FAULTS["content_filter"], Behaviour(silent=True))
    strict = {"characterContent": {**CHARACTER_INPUT, "allowDegraded": False}}
    rejected = await start(with_models, strict)
    assert (await read_to_end(with_models, rejected)).last["code"] == "CONTENT_REJECTED"
    stopped = await start(with_models, strict)
    await until(lambda: len(provider.requests) == 3)
    await cancelled(with_models, stopped)
    provider.always = FAULTS["429_quota"]
    away = await start(with_models, strict)
    failed = (await read_to_end(with_models, away)).last
    found = [await generation_now(with_models, i) for i in (done, rejected, away, stopped)]
    assert [f["state"] for f in found] == ["COMPLETED", "FAILED", "FAILED", "CANCELLED"]
    assert [f["contentId"] for f in found] == [done, None, None, None]
    assert found[0]["text"] == PROSE
    assert found[1]["failure"]["code"] == "CONTENT_REJECTED"
    assert found[1]["failure"]["retryable"] is False
    assert found[2]["failure"]["retryable"] is failed["retryable"] is True
    assert found[2]["failure"]["attempts"][0]["model"] == "gpt-4-turbo"
    assert found[3]["failure"] is None


async def test_nobody_reads_or_cancels_what_is_anothers(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(silent=True)
    generation_id = await start(with_models, CHARACTER)
    assert await generation_now(with_models, generation_id, sub="bob") is None
    body = (await with_models.graphql(CANCEL, {"id": generation_id}, sub="bob")).json()
    assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    async with with_models.socket(sub="bob") as socket:
        await socket.acknowledged()
        await socket.subscribe(FOLLOW, {"id": generation_id})
        message = await socket.receive()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == "NOT_FOUND"
    for accept in ("application/json", "text/event-stream"):
        headers = {**with_models.headers(sub="bob"), "Accept": accept}
        path = f"/api/v2/generations/{generation_id}"
        assert (await with_models.http.get(path, headers=headers)).status_code == 404
    assert (await generation_now(with_models, generation_id))["state"] == "RUNNING"
    await cancelled(with_models, generation_id)


async def test_when_the_transcript_is_gone_the_content_answers(with_models: Service) -> None:
    generation_id = await start(with_models, CHARACTER)
    told = await read_to_end(with_models, generation_id)
    async with redis_of(with_models) as redis:
        assert await redis.delete(generation_key("alice", generation_id)) == 1
    found = await generation_now(with_models, generation_id)
    assert (found["state"], found["text"]) == ("COMPLETED", PROSE)
    new = await read_to_end(with_models, generation_id)
    assert (new.text, new.last["contentId"]) == (PROSE, generation_id)
    told.kinds = []
    await read_to_end(with_models, generation_id, told)
    assert told.kinds == ["GenerationReset", "GenerationDelta", "GenerationCompleted"]
    assert told.text == PROSE


@pytest.mark.parametrize("after", ["garbage", "another's"])
async def test_what_is_no_cursor_of_it_is_refused(with_models: Service, after: str) -> None:
    one, other = [await start(with_models, CHARACTER) for _ in range(2)]
    if after == "another's":
        after = (await read_to_end(with_models, other)).cursor or ""
    async with with_models.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(FOLLOW, {"id": one, "after": after})
        message = await socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert message["payload"][0]["extensions"]["field"] == "after"


# -- what is told
@pytest.mark.parametrize("name", PLAIN)
async def test_what_has_no_prose_tells_its_start_and_its_end(
    with_models: Service, name: str
) -> None:
    told = await read_to_end(with_models, await start(with_models, PLAIN[name]))
    assert told.kinds == ["GenerationStarted", "GenerationCompleted"]
    assert told.last["content"] is not None


async def test_of_a_story_the_content_is_told_not_its_summary(
    with_models: Service, provider: Upstream
) -> None:
    story = orjson.dumps({"content": LONG, "summary": "Words."}).decode()
    size = 7
    provider.then(
        Behaviour(tokens=[story[n : n + size] for n in range(0, len(story), size)], pace=0.005)
    )
    generation_id = await start(with_models, STORY_INPUT)
    told = await read_to_end(with_models, generation_id)
    assert told.text == LONG
    assert told.kinds == ["GenerationStarted", "GenerationDelta", "GenerationCompleted"]
    assert told.seq > 5


async def test_the_storyteller_tells_its_text_in_pieces(loregate: Service) -> None:
    generation_id = await start(loregate, CHARACTER)
    told = await read_to_end(loregate, generation_id)
    assert told.seq > 3
    assert (await generation_now(loregate, generation_id))["content"]["text"] == told.text


async def test_a_model_that_breaks_off_is_followed_by_another_and_readers_are_told(
    with_models: Service, provider: Upstream
) -> None:
    provider.on("gpt-6.1-terra").always = Behaviour(text=LONG, pace=0.005, cut_after=20)
    generation_id = await start(with_models, CHARACTER)
    told = await read_to_end(with_models, generation_id)
    assert told.kinds[:3] == ["GenerationStarted", "GenerationDelta", "GenerationReset"]
    assert told.kinds[-1] == "GenerationCompleted"
    assert (
        told.text == PROSE == (await generation_now(with_models, generation_id))["content"]["text"]
    )


# -- asked once
async def test_the_same_key_starts_one_writing(with_models: Service, provider: Upstream) -> None:
    provider.always = SLOW
    keyed = {"characterContent": {**CHARACTER_INPUT, "idempotencyKey": "k"}}
    ids = [await start(with_models, keyed) for _ in range(2)]
    told = await asyncio.gather(*(read_to_end(with_models, i) for i in ids))
    told.append(await read_to_end(with_models, await start(with_models, keyed)))
    assert {t.last["contentId"] for t in told} == {ids[0]}
    assert {t.text for t in told} == {LONG}
    assert len(provider.requests) == 1


async def test_what_is_cached_is_told_whole(with_models: Service, provider: Upstream) -> None:
    cached = {"characterContent": {**CHARACTER_INPUT, "cache": "USE"}}
    first = await read_to_end(with_models, await start(with_models, cached))
    events = []
    async with aclosing(follow(with_models, await start(with_models, cached))) as found:
        events = [event async for event in found]
    assert [e["__typename"] for e in events] == [
        "GenerationStarted",
        "GenerationDelta",
        "GenerationCompleted",
    ]
    assert (events[1]["seq"], events[1]["text"]) == (1, PROSE)
    assert (first.last["cacheStatus"], events[2]["cacheStatus"]) == ("MISS", "HIT")
    assert events[2]["contentId"] == first.last["contentId"]
    assert len(provider.requests) == 1


async def test_equal_generations_at_once_are_written_once(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = SLOW
    cached = {"characterContent": {**CHARACTER_INPUT, "cache": "USE"}}
    ids = [await start(with_models, cached) for _ in range(3)]
    told = await asyncio.gather(*(read_to_end(with_models, i) for i in ids))
    statuses = sorted(t.last["cacheStatus"] for t in told)
    assert statuses == ["COALESCED", "COALESCED", "MISS"]
    assert {t.text for t in told} == {LONG}
    assert len({t.last["contentId"] for t in told}) == 1
    assert len(provider.requests) == 1


# -- two gateways
@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server that this test may stop."""
    server = start_valkey(tmp_path / "valkey", persist=False)
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


async def test_another_gateway_reads_it_live_through_an_absence_of_redis_and_cancels_it(
    tmp_path: Path, own_valkey: EmbeddedValkey, provider: Upstream
) -> None:
    provider.always = Behaviour(text=prose(2000), pace=0.01)
    async with gateways_on_one_database(tmp_path, own_valkey.url, provider) as [one, other]:
        generation_id = await start(one, CHARACTER)
        own, told = HeardGeneration(), HeardGeneration()
        async with (
            aclosing(follow(one, generation_id)) as here,
            aclosing(follow(other, generation_id)) as there,
        ):
            while len(told.text) < 20:
                told.hear(await anext(there))
            os.kill(own_valkey.pid, signal.SIGSTOP)
            size = len(own.text) + 300
            while len(own.text) < size:  # here it goes on
                own.hear(await anext(here))
            os.kill(own_valkey.pid, signal.SIGCONT)
            while len(told.text) < size:  # and there it comes afterwards
                told.hear(await anext(there))
            for gateway in (one, other):
                redis = gateway.parts.redis
                await until(lambda redis=redis: redis.up)
            began = time.monotonic()
            found = await cancelled(other, generation_id)
            await aborted_within(provider, SOON, began)
            assert found["state"] == "CANCELLED"
            for reader, events in ((own, here), (told, there)):
                async for event in events:
                    reader.hear(event)
        assert own.text == told.text
        assert prose(2000).startswith(told.text)
        assert own.kinds == told.kinds
        assert told.kinds == ["GenerationStarted", "GenerationDelta", "GenerationCancelled"]
        assert (await generation_now(one, generation_id))["state"] == "CANCELLED"
        assert (await other.get(f"/api/v2/content/{generation_id}")).status_code == 404


async def test_another_gateway_reads_it_from_any_place(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    provider.always = SLOW
    async with gateways_on_one_database(tmp_path, redis_url, provider) as [one, other]:
        generation_id = await start(one, CHARACTER)
        half = await read_halfway(one, generation_id)
        told = await asyncio.gather(
            read_to_end(other, generation_id),
            read_to_end(other, generation_id, half),
            read_to_end(one, generation_id),
            resumed(other, generation_id, HeardGeneration()),
        )
        assert {t.text for t in told} == {LONG}
        assert (await generation_now(other, generation_id))["content"]["text"] == LONG
        assert len(provider.requests) == 1
        assert not other.gateway.generations.copies
