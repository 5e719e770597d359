"""The body that is sent: in the form of each model, without what it refused."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import orjson
import pytest

from app.llm.profiles import profile
from app.llm.request_body import ignored, request_body, unsupported_parameter
from app.llm.unsupported import BOUNDS, CAP, SCHEMA, UnsupportedParameters
from app.operations import OPERATIONS, ModelChoice, Prompt
from tests.support.operations import NPC, STORY, THEME, VALIDATION
from tests.support.rest_bodies import GOOD

OPENAI, LOCAL = None, "http://localhost:11434/v1"


class Known(UnsupportedParameters):
    """What a model was found not to take, without learning it."""

    def __init__(self, *names: str) -> None:
        super().__init__(None, "", "")
        self._until = dict.fromkeys(names, float("inf"))


def prompt(operation: Any = STORY, **choice: Any) -> Prompt:
    request = operation.read(GOOD[operation.path])
    found: Prompt = operation.prompt(request, ModelChoice(**choice))
    return found


def sent(
    url: str | None = OPENAI,
    upstream: str = "gpt-6-luna",
    *names: str,
    asked: Prompt | None = None,
    user: str = "",
    **over: Any,
) -> dict[str, Any]:
    found = request_body(
        asked or prompt(), upstream, profile(url, upstream, **over), Known(*names), user=user
    )
    plain: dict[str, Any] = orjson.loads(orjson.dumps(found))
    return plain


def test_openai_is_told_all_that_it_alone_knows() -> None:
    found = sent(asked=prompt(temperature=0.3, max_tokens=77, seed=5), user="abc")
    del found["messages"], found["response_format"]
    assert found == {
        "model": "gpt-6-luna",
        "max_completion_tokens": 77,
        "temperature": 0.3,
        "seed": 5,
        "reasoning_effort": "none",
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "store": False,
        "safety_identifier": "abc",
        "prompt_cache_key": "loregate:story:1",
    }


def test_any_other_server_is_told_what_all_know() -> None:
    found = sent(LOCAL, "llama3", asked=prompt(temperature=0.3, max_tokens=77), user="abc")
    del found["messages"], found["response_format"]
    assert found == {
        "model": "llama3",
        "max_tokens": 77,
        "temperature": 0.3,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_nothing_is_said_of_a_user_without_a_pseudonym() -> None:
    assert "safety_identifier" not in sent()


def test_thinking_comes_on_top_of_the_callers_tokens() -> None:
    found = sent(effort="low", asked=prompt(max_tokens=100))
    assert found["max_completion_tokens"] == 2100
    assert "temperature" not in found


def test_a_temperature_is_no_hotter_than_the_provider_takes() -> None:
    found = sent("https://api.anthropic.com/v1/", "claude", asked=prompt(temperature=1.7))
    assert found["temperature"] == 1.0


def test_what_was_refused_is_left_out() -> None:
    names = ("temperature", "seed", "store", "include_obfuscation", "reasoning_effort", CAP)
    found = sent(OPENAI, "gpt-6-luna", *names, asked=prompt(seed=5, max_tokens=7))
    assert not found.keys() & {"temperature", "seed", "store", "reasoning_effort"}
    assert found["stream_options"] == {"include_usage": True}
    assert found["max_tokens"] == 7
    assert "max_completion_tokens" not in found


def test_a_model_without_schemas_gets_it_in_words() -> None:
    for found in (sent(OPENAI, "gpt-4-turbo"), sent(OPENAI, "gpt-6-luna", SCHEMA)):
        assert found["response_format"] == {"type": "json_object"}
        assert '"summary"' in found["messages"][-1]["content"]
    for found in (
        sent("https://api.anthropic.com/v1/", "claude"),
        sent(LOCAL, "x", SCHEMA, "json_object"),
    ):
        assert "response_format" not in found
        assert '"summary"' in found["messages"][-1]["content"]


# -- schemas
def schema(**given: Any) -> dict[str, Any]:
    found: dict[str, Any] = sent(**given)["response_format"]["json_schema"]["schema"]
    return found


def parts(value: Any) -> list[dict[str, Any]]:
    """Every schema within one."""
    if isinstance(value, list):
        return [part for item in value for part in parts(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(part for item in value.values() for part in parts(item))]


STRUCTURED = [o for o in OPERATIONS.values() if o.schema(o.read(GOOD[o.path])) is not None]


@pytest.mark.parametrize("url", [OPENAI, LOCAL], ids=["openai", "local"])
@pytest.mark.parametrize("operation", STRUCTURED, ids=lambda o: o.name)
def test_every_string_and_list_of_a_schema_is_bounded(operation: Any, url: str | None) -> None:
    upstream = "llama3" if url else "gpt-6-luna"
    found = parts(schema(url=url, upstream=upstream, asked=prompt(operation)))
    strings = [p for p in found if p.get("type") == "string" and "enum" not in p]
    lists = [p for p in found if p.get("type") == "array"]
    bound = "maxLength" if url else "pattern"
    assert strings
    assert all(bound in p for p in strings)
    assert all(p["maxItems"] <= 70 for p in lists)


@pytest.mark.parametrize("operation", STRUCTURED, ids=lambda o: o.name)
def test_a_schema_keeps_to_the_strict_rules(operation: Any) -> None:
    for part in parts(schema(asked=prompt(operation))):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False
            assert set(part["required"]) == set(part["properties"])
        assert not part.keys() & {"minLength", "maxLength", "default", "title", "allOf", "not"}


def test_a_bound_is_one_that_llama_cpp_heeds() -> None:
    longest = [p.get("maxLength", 0) for p in parts(schema(url=LOCAL, upstream="x"))]
    assert max(longest) == 2000


def test_a_grammar_without_bounds_of_numbers_gets_the_scores_one_by_one() -> None:
    found = schema(url=LOCAL, upstream="x", asked=prompt(THEME))
    scores = found["properties"]["overall_score"]["enum"]
    assert (scores[0], scores[-1], len(scores)) == (0, 1, 21)


def test_an_analysis_can_leave_out_no_element_and_a_validation_no_rule() -> None:
    theme = schema(asked=prompt(THEME))["$defs"]["Elements"]
    assert theme["required"] == list(theme["properties"])
    assert len(theme["required"]) == 8
    asked = VALIDATION.read(
        {**GOOD[VALIDATION.path], "rules": [{"category": "rules", "name": "a"}] * 3}
    )
    results = schema(asked=VALIDATION.prompt(asked))["$defs"]["Results"]
    assert results["required"] == ["1", "2", "3"]


def test_one_schema_serves_all_requests_that_share_it() -> None:
    first, second = (NPC.read(GOOD[NPC.path]) for _ in range(2))
    assert NPC.schema(first) is NPC.schema(second)


# -- what a caller set
def test_what_a_caller_set_and_was_not_sent_is_named() -> None:
    asked = prompt(temperature=0.3, seed=5)
    assert ignored(asked, sent(asked=asked)) == ()
    assert ignored(asked, sent(upstream="gpt-6.2-sol", asked=asked)) == ("temperature",)
    assert ignored(asked, sent(upstream="gpt-7", asked=asked)) == ("temperature", "seed")
    assert ignored(prompt(), sent(upstream="gpt-7")) == (), "the caller set nothing"


# -- what is refused
def error(
    message: str, *, code: str | None = None, param: str | None = None, status: int = 400
) -> Any:
    said = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    request = httpx2.Request("POST", "http://localhost/v1/chat/completions")
    response = httpx2.Response(status, request=request)
    return openai.APIStatusError(message, response=response, body=said)


CAP_WORDS = "Unsupported parameter: 'max_tokens' is not supported with this model."
HOT = "Unsupported value: 'temperature' does not support 0.8 with this model."


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (error(CAP_WORDS, code="unsupported_parameter", param="max_tokens"), CAP),
        (error(CAP_WORDS), CAP),
        (error(HOT, code="unsupported_value", param="temperature"), "temperature"),
        (error("temperature must be at most 1", param="temperature"), "temperature"),
        (error("Unrecognized request argument supplied: seed"), "seed"),
        (error("Extra inputs are not permitted: stream_options", status=422), "stream_options"),
        (error("no", code="unknown_parameter", param="messages"), None),
        (error("no", param="stream_options.include_obfuscation"), "stream_options"),
        (error("max_tokens is too large: 5000", code="invalid_value", param="max_tokens"), None),
        (error("bad", param="response_format"), SCHEMA),
        (error("Invalid schema for response_format 'story'", param="response_format"), BOUNDS),
        (error("This model does not support json_schema"), SCHEMA),
        (error("the prompt mentions temperature", code="invalid_value"), None),
        (error(HOT, code="unsupported_value", param="temperature", status=403), None),
    ],
)  # fmt: skip
def test_what_a_model_refuses_is_read_from_its_error(told: Any, wanted: str | None) -> None:
    asked = prompt(temperature=0.8, seed=5)
    found = sent(LOCAL, "llama3", asked=asked)
    assert unsupported_parameter(told, found) == wanted


def test_nothing_is_learned_from_what_a_caller_may_have_written() -> None:
    words = "Invalid value: " + 200 * "x" + " unsupported temperature, json_schema"
    assert unsupported_parameter(error(words), sent(LOCAL, "llama3")) is None


def test_an_option_within_another_is_left_out_by_itself() -> None:
    told = error("no", code="unknown_parameter", param="stream_options.include_obfuscation")
    assert unsupported_parameter(told, sent()) == "include_obfuscation"
