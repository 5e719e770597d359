"""What a provider's refusal asks for: a wait, or that a person mends something."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from app.llm.openai import OpenAIWriter
from app.llm.refusal import ADD_CREDIT, CHANGE_KEY, CHANGE_MODEL
from app.operations.metadata import AttemptOutcome
from tests.support.openai_writers import failure_of
from tests.support.raw_provider import RawProvider, refusal


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.25"}, 0.25),
        ({"retry_after": "90000"}, 3600.0),
        ({"retry_after": "-3"}, None),
        ({"retry_after": "0"}, None),
        ({"retry_after_ms": "0", "retry_after": "7"}, 7.0),
        ({"retry_after": "7", "retry_after_ms": "1500"}, 1.5),
        ({"retry_after": "7", "retry_after_ms": "soon"}, 7.0),
        ({"retry_after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry_after": "Wed, 21 Oct 2115 07:28:00 -0000"}, 3600.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "Wed, 99 Oct 2015 07:28:00 GMT"}, None),
        ({}, None),
    ],
)
async def test_the_providers_wait_is_passed_on_within_an_hour(
    writer: OpenAIWriter, raw_provider: RawProvider, headers: dict[str, str], seconds: float | None
) -> None:
    for status in (429, 503):
        raw_provider.then(refusal(status, "rate_limit_exceeded", **headers))
        assert (await failure_of(writer)).retry_after == seconds


async def test_a_wait_until_a_date_is_counted_from_now(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    date = formatdate(time.time() + 100, usegmt=True)
    raw_provider.then(refusal(429, "rate_limit_exceeded", retry_after=date))
    wait = (await failure_of(writer)).retry_after
    assert wait is not None
    assert 90 < wait <= 100


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        ("Wed, 21 Oct 2015 07:27:50 GMT", 10.0),
        ("Wed, 21 Oct 2015 08:27:50 +0100", 10.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("yesterday", None),
    ],
)
async def test_a_wait_until_a_date_is_counted_from_the_answers_own(
    writer: OpenAIWriter, raw_provider: RawProvider, date: str, seconds: float | None
) -> None:
    then = "Wed, 21 Oct 2015 07:28:00 GMT"
    raw_provider.then(refusal(429, "rate_limit_exceeded", retry_after=then, date=date))
    assert (await failure_of(writer)).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "code", "remedy"),
    [
        (401, "invalid_api_key", CHANGE_KEY),
        (403, None, CHANGE_KEY),
        (403, "model_not_found", CHANGE_MODEL),
        (404, "model_not_found", CHANGE_MODEL),
        (402, None, ADD_CREDIT),
        (429, "insufficient_quota", ADD_CREDIT),
        (429, "credit_balance_exhausted", ADD_CREDIT),
        (429, "project_spend_limit_exceeded", ADD_CREDIT),
    ],
)
async def test_what_a_person_must_mend_says_what_to_do(
    writer: OpenAIWriter, raw_provider: RawProvider, status: int, code: str | None, remedy: str
) -> None:
    raw_provider.then(refusal(status, code))
    error = await failure_of(writer)
    assert (error.outcome, error.remedy) == (AttemptOutcome.FORBIDDEN, remedy)
    assert error.as_extra().get("provider_code") == code
