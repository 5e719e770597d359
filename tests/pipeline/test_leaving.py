"""Leaving: what becomes of a request whose client goes away, and of one whose process dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.generation_clients import (
    LONG,
    SLOW,
    SOON,
    HeardGeneration,
    aborted_within,
    cancelled,
    follow,
    frames,
    gateways_on_one_database,
    generation_now,
    read_halfway,
    read_to_end,
    start,
    streamed,
)
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.rest_requests import count_events, redis_of
from tests.support.service import (
    CHARACTER_INPUT,
    GENERATE,
    Service,
    token,
)
from tests.support.upstream import PROSE, Behaviour, Upstream
from tests.support.waiting import until

KEY = "k"
WAITING = Behaviour(silent=True)
CANCEL = {"onDisconnect": "CANCEL", "idempotencyKey": KEY}

# A way to ask for a text synchronously, and to be away when the block ends.
Way = Callable[[Service, bool], Any]


# -- ways to ask and leave
async def over_http(found: Service, cancel: bool) -> None:
    given = {**CHARACTER_INPUT, **(CANCEL if cancel else {"idempotencyKey": KEY})}
    await found.graphql(GENERATE, {"input": given})


async def over_rest(found: Service, cancel: bool) -> None:
    wish = {"X-On-Disconnect": "cancel"} if cancel else {}
    headers = {**found.headers(), "Idempotency-Key": KEY, **wish}
    await found.http.post(TEXT, json=GOOD[TEXT], headers=headers)


async def over_socket(found: Service, cancel: bool) -> None:
    given = {**CHARACTER_INPUT, **(CANCEL if cancel else {"idempotencyKey": KEY})}
    async with found.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(GENERATE, {"input": given})
        await socket.receive(60)


async def over_rest_stream(found: Service, cancel: bool) -> None:
    wish = {"X-On-Disconnect": "cancel"} if cancel else {}
    async with streamed(found, TEXT, GOOD[TEXT], **wish, **{"Idempotency-Key": KEY}) as response:
        async for _ in frames(response):
            pass


async def over_subscription(found: Service, cancel: bool) -> None:
    given = {**CHARACTER_INPUT, **(CANCEL if cancel else {"idempotencyKey": KEY})}
    await read_to_end(found, await start(found, {"characterContent": given}))


WAYS: dict[str, Way] = {
    "GraphQL over HTTP": over_http,
    "REST": over_rest,
    "GraphQL over a socket": over_socket,
    "a REST stream": over_rest_stream,
    "a subscription": over_subscription,
}


@asynccontextmanager
async def asking(found: Service, way: Way, cancel: bool) -> AsyncIterator[None]:
    """Asks from a client of its own; at the block's end that client goes away."""
    client = Service(found.app, found.parts, found.url)
    task = asyncio.create_task(way(client, cancel))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.http.aclose()


async def asked(provider: Upstream, count: int = 1) -> None:
    await until(lambda: len(provider.requests) >= count)


async def at_rest(found: Service) -> None:
    generations = found.gateway.generations
    await until(lambda: not generations.running and not generations.running_here)
    assert not found.gateway.single_flight.waiting
    assert not generations.copies
    await until(lambda: generations.log.idle)


async def stored(found: Service) -> list[Any]:
    body = await found.data("{ contents { edges { node { contentId } } } }")
    return [edge["node"]["contentId"] for edge in body["contents"]["edges"]]


async def ask_again(found: Service) -> httpx2.Response:
    """The same request with the same key, over REST."""
    headers = {**found.headers(), "Idempotency-Key": KEY}
    return await found.http.post(TEXT, json=GOOD[TEXT], headers=headers)


# -- by default the work goes on
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_what_was_asked_for_is_made_and_stored_though_its_client_has_left(
    with_models: Service, provider: Upstream, way: Way
) -> None:
    provider.then(SLOW)
    async with asking(with_models, way, False):
        await asked(provider)
    await at_rest(with_models)
    assert not provider.aborted
    [content_id] = await stored(with_models)
    answer = (await with_models.get(f"/api/v2/content/{content_id}")).json()
    assert answer["content"] == LONG
    assert await count_events(with_models) == 1
    assert len(provider.requests) == 1


async def test_who_comes_back_with_the_key_gets_what_was_made_meanwhile(
    with_models: Service, provider: Upstream
) -> None:
    provider.then(SLOW)
    async with asking(with_models, over_rest, False):
        await asked(provider)
    answer = await ask_again(with_models)
    assert answer.json()["content"] == LONG
    assert [answer.json()["content_id"]] == await stored(with_models)
    assert len(provider.requests) == 1


# -- cancelled where that was wished
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_where_it_was_wished_the_model_is_stopped_and_nothing_is_left(
    with_models: Service, provider: Upstream, way: Way
) -> None:
    provider.then(Behaviour(text=LONG, pace=0.2))
    running = with_models.gateway.generations.running_here
    async with asking(with_models, way, True):
        await asked(provider)
        if way is over_subscription:  # who has started it and never read it does not leave it
            await until(lambda: any(g.transcript.readers for g in running.values()))
        began = time.monotonic()
    await aborted_within(provider, SOON, began)
    await at_rest(with_models)
    assert await stored(with_models) == []
    assert await count_events(with_models) == 0
    async with redis_of(with_models) as redis:
        left = [key.decode() async for key in redis.scan_iter("*")]
    assert not [key for key in left if ":once:" in key or ":lease:" in key]
    answer = await ask_again(with_models)
    assert (answer.status_code, answer.json()["content"]) == (200, PROSE)
    assert len(provider.requests) == 2


@pytest.mark.parametrize("way", [over_rest, over_socket, over_rest_stream])
async def test_the_key_is_free_at_once_for_whoever_comes_next(
    with_models: Service, provider: Upstream, way: Way
) -> None:
    provider.then(WAITING)
    async with asking(with_models, way, True):
        await asked(provider)
    async with asyncio.timeout(3):  # a lease that was not given up would last 5 s
        await at_rest(with_models)  # who comes before that shares the answer, as they should
        assert (await ask_again(with_models)).json()["content"] == PROSE
    assert len(provider.aborted) == 1


async def test_a_stream_whose_client_leaves_while_it_starts_is_cancelled(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = WAITING
    running = with_models.gateway.generations.running_here
    host, port = with_models.url.removeprefix("http://").split(":")
    body = b'{"type":"backstory","character_context":{"character_class":"warlock"}}'
    head = (
        f"POST {TEXT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token()}\r\n"
        "accept: text/event-stream\r\nx-on-disconnect: cancel\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    for _ in range(5):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + body)
        async with asyncio.timeout(5):
            while not running:
                await asyncio.sleep(0)
        [generation] = running.values()
        writer.transport.abort()
        await generation.transcript.wait_ended(5)
        assert generation.transcript.events[-1]["type"] == "cancelled"
        await until(lambda: not running)
    await at_rest(with_models)


async def test_an_operation_on_a_socket_that_is_completed_by_its_client_is_left(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = WAITING
    async with with_models.socket() as socket:
        await socket.acknowledged()
        name = await socket.subscribe(GENERATE, {"input": {**CHARACTER_INPUT, **CANCEL}})
        await asked(provider)
        began = time.monotonic()
        await socket.send({"type": "complete", "id": name})
        await aborted_within(provider, SOON, began)
        await at_rest(with_models)
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"


async def test_another_reader_keeps_it_alive(with_models: Service, provider: Upstream) -> None:
    provider.then(SLOW)
    given = {"characterContent": {**CHARACTER_INPUT, "onDisconnect": "CANCEL"}}
    generation_id = await start(with_models, given)
    async with aclosing(follow(with_models, generation_id)) as staying:
        told = HeardGeneration()
        told.hear(await anext(staying))
        await read_halfway(with_models, generation_id)  # this one leaves
        async for event in staying:
            told.hear(event)
    assert (told.last["__typename"], told.text) == ("GenerationCompleted", LONG)
    assert not provider.aborted


@pytest.mark.parametrize("stays", [0, 1])
async def test_a_reader_on_another_gateway_keeps_it_alive(
    tmp_path: Path, redis_url: str, provider: Upstream, stays: int
) -> None:
    """Whichever of the two runs it; and when both have left, it ends."""
    given = {"characterContent": {**CHARACTER_INPUT, "onDisconnect": "CANCEL", "cache": "BYPASS"}}
    async with gateways_on_one_database(tmp_path, redis_url, provider) as found:
        provider.then(SLOW, SLOW)
        generation_id = await start(found[0], given)
        async with aclosing(follow(found[stays], generation_id)) as staying:
            told = HeardGeneration()
            told.hear(await anext(staying))
            await read_halfway(found[1 - stays], generation_id)  # this one leaves
            async for event in staying:
                told.hear(event)
        assert (told.last["__typename"], told.text) == ("GenerationCompleted", LONG)
        assert not provider.aborted
        generation_id = await start(found[0], given)
        async with aclosing(follow(found[stays], generation_id)) as staying:
            await anext(staying)
            await read_halfway(found[1 - stays], generation_id)
        await aborted_within(provider, SOON, time.monotonic())


# -- the last moment
async def test_what_is_being_stored_when_it_is_cancelled_is_completed(
    with_models: Service, provider: Upstream
) -> None:
    store, storing, go_on = with_models.parts.store, asyncio.Event(), asyncio.Event()

    class Slow(type(store)):  # type: ignore[misc]  # the real store, held at its door
        async def add(self, *given: Any) -> None:
            storing.set()
            await go_on.wait()
            await super().add(*given)

    store.__class__ = Slow
    for wish in ({}, {"cache": "USE"}, {"idempotencyKey": KEY}):
        storing.clear()
        go_on.clear()
        generation_id = await start(with_models, {"characterContent": {**CHARACTER_INPUT, **wish}})
        await storing.wait()
        cancelling = asyncio.create_task(cancelled(with_models, generation_id))
        [generation] = with_models.gateway.generations.running_here.values()
        await until(lambda generation=generation: generation.cancelled)
        go_on.set()
        assert (await cancelling)["state"] == "COMPLETED"
        found = await generation_now(with_models, generation_id)
        assert (found["state"], found["content"]["text"]) == ("COMPLETED", PROSE)
    await at_rest(with_models)


# -- two who wait for the same
CACHED = {**CHARACTER_INPUT, "cache": "USE", "onDisconnect": "CANCEL"}


async def coalesced(found: Service, _: bool) -> None:
    await found.graphql(GENERATE, {"input": CACHED})


async def both_wait(found: Service, provider: Upstream) -> None:
    flights = found.gateway.single_flight
    await until(lambda: flights.waiting == [2])
    await asked(provider)


@pytest.mark.parametrize("first", [True, False], ids=["who came first", "who joined"])
async def test_one_of_two_who_wait_may_leave(
    with_models: Service, provider: Upstream, first: bool
) -> None:
    provider.always = SLOW
    async with AsyncExitStack() as leaving:
        if first:
            await leaving.enter_async_context(asking(with_models, coalesced, True))
            await asked(provider)
        staying = asyncio.create_task(with_models.data(GENERATE, {"input": CACHED}))
        await asked(provider)
        if not first:
            await leaving.enter_async_context(asking(with_models, coalesced, True))
        await both_wait(with_models, provider)
    await until(lambda: with_models.gateway.generations.running == 1)
    body = await staying
    assert body["generateCharacterContent"]["content"]["text"] == LONG
    assert (len(provider.requests), provider.aborted) == (1, [])


async def test_when_both_leave_it_is_given_up(with_models: Service, provider: Upstream) -> None:
    provider.then(WAITING)
    async with asking(with_models, coalesced, True), asking(with_models, coalesced, True):
        await both_wait(with_models, provider)
        began = time.monotonic()
    await aborted_within(provider, SOON, began)
    await at_rest(with_models)
    assert await stored(with_models) == []
    body = await with_models.data(GENERATE, {"input": CACHED})
    assert body["generateCharacterContent"]["content"]["text"] == PROSE


async def test_on_two_gateways_the_other_makes_it_when_one_leaves(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    provider.then(WAITING)
    async with gateways_on_one_database(tmp_path, redis_url, provider) as [one, other]:
        async with asking(one, coalesced, True):
            await asked(provider)
            staying = asyncio.create_task(other.data(GENERATE, {"input": CACHED}))
            await until(lambda: other.gateway.single_flight.waiting)
        async with asyncio.timeout(3):
            body = await staying
        assert body["generateCharacterContent"]["content"]["text"] == PROSE
        assert len(provider.aborted) == 1
