"""Generations over REST: streamed, resumed, looked at and cancelled."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import orjson
import pytest

from tests.support.generation_clients import (
    CHARACTER,
    LONG,
    SLOW,
    HeardGeneration,
    frames,
    read_halfway,
    read_to_end,
    resumed,
    start,
    streamed,
)
from tests.support.rest_bodies import GOOD, NPC, STORY, TEXT
from tests.support.service import Service
from tests.support.upstream import PROSE, Upstream


async def test_over_rest_an_operation_is_streamed_and_resumed(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = SLOW
    told = HeardGeneration()
    async with streamed(with_models, TEXT, GOOD[TEXT]) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-ratelimit-limit"]
        generation_id = response.headers["x-generation-id"]
        async with aclosing(frames(response)) as events:
            async for event in events:
                told.hear(event)
                if len(told.text) > 20:
                    break
    assert not told.ended
    state = (await with_models.get(f"/api/v2/generations/{generation_id}")).json()
    assert (state["state"], state["operation"]) == ("running", "character")
    await resumed(with_models, generation_id, told)
    assert told.text == LONG
    assert (told.last["type"], told.last["content_id"]) == ("completed", generation_id)
    assert (await resumed(with_models, generation_id, HeardGeneration())).text == LONG
    assert (await read_to_end(with_models, generation_id)).text == LONG
    state = (await with_models.get(f"/api/v2/generations/{generation_id}")).json()
    assert (state["state"], state["text"], state["cursor"]) == ("completed", LONG, told.cursor)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("path", [STORY, NPC])
async def test_over_rest_every_operation_can_be_streamed(with_models: Service, path: str) -> None:
    async with streamed(with_models, path, GOOD[path]) as response:
        events = [event async for event in frames(response)]
    deltas = "".join(e.get("text", "") for e in events)
    assert deltas == (PROSE if path == STORY else "")
    assert events[-1]["type"] == "completed"


async def test_over_rest_what_is_wrong_before_the_start_is_json(with_models: Service) -> None:
    async def refusal(path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        async with streamed(with_models, path, body, **headers) as response:
            found = orjson.loads(await response.aread())
            assert response.headers["content-type"] == "application/json"
            return response.status_code, found["code"]

    generation = f"/api/v2/generations/{await start(with_models, CHARACTER)}"
    assert await refusal(TEXT, {"type": "song"}) == (400, "INVALID_REQUEST")
    assert await refusal(TEXT, GOOD[TEXT], Authorization="Bearer x") == (401, "UNAUTHENTICATED")
    read_only = with_models.headers(permissions=["content:read"])
    assert await refusal(TEXT, GOOD[TEXT], **read_only) == (403, "FORBIDDEN")
    assert await refusal("/api/v2/generations/none") == (404, "NOT_FOUND")
    assert await refusal(generation, **{"Last-Event-ID": "x"}) == (400, "INVALID_REQUEST")
    wrong = {"X-On-Disconnect": "perhaps"}
    assert await refusal(TEXT, GOOD[TEXT], **wrong) == (400, "INVALID_REQUEST")


async def test_over_rest_a_generation_is_cancelled(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = SLOW
    generation_id = await start(with_models, CHARACTER)
    await read_halfway(with_models, generation_id)
    path = f"/api/v2/generations/{generation_id}"
    answer = await with_models.http.delete(path, headers=with_models.headers())
    assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert LONG.startswith(answer.json()["text"])
    assert (await with_models.get(f"/api/v2/content/{generation_id}")).status_code == 404
    assert len(provider.aborted) == 1


@pytest.mark.parametrize("cached", [False, True], ids=["its own", "found in the cache"])
async def test_of_a_deleted_content_no_generation_tells(with_models: Service, cached: bool) -> None:
    given = {"characterContent": {**CHARACTER["characterContent"], "cache": "USE"}}
    generations = []
    for _ in range(1 + cached):
        generations.append(await start(with_models, given))
        told = await read_to_end(with_models, generations[-1])
    content_id = told.last["contentId"]
    assert (content_id != generations[-1]) is cached
    assert (await with_models.http.delete(
        f"/api/v2/content/{content_id}", headers=with_models.headers()
    )).status_code in (200, 204)  # fmt: skip
    for generation in generations:
        for path in ("", "/events"):
            answer = await with_models.get(f"/api/v2/generations/{generation}{path}")
            assert answer.status_code == 404, answer.text
    keys = await with_models.parts.redis.call("KEYS", f"*generation:{generations[0]}")
    assert keys == []
