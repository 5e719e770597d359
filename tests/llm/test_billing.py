"""Billing: a call that gave no answer costs what its provider said, else what we count of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.config_file import ConfigFile, LimitTable
from app.llm import tokens
from tests.support import service
from tests.support.prometheus import samples_now
from tests.support.rest_bodies import GOOD, STORY, TEXT
from tests.support.service import Service
from tests.support.upstream import USAGE, Behaviour, Upstream, prose, refusal
from tests.support.waiting import until

MODEL = "gpt-4-turbo"
LONG = prose(60)
TOKENS = f"model:{MODEL}:tokens"


@pytest.fixture
async def metered(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Service]:
    """One model alone, whose tokens are limited."""
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        fallback=(MODEL,),
        first_token_timeout=0.5,
        stall_timeout=0.5,
    )
    limit = LimitTable(target=f"model:{MODEL}", max=1_000_000, counts="tokens")
    file = ConfigFile(limits=(limit,))
    async with service.running(given.model_copy(update={"file": file})) as found:
        yield found


def asked(provider: Upstream) -> int:
    """The prompt's tokens, as the gateway counts them."""
    sent = provider.requests[-1]["messages"]
    return sum(tokens.count(message["content"]) for message in sent)


async def settled(found: Service) -> int:
    """How many tokens are taken once everything is given back that will be."""
    await until(lambda: not found.gateway.generations.running)
    return await found.counted(TOKENS)


async def failed(found: Service, path: str = TEXT) -> list[dict[str, Any]]:
    response = await found.post(path, GOOD[path])
    assert response.status_code >= 400, response.text
    tried: list[dict[str, Any]] = response.json()["details"]["tried"]
    return tried


# How a call goes wrong, and whether something of it is to be paid.
ENDS: dict[str, tuple[Behaviour, str, bool]] = {
    "refused content": (refusal(400, "content_filter"), "rejected", True),
    "content that is filtered midway": (
        Behaviour(text=LONG, finish_reason="content_filter"),
        "rejected",
        True,
    ),
    "a cut": (Behaviour(text=LONG, cut_after=20), "cut", True),
    "a stall": (Behaviour(text=LONG, stall_after=20), "stalled", True),
    "an error midway": (Behaviour(text=LONG, error_after=20), "failed", True),
    "silence": (Behaviour(silent=True), "silent", True),
    "a request that is not taken": (refusal(400, "unsupported"), "refused", False),
    "no key": (refusal(401, "invalid_api_key"), "forbidden", False),
}


@pytest.mark.parametrize("name", ENDS)
async def test_a_call_that_fails_is_billed_its_prompt_and_the_text_that_came(
    metered: Service, provider: Upstream, name: str
) -> None:
    behaviour, outcome, paid = ENDS[name]
    provider.then(behaviour)
    [attempt] = await failed(metered)
    assert attempt["outcome"] == outcome
    if not paid:
        assert "usage" not in attempt
        assert await settled(metered) == 0
        return
    usage = attempt["usage"]
    assert attempt["estimated"] is True
    assert usage["prompt_tokens"] == asked(provider)
    came = behaviour.text is not None
    assert bool(usage["completion_tokens"]) == came
    assert usage["completion_tokens"] <= tokens.count(LONG)
    assert await settled(metered) == usage["total_tokens"]
    assert await metered.counted(f"model:{MODEL}") == 1


async def test_what_the_provider_told_of_a_failed_call_is_billed(
    metered: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(text=" ", finish_reason="length"))
    [attempt] = await failed(metered)
    assert attempt["outcome"] == "exhausted"
    assert attempt["usage"] == {part: USAGE[part] for part in attempt["usage"]}
    assert attempt["estimated"] is False
    assert await settled(metered) == USAGE["total_tokens"]


async def test_a_cancelled_generation_is_billed_its_prompt_and_the_text_that_came(
    metered: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(text=LONG, pace=0.02))
    headers = {**metered.headers(), "X-On-Disconnect": "cancel"}
    asking = asyncio.create_task(metered.http.post(TEXT, json=GOOD[TEXT], headers=headers))
    await until(lambda: bool(provider.requests))
    await asyncio.sleep(0.3)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await until(lambda: bool(provider.aborted))
    taken = await settled(metered)
    assert asked(provider) <= taken < asked(provider) + tokens.count(LONG)
    assert await metered.counted(f"model:{MODEL}") == 1


async def test_a_repaired_answer_is_billed_both_calls(metered: Service, provider: Upstream) -> None:
    provider.then(Behaviour(text="{}"), Behaviour())
    answer = (await metered.post(STORY, GOOD[STORY])).json()
    both = 2 * USAGE["total_tokens"]
    assert answer["metadata"]["token_usage"]["total_tokens"] == both
    assert await settled(metered) == both


async def test_an_answer_that_cannot_be_repaired_is_billed_both_calls(
    metered: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(text="{}"), Behaviour(text="{}"))
    assert len(await failed(metered, STORY)) == 2
    assert await settled(metered) == 2 * USAGE["total_tokens"]


async def test_tokens_that_were_paid_for_nothing_are_counted_and_how_many_were_estimated(
    metered: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(text=LONG, cut_after=20))
    [attempt] = await failed(metered)
    found = samples_now(metered.gateway.metrics)
    usage, of_model = attempt["usage"], f"_tokens_total{{model={MODEL}}}"
    told = "gen_ai_client_inference_usage_"
    assert found[f"{told}input{of_model}"] == usage["prompt_tokens"]
    assert found[f"{told}output{of_model}"] == usage["completion_tokens"]
    assert found[f"loregate_model_estimated{of_model}"] == usage["total_tokens"]
