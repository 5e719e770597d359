"""Operations: each that an authenticated caller asked for is counted once, by how it ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.errors import (
    ContentRejected,
    DependencyUnavailable,
    Forbidden,
    GatewayError,
    IdempotencyConflict,
    InternalError,
    InvalidRequest,
    Left,
    ModelError,
    NotFound,
    Unauthenticated,
)
from app.pipeline.ending import outcome_of
from tests.observe.counting import operations, settled
from tests.support.generation_clients import CANCEL, SLOW, START, read_to_end, start
from tests.support.prometheus import samples_now
from tests.support.rest_bodies import GOOD, NPC, STORY, TEXT, THEME, strictly
from tests.support.service import CHARACTER_INPUT, GENERATE, Service, running_with_limits
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until

BATCH = "/api/v2/batch"
SILENT = Behaviour(silent=True)
SEVERAL = """mutation ($requests: [BatchRequest!]!) {
  generateBatch(requests: $requests) { results { cacheStatus } } }"""
RESULTS = ("hit", "miss", "coalesced", "bypass")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (InvalidRequest.at((), "no"), "invalid"),
        (NotFound("no"), "invalid"),
        (IdempotencyConflict(), "invalid"),
        (Forbidden("no"), "refused"),
        (Unauthenticated("missing"), "refused"),
        (ContentRejected("gpt", "no"), "rejected"),
        (ModelError("no", "gpt"), "failed"),
        (DependencyUnavailable("db"), "failed"),
        (InternalError(), "failed"),
        (ValueError(), "failed"),
        (Left(), "cancelled"),
        (asyncio.CancelledError(), "cancelled"),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, BaseException) else given,
)
def test_an_error_is_one_outcome(error: GatewayError, outcome: str) -> None:
    assert outcome_of(error) == outcome


async def test_answers_are_ok_or_degraded(with_models: Service, provider: Upstream) -> None:
    provider.then(Behaviour(), Behaviour(status=401))
    await with_models.post(NPC, GOOD[NPC])
    await with_models.post(STORY, GOOD[STORY])
    assert operations(with_models) == {"rest npc ok": 1, "rest story degraded": 1}


async def test_what_cannot_be_read_is_invalid(loregate: Service) -> None:
    await loregate.post(NPC, {"role": 7})
    await loregate.http.post(NPC, content=b"{", headers=loregate.headers())
    await loregate.graphql(GENERATE, {"input": {**CHARACTER_INPUT, "model": {"name": "x"}}})
    assert operations(loregate) == {
        "rest npc invalid": 2,
        "graphql character invalid": 1,
    }


async def test_who_may_not_is_refused_and_so_is_who_comes_too_often(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, user=2) as found:
        await found.post(NPC, GOOD[NPC], permissions=[])
        await found.post(NPC, GOOD[NPC])
        await found.post(NPC, GOOD[NPC])
        assert operations(found) == {"rest npc refused": 2, "rest npc degraded": 1}
        assert samples_now(found.gateway.metrics)["loregate_limit_refusals_total{scope=user}"] == 1


async def test_who_has_no_token_asked_for_nothing(loregate: Service) -> None:
    await loregate.http.post(NPC, json=GOOD[NPC])
    await loregate.graphql(GENERATE, {"input": CHARACTER_INPUT}, anonymous=True)
    assert operations(loregate) == {}


async def test_a_model_s_failure_and_its_refusal_are_told_apart(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(status=400)
    await strictly(with_models, NPC)
    provider.always = Behaviour(refusal="no")
    await with_models.post(STORY, GOOD[STORY])
    assert operations(with_models) == {"rest npc failed": 1, "rest story rejected": 1}


async def test_equal_requests_are_counted_each_and_so_is_what_the_cache_did(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(first=0.3)
    await asyncio.gather(*(with_models.post(THEME, GOOD[THEME]) for _ in range(5)))
    await with_models.post(THEME, GOOD[THEME])
    assert operations(with_models) == {"rest theme ok": 6}
    found = samples_now(with_models.gateway.metrics)
    cache = {r: found[f"loregate_cache_total{{operation=theme,result={r}}}"] for r in RESULTS}
    assert cache == {"hit": 1, "miss": 1, "coalesced": 4, "bypass": 0}
    assert found["loregate_waiting_seconds_count{operation=theme}"] == 6
    # Those that followed waited for the first one's answer, and it for none.
    assert 4 * 0.2 <= found["loregate_waiting_seconds_sum{operation=theme}"] < 60


async def test_each_part_of_a_batch_is_an_operation(loregate: Service) -> None:
    parts = [
        {"id": "1", "path": NPC, "body": GOOD[NPC]},
        {"id": "2", "path": STORY, "body": {"element_type": 1}},
        {"id": "3", "path": "/nowhere", "body": {}},
    ]
    await loregate.post(BATCH, parts)
    assert operations(loregate) == {
        "rest npc degraded": 1,
        "rest story invalid": 1,
        "rest other invalid": 1,
    }


async def test_a_batch_s_caller_who_leaves_cancels_all_of_it(
    with_models: Service, provider: Upstream
) -> None:
    """Also the parts whose turn had not come."""
    provider.always = SILENT
    story = {"elementType": "PLOT", "onDisconnect": "CANCEL"}
    parts = [{"story": {**story, "context": {"campaignTheme": f"{n}"}}} for n in range(7)]
    async with with_models.socket() as socket:
        await socket.acknowledged()
        name = await socket.subscribe(SEVERAL, {"requests": parts})
        await until(lambda: len(provider.requests) == 5)
        await socket.send({"type": "complete", "id": name})
        await settled(with_models, 7)
    assert operations(with_models) == {"websocket story cancelled": 7}


async def leave(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_caller_who_leaves_cancels_if_that_was_wished(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = SILENT
    headers = {**with_models.headers(), "X-On-Disconnect": "cancel"}
    task = asyncio.create_task(with_models.http.post(NPC, json=GOOD[NPC], headers=headers))
    await until(lambda: provider.requests)
    await leave(task)
    await settled(with_models, 1)
    assert operations(with_models) == {"rest npc cancelled": 1}


async def test_what_goes_on_without_its_caller_ends_as_it_ends(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(first=0.3)
    task = asyncio.create_task(with_models.post(NPC, GOOD[NPC]))
    await until(lambda: provider.requests)
    await leave(task)
    await settled(with_models, 1)
    assert operations(with_models) == {"rest npc ok": 1}


async def test_a_socket_s_operations_are_counted_there(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(GENERATE, {"input": CHARACTER_INPUT})
        await socket.receive()
        await settled(loregate, 1)
    assert operations(loregate) == {"websocket character degraded": 1}


async def test_a_generation_is_counted_when_it_ends(
    with_models: Service, provider: Upstream
) -> None:
    given = {"characterContent": CHARACTER_INPUT}
    await read_to_end(with_models, await start(with_models, given))
    await settled(with_models, 1)
    assert operations(with_models) == {"graphql character ok": 1}


async def test_a_generation_that_is_cancelled_fails_or_cannot_begin_is_counted(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = SLOW
    given = {"characterContent": CHARACTER_INPUT}
    generation = await start(with_models, given)
    await with_models.graphql(CANCEL, {"id": generation})
    await settled(with_models, 1)
    provider.always = Behaviour(refusal="no")
    await read_to_end(with_models, await start(with_models, given))
    await settled(with_models, 2)
    await with_models.graphql(
        START, {"input": {"characterContent": {**CHARACTER_INPUT, "model": {"name": "x"}}}}
    )
    await settled(with_models, 3)
    assert operations(with_models) == {
        "graphql character cancelled": 1,
        "graphql character rejected": 1,
        "graphql character invalid": 1,
    }


async def test_an_operation_s_own_overhead_is_what_is_neither_a_model_s_nor_waiting(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(delay=1.0)
    await with_models.post(TEXT, GOOD[TEXT])
    found = samples_now(with_models.gateway.metrics)
    assert found["loregate_own_overhead_seconds_count{operation=character}"] == 1
    own = found["loregate_own_overhead_seconds_sum{operation=character}"]
    calls = found["gen_ai_client_inference_duration_seconds_sum{error_type=,model=gpt-4-turbo}"]
    total = found["loregate_request_seconds_sum{edge=rest}"]
    assert calls >= 1
    assert own + calls <= total
