"""Profiles: how each model of each provider is asked, by its host and the beginning of its name."""

from __future__ import annotations

from typing import Any

import pytest

from app.llm.profiles import Profile, profile, provider_names

OPENAI = None  # the SDK's own base URL
AZURE = "https://lore.openai.azure.com/openai/v1/"
OLLAMA = "http://localhost:11434/v1"


def said(url: str | None, upstream: str, **given: Any) -> tuple[str, str, str, bool]:
    """What caps tokens, which effort is sent, what of a schema is honoured, whether it is hot."""
    found = profile(url, upstream, **given)
    return found.cap, found.effort, found.schemas, found.takes_temperature


@pytest.mark.parametrize(
    ("url", "upstream", "wanted"),
    [
        (OPENAI, "gpt-6.1-terra", ("max_completion_tokens", "none", "json_schema", True)),
        (OPENAI, "gpt-6-luna", ("max_completion_tokens", "none", "json_schema", True)),
        (OPENAI, "gpt-6.1-sol", ("max_completion_tokens", "low", "json_schema", False)),
        (OPENAI, "gpt-5-mini", ("max_completion_tokens", "minimal", "json_schema", False)),
        (OPENAI, "gpt-5.1", ("max_completion_tokens", "none", "json_schema", True)),
        (OPENAI, "gpt-4o-mini", ("max_completion_tokens", "", "json_schema", True)),
        (OPENAI, "gpt-4-turbo", ("max_tokens", "", "json_object", True)),
        (OPENAI, "gpt-7-nova", ("max_completion_tokens", "", "json_schema", False)),
        (AZURE, "gpt-6-luna", ("max_completion_tokens", "none", "json_schema", True)),
        (
            "https://openrouter.ai/api/v1",
            "openai/gpt-6-luna",
            ("max_completion_tokens", "none", "json_schema", True),
        ),
        ("https://api.anthropic.com/v1/", "claude", ("max_tokens", "", "words", True)),
        ("https://api.deepseek.com", "deepseek-chat", ("max_tokens", "", "json_object", True)),
        ("https://api.groq.com/openai/v1", "llama", ("max_tokens", "", "json_object", True)),
        (OLLAMA, "llama3:70b", ("max_tokens", "", "json_schema", True)),
        ("http://[::1]:8000/v1", "qwen", ("max_tokens", "", "json_schema", True)),
    ],
)
def test_a_model_is_known_by_its_host_and_its_name(
    url: str | None, upstream: str, wanted: tuple[str, str, str, bool]
) -> None:
    assert said(url, upstream) == wanted


def test_what_only_openai_knows_goes_to_its_hosts_alone() -> None:
    assert profile(OPENAI, "gpt-6-luna").own_fields
    assert profile("https://eu.api.openai.com/v1", "gpt-6-luna").own_fields
    for url in (AZURE, OLLAMA, "https://api.openai.com.evil.example/v1", "https://notopenai.com"):
        assert not profile(url, "gpt-6-luna").own_fields


def test_a_provider_may_be_named_instead_of_known_by_its_host() -> None:
    assert profile(OLLAMA, "gpt-6-luna", provider="openai").own_fields
    assert profile(OLLAMA, "anything", provider="mistral").seed == "random_seed"
    with pytest.raises(ValueError, match="openai, azure"):
        profile(OLLAMA, "anything", provider="nobody")


@pytest.mark.parametrize(
    ("effort", "headroom", "first_token", "timeout"),
    [
        ("none", 0, 15, 60),
        ("low", 2000, 30, 90),
        ("medium", 8000, 90, 180),
        ("high", 16000, 300, 600),
    ],
)
def test_who_thinks_gets_time_and_tokens_for_it(
    effort: str, headroom: int, first_token: float, timeout: float
) -> None:
    found = profile(OPENAI, "gpt-6-luna", effort=effort)
    assert (found.headroom, found.first_token, found.timeout) == (headroom, first_token, timeout)
    assert found.takes_temperature == (effort == "none")


def test_a_model_that_nobody_knows_may_be_thinking() -> None:
    assert profile(OPENAI, "gpt-7-nova").first_token == 90
    assert profile(OLLAMA, "llama3").first_token == 15


def test_an_effort_that_a_model_does_not_take_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"gpt-6\.2-sol takes low, medium, high, xhigh"):
        profile(OPENAI, "gpt-6.2-sol", effort="none")
    assert profile(OLLAMA, "qwen3", effort="none").effort == "none", "nothing is known of it"


def test_a_setting_goes_over_each_rule() -> None:
    over = {"cap": "max_tokens", "sampling": "never", "schemas": "words", "headroom": 5}
    found = profile(OPENAI, "gpt-6-luna", **over, first_token=1.5, stall=2.5, timeout=9.0)
    assert {name: getattr(found, name) for name in over} == over
    assert (found.first_token, found.stall, found.timeout) == (1.5, 2.5, 9.0)


def test_every_provider_has_a_whole_profile() -> None:
    for name in provider_names():
        assert isinstance(profile(None, "some-model", provider=name), Profile)
