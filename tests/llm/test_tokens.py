"""Counting: what providers say of tokens, what the gateway counts itself, and the price."""

from __future__ import annotations

from typing import Any

import pytest

from app.llm import tokens
from app.llm.completion import Usage
from app.llm.prices import Prices
from tests.support.upstream import PROSE

# As the API answers them, key by key.
PLAIN = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
CACHED_AND_REASONED = {
    "prompt_tokens": 2006,
    "completion_tokens": 1300,
    "total_tokens": 3306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 1024, "audio_tokens": 0},
}
AZURE = {
    "completion_tokens": 40,
    "completion_tokens_details": None,
    "prompt_tokens": 120,
    "prompt_tokens_details": None,
    "total_tokens": 160,
}
# It adds the reasoning to the total alone.
DISAGREEING = {
    "prompt_tokens": 32,
    "completion_tokens": 9,
    "total_tokens": 135,
    "prompt_tokens_details": {"cached_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 94},
}
ODD = {
    "prompt_tokens": None,
    "completion_tokens": 7.0,
    "prompt_tokens_details": [],
    "completion_tokens_details": {"reasoning_tokens": True},
}


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (PLAIN, Usage(19, 10)),
        (CACHED_AND_REASONED, Usage(2006, 1300, cached=1920, reasoning=1024)),
        (AZURE, Usage(120, 40)),
        (DISAGREEING, Usage(32, 9, cached=8, reasoning=9)),
        (ODD, Usage(0, 7)),
        ({"prompt_tokens": -5, "completion_tokens": 7}, None),
        ({"prompt_tokens": 5, "completion_tokens": 1e999}, None),
        ({"prompt_tokens": 5, "completion_tokens": 2**31}, None),
        ({"prompt_tokens": 5, "completion_tokens": 2**31 - 1}, Usage(5, 2**31 - 1)),
        ({"prompt_tokens": "120", "completion_tokens": "40"}, None),
        (
            {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}},
            Usage(5, 0, cached=5),
        ),
        ({}, None),
        ({"prompt_tokens": None, "completion_tokens": None, "total_tokens": 3}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_providers_usage_is_read_as_it_stands(said: Any, usage: Usage | None) -> None:
    assert tokens.reported_usage(said) == usage


@pytest.mark.parametrize(
    ("said", "prices", "dollars"),
    [
        (PLAIN, (10.0, 30.0, None), 0.00049),  # (19 * 10 + 10 * 30) / 1e6
        # (86 * 2.5 + 1920 * 1.25 + 1300 * 10) / 1e6: the 1024 are among the 1300
        (CACHED_AND_REASONED, (2.5, 10.0, 1.25), 0.015615),
        (CACHED_AND_REASONED, (2.5, 10.0, None), 0.018015),  # (2006 * 2.5 + 1300 * 10) / 1e6
        (CACHED_AND_REASONED, (2.5, 10.0, 0.0), 0.013215),  # cached ones for nothing
        (AZURE, (0.15, 0.6, 0.075), 0.000042),
        (DISAGREEING, (3.0, 15.0, 0.75), 0.000213),  # (24 * 3 + 8 * 0.75 + 9 * 15) / 1e6
        (AZURE, (0.0, 0.0, None), 0.0),
        (AZURE, (None, 30.0, 1.0), None),
        (AZURE, (10.0, None, 1.0), None),
    ],
)
def test_the_cost_in_dollars(
    said: Any, prices: tuple[float | None, float | None, float | None], dollars: float | None
) -> None:
    usage = tokens.reported_usage(said)
    assert usage is not None
    asked, written, cached = prices
    found = Prices(input=asked, output=written, cached=cached).cost(usage)
    assert found == (None if dollars is None else pytest.approx(dollars, rel=1e-12))


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("", 0, 0),
        (" ", 1, 1),
        ("hello world", 2, 2),
        (PROSE, 16, 22),  # 15 words and a full stop
        ('{"summary": "The lamps go out."}', 8, 16),
        ("海の上で", 3, 6),
        ("x" * 1000, 100, 400),
        ("12345678", 2, 4),
        ("\ud83d", 1, 1),  # half a character, which no encoding has
    ],
)
def test_counting_is_near_what_tokenizers_find(text: str, least: int, most: int) -> None:
    assert least <= tokens.count(text) <= most


def test_counting_grows_with_the_text() -> None:
    once = tokens.count(PROSE)
    assert tokens.count(" ".join([PROSE] * 250)) == 250 * once
