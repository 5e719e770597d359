"""The fake provider's ways of other providers: thoughts, fillers, forms, waits and accounts."""

from __future__ import annotations

import time
import zlib
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import openai
import orjson
import pytest

from tests.support.raw_http_client import MODEL, Client, Reply, connected
from tests.support.upstream import (
    FAULTS,
    GOOD,
    NOVEMBER_2026,
    PROSE,
    Behaviour,
    RequestRules,
    Upstream,
    now,
    running,
    words,
)

WORDS = words(PROSE)
TIMES = 20  # signs of life in a second
PROMPT: Any = [{"role": "user", "content": "Write."}]


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with running(RequestRules()) as found:
        yield found


@pytest.fixture
async def client(server: Upstream) -> AsyncIterator[Client]:
    async with connected(server.url) as found:
        yield found


@pytest.fixture
async def sdk(server: Upstream) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="x", base_url=server.url, max_retries=0) as found:
        yield found


def deltas(reply: Reply) -> list[Any]:
    return [c["delta"] for e in reply.events for c in e["choices"]]


# -- signs of life
@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thoughts_come_in_their_own_field_for_a_second_and_then_the_text(
    field: str, server: Upstream, client: Client
) -> None:
    server.then(FAULTS[field])
    began = time.monotonic()
    found = deltas(await client.ask())
    assert time.monotonic() - began > 1.0 - 0.001 * TIMES, "the clocks are no finer"
    assert "role" in found[0]
    assert [bool(d.get(field)) for d in found[1:]] == [True] * TIMES + [False] * (len(WORDS) + 1)
    assert {d["content"] for d in found if field in d} == {None}
    async with connected(server.url) as other:
        server.always = Behaviour(thinks=0.0, aloud=now(FAULTS[field]).aloud)
        [choice] = orjson.loads((await other.ask(stream=False)).body)["choices"]
    assert (choice["message"]["content"], bool(choice["message"][field])) == (PROSE, True)


async def test_comments_come_for_a_second_before_the_role(server: Upstream, client: Client) -> None:
    server.then(FAULTS["thinking_comments"])
    lines = (await client.ask()).lines
    assert lines[:TIMES] == [": OPENROUTER PROCESSING"] * TIMES
    assert orjson.loads(lines[TIMES])["choices"][0]["delta"]["role"] == "assistant"


async def test_choiceless_chunks_begin_with_azures_and_stand_before_and_among_the_text(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["choiceless"])
    first, role, *others = (await client.ask(stream_options={})).events
    assert first["choices"] == []
    assert "prompt_filter_results" in first
    assert role["choices"][0]["delta"]["role"] == "assistant"
    filled = [bool(event["choices"]) for event in others]
    assert filled == [False] * TIMES + [False, True] * len(WORDS) + [True]


async def test_empty_deltas_stand_before_and_among_the_text(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["empty_deltas"])
    said = [d.get("content") for d in deltas(await client.ask())]
    assert said.count(None) == TIMES + len(WORDS) + 1
    assert [text for text in said if text] == WORDS


async def test_headers_of_whole_json_come_long_before_its_body(
    server: Upstream, client: Client
) -> None:
    server.then(Behaviour(whole=True, first=60))
    reply = await client.ask()
    assert (reply.end, reply.status, reply.sent) == ("silent", 200, b"")
    assert reply.headers["content-type"] == "application/json"
    assert now(FAULTS["whole_json_slow"]) == Behaviour(whole=True, first=1.0)


# -- forms
async def test_the_sdk_reads_a_compressed_answer_in_either_form(
    server: Upstream, sdk: openai.AsyncOpenAI, client: Client
) -> None:
    server.always = FAULTS["gzip_answer"]
    answer = await sdk.chat.completions.create(model=MODEL, messages=PROMPT)
    assert answer.choices[0].message.content == PROSE
    stream = await sdk.chat.completions.create(model=MODEL, messages=PROMPT, stream=True)
    said = [c.choices[0].delta.content or "" async for c in stream if c.choices]
    assert "".join(said) == PROSE
    reply = await client.ask()
    assert reply.headers["content-encoding"] == "gzip"
    assert reply.sent.startswith(b"\x1f\x8b")


async def test_a_compressed_error_inflates_to_240_mebibytes(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["gzip_error"])
    reply = await client.ask(most=1_000_000)
    assert len(reply.sent) < 350_000
    opener, size = zlib.decompressobj(wbits=31), 0
    rest = reply.sent
    while not opener.eof:
        part = opener.decompress(rest, 2**24)
        size += len(part)
        rest = opener.unconsumed_tail
    assert size // 2**20 == 240, "and its checksum was right"
    assert reply.body.startswith(b'{"error": {"message": "   ')


async def test_content_may_be_a_list_of_parts(server: Upstream, client: Client) -> None:
    server.always = FAULTS["content_list"]
    [choice] = orjson.loads((await client.ask(stream=False)).body)["choices"]
    assert choice["message"]["content"] == [{"type": "text", "text": PROSE}]
    told = [d["content"] for d in deltas(await client.ask()) if d.get("content")]
    assert told == [[{"type": "text", "text": word}] for word in WORDS]


@pytest.mark.parametrize("stream", [True, False])
async def test_chunks_break_and_nothing_follows(
    stream: bool, server: Upstream, client: Client
) -> None:
    server.then(FAULTS["bad_chunks"])
    reply = await client.ask(stream=stream)
    assert reply.end == "misframed"
    assert await client.reader.readexactly(5) == b"out\r\n"
    assert server.connections == 1


async def test_an_error_may_be_a_finish_reason(server: Upstream, client: Client) -> None:
    server.then(FAULTS["error_finish"])
    last = (await client.ask()).events[-1]
    assert last["error"] == {"message": "Provider disconnected", "code": "server_error"}
    assert last["choices"][0]["finish_reason"] == "error"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("flat_error", {"object": "error", "code": 1500}),
        ("numeric_code", {"error": {"code": 429}}),
        ("could_not_finish_400", {"error": {"type": "invalid_request_error", "code": None}}),
        ("model_retired", {"error": {"code": "model_not_found", "param": None}}),
        ("429_quota", {"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}),
    ],
)
async def test_an_error_has_the_form_of_its_provider(
    name: str, body: dict[str, Any], server: Upstream, client: Client
) -> None:
    server.then(FAULTS[name])
    found = orjson.loads((await client.ask()).body)
    inner = found.get("error", found)
    wanted = body.get("error", body)
    assert {key: inner[key] for key in wanted} == wanted
    assert found.keys() >= body.keys()


async def test_the_messages_of_refusals_begin_as_openais_do(
    server: Upstream, client: Client
) -> None:
    server.then(*(FAULTS[name] for name in ("could_not_finish_400", "model_retired", "429_quota")))
    said = [orjson.loads((await client.ask()).body)["error"]["message"] for _ in range(3)]
    assert said[0].startswith("Could not finish the message because max_tokens or model output")
    assert said[1].startswith("The model `gpt-4-turbo` has been deprecated, learn more here: ")
    assert said[2].startswith("You exceeded your current quota")


@pytest.mark.parametrize(
    ("name", "value"), [("usage_huge", 2**40), ("usage_strings", "120"), ("usage_negative", -120)]
)
async def test_an_account_may_be_nonsense(
    name: str, value: Any, server: Upstream, client: Client
) -> None:
    server.then(FAULTS[name])
    assert (await client.ask()).usage["prompt_tokens"] == value


# -- waits
async def wait_of(name: str, server: Upstream, client: Client) -> dict[str, str]:
    server.then(FAULTS[name])
    reply = await client.ask()
    assert reply.status == 429
    return reply.headers


@pytest.mark.parametrize(("name", "wait"), [("long", "30"), ("zero", "0"), ("negative", "-1")])
async def test_a_wait_is_a_number(name: str, wait: str, server: Upstream, client: Client) -> None:
    assert (await wait_of(f"retry_after_{name}", server, client))["retry-after"] == wait


async def test_a_wait_may_be_over(server: Upstream, client: Client) -> None:
    told = (await wait_of("retry_after_past", server, client))["retry-after"]
    assert parsedate_to_datetime(told).timestamp() < time.time() - 3500


async def test_a_wait_may_be_told_by_a_clock_that_is_hours_off(
    server: Upstream, client: Client
) -> None:
    headers = await wait_of("retry_after_skewed", server, client)
    here, then = (parsedate_to_datetime(headers[h]) for h in ("date", "retry-after"))
    assert (then - here).total_seconds() == 1
    assert here.timestamp() > time.time() + 3600


def test_each_of_todays_faults_is_something_else() -> None:
    found = [now(order) for order in NOVEMBER_2026.values()]
    assert GOOD not in found
    assert all(found.count(behaviour) == 1 for behaviour in found)
