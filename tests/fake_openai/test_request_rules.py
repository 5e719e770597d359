"""The fake provider's rules: what it refuses, with OpenAI's codes and in its words."""

from __future__ import annotations

import re
from typing import Any

import openai
import pytest
from openai.types.chat import completion_create_params as params

from app.fake_openai.request_rules import FIELDS, OPTIONS, Refusal
from tests.support.raw_http_client import connected, question
from tests.support.upstream import ANYTHING, OPENAI, Model, RequestRules, running

LUNA, SOL, CLASSIC = "gpt-6-luna", "gpt-6.1-sol", "gpt-4o"
SCHEMA = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def asked(model: str = LUNA, **fields: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "Write."}]}
    return body | {"max_completion_tokens": 500, "reasoning_effort": "none"} | fields


def refused(model: str = LUNA, **fields: Any) -> Refusal | None:
    return RequestRules().refusal(asked(model, **fields))


def formatted(schema: Any, *, strict: bool = True, name: str = "story") -> dict[str, Any]:
    described = {"name": name, "schema": schema, "strict": strict}
    return {"type": "json_schema", "json_schema": described}


TAKEN: dict[str, dict[str, Any]] = {
    "as little as may be": {"reasoning_effort": None, "max_completion_tokens": None},
    "sampling while it does not think": {"temperature": 0.8, "top_p": 0.9, "logprobs": True},
    "a default sampling while it thinks": {"temperature": 1, "reasoning_effort": "high"},
    "a seed": {"seed": 7},
    "a seed while it thinks": {"seed": 7, "reasoning_effort": "low"},
    "all that a gateway has to say": {
        "store": False,
        "safety_identifier": "a" * 128,
        "prompt_cache_key": "story-1",
        "prompt_cache_options": {"mode": "explicit"},
        "verbosity": "medium",
        "service_tier": "auto",
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
        "response_format": formatted(SCHEMA),
    },
    "a developer's message": {"messages": [{"role": "developer", "content": "Be brief."}]},
    "null, which is nothing": {"max_tokens": None, "temperature": None, "lamps": None},
    "a loose schema": {"response_format": formatted({"type": "array"}, strict=False)},
    "JSON that is asked for in words": {
        "messages": [{"role": "user", "content": "Answer in JSON."}],
        "response_format": {"type": "json_object"},
    },
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_is_right_is_taken(name: str) -> None:
    assert refused(**TAKEN[name]) is None


THINKS = {"reasoning_effort": "low"}
# The body, then code, param and how the message begins.
REFUSED: dict[str, tuple[dict[str, Any], str | None, str | None, str]] = {
    "max_tokens": (
        {"max_tokens": 400},
        "unsupported_parameter",
        "max_tokens",
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
    ),
    "temperature while it thinks": (
        {"temperature": 0.8, **THINKS},
        "unsupported_value",
        "temperature",
        "Unsupported value: 'temperature' does not support 0.8 with this model. "
        "Only the default (1) value is supported.",
    ),
    "temperature where no effort is said": (
        {"temperature": 0.8, "reasoning_effort": None},
        "unsupported_value",
        "temperature",
        "Unsupported value: 'temperature'",
    ),
    "top_p while it thinks": (
        {"top_p": 0.5, **THINKS},
        "unsupported_value",
        "top_p",
        "Unsupported value: 'top_p' does not support 0.5",
    ),
    "logprobs while it thinks": (
        {"logprobs": True, **THINKS},
        "unsupported_value",
        "logprobs",
        "Unsupported value: 'logprobs' does not support true",
    ),
    **{
        f"{key} while it thinks": (
            {key: value, **THINKS},
            "unsupported_parameter",
            key,
            f"Unsupported parameter: '{key}' is not supported with this model.",
        )
        for key, value in {
            "presence_penalty": 0.5,
            "frequency_penalty": 0.5,
            "logit_bias": {"50256": -100},
            "stop": ["\n"],
        }.items()
    },
    **{
        f"effort {effort}": (
            {"reasoning_effort": effort},
            "unsupported_value",
            "reasoning_effort",
            f"Unsupported value: 'reasoning_effort' does not support '{effort}' with this model. "
            "Supported values are: 'none', 'low', 'medium', 'high', 'xhigh'.",
        )
        for effort in ("minimal", "max", "deep")
    },
    "no effort where it always thinks": (
        {"model": SOL},
        "unsupported_value",
        "reasoning_effort",
        "Unsupported value: 'reasoning_effort' does not support 'none' with this model.",
    ),
    "an effort where it never thinks": (
        {"model": CLASSIC},
        None,
        None,
        "Unrecognized request argument supplied: reasoning_effort",
    ),
    "an unknown field": (
        {"lamps": 7},
        "unknown_parameter",
        "lamps",
        "Unknown parameter: 'lamps'.",
    ),
    "an unknown option": (
        {"stream": True, "stream_options": {"lamps": True}},
        "unknown_parameter",
        "stream_options.lamps",
        "Unknown parameter: 'stream_options.lamps'.",
    ),
    "options of no stream": (
        {"stream_options": {"include_usage": True}},
        None,
        "stream_options",
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    ),
    "a long identifier": (
        {"safety_identifier": "a" * 129},
        "string_above_max_length",
        "safety_identifier",
        "Invalid 'safety_identifier': string too long. Expected a string with maximum length 128, "
        "but got a string with length 129 instead.",
    ),
    "a long cache key": (
        {"prompt_cache_key": "a" * 65},
        "string_above_max_length",
        "prompt_cache_key",
        "Invalid 'prompt_cache_key': string too long.",
    ),
    "a cap of nothing": (
        {"max_completion_tokens": 0},
        "integer_below_min_value",
        "max_completion_tokens",
        "Invalid 'max_completion_tokens': integer below minimum value.",
    ),
    "a cap above what it writes": (
        {"max_completion_tokens": 128_001},
        "invalid_value",
        "max_completion_tokens",
        "max_completion_tokens is too large: 128001.",
    ),
    "a cap that is no number": (
        {"max_completion_tokens": "400"},
        "invalid_type",
        "max_completion_tokens",
        "Invalid type for 'max_completion_tokens'",
    ),
    "too hot": (
        {"temperature": 2.1},
        "invalid_value",
        "temperature",
        "Invalid 'temperature'",
    ),
    "an unknown verbosity": (
        {"verbosity": "silent"},
        "invalid_value",
        "verbosity",
        "Invalid value: 'silent'. Supported values are: 'low', 'medium', 'high'.",
    ),
    "an unknown role": (
        {"messages": [{"role": "bard", "content": "Sing."}]},
        "invalid_value",
        "messages[0].role",
        "Invalid value: 'bard'.",
    ),
    "no messages": (
        {"messages": None},
        "missing_required_parameter",
        "messages",
        "Missing required parameter: 'messages'.",
    ),
    "JSON of which no message speaks": (
        {"response_format": {"type": "json_object"}},
        None,
        "messages",
        "'messages' must contain the word 'json' in some form",
    ),
    "an unknown format": (
        {"response_format": {"type": "verse"}},
        "invalid_value",
        "response_format.type",
        "Invalid value: 'verse'.",
    ),
    "a schema that is not strict enough": (
        {"response_format": formatted({**SCHEMA, "minProperties": 1})},
        None,
        "response_format",
        "Invalid schema for response_format 'story': In context=(), 'minProperties' is not "
        "permitted.",
    ),
    "a schema's name with a space": (
        {"response_format": formatted(SCHEMA, name="a story")},
        "invalid_value",
        "response_format.json_schema.name",
        "Invalid 'response_format.json_schema.name'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_with_its_code_and_parameter(name: str) -> None:
    fields, code, param, message = REFUSED[name]
    found = refused(**fields)
    assert found is not None
    assert (found.status, found.type) == (400, "invalid_request_error")
    assert (found.code, found.param) == (code, param)
    assert found.message.startswith(message)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "gpt-4-turbo",
            r"The model `gpt-4-turbo` has been deprecated, learn more here: https://.+",
        ),
        ("gpt-3.5-turbo", r"The model `gpt-3.5-turbo` has been deprecated, learn more here: .+"),
        ("gpt-7", r"The model `gpt-7` does not exist or you do not have access to it\."),
        (None, r"The model `None` does not exist or you do not have access to it\."),
    ],
)
def test_a_model_that_is_not_there_is_a_404_whatever_else_is_wrong(name: str, said: str) -> None:
    found = refused(name, lamps=7)
    assert found is not None
    assert (found.status, found.code, found.param) == (404, "model_not_found", None)
    assert re.fullmatch(said, found.message)


def test_a_model_that_never_thinks_samples_and_is_capped_as_ever() -> None:
    fields = {"reasoning_effort": None, "max_tokens": 9, "temperature": 0.8, "stop": ["\n"]}
    assert refused(CLASSIC, **fields) is None


def test_what_holds_where_nothing_is_said_is_the_models_own_effort() -> None:
    rules = RequestRules()
    assert rules.effort({"model": LUNA}) == "medium"
    assert rules.effort({"model": LUNA, "reasoning_effort": "none"}) == "none"
    assert rules.effort({"model": "gpt-5.1"}) == "none"
    assert rules.effort({"model": CLASSIC, "reasoning_effort": "high"}) == "none"


def test_every_field_that_the_sdk_can_send_is_known_and_no_other() -> None:
    base = params.CompletionCreateParamsBase.__annotations__
    assert base.keys() | {"stream"} == FIELDS
    options = params.ChatCompletionStreamOptionsParam.__annotations__
    assert options.keys() == OPTIONS


def test_a_test_adds_models_with_looser_rules_and_leaves_the_others() -> None:
    rules = RequestRules()
    rules.models["llama"] = ANYTHING
    rules.models["mistral"] = Model(anything=True, refuses=("max_completion_tokens", "store"))
    rules.models["deepseek"] = Model(anything=True, schemas=False)
    assert rules.refusal(asked("llama", lamps=7, max_tokens=-1)) is None
    instead = rules.refusal(asked("mistral"))
    assert instead is not None
    assert (instead.code, instead.param) == ("unsupported_parameter", "max_completion_tokens")
    assert instead.message.endswith("Use 'max_tokens' instead.")
    words = rules.refusal(asked("deepseek", response_format=formatted(SCHEMA)))
    assert words is not None
    assert words.param == "response_format"
    assert "llama" not in OPENAI
    assert "llama" not in RequestRules().models


async def test_the_server_refuses_by_its_rules_before_it_follows_an_order() -> None:
    async with running(RequestRules()) as server, connected(server.url) as client:
        server.then(lambda: pytest.fail("an order was followed"))
        client.send(question(max_tokens=9))
        reply = await client.receive()
        [found] = server.refusals
        assert (reply.status, found.param) == (400, "max_tokens")
        assert len(server.requests) == server.calls[LUNA] == 1


async def test_the_sdk_reads_a_refusal_by_its_code_and_parameter() -> None:
    async with (
        running(RequestRules()) as server,
        openai.AsyncOpenAI(api_key="x", base_url=server.url, max_retries=0) as sdk,
    ):
        messages: Any = [{"role": "user", "content": "Write."}]
        with pytest.raises(openai.BadRequestError) as wrong:
            await sdk.chat.completions.create(model=LUNA, messages=messages, temperature=0.8)
        assert (wrong.value.code, wrong.value.param) == ("unsupported_value", "temperature")
        with pytest.raises(openai.NotFoundError) as gone:
            await sdk.chat.completions.create(model="gpt-4-turbo", messages=messages)
        assert gone.value.code == "model_not_found"
