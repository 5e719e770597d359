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
from app.llm.base import RETRIED, Completion, Failed, Listener, Outcome, Usage, Work
from app.llm.breaker import Breakers
from app.llm.calling import Policy
from app.llm.fallback import Drafted, Model, Models
from app.llm.storyteller import Storyteller
from app.operations import CHARACTER, THEME, Prompt
from tests import service, wishes
from tests.service import Service
from tests.upstream import PROSE, USAGE, Behaviour, Upstream, refusal
from tests.wishes import GOOD, STORY, TEXT, changed

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
    found.gateway.models._policy = Policy(backoff=1.0)
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
    assert used["operation:text_generation"] == 5
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
class Scripted:
    """A writer that fails or answers as it is told."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)
        self.prompts: list[Prompt] = []

    async def write(
        self, work: Work, *, until: float, listener: Listener | None = None
    ) -> Completion:
        self.prompts.append(work.prompt)
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Outcome):
            raise Failed(outcome, "failed")
        if isinstance(outcome, Failed):
            raise outcome
        return Completion(outcome, Usage(1, 1))

    async def probe(self, *, until: float) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing is held."""


PATIENT = Policy(backoff=0.001)


def models(*writers: Any, chain: Any = ("a", "b", "c", "storyteller"), **sizes: int) -> Models:
    breakers = Breakers(None, "abc")
    named = [
        Model(n, writer, breaker=breakers[n], context_size=sizes.get(n), max_tokens=2000)
        for n, writer in zip("abc", writers, strict=False)
    ]
    return Models([*named, Model("storyteller", Storyteller())], chain, policy=PATIENT)


def work(found: Models, **model: Any) -> tuple[Model, Work]:
    request = CHARACTER.read(changed(TEXT, model=model))
    chosen, choice = found.choose(CHARACTER, request)
    return chosen, Work(CHARACTER, request, CHARACTER.prompt(request, choice))


async def drafted(
    found: Models, charge: Any = None, *, degrade: bool = True, **model: Any
) -> Drafted:
    asked, wanted = work(found, name="a", **model)
    links = found.links(asked, wanted.prompt.choice.fallback_model, degrade=degrade)

    async def free(_: Model) -> None:
        """No limit is full."""

    return await found.draft(links, wanted, charge=charge or free, degrade=degrade)


def tried(attempts: Any) -> list[tuple[str, str]]:
    return [(a.model, a.outcome.value) for a in attempts]


async def test_what_broke_before_an_answer_is_tried_again_at_most_twice() -> None:
    a, b = Scripted(*[Outcome.FAILED] * 9), Scripted("text")
    found = await drafted(models(a, b))
    assert tried(found.attempts) == [*[("a", "failed")] * 3, ("b", "ok")]
    assert (found.model.name, found.degraded) == ("b", True)
    a = Scripted(Outcome.UNREACHABLE, Outcome.OVERLOADED, "text")
    assert tried((await drafted(models(a))).attempts)[-1] == ("a", "ok")


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - RETRIED - {Outcome.REJECTED}))
async def test_nothing_else_is_tried_again_on_the_same_model(outcome: Outcome) -> None:
    a, b = Scripted(outcome), Scripted("text")
    found = await drafted(models(a, b, a=10, b=20))
    assert tried(found.attempts) == [("a", outcome.value), ("b", "ok")]


async def test_what_had_begun_to_answer_is_not_tried_again() -> None:
    a, b = Scripted(Failed(Outcome.FAILED, "failed", partial=True)), Scripted("text")
    assert tried((await drafted(models(a, b))).attempts) == [("a", "failed"), ("b", "ok")]


async def test_a_wait_that_does_not_fit_the_time_is_not_waited() -> None:
    a = Scripted(Failed(Outcome.OVERLOADED, "is overloaded", retry_after=61))
    found = await drafted(models(a, Scripted("text")))
    assert tried(found.attempts) == [("a", "overloaded"), ("b", "ok")]


async def test_a_later_link_whose_limit_is_full_is_skipped() -> None:
    async def full(model: Model) -> None:
        if model.name == "b":
            raise RateLimited("model:b", 1, 60, 30, 0)

    found = models(Scripted(Outcome.CUT), Scripted(), Scripted("text"))
    assert tried((await drafted(found, full)).attempts) == [
        ("a", "cut"),
        ("b", "limited"),
        ("c", "ok"),
    ]


async def test_the_requests_own_fallback_comes_before_the_chains() -> None:
    found = models(Scripted(Outcome.CUT), Scripted("b"), Scripted("c"))
    assert (await drafted(found, fallback_model="c")).draft.text == "c"
    outside = models(Scripted(Outcome.CUT), Scripted(Outcome.CUT), Scripted("c"), chain=("b", "c"))
    assert tried((await drafted(outside, fallback_model="b")).attempts) == [
        ("a", "cut"),
        ("b", "cut"),
        ("c", "ok"),
    ], "behind the request's own stands what stands behind that in the chain"


async def test_a_prompt_that_is_too_long_goes_to_a_larger_model() -> None:
    a, b, c = Scripted(Outcome.TOO_LONG), Scripted(), Scripted("text")
    found = await drafted(models(a, b, c, a=100, b=50, c=200))
    assert tried(found.attempts) == [("a", "too_long"), ("c", "ok")]
    a, b, c = Scripted("text"), Scripted(), Scripted(Outcome.TOO_LONG)
    larger = models(a, b, c, a=200, b=50, c=100)
    asked, wanted = work(larger, name="c")

    async def free(_: Model) -> None:
        """No limit is full."""

    draft = await larger.draft(larger.links(asked, None, degrade=True), wanted, charge=free)
    assert draft.model.name == "a", "though it stands before it in the chain"


async def test_a_model_of_unknown_size_is_tried_behind_those_known_to_be_larger() -> None:
    long = [Outcome.TOO_LONG]
    found = await drafted(models(Scripted(*long), Scripted("text"), Scripted(*long), a=100, c=200))
    assert tried(found.attempts) == [("a", "too_long"), ("c", "too_long"), ("b", "ok")]
    named = models(Scripted(*long), Scripted("b"), Scripted("text"), chain=("a", "storyteller"))
    found = await drafted(named, fallback_model="c")
    assert tried(found.attempts) == [("a", "too_long"), ("c", "ok")]
    unknown = models(Scripted(*long), Scripted(*long), Scripted(), a=100, c=50)
    found = await drafted(unknown)
    assert tried(found.attempts) == [("a", "too_long"), ("b", "too_long"), ("storyteller", "ok")]


async def test_who_takes_no_simpler_answer_is_told_when_to_come_back() -> None:
    for outcome in (Outcome.SILENT, Outcome.CUT, Outcome.FORBIDDEN):
        with pytest.raises(ModelUnavailable) as refused:
            await drafted(models(Scripted(outcome), Scripted("text")), degrade=False)
        assert refused.value.retry_after
    with pytest.raises(ModelError):
        await drafted(models(Scripted(Outcome.REFUSED), Scripted("text")), degrade=False)


async def test_a_rejected_content_is_nobody_elses_turn() -> None:
    rejected = Failed(Outcome.REJECTED, "refused", reason="content_filter")
    with pytest.raises(ContentRejected):
        await drafted(models(Scripted(rejected), Scripted("text")))


async def test_a_smaller_followers_bound_is_kept() -> None:
    b = Scripted("text")
    found = models(Scripted(Outcome.CUT), b)
    list(found)[1].max_tokens = 300
    await drafted(found)
    assert b.prompts[0].choice.max_tokens == 300


async def test_an_open_breaker_spares_the_model_and_says_when() -> None:
    a = Scripted(*[Outcome.CUT] * 3)
    found = models(a, Scripted(*["text"] * 5))
    for _ in range(4):
        last = await drafted(found)
    assert tried(last.attempts) == [("a", "open"), ("b", "ok")]
    with pytest.raises(ModelUnavailable) as refused:
        await drafted(found, degrade=False)
    assert 3 < (refused.value.retry_after or 0) <= 5
    assert refused.value.details["attempts"] == 0
    assert found.state == "degraded", "b still answers"


async def test_all_models_failing_is_unhealthy() -> None:
    found = models(Scripted(*[Outcome.MALFORMED] * 3), chain=())
    for _ in range(3):
        with pytest.raises(ModelError):
            await drafted(found)
    assert found.state == "unhealthy"


def test_the_default_model_is_the_contracts_where_the_chain_has_it_else_the_chains_first() -> None:
    def default(names: str, chain: Any) -> str:
        found = Models([Model(n, None) for n in names.split()], chain)
        return work(found)[0].name

    assert default("llama gpt-4-turbo storyteller", ("llama", "gpt-4-turbo")) == "gpt-4-turbo"
    assert default("llama gpt-4-turbo storyteller", ("llama",)) == "llama"
    assert default("llama mistral storyteller", ("gone", "mistral", "storyteller")) == "mistral"
    assert default("llama storyteller", ("gone", "storyteller")) == "llama"


def test_a_small_model_bounds_what_is_asked_and_not_what_nobody_asked() -> None:
    found = Models([Model("small", None, max_tokens=500)], ())
    assert work(found)[1].prompt.choice.max_tokens == 500
    with pytest.raises(InvalidRequest) as refused:
        work(found, max_tokens=501)
    assert refused.value.details["field"] == "model.max_tokens"
    request = THEME.read(GOOD[wishes.THEME])
    assert found.choose(THEME, request)[1].max_tokens == 500
