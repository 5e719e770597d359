"""loregate-client follows: through cuts, stops and renewals nothing is lost or told twice."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from loregate_client import (
    AsyncLoregate,
    ConnectionLost,
    CursorExpired,
    Forbidden,
    Loregate,
    NotFound,
    Unauthenticated,
)
from loregate_client.feed import MAX_KNOWN, EventFeed

from app.open_streams import TokenExpired
from tests.support import service
from tests.support.cli_process import free_port
from tests.support.event_streams import publish, until_nothing_is_open
from tests.support.generation_clients import SLOW
from tests.support.python_clients import Answers, Connect, page, rest, slow, take
from tests.support.service import CHARACTER_INPUT, Service, token
from tests.support.sockets import until_subscribed
from tests.support.upstream import PROSE, Behaviour, Upstream
from tests.support.wire import Wire

EVENT = {"data": {"events": {"id": "event", "cursor": "two"}}}


def ids(events: list[Any]) -> list[str]:
    return [event["id"] for event in events]


def joined(pieces: list[Any]) -> str:
    """The text, by somebody who does as he is told."""
    text = ""
    for piece in pieces:
        text = "" if piece["type"] == "reset" else text + piece.get("text", "")
    return text


def kinds(pieces: list[Any]) -> list[str]:
    """What came, each kind once where it came in a row."""
    found = [piece["type"] for piece in pieces]
    return [kind for n, kind in enumerate(found) if found[n - 1 : n] != [kind]]


# -- events
async def test_what_happens_after_the_place_comes_each_once_with_its_content(
    loregate: Service, connect: Connect
) -> None:
    async with connect(loregate.url, token()) as gate:
        place = await gate.event_cursor()
        content = (await gate.write("story", {"elementType": "SCENE", "context": {}}))["story"]
        await publish(loregate, "again")
        await publish(loregate, "again")
        await publish(loregate, "last")
        async with gate.events(after=place) as events:
            first, second, *others = await take(events, 4)
            assert events.cursor == others[-1]["cursor"]
        async with gate.events(after=place, types=["STORY_GENERATED"]) as events:
            assert await take(events, 1) == [second]
    assert [first["type"], second["type"]] == ["CONTENT_GENERATED", "STORY_GENERATED"]
    assert second["typename"] == "StoryGeneratedEvent"
    assert second["content"] == content
    assert ids(others) == ["again", "last"]


@slow
async def test_cut_in_the_midst_no_event_is_lost_or_told_twice(
    loregate: Service, connect: Connect
) -> None:
    async with Wire(loregate.url).laid() as wire, connect(wire.url, token()) as gate:
        events = gate.events(after=await gate.event_cursor())
        got: list[str] = []
        for n in (0, 4):
            await publish(loregate, *range(n, n + 4))
            got += ids(await take(events, 3))
            wire.cut()
        got += ids(await take(events, 2))
        await events.aclose()
    assert got == [str(n) for n in range(8)]


@slow
async def test_a_gateway_that_is_stopped_is_waited_for_and_nothing_is_missed(
    tmp_path: Path, redis_url: str, connect: Connect
) -> None:
    given = service.settings(tmp_path, redis_url)
    fixed = given.model_copy(update={"port": free_port()})
    url = f"http://127.0.0.1:{fixed.port}"
    async with service.running(given) as other, connect(url, token()) as gate:
        events = gate.events(after=(await other.data("{ eventCursor }"))["eventCursor"])
        async with service.running(fixed) as stopped:
            await publish(other, *range(5))
            got = await take(events, 5)
            coming = asyncio.create_task(take(events, 3))
            await until_subscribed(stopped)
            stopped.gateway.open_streams.end_all()  # as its signal does
        await publish(other, *range(5, 7))
        async with service.running(fixed):
            await publish(other, 7)
            got += await coming
            await events.aclose()
    assert ids(got) == [str(n) for n in range(8)]


async def test_cut_before_its_first_event_it_misses_none(
    loregate: Service, connect: Connect
) -> None:
    """It had nothing but a position, and goes on from there."""
    async with Wire(loregate.url).laid() as wire, connect(wire.url, token()) as gate:
        events = gate.events()
        first = asyncio.create_task(take(events, 1))
        await wire.told(b"id: ")
        async with wire.broken():
            await publish(loregate, "meanwhile")
        assert ids(await first) == ["meanwhile"]
        await events.aclose()


async def test_a_response_that_just_ends_is_a_cut(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """As a proxy's may that closes it in good order."""
    caplog.set_level("INFO", "loregate_client")
    first, second = "id: one\n\n", f"id: two\nevent: next\ndata: {json.dumps(EVENT)}\n\n"
    answers = Answers(
        *(page(200, text, content_type="text/event-stream") for text in (first, second))
    )
    async with connect("http://gateway", "t", handler=answers) as gate:
        events = gate.events(after="begin")
        assert ids(await take(events, 1)) == ["event"]
        assert events.cursor == "two"
        await events.aclose()
    sent = [json.loads(request.content)["variables"]["after"] for request in answers.requests]
    assert sent == ["begin", "one"]
    assert re.search(r"goes on in 0\.\d s: The stream broke off", caplog.text)


async def test_a_token_is_renewed_each_time_it_ends_and_nothing_missed(
    loregate: Service, connect: Connect
) -> None:
    tokens = [token() for _ in range(3)]
    async with connect(loregate.url, lambda: tokens.pop(0)) as gate:
        events = gate.events(after=await gate.event_cursor())
        await publish(loregate, 0)
        got = await take(events, 1)
        for n in (1, 2):
            end_tokens(loregate)
            await publish(loregate, n)
            got += await take(events, 1)
        assert ids(got) == ["0", "1", "2"]
        await events.aclose()
    assert tokens == []


@slow
async def test_a_token_that_cannot_be_renewed_is_told_at_its_end(
    loregate: Service, connect: Connect
) -> None:
    async with connect(loregate.url, token()) as gate:
        events = gate.events()
        coming = asyncio.create_task(take(events, 1))
        await until_subscribed(loregate)
        end_tokens(loregate)
        with pytest.raises(Unauthenticated) as caught:
            await coming
    assert caught.value.code == "TOKEN_EXPIRED"


def end_tokens(found: Service) -> None:
    """The tokens of all that is open, before their time."""
    for stream in list(found.gateway.open_streams):
        stream.end(TokenExpired())


@slow
async def test_a_bad_token_or_too_few_rights_end_it_at_once(
    loregate: Service, connect: Connect
) -> None:
    async with connect(loregate.url, "bad") as gate:
        with pytest.raises(Unauthenticated):
            await take(gate.events(), 1)
    async with connect(loregate.url, token(permissions=["text:generate"])) as gate:
        with pytest.raises(Forbidden):
            await take(gate.events(), 1)
        with pytest.raises(NotFound):
            await take(gate.generation("0198c0de-7a1e-7000-8000-5a17e4e00042"), 1)


@slow
async def test_an_expired_place_is_told_with_the_one_to_go_on_from(
    loregate: Service, connect: Connect
) -> None:
    async with connect(loregate.url, token()) as gate:
        place = await gate.event_cursor()
        await loregate.parts.event_log.redis.call("FLUSHALL")
        await publish(loregate, "new")
        with pytest.raises(CursorExpired) as caught:
            await take(gate.events(after=place), 1)
        async with gate.events(after=caught.value.resume_after) as events:
            assert ids(await take(events, 1)) == ["new"]


async def test_a_gateway_that_stays_away_is_given_up_after_max_outage(connect: Connect) -> None:
    async with connect(f"http://127.0.0.1:{free_port()}", "t", max_outage=0.2) as gate:
        with pytest.raises(ConnectionLost):
            await take(gate.events(), 1)


def test_the_ids_that_it_knows_are_bounded() -> None:
    feed = EventFeed(None, None, None, False, None)  # type: ignore[arg-type]  # it asks nothing
    told = [feed._read({"events": {"id": str(n)}}, None) for n in range(MAX_KNOWN + 2)]  # private
    assert all(told)
    assert len(feed._known) == MAX_KNOWN  # private: nobody else counts them


# -- generations
async def test_a_generation_is_told_to_its_end(with_models: Service, connect: Connect) -> None:
    async with connect(with_models.url, token()) as gate:
        stream = gate.stream("character", CHARACTER_INPUT)
        pieces = await rest(stream)
        again = await rest(gate.generation(stream.id))
        ahead = await rest(gate.generation(stream.id, after=pieces[1]["cursor"]))
    assert kinds(pieces) == ["started", "delta", "completed"]
    assert joined(pieces) == stream.text == pieces[-1]["content"]["text"]
    assert joined(again) == stream.text
    assert ahead == pieces[2:]


@slow
async def test_a_generation_goes_on_where_it_was_cut(
    with_models: Service, provider: Upstream, connect: Connect
) -> None:
    provider.always = SLOW
    async with Wire(with_models.url).laid() as wire, connect(wire.url, token()) as gate:
        stream = gate.stream("character", CHARACTER_INPUT)
        pieces = await take(stream, 3)
        wire.cut()
        pieces += await take(stream, 3)
        wire.cut()
        pieces += await rest(stream)
    assert kinds(pieces) == ["started", "delta", "completed"]
    assert joined(pieces) == SLOW.text
    assert len(provider.requests) == 1


@slow
async def test_a_model_that_breaks_off_is_told_as_a_reset(
    with_models: Service, provider: Upstream, connect: Connect
) -> None:
    broken = Behaviour(text=str(SLOW.text), pace=0.005, cut_after=20)
    provider.on("gpt-6.1-terra").always = broken
    async with connect(with_models.url, token()) as gate:
        stream = gate.stream("character", CHARACTER_INPUT)
        pieces = await rest(stream)
    assert kinds(pieces)[:3] == ["started", "delta", "reset"]
    assert joined(pieces) == stream.text == PROSE


@slow
async def test_a_generation_can_be_cancelled(
    with_models: Service, provider: Upstream, connect: Connect
) -> None:
    provider.always = SLOW
    async with connect(with_models.url, token()) as gate:
        started = await gate.start("character", CHARACTER_INPUT)
        stream = gate.generation(started["id"])
        await take(stream, 2)
        assert (await gate.cancel(started["id"]))["state"] == "CANCELLED"
        assert (await rest(stream))[-1]["type"] == "cancelled"


# -- leaving
@slow
async def test_who_leaves_leaves_nothing_open(loregate: Service, connect: Connect) -> None:
    async with connect(loregate.url, token()) as gate:
        place = await gate.event_cursor()
        await publish(loregate, *range(3))
        async with gate.events(after=place) as events:
            async for event in events:
                assert event["id"] == "0"
                break
        await until_nothing_is_open(loregate)


async def test_a_task_that_is_cancelled_leaves_nothing_open(loregate: Service) -> None:
    """Also where nothing came yet, and nobody closes it."""

    async def watch(gate: AsyncLoregate) -> None:
        async for _ in gate.events():
            raise AssertionError

    async with AsyncLoregate(loregate.url, token()) as gate:
        watching = asyncio.create_task(watch(gate))
        await until_subscribed(loregate)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        await until_nothing_is_open(loregate)


async def test_a_loop_that_is_left_closes_its_stream(loregate: Service) -> None:
    def first(gate: Loregate, place: str) -> str:
        for event in gate.events(after=place):
            return event["id"]
        raise AssertionError

    with Loregate(loregate.url, token()) as gate:
        place = await asyncio.to_thread(gate.event_cursor)
        await publish(loregate, *range(3))
        assert await asyncio.to_thread(first, gate, place) == "0"
        await until_nothing_is_open(loregate)
