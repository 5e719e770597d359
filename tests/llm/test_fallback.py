"""Models: who writes when the asked one cannot, what it counts, and what it says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import (
    ContentRejected,
    InvalidRequest,
    ModelError,
    ModelUnavailable,
    RateLimited,
)
from app.llm.failure import RETRYABLE, AttemptFailed
from app.llm.fallback import Model, Models
from app.llm.retry import RetryPolicy
from app.operations.metadata import AttemptOutcome
from tests.support import rest_bodies, service
from tests.support.operations import THEME
from tests.support.rest_bodies import GOOD, STORY, TEXT, changed
from tests.support.scripted_models import ScriptedWriter, drafted, models_of, outcomes, work_for
from tests.support.service import Service
from tests.support.upstream import PROSE, USAGE, Behaviour, Upstream, refusal

# How a model fails, what its attempts are called, and what its caller is told without a fallback.
BROKEN = {
    "503": (refusal(503, "overloaded"), ["failed"], 503),
    "429": (refusal(429, "rate_limit_exceeded", retry_after="3"), ["overloaded"], 503),
    "401": (refusal(401, "invalid_api_key"), ["forbidden"], 503),
    "reset": (Behaviour(reset=True), ["unreachable"], 503),
    "silence": (Behaviour(silent=True), ["silent"], 504),
    "400": (refusal(400, "unsupported"), ["refused"], 502),
}


@pytest.fixture
async def hasty(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Service]:
    """Models have no time to be asked again, and gpt-3.5-turbo stands outside the chain."""
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        model_timeout=0.5,
        first_token_timeout=0.2,
        fallback=("gpt-4-turbo", "storyteller"),
    )
    async with service.running(given) as found:
        yield found


async def taken(found: Service) -> dict[str, int]:
    """How much of each limit is used up."""
    data = await found.data("{ rateLimits { scope limit remaining } }")
    return {x["scope"]: x["limit"] - x["remaining"] for x in data["rateLimits"]}


def impatient(found: Service) -> None:
    """No wait for a retry fits a call."""
    found.gateway.models.policy = RetryPolicy(backoff=1.0)
    for model in found.gateway.models:
        model.timeout = 0.5


async def test_the_asked_model_answers_for_itself(hasty: Service) -> None:
    metadata = (await hasty.post(TEXT, GOOD[TEXT])).json()["metadata"]
    assert (metadata["model_used"], metadata["degraded"]) == ("gpt-4-turbo", False)
    assert {k: metadata["token_usage"][k] for k in USAGE} == USAGE
    assert [a["outcome"] for a in metadata["attempts"]] == ["ok"]
    used = await taken(hasty)
    assert used["model:gpt-4-turbo"] == used["operation:text_generation"] == 1


@pytest.mark.parametrize("fault", BROKEN)
async def test_the_storyteller_follows_a_model_that_cannot_be_had_and_says_so(
    hasty: Service, provider: Upstream, fault: str
) -> None:
    behaviour, outcomes, _ = BROKEN[fault]
    provider.always = behaviour
    impatient(hasty)
    body = (await hasty.post(TEXT, GOOD[TEXT])).json()
    metadata = body["metadata"]
    assert (metadata["model_used"], metadata["degraded"]) == ("storyteller", True)
    assert body["content"] != PROSE
    assert metadata["token_usage"]["completion_tokens"] > 20
    tried = [(a["model"], a["outcome"]) for a in metadata["attempts"]]
    assert tried == [*(("gpt-4-turbo", o) for o in outcomes), ("storyteller", "ok")]
    assert (await taken(hasty))["model:gpt-4-turbo"] == 1, "it was really called"
    # A reset on the connection that was kept since the start is repeated, and is no attempt.
    assert len(provider.requests) == (2 if fault == "reset" else 1)


async def test_a_model_outside_the_chain_has_no_fallback(
    hasty: Service, provider: Upstream
) -> None:
    asked = changed(TEXT, model={"name": "gpt-3.5-turbo"})
    impatient(hasty)
    codes = {502: "MODEL_ERROR", 503: "MODEL_UNAVAILABLE", 504: "MODEL_TIMEOUT"}
    for fault in ("400", "429", "silence", "503"):
        provider.always, outcomes, status = BROKEN[fault]
        answer = await hasty.post(TEXT, asked)
        assert (answer.status_code, answer.json()["code"]) == (status, codes[status]), fault
        details = answer.json()["details"]
        assert (details["model"], details["attempts"]) == ("gpt-3.5-turbo", 1)
        assert [a["outcome"] for a in details["tried"]] == outcomes
        assert ("retry-after" in answer.headers) == (status == 503)
        if fault == "429":
            assert answer.headers["retry-after"] == "3"


async def test_a_refusal_of_the_content_is_the_callers_to_know_and_no_fallback(
    hasty: Service, provider: Upstream
) -> None:
    provider.then(refusal(400, "content_filter"))
    answer = await hasty.post(TEXT, GOOD[TEXT])
    assert (answer.status_code, answer.json()["code"]) == (400, "CONTENT_REJECTED")
    details = answer.json()["details"]
    assert (details["model"], details["reason"]) == ("gpt-4-turbo", "content_filter")
    assert [a["outcome"] for a in details["tried"]] == ["rejected"]


async def test_a_model_that_fails_while_it_repairs_was_asked_twice(
    hasty: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(text="no JSON"), refusal(503, "overloaded", retry_after="9"))
    asked = changed(STORY, model={"name": "gpt-3.5-turbo"})
    answer = await hasty.post(STORY, asked)
    assert (answer.status_code, answer.json()["details"]["attempts"]) == (503, 2)


async def test_without_a_key_the_storyteller_answers_and_no_models_limit_counts(
    loregate: Service,
) -> None:
    for path, body in GOOD.items():
        metadata = (await loregate.post(path, body)).json()["metadata"]
        assert (metadata["model_used"], metadata["degraded"]) == ("storyteller", True)
    used = await taken(loregate)
    assert used["operation:text_generation"] == 6
    assert used["operation:theme_analysis"] == used["operation:content_validation"] == 1
    assert used["model:gpt-4-turbo"] == 0
    named = changed(TEXT, model={"name": "storyteller"})
    metadata = (await loregate.post(TEXT, named)).json()["metadata"]
    assert (metadata["model_used"], metadata["degraded"]) == ("storyteller", False)


async def test_without_a_key_a_model_outside_the_chain_is_unavailable(
    tmp_path: Path, redis_url: str
) -> None:
    given = service.settings(tmp_path, redis_url, fallback=("gpt-4-turbo", "storyteller"))
    async with service.running(given) as found:
        answer = await found.post(TEXT, changed(TEXT, model={"name": "gpt-3.5-turbo"}))
        assert (answer.status_code, answer.json()["code"]) == (503, "MODEL_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1


async def test_the_clients_connections_end_with_the_service(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    given = service.settings(tmp_path, redis_url, openai_base_url=provider.url)
    async with service.running(given) as found:
        await found.post(TEXT, GOOD[TEXT])
        assert provider.connections == 1
    await provider.all_left()


# -- the models by themselves


async def test_what_broke_before_an_answer_is_tried_again_at_most_twice() -> None:
    a, b = ScriptedWriter(*[AttemptOutcome.FAILED] * 9), ScriptedWriter("text")
    found = await drafted(models_of(a, b))
    assert outcomes(found.attempts) == [*[("a", "failed")] * 3, ("b", "ok")]
    assert (found.model.name, found.degraded) == ("b", True)
    a = ScriptedWriter(AttemptOutcome.UNREACHABLE, AttemptOutcome.OVERLOADED, "text")
    assert outcomes((await drafted(models_of(a))).attempts)[-1] == ("a", "ok")


@pytest.mark.parametrize(
    "outcome", sorted(set(AttemptOutcome) - RETRYABLE - {AttemptOutcome.REJECTED})
)
async def test_nothing_else_is_tried_again_on_the_same_model(outcome: AttemptOutcome) -> None:
    a, b = ScriptedWriter(outcome), ScriptedWriter("text")
    found = await drafted(models_of(a, b, a=10, b=20))
    assert outcomes(found.attempts) == [("a", outcome.value), ("b", "ok")]


async def test_what_had_begun_to_answer_is_not_tried_again() -> None:
    a, b = (
        ScriptedWriter(AttemptFailed(AttemptOutcome.FAILED, "failed", partial=True)),
        ScriptedWriter("text"),
    )
    assert outcomes((await drafted(models_of(a, b))).attempts) == [("a", "failed"), ("b", "ok")]


async def test_a_wait_that_does_not_fit_the_time_is_not_waited() -> None:
    a = ScriptedWriter(AttemptFailed(AttemptOutcome.OVERLOADED, "is overloaded", retry_after=61))
    found = await drafted(models_of(a, ScriptedWriter("text")))
    assert outcomes(found.attempts) == [("a", "overloaded"), ("b", "ok")]


async def test_a_later_link_whose_limit_is_full_is_skipped() -> None:
    async def full(model: Model) -> None:
        if model.name == "b":
            raise RateLimited("model:b", 1, 60, 30, 0)

    found = models_of(ScriptedWriter(AttemptOutcome.CUT), ScriptedWriter(), ScriptedWriter("text"))
    assert outcomes((await drafted(found, full)).attempts) == [
        ("a", "cut"),
        ("b", "limited"),
        ("c", "ok"),
    ]


async def test_the_requests_own_fallback_comes_before_the_chains() -> None:
    found = models_of(ScriptedWriter(AttemptOutcome.CUT), ScriptedWriter("b"), ScriptedWriter("c"))
    assert (await drafted(found, fallback_model="c")).draft.text == "c"
    outside = models_of(
        ScriptedWriter(AttemptOutcome.CUT),
        ScriptedWriter(AttemptOutcome.CUT),
        ScriptedWriter("c"),
        chain=("b", "c"),
    )
    assert outcomes((await drafted(outside, fallback_model="b")).attempts) == [
        ("a", "cut"),
        ("b", "cut"),
        ("c", "ok"),
    ], "behind the request's own stands what stands behind that in the chain"


async def test_a_prompt_that_is_too_long_goes_to_a_larger_model() -> None:
    a, b, c = ScriptedWriter(AttemptOutcome.TOO_LONG), ScriptedWriter(), ScriptedWriter("text")
    found = await drafted(models_of(a, b, c, a=100, b=50, c=200))
    assert outcomes(found.attempts) == [("a", "too_long"), ("c", "ok")]
    a, b, c = ScriptedWriter("text"), ScriptedWriter(), ScriptedWriter(AttemptOutcome.TOO_LONG)
    larger = models_of(a, b, c, a=200, b=50, c=100)
    asked, wanted = work_for(larger, name="c")

    async def free(_: Model) -> None:
        """No limit is full."""

    draft = await larger.complete(larger.candidates(asked, None, degrade=True), wanted, charge=free)
    assert draft.model.name == "a", "though it stands before it in the chain"


async def test_a_model_of_unknown_size_is_tried_behind_those_known_to_be_larger() -> None:
    long = [AttemptOutcome.TOO_LONG]
    found = await drafted(
        models_of(
            ScriptedWriter(*long), ScriptedWriter("text"), ScriptedWriter(*long), a=100, c=200
        )
    )
    assert outcomes(found.attempts) == [("a", "too_long"), ("c", "too_long"), ("b", "ok")]
    named = models_of(
        ScriptedWriter(*long),
        ScriptedWriter("b"),
        ScriptedWriter("text"),
        chain=("a", "storyteller"),
    )
    found = await drafted(named, fallback_model="c")
    assert outcomes(found.attempts) == [("a", "too_long"), ("c", "ok")]
    unknown = models_of(ScriptedWriter(*long), ScriptedWriter(*long), ScriptedWriter(), a=100, c=50)
    found = await drafted(unknown)
    assert outcomes(found.attempts) == [("a", "too_long"), ("b", "too_long"), ("storyteller", "ok")]


async def test_who_takes_no_simpler_answer_is_told_when_to_come_back() -> None:
    for outcome in (AttemptOutcome.SILENT, AttemptOutcome.CUT, AttemptOutcome.FORBIDDEN):
        with pytest.raises(ModelUnavailable) as refused:
            await drafted(models_of(ScriptedWriter(outcome), ScriptedWriter("text")), degrade=False)
        assert refused.value.retry_after
    with pytest.raises(ModelError):
        await drafted(
            models_of(ScriptedWriter(AttemptOutcome.REFUSED), ScriptedWriter("text")), degrade=False
        )


async def test_a_rejected_content_is_nobody_elses_turn() -> None:
    rejected = AttemptFailed(AttemptOutcome.REJECTED, "refused", reason="content_filter")
    with pytest.raises(ContentRejected):
        await drafted(models_of(ScriptedWriter(rejected), ScriptedWriter("text")))


async def test_a_smaller_followers_bound_is_kept() -> None:
    b = ScriptedWriter("text")
    found = models_of(ScriptedWriter(AttemptOutcome.CUT), b)
    list(found)[1].max_tokens = 300
    await drafted(found)
    assert b.prompts[0].choice.max_tokens == 300


async def test_an_open_breaker_spares_the_model_and_says_when() -> None:
    a = ScriptedWriter(*[AttemptOutcome.CUT] * 3)
    found = models_of(a, ScriptedWriter(*["text"] * 5))
    for _ in range(4):
        last = await drafted(found)
    assert outcomes(last.attempts) == [("a", "open"), ("b", "ok")]
    with pytest.raises(ModelUnavailable) as refused:
        await drafted(found, degrade=False)
    assert 3 < (refused.value.retry_after or 0) <= 5
    assert refused.value.details["attempts"] == 0
    assert found.state == "degraded", "b still answers"


async def test_all_models_failing_is_unhealthy() -> None:
    found = models_of(ScriptedWriter(*[AttemptOutcome.MALFORMED] * 3), chain=())
    for _ in range(3):
        with pytest.raises(ModelError):
            await drafted(found)
    assert found.state == "unhealthy"


def test_the_default_model_is_the_contracts_where_the_chain_has_it_else_the_chains_first() -> None:
    def default(names: str, chain: Any) -> str:
        found = Models([Model(n, None) for n in names.split()], chain)
        return work_for(found)[0].name

    assert default("llama gpt-4-turbo storyteller", ("llama", "gpt-4-turbo")) == "gpt-4-turbo"
    assert default("llama gpt-4-turbo storyteller", ("llama",)) == "llama"
    assert default("llama mistral storyteller", ("gone", "mistral", "storyteller")) == "mistral"
    assert default("llama storyteller", ("gone", "storyteller")) == "llama"


def test_a_small_model_bounds_what_is_asked_and_not_what_nobody_asked() -> None:
    found = Models([Model("small", None, max_tokens=500)], ())
    assert work_for(found)[1].prompt.choice.max_tokens == 500
    with pytest.raises(InvalidRequest) as refused:
        work_for(found, max_tokens=501)
    assert refused.value.details["field"] == "model.max_tokens"
    request = THEME.read(GOOD[rest_bodies.THEME])
    assert found.choose(THEME, request)[1].max_tokens == 500
