"""Canaries in a running gateway: what is really asked, what is told of it, and what is shared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.config_file import CanaryTable, ConfigFile
from app.operations.character import GROUNDED
from app.policies.canaries import Canary
from tests.support import service
from tests.support.rest_bodies import GOOD, TEXT, THEME, changed
from tests.support.rest_requests import ask, cache_and_id
from tests.support.service import Service
from tests.support.upstream import USAGE, Upstream, refusal

LUNA = {"name": "luna", "share": 0.5, "model": "gpt-4-turbo", "served_by": "gpt-6-luna"}
GROUNDED_PROMPT = {"name": "grounded", "share": 1, "operation": "character", "prompt_version": 2}
TERRA = "gpt-6.1-terra"  # what gpt-4-turbo is upstream
IN, OUT = (
    [user for user in (f"user-{n}" for n in range(20)) if Canary("luna", 0.5).takes(user) is there]
    for there in (True, False)
)
Trying = Callable[..., AbstractAsyncContextManager[Service]]


@pytest.fixture
def trying(tmp_path: Path, redis_url: str, provider: Upstream) -> Trying:
    """A gateway with these canaries; two of them share Redis and the database."""

    @asynccontextmanager
    async def start(*tables: dict[str, Any]) -> AsyncIterator[Service]:
        given = service.settings(tmp_path, redis_url, openai_base_url=provider.url)
        file = ConfigFile(canaries=tuple(CanaryTable(**table) for table in tables))
        async with service.running(given.model_copy(update={"file": file})) as found:
            yield found

    return start


async def metadata(found: Service, user: str, **fields: Any) -> dict[str, Any]:
    answer = await found.post(TEXT, changed(TEXT, **fields), sub=user)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["metadata"]
    return told


async def test_who_is_in_gets_the_other_model_under_the_name_that_was_asked(
    trying: Trying, provider: Upstream
) -> None:
    async with trying(LUNA) as found:
        told = await metadata(found, IN[0])
        standings = await found.data("{ rateLimits { scope limit remaining } }", sub=IN[0])
    assert provider.requests[-1]["model"] == "gpt-6-luna"
    assert (told["model_used"], told["variant"]) == ("gpt-4-turbo", "luna")
    assert (told["upstream_model"], told["degraded"]) == ("gpt-6-luna", False)
    assert [a["model"] for a in told["attempts"]] == ["gpt-6-luna"]
    used = {x["scope"]: x["limit"] - x["remaining"] for x in standings["rateLimits"]}
    assert (used["model:gpt-4-turbo"], used["model:gpt-6-luna"]) == (1, 0)


async def test_who_is_out_gets_what_there_always_was(trying: Trying, provider: Upstream) -> None:
    async with trying(LUNA) as found:
        told = await metadata(found, OUT[0])
    assert provider.requests[-1]["model"] == TERRA
    assert (told["model_used"], told["variant"]) == ("gpt-4-turbo", None)


async def test_an_answer_costs_what_the_model_costs_that_was_really_called(
    trying: Trying, provider: Upstream
) -> None:
    async with trying(LUNA) as found:
        told = [await metadata(found, user) for user in (IN[0], OUT[0])]
        prices = [found.gateway.models[name].prices for name in ("gpt-6-luna", "gpt-4-turbo")]
    prompt, completion = USAGE["prompt_tokens"], USAGE["completion_tokens"]
    for metadata_, price in zip(told, prices, strict=True):
        assert price.input is not None
        assert price.output is not None
        wanted = (prompt * price.input + completion * price.output) / 1_000_000
        assert metadata_["cost"] == pytest.approx(wanted)


async def test_two_gateways_choose_the_same_users(trying: Trying) -> None:
    async with trying(LUNA) as one, trying(LUNA) as other:
        for user in (*IN[:4], *OUT[:4]):
            found = [(await metadata(at, user))["variant"] for at in (one, other)]
            assert found == (["luna", "luna"] if user in IN else [None, None]), user


async def test_another_prompt_is_really_sent_and_told(trying: Trying, provider: Upstream) -> None:
    async with trying(GROUNDED_PROMPT) as found:
        told = await metadata(found, "alice")
        assert GROUNDED in provider.requests[-1]["messages"][1]["content"]
        assert (told["prompt_version"], told["variant"]) == ("2", "grounded")
        other = (await found.post(THEME, GOOD[THEME])).json()["metadata"]
        assert (other["prompt_version"], other["variant"]) == ("3", None)


async def test_only_its_tiers_are_tried_on(trying: Trying) -> None:
    """One that nobody configured counts as `standard`, as it does for limits."""
    async with trying({**GROUNDED_PROMPT, "tiers": ("standard",)}) as found:
        variants = []
        for tier in ("pro", "standard", "unheard-of"):
            answer = await found.post(TEXT, GOOD[TEXT], tier=tier)
            variants.append(answer.json()["metadata"]["variant"])
    assert variants == [None, "grounded", "grounded"]


async def test_where_the_other_model_fails_the_one_that_was_asked_answers_and_is_no_lesser(
    trying: Trying, provider: Upstream
) -> None:
    provider.on("gpt-6-luna").always = refusal(401, "invalid_api_key")
    async with trying(LUNA) as found:
        told = await metadata(found, IN[0])
        assert [(a["model"], a["outcome"]) for a in told["attempts"]] == [
            ("gpt-6-luna", "forbidden"),
            ("gpt-4-turbo", "ok"),
        ]
        assert (told["model_used"], told["variant"], told["degraded"]) == (
            "gpt-4-turbo",
            None,
            False,
        )
        headers = {**found.headers(sub=IN[1]), "X-Allow-Degraded": "false"}
        strict = await found.http.post(TEXT, json=GOOD[TEXT], headers=headers)
        assert strict.status_code == 200, "the asked model is no simpler one"


async def test_where_both_fail_the_chain_goes_on(trying: Trying, provider: Upstream) -> None:
    for upstream in ("gpt-6-luna", TERRA):
        provider.on(upstream).always = refusal(401, "invalid_api_key")
    async with trying({**LUNA, "served_by": "gpt-3.5-turbo"}) as found:
        told = await metadata(found, IN[0])
    assert [a["model"] for a in told["attempts"]] == ["gpt-3.5-turbo", "gpt-4-turbo", "storyteller"]
    assert (told["model_used"], told["degraded"], told["variant"]) == ("storyteller", True, None)


async def test_what_is_told_of_a_failure_names_the_model_that_was_asked(
    trying: Trying, provider: Upstream
) -> None:
    provider.always = refusal(401, "invalid_api_key")
    async with trying(LUNA) as found:
        headers = {**found.headers(sub=IN[0]), "X-Allow-Degraded": "false"}
        answer = await found.http.post(TEXT, json=GOOD[TEXT], headers=headers)
    assert (answer.status_code, answer.json()["details"]["model"]) == (503, "gpt-4-turbo")


# The last is no other prompt than the usual one: users whose ratings the others' are held against.
CONTROL = {**GROUNDED_PROMPT, "name": "control", "prompt_version": 1}


@pytest.mark.parametrize(
    "table", [{**LUNA, "share": 1}, GROUNDED_PROMPT, CONTROL], ids=lambda t: t["name"]
)
async def test_an_answer_of_one_variant_is_never_given_to_another(
    trying: Trying, provider: Upstream, table: dict[str, Any]
) -> None:
    """The same user and request, before a canary, with it, and behind it."""
    async with trying() as found:
        before = cache_and_id(await ask(found, TEXT, cache="max-age=60"))
    async with trying(table) as found:
        tried = [cache_and_id(await ask(found, TEXT, cache="max-age=60")) for _ in range(2)]
    async with trying() as found:
        behind = cache_and_id(await ask(found, TEXT, cache="max-age=60"))
        near = cache_and_id(await ask(found, TEXT, cache="similar=0.1"))
    assert [status for status, _ in (before, *tried)] == ["MISS", "MISS", "HIT"]
    assert behind == near == ("HIT", before[1])
    assert tried[0][1] == tried[1][1] != before[1]
    assert len(provider.requests) == 2


async def test_what_stood_in_for_a_canarys_model_is_not_kept(
    trying: Trying, provider: Upstream
) -> None:
    async with trying(LUNA) as found:
        provider.on("gpt-6-luna").then(refusal(400, "unsupported"))
        first = await ask(found, TEXT, cache="max-age=60", sub=IN[0])
        second = await ask(found, TEXT, cache="max-age=60", sub=IN[0])
    told = [answer.json()["metadata"]["variant"] for answer in (first, second)]
    assert told == [None, "luna"]
    assert second.headers["x-cache"] == "MISS"


async def test_graphql_tells_the_variant(trying: Trying) -> None:
    query = """mutation ($input: GenerateCharacterContentInput!) {
      generateCharacterContent(input: $input) { content { metadata { promptVersion variant } } }
    }"""
    async with trying(GROUNDED_PROMPT) as found:
        data = await found.data(query, {"input": service.CHARACTER_INPUT})
    told = data["generateCharacterContent"]["content"]["metadata"]
    assert told == {"promptVersion": "2", "variant": "grounded"}


async def usage_rows(found: Service) -> list[tuple[Any, ...]]:
    said = "SELECT model, prompt_version, answers, calls, nano_usd FROM usage ORDER BY id"
    rows = await found.parts.store.database.read(lambda c: c.exec_driver_sql(said).all())
    return [tuple(row) for row in rows]


async def test_the_ledger_has_the_model_that_was_called_and_the_prompt_that_was_used(
    trying: Trying, provider: Upstream
) -> None:
    both = {**LUNA, "operation": "character", "prompt_version": 2, "share": 1}
    async with trying(both) as found:
        cost = (await metadata(found, "alice"))["cost"]
        provider.on("gpt-6-luna").then(refusal(400, "unsupported"))
        await metadata(found, "alice")
        rows = await usage_rows(found)
    assert rows[0] == ("gpt-6-luna", "2", 1, 1, round(cost * 1e9))
    assert [row[:4] for row in sorted(rows[1:])] == [
        ("gpt-4-turbo", "2", 1, 1),
        ("gpt-6-luna", "2", 0, 1),
    ]


async def test_the_report_tells_a_canarys_ratings_from_the_others(trying: Trying) -> None:
    """Ten of each, whose own sums are the report's."""
    given: dict[str | None, list[int]] = {"luna": [], None: []}
    async with trying(LUNA) as found:
        for n, user in enumerate((*IN, *OUT)):
            made = (await found.post(TEXT, GOOD[TEXT], sub=user)).json()
            variant = "luna" if user in IN else None
            assert made["metadata"]["variant"] == variant
            given[variant].append(1 + n % 5)
            url = f"/api/v2/content/{made['content_id']}/rating"
            said = {"score": 1 + n % 5}
            await found.http.put(url, json=said, headers=found.headers(sub=user))
        report = (await found.get("/api/v2/ratings")).json()
    told = {
        g["variant"]: (g["model"], g["count"], g["mean"], g["scores"]) for g in report["groups"]
    }
    assert told == {
        variant: (
            "gpt-4-turbo",
            len(scores),
            sum(scores) / len(scores),
            [scores.count(n) for n in range(1, 6)],
        )
        for variant, scores in given.items()
    }
