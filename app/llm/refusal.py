"""Refusal: an error status of the OpenAI API as the outcome of an attempt."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpx2
import openai

from app.llm.failure import AttemptFailed
from app.llm.sse import NO_COMPLETION, REJECTED, TOO_LONG, exhausted, loggable_code, rejected
from app.operations.metadata import AttemptOutcome

# What no waiting helps.
NO_CREDIT = ("insufficient_quota", "credit_balance_exhausted")
OVERSPENT = "_spend_limit_exceeded"  # an organization's, a project's
UNKNOWN_MODEL = "model_not_found"
ADD_CREDIT = "add credit to the provider's account, or raise its spending limit"
CHANGE_MODEL = "set another `upstream` in the model's row of [[models]], or mend the row's `url`"
CHANGE_KEY = "set a key with access in the variable that the model's `key_variable` names"
# vLLM's, OpenAI's of 2025, llama.cpp's words for it
TOO_LONG_WORDS = re.compile(
    "maximum context length|Input tokens exceed|exceeds the available context size"
)
UNFINISHED = "Could not finish the message"  # 400: thinking took all tokens
MAX_RETRY_AFTER = 3600.0  # s that a provider may ask for
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?")


def refused(error: openai.APIStatusError) -> AttemptFailed:
    """An error's status as an outcome. What the provider says of its own inside is left out."""
    failed = _classified(error.status_code, error.code, error.message)
    failed.status, failed.code = error.status_code, loggable_code(error.code)
    failed.retry_after = _retry_after(error.response.headers)
    return failed


def _classified(status: int, code: str | None, message: str) -> AttemptFailed:
    if status == 400 and UNFINISHED in message:
        return exhausted()
    if status == 400 and code in REJECTED:
        return rejected(str(code))
    if status == 400 and (code == TOO_LONG or TOO_LONG_WORDS.search(message)):
        return AttemptFailed(AttemptOutcome.TOO_LONG, "cannot take so long a request")
    if remedy := _remedy(status, str(code)):
        return AttemptFailed(
            AttemptOutcome.FORBIDDEN, "is not available to this gateway", remedy=remedy
        )
    if status == 429:
        return AttemptFailed(AttemptOutcome.OVERLOADED, "is overloaded")
    if status in (408, 409) or status >= 500:
        return AttemptFailed(AttemptOutcome.FAILED, "failed")
    if status < 400:  # a redirection to nowhere
        return AttemptFailed(AttemptOutcome.MALFORMED, NO_COMPLETION)
    return AttemptFailed(AttemptOutcome.REFUSED, "did not accept the request")


def _remedy(status: int, code: str) -> str:
    """What a person must do, where nothing else helps."""
    if status == 402 or code in NO_CREDIT or code.endswith(OVERSPENT):
        return ADD_CREDIT
    if status == 404 or (status == 403 and code == UNKNOWN_MODEL):
        return CHANGE_MODEL
    return CHANGE_KEY if status in (401, 403) else ""


def _retry_after(headers: httpx2.Headers) -> float | None:
    """Seconds that the provider asks for (RFC 9110, section 10.2.3), up to `MAX_RETRY_AFTER`.

    None where it asks for nothing, or for a time that is over.
    """
    named = headers.get("retry-after", "")
    then = _date(named, headers.get("date", ""))
    for found in (_number(headers.get("retry-after-ms", ""), 1000), _number(named), then):
        if found is not None and found > 0:
            return min(MAX_RETRY_AFTER, found)
    return None


def _number(text: str, parts: int = 1) -> float | None:
    # Not `float`: it also takes nan, inf and 1_0.
    return float(text) / parts if NUMBER.fullmatch(text) else None


def _date(text: str, sent: str) -> float | None:
    """Seconds from the answer's own date, or from now where it has none: clocks differ."""
    if (when := _seconds(text)) is None:
        return None
    now = _seconds(sent)
    return when - (time.time() if now is None else now)


def _seconds(text: str) -> float | None:
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    return when.replace(tzinfo=when.tzinfo or UTC).timestamp()
