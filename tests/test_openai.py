"""OpenAIWriter against a fake OpenAI server: what it sends, and how it reads answers."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.errors import (
    ContentRejected,
    GatewayError,
    ModelError,
    ModelTimeout,
    ModelUnavailable,
)
from app.llm.base import Usage, Work
from app.llm.openai import OpenAIWriter, connect
from app.operations import CHARACTER, STORY, Operation
from tests.upstream import PROSE, Behaviour, Upstream, refusal
from tests.wishes import GOOD

KEY = "sk-never-to-be-seen"
SECRET_WORDS = "Vexis of the Hollow Reed"


def work(operation: Operation[Any, Any] = CHARACTER, **model: Any) -> Work:
    body = GOOD[operation.path] | {"model": model}
    if operation is CHARACTER:
        body |= {"character_context": {"name": SECRET_WORDS}}
    request = operation.read(body)
    return Work(operation, request, operation.prompt(request))


@contextlib.asynccontextmanager
async def writing(url: str, timeout: float = 5.0) -> AsyncIterator[OpenAIWriter]:
    writer = OpenAIWriter(
        connect(KEY, url), name="gpt-4-turbo", upstream="tenant/gpt-4", timeout=timeout
    )
    try:
        yield writer
    finally:
        await writer.close()


@pytest.fixture
async def writer(provider: Upstream) -> AsyncIterator[OpenAIWriter]:
    async with writing(provider.url) as found:
        yield found


async def test_a_request_carries_what_was_chosen_and_an_answer_its_usage(
    writer: OpenAIWriter, provider: Upstream
) -> None:
    asked = work(temperature=0.3, max_tokens=77, seed=5)
    answer = await writer.write(asked)
    assert (answer.text, answer.usage, answer.finish_reason) == (PROSE, Usage(120, 40), "stop")
    assert provider.requests == [
        {
            "model": "tenant/gpt-4",
            "messages": list(asked.prompt.messages),
            "temperature": 0.3,
            "max_tokens": 77,
            "seed": 5,
        }
    ]
    assert provider.headers[0]["authorization"] == f"Bearer {KEY}"


async def test_an_operation_with_fields_asks_for_its_schema(
    writer: OpenAIWriter, provider: Upstream
) -> None:
    await writer.write(work(STORY))
    (asked,) = provider.requests
    assert "seed" not in asked
    assert asked["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "story", "schema": STORY.schema, "strict": True},
    }


async def test_a_model_without_schemas_gets_them_in_words_from_then_on(
    writer: OpenAIWriter, provider: Upstream
) -> None:
    provider.takes_schemas = False
    for _ in range(2):
        answer = await writer.write(work(STORY))
        assert STORY.check(STORY.read(GOOD[STORY.path]), answer.text).content == PROSE
    forms = [r["response_format"]["type"] for r in provider.requests]
    assert forms == ["json_schema", "json_object", "json_object"]
    said = provider.requests[-1]["messages"][-1]
    assert said["role"] == "system"
    assert '"summary"' in said["content"]
    assert "JSON" in said["content"]


async def test_another_fault_of_the_request_does_not_end_schemas(
    writer: OpenAIWriter, provider: Upstream
) -> None:
    provider.then(refusal(400, "context_length_exceeded"))
    with pytest.raises(ModelError):
        await writer.write(work(STORY))
    await writer.write(work(STORY))
    assert provider.requests[-1]["response_format"]["type"] == "json_schema"


def message(**fields: Any) -> Behaviour:
    return Behaviour(body={"choices": [{"finish_reason": "stop", "message": fields}]})


FAULTS: dict[str, tuple[Behaviour, type[GatewayError], dict[str, Any]]] = {
    "400": (refusal(400, "bad", SECRET_WORDS), ModelError, {}),
    "400 safety": (refusal(400, "content_filter"), ContentRejected, {"reason": "content_filter"}),
    "401": (refusal(401, "invalid_api_key", KEY), ModelUnavailable, {}),
    "403": (refusal(403, "region"), ModelUnavailable, {}),
    "404": (refusal(404, "model_not_found"), ModelUnavailable, {}),
    "408": (refusal(408, "timeout"), ModelTimeout, {}),
    "409": (refusal(409, "conflict"), ModelUnavailable, {}),
    "422": (refusal(422, "unprocessable"), ModelError, {}),
    "429": (refusal(429, "rate_limit_exceeded"), ModelUnavailable, {}),
    "500": (refusal(500, "server_error"), ModelUnavailable, {}),
    "502": (Behaviour(status=502, body=["no object"]), ModelUnavailable, {}),
    "503": (refusal(503, "overloaded"), ModelUnavailable, {}),
    "reset": (Behaviour(reset=True), ModelUnavailable, {}),
    "cut": (Behaviour(cut=20), ModelUnavailable, {}),
    "not an object": (Behaviour(body=[1]), ModelError, {}),
    "no choices": (Behaviour(body={"choices": []}), ModelError, {}),
    "odd usage": (Behaviour(body={"choices": [{"message": {}}], "usage": 5}), ModelError, {}),
    "null content": (message(content=None), ModelError, {}),
    "refusal": (message(content=None, refusal="I won't"), ContentRejected, {"reason": "refusal"}),
    "filtered": (
        Behaviour(finish_reason="content_filter"),
        ContentRejected,
        {"reason": "content_filter"},
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_leaves_as_an_error_of_ours_without_anybodys_words(
    name: str, writer: OpenAIWriter, provider: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "app")
    behaviour, kind, details = FAULTS[name]
    provider.then(behaviour)
    with pytest.raises(kind) as failed:
        await writer.write(work())
    error = failed.value
    assert type(error) is kind
    assert error.details["model"] == "gpt-4-turbo"
    assert error.details.items() >= details.items()
    assert (error.retry_after is not None) == (kind is ModelUnavailable)
    shown = f"{error} {error.details} {caplog.text} {[r.__dict__ for r in caplog.records]}"
    for private in (KEY, SECRET_WORDS, provider.url):
        assert private not in shown
    assert len(provider.requests) == 1, "retries are not the writer's to make"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.25", 0.25), ("900", 60.0), ("-3", 0.0), ("soon", 5.0), (None, 5.0)],
)
async def test_the_providers_wait_is_passed_on_within_a_minute(
    writer: OpenAIWriter, provider: Upstream, header: str | None, seconds: float
) -> None:
    headers = {} if header is None else {"retry_after": header}
    provider.then(refusal(429, "rate_limit_exceeded", **headers))
    with pytest.raises(ModelUnavailable) as failed:
        await writer.write(work())
    assert failed.value.retry_after == seconds


async def test_silence_ends_with_the_time_out(provider: Upstream) -> None:
    provider.then(Behaviour(silent=True))
    async with writing(provider.url, timeout=0.1) as writer:
        with pytest.raises(ModelTimeout):
            await writer.write(work())
        assert (await writer.write(work())).text == PROSE


async def test_an_answer_that_is_no_json_is_the_models_error(
    writer: OpenAIWriter, provider: Upstream
) -> None:
    provider.then(Behaviour(raw=b"<html>a proxy's page</html>"))
    with pytest.raises(ModelError):
        await writer.write(work())


async def test_a_provider_that_is_not_there_is_unavailable() -> None:
    async with writing("http://127.0.0.1:9/v1") as writer:
        with pytest.raises(ModelUnavailable):
            await writer.write(work(STORY))


async def test_a_closed_writer_holds_no_connection(provider: Upstream) -> None:
    async with writing(provider.url) as writer:
        await writer.write(work())
        assert provider.connections == 1
    await provider.all_left()
    assert provider.connections == 0
