"""Retry: what a retry waits for, what ends its wait, and the line of each attempt that failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import ModelUnavailable
from app.llm import retry
from app.llm.breaker import Breakers
from app.llm.failure import AttemptFailed
from app.llm.fallback import Model, Models
from app.llm.retry import RetryPolicy
from app.operations.metadata import AttemptOutcome
from tests.support import service
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.scripted_models import ScriptedWriter, drafted, models_of, outcomes
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream, refusal
from tests.support.waiting import until

LONG = 30.0  # s; a test that waits for it hangs


def asked_to_wait(seconds: float) -> AttemptFailed:
    return AttemptFailed(AttemptOutcome.OVERLOADED, "is overloaded", retry_after=seconds)


# -- waiting
async def test_a_long_wait_is_not_waited_for_while_a_model_behind_is_ready() -> None:
    async with asyncio.timeout(LONG / 2):
        found = await drafted(
            models_of(ScriptedWriter(asked_to_wait(LONG)), ScriptedWriter("text"))
        )
    assert outcomes(found.attempts) == [("a", "overloaded"), ("b", "ok")]


async def test_a_wait_of_a_second_is_waited_for_also_then() -> None:
    found = await drafted(
        models_of(ScriptedWriter(asked_to_wait(1.0), "text"), ScriptedWriter("b"))
    )
    assert outcomes(found.attempts) == [("a", "overloaded"), ("a", "ok")]


@pytest.mark.parametrize("behind", ["nobody", "open", "without a key", "of the same breaker"])
async def test_a_long_wait_is_waited_for_where_nobody_behind_is_ready(
    behind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The storyteller, which is always behind, is no reason to hurry."""
    monkeypatch.setattr(retry, "MAX_WAIT_BESIDE_READY", 0.01)
    found = models_of(ScriptedWriter(asked_to_wait(0.02), "text"), ScriptedWriter("b"))
    a, b, *_ = found
    if behind == "open" and b.breaker is not None:
        await b.breaker.admit().failed(lasting=True)
    elif behind == "without a key":
        b.writer = None
    elif behind == "of the same breaker":
        b.breaker = a.breaker
    else:
        found = models_of(ScriptedWriter(asked_to_wait(0.02), "text"), chain=("a", "storyteller"))
    assert outcomes((await drafted(found)).attempts)[:2] == [("a", "overloaded"), ("a", "ok")]


@pytest.mark.parametrize("asked", [None, 0.0, 0.001])
async def test_a_wait_is_never_shorter_than_our_own(asked: float | None) -> None:
    again = AttemptFailed(AttemptOutcome.OVERLOADED, "is overloaded", retry_after=asked)
    found = models_of(ScriptedWriter(again, again, "text"))
    found.policy = RetryPolicy(backoff=0.05)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await drafted(found)
    assert loop.time() - began >= 0.05 + 0.1 - 0.002, "doubled once; timers may be 1 ms early"


async def test_a_wait_ends_when_the_breaker_opens() -> None:
    a = ScriptedWriter(asked_to_wait(LONG))
    found = models_of(a, chain=("a",))
    waiting = asyncio.create_task(drafted(found, degrade=False))
    await until(lambda: bool(a.prompts))
    breaker = next(iter(found)).breaker
    assert breaker is not None
    await breaker.admit().failed(lasting=True)
    async with asyncio.timeout(LONG / 2):
        with pytest.raises(ModelUnavailable) as refused:
            await waiting
    told = refused.value
    assert [x["outcome"] for x in told.details["tried"]] == ["overloaded", "open"]
    assert 299 < (told.retry_after or 0) <= 300
    assert len(a.prompts) == 1


# -- the log
@pytest.fixture
async def hasty(tmp_path: Path, redis_url: str, provider: Upstream) -> AsyncIterator[Service]:
    """Models that are given up for silent soon."""
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        first_token_timeout=0.2,
        stall_timeout=0.2,
        fallback=("gpt-4-turbo", "storyteller"),
    )
    async with service.running(given) as found:
        yield found


def lines(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[dict[str, Any]]:
    said = "an attempt on a model failed"
    return [vars(r) for r in caplog.records if r.getMessage() == said and r.levelno >= level]


FAULTS: dict[str, tuple[Behaviour, int, str, set[str]]] = {
    "refusal": (refusal(429, "slow_down"), 3, "overloaded", {"status", "provider_code"}),
    "words as code": (refusal(429, "please slow down"), 3, "overloaded", {"status"}),
    "silence": (Behaviour(silent=True), 1, "silent", set()),
    "stall": (Behaviour(stall_after=4), 1, "stalled", set()),
    "malformed": (Behaviour(malformed_after=4), 1, "malformed", set()),
    "reset": (Behaviour(reset=True), 3, "unreachable", set()),
    "cut": (Behaviour(cut_after=4), 1, "cut", {"kind"}),
    "error midway": (Behaviour(error_after=4), 1, "failed", set()),
    "filter": (refusal(400, "content_filter"), 1, "rejected", {"status"}),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_each_attempt_that_failed_is_one_line_with_its_request(
    hasty: Service, provider: Upstream, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    provider.always, count, outcome, facts = FAULTS[fault]
    answer = await hasty.post(TEXT, GOOD[TEXT])
    found = lines(caplog)
    assert [x["outcome"] for x in found] == count * [outcome]
    for line in found:
        assert line["model"] == "gpt-4-turbo"
        assert line["request_id"] == answer.headers["x-request-id"]
        assert isinstance(line["ms"], int)
        assert facts <= line.keys()
        assert "please" not in str(line)


async def test_an_answer_is_no_such_line_and_a_model_not_called_one_for_debugging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "app.llm")
    breakers = Breakers(None, "a")
    await breakers["a"].admit().failed(lasting=True)
    found = Models(
        [Model("a", ScriptedWriter(), breaker=breakers["a"]), Model("b", ScriptedWriter("x"))], "ab"
    )
    await drafted(found)
    assert lines(caplog) == []
    assert [x["outcome"] for x in lines(caplog, logging.DEBUG)] == ["open"]
