"""Timing: what each answer tells its caller of where the time went."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import orjson
import pytest

from app.policies.revocation import revocation_key
from tests.support.prometheus import samples_now
from tests.support.rest_bodies import GOOD, NPC, TEXT, THEME
from tests.support.service import CHARACTER_INPUT, GENERATE, Service
from tests.support.upstream import Behaviour, Upstream

PART = re.compile(r"(\w+);dur=(\d+\.\d)")
NAMES = ["total", "waiting", "model", "store"]
TIMED = {"timing": True}


def timing_of(answer: httpx2.Response) -> dict[str, float]:
    """Milliseconds by name, in the header's order."""
    return {name: float(ms) for name, ms in PART.findall(answer.headers["Server-Timing"])}


def holds(told: dict[str, float]) -> None:
    """The whole is no less than its parts, as they are rounded."""
    assert told["total"] >= sum(ms for name, ms in told.items() if name != "total") - 0.001


async def test_an_answer_tells_the_model_s_time_apart(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(delay=0.5)
    told = timing_of(await with_models.post(NPC, GOOD[NPC]))
    assert list(told) == NAMES
    assert told["model"] >= 500
    assert told["waiting"] == 0
    assert told["store"] > 0
    holds(told)


async def test_waiting_between_two_attempts_is_told_apart(
    with_models: Service, provider: Upstream
) -> None:
    busy = Behaviour(status=429, headers={"retry_after": "1"}, delay=0.2)
    provider.then(busy, Behaviour(delay=0.3))
    told = timing_of(await with_models.post(NPC, GOOD[NPC]))
    assert told["waiting"] >= 900
    assert told["model"] >= 500
    holds(told)


async def test_operations_side_by_side_are_told_as_one_request_s_time(
    with_models: Service, provider: Upstream
) -> None:
    """Two of three wait for the first one's answer while a model writes it."""
    provider.always = Behaviour(delay=0.4)
    parts = [{"id": str(n), "path": THEME, "body": GOOD[THEME]} for n in range(3)]
    told = timing_of(await with_models.post("/api/v2/batch", parts))
    assert told["model"] >= 400
    assert told["waiting"] < told["model"]
    holds(told)


@pytest.mark.parametrize("path", ["/api/v2/rate-limit", "/api/v2/content/x", NPC])
async def test_every_authenticated_answer_tells_it_and_no_other(
    loregate: Service, path: str
) -> None:
    assert list(timing_of(await loregate.get(path))) == NAMES
    assert "Server-Timing" not in (await loregate.http.get(path)).headers


async def test_a_token_that_was_revoked_is_told_nothing(loregate: Service) -> None:
    await loregate.parts.redis.call("SET", revocation_key("bad"), "1")
    answer = await loregate.post(NPC, GOOD[NPC], jti="bad")
    assert answer.status_code == 401
    assert "Server-Timing" not in answer.headers


async def test_an_error_tells_it_too(with_models: Service, provider: Upstream) -> None:
    provider.always = Behaviour(status=400, delay=0.3)
    headers = {**with_models.headers(), "X-Allow-Degraded": "false"}
    answer = await with_models.http.post(NPC, json=GOOD[NPC], headers=headers)
    assert answer.status_code >= 500
    assert timing_of(answer)["model"] >= 300


async def test_a_stream_tells_what_is_known_when_it_begins(loregate: Service) -> None:
    path = f"{TEXT}/stream"
    async with loregate.http.stream(
        "POST", path, json=GOOD[TEXT], headers=loregate.headers()
    ) as answer:
        told = timing_of(answer)
    assert list(told) == NAMES
    holds(told)


async def test_the_time_in_which_a_body_comes_is_the_client_s_and_not_the_gateway_s_own(
    loregate: Service,
) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        body = orjson.dumps(GOOD[NPC])
        yield body[:9]
        await asyncio.sleep(1.0)  # of which the server may notice less, where it is busy
        yield body[9:]

    headers = {**loregate.headers(), "Content-Type": "application/json"}
    answer = await loregate.http.post(NPC, content=slowly(), headers=headers)
    assert answer.status_code == 200
    found = samples_now(loregate.gateway.metrics)
    own = found["loregate_own_overhead_seconds_sum{operation=npc}"]
    assert 0 < own <= found["loregate_request_seconds_sum{edge=rest}"] - 0.5
    assert timing_of(answer)["total"] >= 500


async def asked(found: Service, given: Any, extensions: Any) -> dict[str, Any]:
    body = {"query": GENERATE, "variables": {"input": given}, "extensions": extensions}
    answer = await found.http.post("/graphql", json=body, headers=found.headers())
    result: dict[str, Any] = answer.json()
    return result


async def test_graphql_tells_it_in_extensions_when_asked(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(delay=0.3)
    told = (await asked(with_models, CHARACTER_INPUT, TIMED))["extensions"]["timing"]
    assert list(told) == ["totalMs", "waitingMs", "modelMs", "storeMs"]
    assert told["totalMs"] >= told["modelMs"] + told["storeMs"] >= 300


@pytest.mark.parametrize("extensions", [None, {}, {"timing": False}, {"timing": "true"}])
async def test_graphql_tells_nothing_unasked(loregate: Service, extensions: Any) -> None:
    assert "extensions" not in await asked(loregate, CHARACTER_INPUT, extensions)


async def test_who_has_no_token_is_told_nothing(loregate: Service) -> None:
    body = {"query": "{ __typename }", "extensions": TIMED}
    assert "extensions" not in (await loregate.http.post("/graphql", json=body)).json()


async def test_over_a_socket_and_as_server_sent_events_it_is_told_as_well(
    loregate: Service,
) -> None:
    payload = {"query": GENERATE, "variables": {"input": CHARACTER_INPUT}, "extensions": TIMED}
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.send({"id": "1", "type": "subscribe", "payload": payload})
        message = await socket.receive()
    assert message["payload"]["extensions"]["timing"]["totalMs"] > 0
    headers = {**loregate.headers(), "Accept": "text/event-stream"}
    answer = await loregate.http.post("/graphql", json=payload, headers=headers)
    assert '"extensions":{"timing":{"totalMs":' in answer.text
