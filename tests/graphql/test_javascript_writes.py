"""What the JavaScript client writes: once, whatever becomes of the answer."""

from __future__ import annotations

from typing import Any

import pytest

from app.config_file import ConfigFile, LimitTable
from tests.support import service
from tests.support.generation_clients import LONG, SLOW
from tests.support.javascript_client import JavaScriptClient, options
from tests.support.service import CHARACTER_INPUT, Service
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until
from tests.support.wire import Wire

pytestmark = pytest.mark.clients

QUEST = {"elementType": "QUEST", "context": {"setting": "Saltmere"}}
CHARACTER: dict[str, Any] = {"operation": "character", "input": CHARACTER_INPUT}
IDS = "{ contents { edges { node { contentId } } } }"


async def contents(found: Service) -> list[str]:
    """The ids of all that alice has."""
    edges = (await found.data(IDS))["contents"]["edges"]
    return [edge["node"]["contentId"] for edge in edges]


async def test_a_write_gives_the_payload(
    loregate: Service, javascript_client: JavaScriptClient
) -> None:
    async with javascript_client.driven(**options(loregate, "socket")) as client:
        await client.say(write={"operation": "story", "input": QUEST})
        payload = await client.first("payload")
        assert payload["story"]["text"]
        assert payload["story"]["__typename"] == "Story"
        assert payload["rateLimit"]["remaining"] < payload["rateLimit"]["limit"]
        await client.say(write={"operation": "story", "input": {**QUEST, "elementType": "SONG"}})
        failed = await client.first("failed")
        assert (failed["code"], failed["retryable"]) == ("BAD_USER_INPUT", False)
        assert failed["requestId"]


async def test_a_full_limit_is_waited_for_as_it_says(
    tmp_path: Any, redis_url: str, javascript_client: JavaScriptClient
) -> None:
    limit = LimitTable(target="operation:text_generation", max=1, window=2)
    given = service.settings(tmp_path, redis_url)
    given = given.model_copy(update={"file": ConfigFile(limits=(limit,))})
    async with (
        service.running(given) as found,
        javascript_client.driven(**options(found, "stream")) as client,
    ):
        for _ in range(3):
            await client.say(write=CHARACTER)
        await client.first("payload", 3)
        assert client.told("failed") == []
        assert len(await contents(found)) == 3
        assert len(client.told("answered")) <= 7  # each was asked for when it could be had


async def test_a_limit_that_is_full_for_longer_is_told_at_once(
    tmp_path: Any, redis_url: str, javascript_client: JavaScriptClient
) -> None:
    async with (
        service.running_with_limits(tmp_path, redis_url, operation__text_generation=1) as found,
        javascript_client.driven(**options(found, "stream", maxWait=5)) as client,
    ):
        for _ in range(2):
            await client.say(write=CHARACTER)
        failed = await client.first("failed")
        assert (failed["code"], failed["retryable"]) == ("RATE_LIMIT_EXCEEDED", True)
        assert 5 < failed["retryAfter"] <= 60


async def test_a_write_whose_answer_was_cut_off_is_made_once(
    with_models: Service, provider: Upstream, javascript_client: JavaScriptClient
) -> None:
    provider.always = Behaviour(text=LONG, pace=0.02)
    async with (
        Wire(with_models.url).laid() as wire,
        javascript_client.driven(**options(wire, "stream")) as client,
    ):
        await client.say(write=CHARACTER)
        await until(lambda: provider.requests)
        wire.cut()
        payload = await client.first("payload")
        assert payload["content"]["text"] == LONG
        assert await contents(with_models) == [payload["content"]["contentId"]]
        assert len(provider.requests) == 1


async def test_a_mutation_of_the_callers_own_is_not_sent_twice(
    with_models: Service, provider: Upstream, javascript_client: JavaScriptClient
) -> None:
    provider.always = SLOW
    asked = {"document": service.GENERATE, "variables": {"input": CHARACTER_INPUT}}
    async with (
        Wire(with_models.url).laid() as wire,
        javascript_client.driven(**options(wire, "stream")) as client,
    ):
        await client.say(request=asked)
        await until(lambda: provider.requests)
        wire.cut()
        assert (await client.first("failed"))["code"] == "CONNECTION_LOST"
        await until(lambda: not with_models.gateway.generations.running)
        assert len(provider.requests) == 1
