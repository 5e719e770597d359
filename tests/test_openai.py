"""OpenAIWriter over a real socket: what it sends, how it reads statuses, and when it gives up."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time

import pytest

from app.llm import decoding, openai
from app.llm.base import Completion, Failed, Finish, Outcome, Usage
from app.llm.openai import OpenAIWriter
from app.llm.watchdog import Watchdog
from app.operations import STORY
from app.operations.base import schema_of
from app.operations.schemas import bounded
from tests.test_sse import (
    CLOSE,
    DONE,
    HANG,
    HEAD,
    KEY,
    LAST,
    NO_OPTIONS,
    NO_SCHEMAS,
    RESET,
    ROLE,
    SECRET_WORDS,
    STOP,
    TEXT,
    TOLD,
    Ear,
    Step,
    Wire,
    chunked,
    event,
    fails,
    piece,
    refusal,
    streamed,
    whole,
    work,
    write,
    writing,
)


# -- what is asked
async def test_a_request_carries_what_was_chosen_and_an_answer_its_usage(
    writer: OpenAIWriter, wire: Wire
) -> None:
    asked, ear = work(temperature=0.3, max_tokens=77, seed=5), Ear()
    answer = await write(writer, asked, ear=ear)
    assert answer == Completion(TEXT, Usage(120, 40), Finish.STOP, seed=5)
    assert ear.text == TEXT
    assert wire.requests == [
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
    (head,) = wire.heads
    assert head.startswith("POST /v1/chat/completions ")
    assert f"authorization: bearer {KEY}" in head.lower()
    assert "content-type: application/json\r\n" in head.lower()


async def test_an_operation_with_fields_asks_for_its_schema(
    writer: OpenAIWriter, wire: Wire
) -> None:
    await write(writer, work(STORY))
    (asked,) = wire.requests
    assert "seed" not in asked
    schema = bounded(schema_of(STORY.draft_type), by="maxLength", longest=2000)
    assert asked["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "story", "schema": schema, "strict": True},
    }


async def test_a_model_without_schemas_gets_them_in_words_from_then_on(
    writer: OpenAIWriter, wire: Wire
) -> None:
    wire.takes_schemas = False
    await asyncio.gather(write(writer, work(STORY)), write(writer, work(STORY)))
    await write(writer, work(STORY))
    forms = sorted(r["response_format"]["type"] for r in wire.requests)
    assert forms == ["json_object"] * 3 + ["json_schema"] * 2
    said = wire.requests[-1]["messages"][-1]
    assert said["role"] == "system"
    assert '"summary"' in said["content"]
    assert "JSON" in said["content"]


async def test_a_model_without_stream_options_is_asked_without_them_from_then_on(
    writer: OpenAIWriter, wire: Wire
) -> None:
    wire.takes_options = False
    wire.then(*[streamed(piece(TEXT), STOP, DONE)] * 3)
    answer, _ = await asyncio.gather(write(writer), write(writer))
    assert answer.usage.counted
    assert answer.usage.completion_tokens == 5
    assert answer.usage.prompt_tokens > 100
    await write(writer)
    assert sorted("stream_options" in r for r in wire.requests) == [False] * 3 + [True] * 2


async def test_each_refused_parameter_costs_one_more_call_and_no_more(
    writer: OpenAIWriter, wire: Wire
) -> None:
    wire.then(NO_OPTIONS, NO_SCHEMAS, NO_OPTIONS)
    with pytest.raises(Failed) as failed:
        await write(writer, work(STORY))
    assert failed.value.outcome is Outcome.REFUSED
    assert len(wire.requests) == 3


async def test_another_fault_of_the_request_does_not_end_schemas(
    writer: OpenAIWriter, wire: Wire
) -> None:
    wire.then(refusal(400, "context_length_exceeded", "json_schema and all"))
    with pytest.raises(Failed):
        await write(writer, work(STORY))
    await write(writer, work(STORY))
    assert wire.requests[-1]["response_format"]["type"] == "json_schema"


# -- statuses
STATUSES: dict[str, tuple[list[Step], Outcome]] = {
    "300": (refusal(300, "choose"), Outcome.MALFORMED),
    "400": (refusal(400, "bad", SECRET_WORDS), Outcome.REFUSED),
    "400 filter": (refusal(400, "content_filter", SECRET_WORDS), Outcome.REJECTED),
    "400 policy": (refusal(400, "content_policy_violation"), Outcome.REJECTED),
    "400 long": (refusal(400, "context_length_exceeded"), Outcome.TOO_LONG),
    "400 says long": (
        refusal(400, None, "This model's maximum context length is 8192 tokens."),
        Outcome.TOO_LONG,
    ),
    "400 words as code": (refusal(400, SECRET_WORDS), Outcome.REFUSED),
    "401": (refusal(401, "invalid_api_key", KEY), Outcome.FORBIDDEN),
    "403": (refusal(403, "region"), Outcome.FORBIDDEN),
    "404": (refusal(404, "model_not_found"), Outcome.FORBIDDEN),
    "408": (refusal(408, "timeout"), Outcome.FAILED),
    "409": (refusal(409, "conflict"), Outcome.FAILED),
    "413": (refusal(413, 413), Outcome.REFUSED),
    "422": (refusal(422, "unprocessable"), Outcome.REFUSED),
    "429": (refusal(429, "rate_limit_exceeded"), Outcome.OVERLOADED),
    "429 quota": (refusal(429, "insufficient_quota"), Outcome.FORBIDDEN),
    "500": (refusal(500, "server_error"), Outcome.FAILED),
    "502": (whole(["no object"], status=502), Outcome.FAILED),
    "503 page": (whole(b"<html>", status=503, content_type="text/html"), Outcome.FAILED),
    "500 cut": ([*whole(b"{}", status=500, content_length="99"), CLOSE], Outcome.FAILED),
    "500 endless": (whole(b"x" * 300_000, status=500, content_length="9999999"), Outcome.FAILED),
    "500 hanging": ([HEAD.replace(b"200 OK", b"500 No"), HANG], Outcome.FAILED),
}


def shown(error: Failed, caplog: pytest.LogCaptureFixture) -> str:
    facts = f"{error} {error.reason} {error.as_extra()} {error.remedy}"
    return f"{facts} {caplog.text} {[r.__dict__ for r in caplog.records]}"


@pytest.mark.parametrize("name", STATUSES)
async def test_each_status_is_an_outcome_without_anybodys_words(
    name: str,
    writer: OpenAIWriter,
    wire: Wire,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "ERROR_BODY", 0.1 if name == "500 hanging" else 60.0)
    caplog.set_level(logging.DEBUG, "app")
    script, outcome = STATUSES[name]
    wire.then(script)
    error = await fails(writer)
    assert (error.outcome, error.partial, error.retry_after) == (outcome, False, None)
    assert (error.reason != "") == (outcome is Outcome.REJECTED)
    assert error.status == int(name[:3])
    assert (error.remedy != "") == (outcome is Outcome.FORBIDDEN)
    for private in (KEY, SECRET_WORDS, wire.url, "gpt-4-turbo "):
        assert private not in shown(error, caplog)
    assert len(wire.requests) == 1, "retries are not the writer's to make"


async def test_an_answer_that_max_tokens_ended_says_so(writer: OpenAIWriter, wire: Wire) -> None:
    wire.then(streamed(piece("A lamp"), piece(finish="length"), TOLD, DONE))
    assert await write(writer) == Completion("A lamp", Usage(120, 40), Finish.LENGTH)


# -- connections
async def test_two_calls_use_one_connection(writer: OpenAIWriter, wire: Wire) -> None:
    for _ in range(2):
        assert (await write(writer)).text == TEXT
    assert wire.accepted == 1


async def test_a_provider_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and nobody listens
        async with writing(f"http://127.0.0.1:{free.getsockname()[1]}/v1") as writer:
            error = await fails(writer)
    assert (error.outcome, error.again) == (Outcome.UNREACHABLE, True)


@pytest.mark.parametrize("ending", [RESET, CLOSE])
async def test_an_end_before_any_answer_is_unreachable(
    ending: str, writer: OpenAIWriter, wire: Wire
) -> None:
    wire.then([ending])
    assert (await fails(writer)).outcome is Outcome.UNREACHABLE


async def test_what_is_no_http_is_malformed(writer: OpenAIWriter, wire: Wire) -> None:
    wire.then([b"SSH-2.0-OpenSSH_9.2\r\n\r\n", HANG])
    assert (await fails(writer)).outcome is Outcome.MALFORMED


@pytest.mark.parametrize("script", [[HANG], [HEAD, HANG], streamed(ROLE, piece("A"), HANG)])
async def test_a_cancelled_call_leaves_no_connection(
    script: list[Step], writer: OpenAIWriter, wire: Wire
) -> None:
    wire.then(script)
    call = asyncio.create_task(write(writer))
    await wire.asked.wait()
    await asyncio.sleep(0.02)  # the head and the pieces are on their way
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await wire.all_left()


# -- deadlines
COMMENTS: list[Step] = [s for _ in range(10) for s in (chunked(b": ping\n\n"), 0.02)]
EMPTY: list[Step] = [s for _ in range(10) for s in (chunked(piece("")), 0.02)]
STEADY: list[Step] = [s for _ in range(60) for s in (chunked(piece("word ")), 0.02)]
PIECE = streamed(piece("A"), end=False)
SHORT = {"first_token": 0.15, "stall": 0.15}
HALF_AN_ERROR = whole({}, status=500, content_length="99")
LATE: dict[str, tuple[list[Step], dict[str, float], Outcome]] = {
    "no head": ([HANG], {"first_token": 0.15}, Outcome.SILENT),
    "a head": ([HEAD, HANG], {"first_token": 0.15}, Outcome.SILENT),
    "a role": ([HEAD, chunked(ROLE), HANG], {"first_token": 0.15, "stall": 0.1}, Outcome.SILENT),
    "a role, empty ones": ([HEAD, chunked(ROLE), *EMPTY, HANG], SHORT, Outcome.SILENT),
    "comments": ([HEAD, *COMMENTS, HANG], SHORT, Outcome.SILENT),
    "comments for ever": ([HEAD, *COMMENTS * 3, HANG], {**SHORT, "until": 0.3}, Outcome.TIMEOUT),
    "a piece": (streamed(piece("A"), HANG), {"stall": 0.15}, Outcome.STALLED),
    "a piece, comments": ([*PIECE, *COMMENTS, HANG], {"stall": 0.15}, Outcome.STALLED),
    "a piece, empty ones": ([*PIECE, *EMPTY, HANG], {"stall": 0.15}, Outcome.STALLED),
    "steady pieces": ([HEAD, *STEADY, HANG], {"stall": 0.15, "until": 0.3}, Outcome.TIMEOUT),
    "no head at all": ([HANG], {"until": 0.15}, Outcome.TIMEOUT),
    "half a body": ([*whole({}, content_length="99"), HANG], {"until": 0.15}, Outcome.TIMEOUT),
    "half an error": ([*HALF_AN_ERROR, HANG], {"until": 0.15}, Outcome.TIMEOUT),
}


@pytest.mark.parametrize("name", LATE)
async def test_each_deadline_ends_the_call_and_its_connection(name: str, wire: Wire) -> None:
    script, given, outcome = LATE[name]
    seconds = dict(given)
    until = seconds.pop("until", 5.0)
    wire.then(script)
    begun = time.monotonic()
    async with writing(wire.url, **seconds) as writer:
        error = await fails(writer, until)
        assert 0.14 < time.monotonic() - begun < 1.0
        await wire.all_left()
    assert (error.outcome, error.partial) == (outcome, "piece" in name)


async def test_steady_pieces_outlast_the_deadlines_between_them(wire: Wire) -> None:
    wire.then([HEAD, *STEADY[:20], chunked(STOP + DONE), LAST])
    async with writing(wire.url, first_token=0.15, stall=0.1) as writer:
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
async def test_thinking_is_not_silence_nor_text(name: str, wire: Wire) -> None:
    thinking = [step for _ in range(15) for step in (chunked(THOUGHTS[name]), 0.02)]
    more = [chunked(piece("A lamp")), *thinking, chunked(piece(" went out.")), chunked(STOP + DONE)]
    wire.then([HEAD, *thinking, *more, LAST])
    ear = Ear()
    async with writing(wire.url, first_token=0.1, stall=0.1) as writer:
        answer = await write(writer, ear=ear)
    assert answer.text == ear.text == "A lamp went out."


async def test_an_answer_in_one_piece_has_the_whole_calls_time(wire: Wire) -> None:
    [answer] = whole({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]})
    head, end, body = bytes(answer).partition(b"\r\n\r\n")  # type: ignore[arg-type]  # bytes
    wire.then([head + end, 0.3, body])
    async with writing(wire.url, first_token=0.1, stall=0.1) as writer:
        assert (await write(writer)).text == TEXT


async def test_a_call_without_time_is_not_made(writer: OpenAIWriter, wire: Wire) -> None:
    await write(writer)  # leaves a connection, which could be written to at once
    assert (await fails(writer, seconds=0.0)).outcome is Outcome.TIMEOUT
    await write(writer)
    assert len(wire.requests) == 2


async def test_a_usage_is_not_waited_for_past_the_end(writer: OpenAIWriter, wire: Wire) -> None:
    wire.then(streamed(piece(TEXT), STOP, HANG))
    begun = time.monotonic()
    answer = await write(writer, seconds=0.2)
    assert (answer.text, answer.usage.counted) == (TEXT, True)
    assert time.monotonic() - begun < 1.0
    await wire.all_left()


async def test_a_usage_is_waited_for_a_while_and_pieces_do_not_prolong_it(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "AFTER_FINISH", 0.2)
    wire.then(streamed(piece(TEXT), STOP, 0.1, TOLD, DONE), [HEAD, chunked(STOP), *STEADY, HANG])
    async with writing(wire.url, stall=0.05) as writer:
        assert (await write(writer)).usage == Usage(120, 40)
        begun = time.monotonic()
        assert (await write(writer)).usage.counted
        assert time.monotonic() - begun < 1.0


async def test_what_arrived_while_the_loop_was_busy_is_read_before_the_deadline_counts() -> None:
    ours, theirs = socket.socketpair()
    reader, stream = await asyncio.open_connection(sock=ours)
    async with Watchdog(math.inf, 0.05) as watch:
        theirs.send(b"x")
        time.sleep(0.1)  # the loop is busy
        assert await reader.read(1) == b"x"
        watch.expect(5.0)
        await asyncio.sleep(0.05)
    stream.close()
    theirs.close()
    await stream.wait_closed()
