"""OpenAIWriter over a real socket: what it sends, how it reads statuses, and when it gives up."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time

import pytest

from app.llm import decoding, openai
from app.llm.completion import Completion, Usage
from app.llm.deadline import CallDeadline
from app.llm.failure import AttemptFailed
from app.llm.openai import OpenAIWriter
from app.operations.metadata import AttemptOutcome, FinishReason
from app.operations.operation import schema_of
from app.operations.schemas import bounded
from tests.support.openai_writers import (
    KEY,
    SECRET_WORDS,
    RecordingListener,
    failure_of,
    open_writer,
    work_for,
    write,
)
from tests.support.operations import STORY
from tests.support.raw_provider import (
    CLOSE,
    DONE,
    HANG,
    HEAD,
    LAST,
    NO_OPTIONS,
    NO_SCHEMAS,
    RESET,
    ROLE,
    STOP,
    TEXT,
    USAGE_EVENT,
    RawProvider,
    Step,
    chunked,
    event,
    piece,
    refusal,
    streamed,
    whole,
)


# -- what is asked
async def test_a_request_carries_what_was_chosen_and_an_answer_its_usage(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    asked, ear = work_for(temperature=0.3, max_tokens=77, seed=5), RecordingListener()
    answer = await write(writer, asked, ear=ear)
    assert answer == Completion(TEXT, Usage(120, 40), FinishReason.STOP, seed=5)
    assert ear.text == TEXT
    assert raw_provider.requests == [
        {
            "model": "tenant/gpt-4",
            "messages": list(asked.prompt.messages),
            "temperature": 0.3,
            "max_tokens": 77,
            "seed": 5,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]
    (head,) = raw_provider.heads
    assert head.startswith("POST /v1/chat/completions ")
    assert f"authorization: bearer {KEY}" in head.lower()
    assert "content-type: application/json\r\n" in head.lower()


async def test_an_operation_with_fields_asks_for_its_schema(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    await write(writer, work_for(STORY))
    (asked,) = raw_provider.requests
    assert "seed" not in asked
    schema = bounded(schema_of(STORY.draft_type), by="maxLength", longest=2000)
    assert asked["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "story", "schema": schema, "strict": True},
    }


async def test_a_model_without_schemas_gets_them_in_words_from_then_on(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.takes_schemas = False
    await asyncio.gather(write(writer, work_for(STORY)), write(writer, work_for(STORY)))
    await write(writer, work_for(STORY))
    forms = sorted(r["response_format"]["type"] for r in raw_provider.requests)
    assert forms == ["json_object"] * 3 + ["json_schema"] * 2
    said = raw_provider.requests[-1]["messages"][-1]
    assert said["role"] == "system"
    assert '"summary"' in said["content"]
    assert "JSON" in said["content"]


async def test_a_model_without_stream_options_is_asked_without_them_from_then_on(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.takes_options = False
    raw_provider.then(*[streamed(piece(TEXT), STOP, DONE)] * 3)
    answer, _ = await asyncio.gather(write(writer), write(writer))
    assert answer.usage.counted
    assert answer.usage.completion_tokens == 5
    assert answer.usage.prompt_tokens > 100
    await write(writer)
    assert sorted("stream_options" in r for r in raw_provider.requests) == [False] * 3 + [True] * 2


async def test_each_refused_parameter_costs_one_more_call_and_no_more(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(NO_OPTIONS, NO_SCHEMAS, NO_OPTIONS)
    with pytest.raises(AttemptFailed) as failed:
        await write(writer, work_for(STORY))
    assert failed.value.outcome is AttemptOutcome.REFUSED
    assert len(raw_provider.requests) == 3


async def test_another_fault_of_the_request_does_not_end_schemas(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(refusal(400, "context_length_exceeded", "json_schema and all"))
    with pytest.raises(AttemptFailed):
        await write(writer, work_for(STORY))
    await write(writer, work_for(STORY))
    assert raw_provider.requests[-1]["response_format"]["type"] == "json_schema"


# -- statuses
STATUSES: dict[str, tuple[list[Step], AttemptOutcome]] = {
    "300": (refusal(300, "choose"), AttemptOutcome.MALFORMED),
    "400": (refusal(400, "bad", SECRET_WORDS), AttemptOutcome.REFUSED),
    "400 filter": (refusal(400, "content_filter", SECRET_WORDS), AttemptOutcome.REJECTED),
    "400 policy": (refusal(400, "content_policy_violation"), AttemptOutcome.REJECTED),
    "400 long": (refusal(400, "context_length_exceeded"), AttemptOutcome.TOO_LONG),
    "400 says long": (
        refusal(400, None, "This model's maximum context length is 8192 tokens."),
        AttemptOutcome.TOO_LONG,
    ),
    "400 words as code": (refusal(400, SECRET_WORDS), AttemptOutcome.REFUSED),
    "401": (refusal(401, "invalid_api_key", KEY), AttemptOutcome.FORBIDDEN),
    "403": (refusal(403, "region"), AttemptOutcome.FORBIDDEN),
    "404": (refusal(404, "model_not_found"), AttemptOutcome.FORBIDDEN),
    "408": (refusal(408, "timeout"), AttemptOutcome.FAILED),
    "409": (refusal(409, "conflict"), AttemptOutcome.FAILED),
    "413": (refusal(413, 413), AttemptOutcome.REFUSED),
    "422": (refusal(422, "unprocessable"), AttemptOutcome.REFUSED),
    "429": (refusal(429, "rate_limit_exceeded"), AttemptOutcome.OVERLOADED),
    "429 quota": (refusal(429, "insufficient_quota"), AttemptOutcome.FORBIDDEN),
    "500": (refusal(500, "server_error"), AttemptOutcome.FAILED),
    "502": (whole(["no object"], status=502), AttemptOutcome.FAILED),
    "503 page": (whole(b"<html>", status=503, content_type="text/html"), AttemptOutcome.FAILED),
    "500 cut": ([*whole(b"{}", status=500, content_length="99"), CLOSE], AttemptOutcome.FAILED),
    "500 endless": (
        whole(b"x" * 300_000, status=500, content_length="9999999"),
        AttemptOutcome.FAILED,
    ),
    "500 hanging": ([HEAD.replace(b"200 OK", b"500 No"), HANG], AttemptOutcome.FAILED),
}


def shown(error: AttemptFailed, caplog: pytest.LogCaptureFixture) -> str:
    facts = f"{error} {error.reason} {error.as_extra()} {error.remedy}"
    return f"{facts} {caplog.text} {[r.__dict__ for r in caplog.records]}"


@pytest.mark.parametrize("name", STATUSES)
async def test_each_status_is_an_outcome_without_anybodys_words(
    name: str,
    writer: OpenAIWriter,
    raw_provider: RawProvider,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "ERROR_BODY_TIMEOUT", 0.1 if name == "500 hanging" else 60.0)
    caplog.set_level(logging.DEBUG, "app")
    script, outcome = STATUSES[name]
    raw_provider.then(script)
    error = await failure_of(writer)
    assert (error.outcome, error.partial, error.retry_after) == (outcome, False, None)
    assert (error.reason != "") == (outcome is AttemptOutcome.REJECTED)
    assert error.status == int(name[:3])
    assert (error.remedy != "") == (outcome is AttemptOutcome.FORBIDDEN)
    for private in (KEY, SECRET_WORDS, raw_provider.url, "gpt-4-turbo "):
        assert private not in shown(error, caplog)
    assert len(raw_provider.requests) == 1, "retries are not the writer's to make"


async def test_an_answer_that_max_tokens_ended_says_so(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(streamed(piece("A lamp"), piece(finish="length"), USAGE_EVENT, DONE))
    assert await write(writer) == Completion("A lamp", Usage(120, 40), FinishReason.LENGTH)


# -- connections
async def test_two_calls_use_one_connection(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    for _ in range(2):
        assert (await write(writer)).text == TEXT
    assert raw_provider.accepted == 1


async def test_a_provider_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and nobody listens
        async with open_writer(f"http://127.0.0.1:{free.getsockname()[1]}/v1") as writer:
            error = await failure_of(writer)
    assert (error.outcome, error.again) == (AttemptOutcome.UNREACHABLE, True)


@pytest.mark.parametrize("ending", [RESET, CLOSE])
async def test_an_end_before_any_answer_is_unreachable(
    ending: str, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then([ending])
    assert (await failure_of(writer)).outcome is AttemptOutcome.UNREACHABLE


async def test_what_is_no_http_is_malformed(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then([b"SSH-2.0-OpenSSH_9.2\r\n\r\n", HANG])
    assert (await failure_of(writer)).outcome is AttemptOutcome.MALFORMED


@pytest.mark.parametrize("script", [[HANG], [HEAD, HANG], streamed(ROLE, piece("A"), HANG)])
async def test_a_cancelled_call_leaves_no_connection(
    script: list[Step], writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(script)
    call = asyncio.create_task(write(writer))
    await raw_provider.asked.wait()
    await asyncio.sleep(0.02)  # the head and the pieces are on their way
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await raw_provider.all_left()


# -- deadlines
COMMENTS: list[Step] = [s for _ in range(10) for s in (chunked(b": ping\n\n"), 0.02)]
EMPTY: list[Step] = [s for _ in range(10) for s in (chunked(piece("")), 0.02)]
STEADY: list[Step] = [s for _ in range(60) for s in (chunked(piece("word ")), 0.02)]
PIECE = streamed(piece("A"), end=False)
SHORT = {"first_token": 0.15, "stall": 0.15}
HALF_AN_ERROR = whole({}, status=500, content_length="99")
LATE: dict[str, tuple[list[Step], dict[str, float], AttemptOutcome]] = {
    "no head": ([HANG], {"first_token": 0.15}, AttemptOutcome.SILENT),
    "a head": ([HEAD, HANG], {"first_token": 0.15}, AttemptOutcome.SILENT),
    "a role": (
        [HEAD, chunked(ROLE), HANG],
        {"first_token": 0.15, "stall": 0.1},
        AttemptOutcome.SILENT,
    ),
    "a role, empty ones": ([HEAD, chunked(ROLE), *EMPTY, HANG], SHORT, AttemptOutcome.SILENT),
    "comments": ([HEAD, *COMMENTS, HANG], SHORT, AttemptOutcome.SILENT),
    "comments for ever": (
        [HEAD, *COMMENTS * 3, HANG],
        {**SHORT, "until": 0.3},
        AttemptOutcome.TIMEOUT,
    ),
    "a piece": (streamed(piece("A"), HANG), {"stall": 0.15}, AttemptOutcome.STALLED),
    "a piece, comments": ([*PIECE, *COMMENTS, HANG], {"stall": 0.15}, AttemptOutcome.STALLED),
    "a piece, empty ones": ([*PIECE, *EMPTY, HANG], {"stall": 0.15}, AttemptOutcome.STALLED),
    "steady pieces": ([HEAD, *STEADY, HANG], {"stall": 0.15, "until": 0.3}, AttemptOutcome.TIMEOUT),
    "no head at all": ([HANG], {"until": 0.15}, AttemptOutcome.TIMEOUT),
    "half a body": (
        [*whole({}, content_length="99"), HANG],
        {"until": 0.15},
        AttemptOutcome.TIMEOUT,
    ),
    "half an error": ([*HALF_AN_ERROR, HANG], {"until": 0.15}, AttemptOutcome.TIMEOUT),
}


@pytest.mark.parametrize("name", LATE)
async def test_each_deadline_ends_the_call_and_its_connection(
    name: str, raw_provider: RawProvider
) -> None:
    script, given, outcome = LATE[name]
    seconds = dict(given)
    until = seconds.pop("until", 5.0)
    raw_provider.then(script)
    begun = time.monotonic()
    async with open_writer(raw_provider.url, **seconds) as writer:
        error = await failure_of(writer, until)
        assert 0.14 < time.monotonic() - begun < 1.0
        await raw_provider.all_left()
    assert (error.outcome, error.partial) == (outcome, "piece" in name)


async def test_steady_pieces_outlast_the_deadlines_between_them(raw_provider: RawProvider) -> None:
    raw_provider.then([HEAD, *STEADY[:20], chunked(STOP + DONE), LAST])
    async with open_writer(raw_provider.url, first_token=0.15, stall=0.1) as writer:
        assert (await write(writer)).text == "word " * 10


THOUGHTS = {
    "reasoning_content": event(choices=[{"delta": {"reasoning_content": "Hmm. "}}]),
    "reasoning": event(choices=[{"delta": {"content": "", "reasoning": "Hmm. "}}]),
    "a comment": b": OPENROUTER PROCESSING\n\n",
    "an empty piece": piece(""),
    "no choices": event(choices=[], object="chat.completion.chunk"),
    "nothing but its kind": event(object="chat.completion.chunk"),
}


@pytest.mark.parametrize("name", THOUGHTS)
async def test_thinking_is_not_silence_nor_text(name: str, raw_provider: RawProvider) -> None:
    thinking = [step for _ in range(15) for step in (chunked(THOUGHTS[name]), 0.02)]
    more = [chunked(piece("A lamp")), *thinking, chunked(piece(" went out.")), chunked(STOP + DONE)]
    raw_provider.then([HEAD, *thinking, *more, LAST])
    ear = RecordingListener()
    async with open_writer(raw_provider.url, first_token=0.1, stall=0.1) as writer:
        answer = await write(writer, ear=ear)
    assert answer.text == ear.text == "A lamp went out."


async def test_an_answer_in_one_piece_has_the_whole_calls_time(raw_provider: RawProvider) -> None:
    [answer] = whole({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]})
    head, end, body = bytes(answer).partition(b"\r\n\r\n")  # type: ignore[arg-type]  # bytes
    raw_provider.then([head + end, 0.3, body])
    async with open_writer(raw_provider.url, first_token=0.1, stall=0.1) as writer:
        assert (await write(writer)).text == TEXT


async def test_a_call_without_time_is_not_made(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    await write(writer)  # leaves a connection, which could be written to at once
    assert (await failure_of(writer, seconds=0.0)).outcome is AttemptOutcome.TIMEOUT
    await write(writer)
    assert len(raw_provider.requests) == 2


async def test_a_usage_is_not_waited_for_past_the_end(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(streamed(piece(TEXT), STOP, HANG))
    begun = time.monotonic()
    answer = await write(writer, seconds=0.2)
    assert (answer.text, answer.usage.counted) == (TEXT, True)
    assert time.monotonic() - begun < 1.0
    await raw_provider.all_left()


async def test_a_usage_is_waited_for_a_while_and_pieces_do_not_prolong_it(
    raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "USAGE_TIMEOUT", 0.2)
    raw_provider.then(
        streamed(piece(TEXT), STOP, 0.1, USAGE_EVENT, DONE), [HEAD, chunked(STOP), *STEADY, HANG]
    )
    async with open_writer(raw_provider.url, stall=0.05) as writer:
        assert (await write(writer)).usage == Usage(120, 40)
        begun = time.monotonic()
        assert (await write(writer)).usage.counted
        assert time.monotonic() - begun < 1.0


async def test_what_arrived_while_the_loop_was_busy_is_read_before_the_deadline_counts() -> None:
    ours, theirs = socket.socketpair()
    reader, stream = await asyncio.open_connection(sock=ours)
    async with CallDeadline(math.inf, 0.05) as watch:
        theirs.send(b"x")
        time.sleep(0.1)  # the loop is busy
        assert await reader.read(1) == b"x"
        watch.expect(5.0)
        await asyncio.sleep(0.05)
    stream.close()
    theirs.close()
    await stream.wait_closed()
