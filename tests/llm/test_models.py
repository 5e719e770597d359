"""The models of today, end to end: a provider with OpenAI's rules, by every edge and operation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.operations import OPERATIONS
from tests.support import service
from tests.support.content_by_edge import EDGES, Asked
from tests.support.rest_bodies import GOOD, TEXT, changed
from tests.support.service import CHARACTER, Service
from tests.support.upstream import Behaviour, Model, Upstream
from tests.support.waiting import until

FILE = """
fallback = ["gpt-4-turbo", "gpt-3.5-turbo", "storyteller"]
[[models]]
name = "gpt-4-turbo"
url = "{url}"
provider = "openai"
upstream = "gpt-6.1-terra"
[[models]]
name = "thinker"
url = "{url}"
provider = "openai"
upstream = "gpt-6.1-sol"
[[models]]
name = "odd"
url = "{url}"
upstream = "odd-1"
"""
SAID = """mutation ($input: GenerateCharacterContentInput!) {
  generateCharacterContent(input: $input) { content { metadata {
    modelUsed upstreamModel ignoredParameters seed promptVersion degraded
    tokenUsage { cachedTokens cacheWriteTokens reasoningTokens } } } } }"""
LISTED = """{ models { name provider upstream inputPrice cachedPrice cacheWritePrice outputPrice
  contextSize retiresAt gone state configured } }"""


@pytest.fixture
async def today(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Service]:
    """The service before a provider that refuses what OpenAI refuses today."""
    file = tmp_path / "loregate.toml"
    file.write_text(FILE.replace("{url}", provider.url))
    given = service.settings(tmp_path, redis_url, config=file, openai_base_url=provider.url)
    async with service.running(given) as found:
        yield found


def metadata(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["metadata"]
    return found


# -- every operation, every edge
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda o: o.name)
async def test_each_operation_is_answered_without_a_refusal(
    operation: Any, today: Service, provider: Upstream
) -> None:
    found = metadata(await today.post(operation.path, GOOD[operation.path]))
    assert (found["model_used"], found["degraded"]) == ("gpt-4-turbo", False)
    assert found["upstream_model"] == "gpt-6.1-terra"
    assert provider.refusals == []


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("kind", ["character", "story"])
async def test_so_it_is_by_every_edge(
    edge: str, kind: str, today: Service, provider: Upstream
) -> None:
    told = await EDGES[edge](today, Asked(kind), "alice")
    assert (told.code, told.model, told.degraded) == (None, "gpt-4-turbo", False)
    assert provider.refusals == []


async def test_a_model_that_always_thinks_is_asked_as_it_wants(
    today: Service, provider: Upstream
) -> None:
    asked = changed(TEXT, model={"name": "thinker", "temperature": 0.3, "max_tokens": 50})
    found = metadata(await today.post(TEXT, asked))
    assert (found["model_used"], found["upstream_model"]) == ("thinker", "gpt-6.1-sol")
    assert found["ignored_parameters"] == ["temperature"]
    assert found["token_usage"]["reasoning_tokens"] > 0
    [sent] = provider.requests
    assert (sent["reasoning_effort"], sent["max_completion_tokens"]) == ("low", 2050)
    assert provider.refusals == []


# -- what a provider learns of us
async def test_a_provider_learns_a_users_pseudonym_and_never_an_id(
    today: Service, provider: Upstream
) -> None:
    for sub in ("alice", "alice", "bob"):
        await today.post(TEXT, CHARACTER, sub=sub)
    hashes = [sent["safety_identifier"] for sent in provider.requests]
    assert hashes[0] == hashes[1] != hashes[2]
    assert not any(sub in str(provider.requests) for sub in ("alice", "bob"))


async def test_nothing_is_stored_there_and_equal_beginnings_share_a_cache(
    today: Service, provider: Upstream
) -> None:
    for level in (3, 4):
        context = {"character_class": "bard", "character_level": level}
        await today.post(TEXT, changed(TEXT, character_context=context))
    first, second = provider.requests
    assert first["store"] is second["store"] is False
    assert first["prompt_cache_key"] == second["prompt_cache_key"] == "loregate:character:1"
    assert first["messages"][0] == second["messages"][0]


# -- what a model refuses
async def test_what_a_model_refuses_costs_one_call_for_each_parameter(
    today: Service, provider: Upstream
) -> None:
    refused = ("max_tokens", "temperature", "stream_options")
    provider.models["odd-1"] = Model(anything=True, refuses=refused)
    asked = changed(TEXT, model={"name": "odd", "temperature": 0.3})
    for _ in range(3):
        found = metadata(await today.post(TEXT, asked))
        assert (found["model_used"], found["ignored_parameters"]) == ("odd", ["temperature"])
    assert sorted(r.param or "" for r in provider.refusals) == sorted(refused)
    [attempt] = found["attempts"]
    assert attempt["outcome"] == "ok", "to learn is no failed attempt"


async def test_another_process_knows_what_the_first_one_learned(
    tmp_path: Path, redis_url: str, today: Service, provider: Upstream
) -> None:
    provider.models["odd-1"] = Model(anything=True, refuses=("temperature",))
    asked = changed(TEXT, model={"name": "odd"})
    await today.post(TEXT, asked)
    file = tmp_path / "loregate.toml"
    given = service.settings(tmp_path, redis_url, config=file, openai_base_url=provider.url)
    async with service.running(given) as other:
        metadata(await other.post(TEXT, asked))
    assert len(provider.refusals) == 1


# -- what is said of it
async def test_the_models_and_what_an_answer_tells_of_them_over_graphql(
    today: Service, provider: Upstream
) -> None:
    given = {"type": "BACKSTORY", "characterContext": {}, "model": {"seed": 7, "temperature": 0.1}}
    found = await today.data(SAID, {"input": given})
    told = found["generateCharacterContent"]["content"]["metadata"]
    assert told == {
        "modelUsed": "gpt-4-turbo",
        "upstreamModel": "gpt-6.1-terra",
        "ignoredParameters": [],
        "seed": 7,
        "promptVersion": "1",
        "degraded": False,
        "tokenUsage": {"cachedTokens": 0, "cacheWriteTokens": 0, "reasoningTokens": 0},
    }
    models = {m["name"]: m for m in (await today.data(LISTED))["models"]}
    assert models["gpt-4-turbo"] == {
        "name": "gpt-4-turbo",
        "provider": "openai",
        "upstream": "gpt-6.1-terra",
        "inputPrice": None,  # an URL of its own: nobody knows what is asked for there
        "cachedPrice": None,
        "cacheWritePrice": None,
        "outputPrice": None,
        "contextSize": None,
        "retiresAt": None,
        "gone": False,
        "state": "HEALTHY",
        "configured": True,
    }
    assert models["odd"]["provider"] == "compatible"
    assert models["storyteller"]["upstream"] is None


async def test_a_seed_that_graphql_cannot_hold_is_null_there_and_whole_over_rest(
    today: Service,
) -> None:
    body = (await today.post(TEXT, changed(TEXT, model={"seed": 2**53}))).json()
    assert body["metadata"]["seed"] == 2**53
    query = "query ($id: ID!) { content(id: $id) { metadata { seed } } }"
    found = await today.data(query, {"id": body["content_id"]})
    assert found["content"]["metadata"]["seed"] is None


async def test_the_storyteller_tells_its_seed_and_what_it_could_not_use(loregate: Service) -> None:
    asked = changed(TEXT, model={"temperature": 0.3})
    found = metadata(await loregate.post(TEXT, asked))
    assert (found["model_used"], found["ignored_parameters"]) == ("storyteller", ["temperature"])
    seed = found["seed"]
    first, again = [
        (await loregate.post(TEXT, changed(TEXT, model={"seed": seed}))).json()["content"]
        for _ in range(2)
    ]
    assert first == again


# -- retirement
async def test_a_model_that_is_missing_from_its_providers_list_degrades_health(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    del provider.listed["gpt-6.1-terra"]
    provider.listed["gpt-6-luna"] = "2099-01-01"
    file = tmp_path / "loregate.toml"
    file.write_text(FILE.replace("{url}", provider.url))
    given = service.settings(tmp_path, redis_url, config=file, openai_base_url=provider.url)
    async with service.running(given) as found:
        models = found.gateway.models
        await until(lambda: models["gpt-4-turbo"].gone)
        report = (await found.http.get("/health")).json()
        assert (report["status"], report["components"]["openai"]) == ("degraded", "degraded")
        listed = {m["name"]: m for m in (await found.data(LISTED))["models"]}
        assert (listed["gpt-4-turbo"]["gone"], listed["gpt-4-turbo"]["state"]) == (
            True,
            "UNHEALTHY",
        )
        assert listed["gpt-3.5-turbo"]["retiresAt"] == "2099-01-01"
        metrics = (await found.http.get("/metrics")).text
        assert 'loregate_model_gone{model="gpt-4-turbo"} 1.0' in metrics
        assert 'loregate_model_shutdown_timestamp_seconds{model="gpt-3.5-turbo"} 4.0' in metrics


async def test_a_provider_that_tells_no_list_is_no_trouble(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    provider.lists.always = Behaviour(silent=True)
    given = service.settings(tmp_path, redis_url, openai_base_url=provider.url)
    async with service.running(given) as found:
        assert metadata(await found.post(TEXT, CHARACTER))["model_used"] == "gpt-4-turbo"
        assert (await found.http.get("/health")).json()["status"] == "healthy"


async def test_two_names_of_one_upstream_share_its_breaker(today: Service) -> None:
    models = today.gateway.models
    assert models["gpt-3.5-turbo"].breaker is models["gpt-6-luna"].breaker
    assert models["gpt-4-turbo"].breaker is models["gpt-6.1-terra"].breaker
    assert models["gpt-3.5-turbo"].breaker is not models["gpt-4-turbo"].breaker
