"""Models: who writes when the asked one cannot, what it counts, and what it says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import InvalidRequest, ModelError, ModelUnavailable
from app.llm.base import Completion, Usage, Work
from app.llm.fallback import Model, Models
from app.llm.storyteller import Storyteller
from app.operations import CHARACTER, THEME
from tests import service, wishes
from tests.service import Service
from tests.upstream import PROSE, USAGE, Behaviour, Upstream, refusal
from tests.wishes import GOOD, STORY, TEXT, changed

BROKEN = {
    "503": refusal(503, "overloaded"),
    "429": refusal(429, "rate_limit_exceeded", retry_after="3"),
    "401": refusal(401, "invalid_api_key"),
    "reset": Behaviour(reset=True),
    "silence": Behaviour(silent=True),
}


@pytest.fixture
async def hasty(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Service]:
    """The service with models that have 0.3 s, and with gpt-3.5-turbo outside the chain."""
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        model_timeout=0.3,
        fallback=("gpt-4-turbo", "storyteller"),
    )
    async with service.running(given) as found:
        yield found


async def taken(found: Service) -> dict[str, int]:
    """How much of each limit is used up."""
    data = await found.data("{ rateLimits { scope limit remaining } }")
    return {x["scope"]: x["limit"] - x["remaining"] for x in data["rateLimits"]}


async def test_the_asked_model_answers_for_itself(hasty: Service) -> None:
    metadata = (await hasty.post(TEXT, GOOD[TEXT])).json()["metadata"]
    assert (metadata["model_used"], metadata["degraded"]) == ("gpt-4-turbo", False)
    assert metadata["token_usage"] == USAGE
    used = await taken(hasty)
    assert used["model:gpt-4-turbo"] == used["operation:text_generation"] == 1


@pytest.mark.parametrize("fault", BROKEN)
async def test_the_storyteller_follows_a_model_that_cannot_be_had_and_says_so(
    hasty: Service, provider: Upstream, fault: str
) -> None:
    provider.then(BROKEN[fault])
    body = (await hasty.post(TEXT, GOOD[TEXT])).json()
    metadata = body["metadata"]
    assert (metadata["model_used"], metadata["degraded"]) == ("storyteller", True)
    assert body["content"] != PROSE
    assert metadata["token_usage"]["completion_tokens"] > 20
    assert (await taken(hasty))["model:gpt-4-turbo"] == 1, "it was really called"
    assert len(provider.requests) == 1


async def test_a_model_outside_the_chain_has_no_fallback(
    hasty: Service, provider: Upstream
) -> None:
    asked = changed(TEXT, model={"name": "gpt-3.5-turbo"})
    for fault, status, code in [
        ("503", 503, "MODEL_UNAVAILABLE"),
        ("429", 503, "MODEL_UNAVAILABLE"),
        ("401", 503, "MODEL_UNAVAILABLE"),
        ("silence", 504, "MODEL_TIMEOUT"),
    ]:
        provider.then(BROKEN[fault])
        answer = await hasty.post(TEXT, asked)
        assert (answer.status_code, answer.json()["code"]) == (status, code), fault
        details = answer.json()["details"]
        assert (details["model"], details["attempts"]) == ("gpt-3.5-turbo", 1)
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


async def test_a_model_that_fails_while_it_repairs_was_asked_twice(
    hasty: Service, provider: Upstream
) -> None:
    provider.then(Behaviour(text="no JSON"), refusal(503, "overloaded"))
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

    async def write(self, work: Work) -> Completion:
        outcome = self._outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return Completion(outcome, Usage(1, 1))

    async def close(self) -> None:
        """Nothing is held."""


def models(*writers: Any, chain: Any = ("a", "storyteller")) -> Models:
    named = [Model(name, writer) for name, writer in zip("abc", writers, strict=False)]
    return Models([*named, Model("storyteller", Storyteller())], chain)


def work(found: Models, **model: Any) -> tuple[Model, Work]:
    request = CHARACTER.read(changed(TEXT, model=model))
    chosen, choice = found.choose(CHARACTER, request)
    return chosen, Work(CHARACTER, request, CHARACTER.prompt(request, choice))


async def test_health_follows_what_real_calls_saw() -> None:
    away = ModelUnavailable("away", "a", retry_after=1)
    found = models(Scripted(away, away, away, "text"), Scripted("text"), chain=("b",))
    assert found.state == "healthy"
    states = []
    for _ in range(3):
        with pytest.raises(ModelUnavailable):
            await found.draft(*work(found, name="a"))
        states.append(next(iter(found)).state)
    assert states == ["degraded", "degraded", "unhealthy"]
    assert found.state == "degraded", "b still answers"
    await found.draft(*work(found, name="a"))
    assert found.state == "healthy"


async def test_all_models_failing_is_unhealthy() -> None:
    wrong = [ModelError("wrong", "a")] * 3
    found = models(Scripted(*wrong), chain=())
    for _ in range(3):
        with pytest.raises(ModelError):
            await found.draft(*work(found, name="a"))
    assert found.state == "unhealthy"


def test_the_default_model_is_the_contracts_else_the_first_of_the_chain_that_is_there() -> None:
    def default(names: str, chain: Any) -> str:
        found = Models([Model(n, None) for n in names.split()], chain)
        return work(found)[0].name

    assert default("llama gpt-4-turbo storyteller", ("llama",)) == "gpt-4-turbo"
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
