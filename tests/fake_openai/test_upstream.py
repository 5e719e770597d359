"""The fake provider: what a good answer looks like, as a raw client and the SDK see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import openai
import orjson
import pytest

from tests.support.raw_http_client import MODEL, Client, Reply, connected
from tests.support.upstream import (
    GOOD,
    PROSE,
    Behaviour,
    RequestRules,
    Upstream,
    prose,
    refusal,
    running,
    usage,
    words,
)

WORDS = len(words(PROSE))
USAGE = usage(120, 40)
OPENING = {"role": "assistant", "content": "", "refusal": None}


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with running(RequestRules()) as found:
        yield found


@pytest.fixture
async def client(server: Upstream) -> AsyncIterator[Client]:
    async with connected(server.url) as found:
        yield found


# -- good answers
async def test_a_stream_is_a_role_then_words_then_a_finish_reason_usage_and_done(
    client: Client,
) -> None:
    for _ in range(2):  # on one connection
        reply = await client.ask()
        assert reply.status == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        assert reply.end == "whole"
        assert reply.lines[-1] == "[DONE]"
        role, *content, finish, counted = reply.events
        assert role["choices"][0]["delta"] == OPENING
        assert reply.deltas == words(PROSE) == PROSE.replace(" ", " \0").split("\0")
        assert len(content) == WORDS
        assert finish["choices"] == [
            {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}
        ]
        assert (counted["choices"], counted["usage"]) == ([], USAGE)
        assert {e["usage"] is None for e in (role, *content, finish)} == {True}


async def test_usage_is_told_only_where_it_was_asked_for(client: Client) -> None:
    reply = await client.ask(stream_options={})
    assert reply.finish == "stop"
    assert not any("usage" in e for e in reply.events)


async def test_a_text_of_60_tokens_is_60_chunks(server: Upstream, client: Client) -> None:
    server.then(Behaviour(text=prose(60)), Behaviour(tokens=["Lo", "re", "gate"]))
    reply = await client.ask()
    assert (len(reply.deltas), "".join(reply.deltas)) == (60, prose(60))
    assert (await client.ask()).deltas == ["Lo", "re", "gate"]


async def test_a_whole_answer_is_one_completion(server: Upstream, client: Client) -> None:
    server.then(GOOD, Behaviour(tokens=["Lo", "re"]))
    answer = orjson.loads((await client.ask(stream=False)).body)
    assert answer["object"] == "chat.completion"
    [choice] = answer["choices"]
    assert choice["message"] == {**OPENING, "content": PROSE, "annotations": []}
    assert (choice["finish_reason"], answer["usage"], answer["model"]) == ("stop", USAGE, MODEL)
    answer = orjson.loads((await client.ask(stream=False)).body)
    assert answer["choices"][0]["message"]["content"] == "Lore"


async def test_the_sdk_reads_a_stream(server: Upstream) -> None:
    async with openai.AsyncOpenAI(api_key="x", base_url=server.url, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Write."}], stream=True
        )
        said = [c.choices[0].delta.content or "" async for c in stream if c.choices]
    assert "".join(said) == PROSE


async def test_each_chunk_is_padded_unless_the_request_says_no(client: Client) -> None:
    padded = await client.ask()
    found = [event["obfuscation"] for event in padded.events]
    assert all(isinstance(text, str) and text for text in found)
    assert len(set(found)) > 1, "it is random"
    plain = {"include_usage": True, "include_obfuscation": False}
    assert not any("obfuscation" in e for e in (await client.ask(stream_options=plain)).events)


async def test_every_form_names_the_model_and_has_the_fields_of_the_real_one(
    server: Upstream, client: Client
) -> None:
    server.then(GOOD, GOOD, Behaviour(model="gpt-6-luna-eu"))
    whole = orjson.loads((await client.ask(stream=False)).body)
    for found in [whole, *(await client.ask()).events]:
        assert (found["model"], found["service_tier"]) == (MODEL, "default")
        assert found["system_fingerprint"] is None
    assert {e["model"] for e in (await client.ask()).events} == {"gpt-6-luna-eu"}


# -- limits and thoughts
def whole(reply: Reply) -> tuple[str, str, Any]:
    """Content, finish reason and usage of an answer in one piece."""
    answer = orjson.loads(reply.body)
    [choice] = answer["choices"]
    return choice["message"]["content"], choice["finish_reason"], answer["usage"]


async def test_a_text_ends_where_the_requests_cap_is_and_says_so(
    server: Upstream, client: Client
) -> None:
    server.models["llama"] = RequestRules().models["gpt-4o"]
    for fields in ({"max_completion_tokens": 4}, {"model": "llama", "max_tokens": 4}):
        fields |= {"reasoning_effort": None}
        reply = await client.ask(**{"model": "gpt-4o", **fields})
        assert ("".join(reply.deltas), reply.finish) == ("The harbour of Saltmere ", "length")
        assert reply.usage == usage(120, 4)
    exact = await client.ask(max_completion_tokens=WORDS)
    assert (exact.deltas, exact.finish) == (words(PROSE), "stop")


async def test_a_behaviour_may_ignore_the_cap(server: Upstream, client: Client) -> None:
    server.then(Behaviour(obeys=False))
    reply = await client.ask(max_completion_tokens=4)
    assert (reply.deltas, reply.finish) == (words(PROSE), "stop")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_model_that_thinks_is_silent_before_its_first_byte_and_counts_its_thoughts(
    stream: bool, server: Upstream, client: Client
) -> None:
    server.then(Behaviour(thinks=60), Behaviour(thinks=0.01), Behaviour(reasoning=7))
    silent = await client.ask(stream=stream, reasoning_effort="medium")
    assert (silent.end, silent.status, silent.body) == ("silent", 200, b"")
    async with connected(server.url) as other:
        for thoughts in (1024, 7):
            reply = await other.ask(stream=stream, reasoning_effort="medium")
            told = reply.usage if stream else whole(reply)[2]
            assert told == usage(120, 40 + thoughts, thoughts)
            assert told["completion_tokens_details"] == {"reasoning_tokens": thoughts}


async def test_an_effort_that_is_not_said_is_the_models_own(client: Client) -> None:
    _, _, told = whole(await client.ask(stream=False, reasoning_effort=None))
    assert told["completion_tokens_details"]["reasoning_tokens"] == 1024


@pytest.mark.parametrize("stream", [True, False])
async def test_thoughts_eat_the_cap_and_nothing_is_said(stream: bool, client: Client) -> None:
    reply = await client.ask(stream=stream, reasoning_effort="low", max_completion_tokens=200)
    eaten = usage(120, 200, 200)
    if stream:
        assert (reply.deltas, reply.finish, reply.usage) == ([], "length", eaten)
    else:
        assert whole(reply) == ("", "length", eaten)


async def test_headroom_for_thoughts_leaves_the_text_whole(client: Client) -> None:
    cap = 256 + WORDS
    reply = await client.ask(stream=False, reasoning_effort="low", max_completion_tokens=cap)
    assert whole(reply)[:2] == (PROSE, "stop")
    less = await client.ask(stream=False, reasoning_effort="low", max_completion_tokens=cap - 1)
    assert whole(less)[1] == "length"


# -- the list of models
async def test_the_sdk_lists_the_models_and_when_they_end(server: Upstream) -> None:
    async with openai.AsyncOpenAI(api_key="x", base_url=server.url, max_retries=0) as sdk:
        found = {model.id: model.shutdown_date async for model in sdk.models.list()}
        assert found["gpt-6-luna"] is None
        assert found["gpt-4o"] == "2027-01-14"
        assert "gpt-4-turbo" not in found
        server.listed = {"gpt-6-luna": "2027-02-01"}
        assert [(m.id, m.shutdown_date) async for m in sdk.models.list()] == [
            ("gpt-6-luna", "2027-02-01")
        ]
    assert (server.listings, server.requests) == (2, [])


LINE = b"GET /v1/models HTTP/1.1"


async def test_the_list_may_fail_be_absent_or_be_anything_else(
    server: Upstream, client: Client
) -> None:
    server.lists.then(refusal(500, "server_error"), Behaviour(body={"data": 7}))
    server.lists.always = refusal(404, "unknown_url")
    found = []
    for _ in range(3):
        client.send(b"", LINE)
        reply = await client.receive()
        found.append((reply.status, orjson.loads(reply.body).get("data")))
    assert found == [(500, None), (200, 7), (404, None)]


async def test_the_list_may_be_huge_and_late(server: Upstream, client: Client) -> None:
    server.listed = {f"model-{n}": None for n in range(100_000)}
    server.lists.then(GOOD, Behaviour(silent=True))
    client.send(b"", LINE)
    reply = await client.receive(most=1_000_000)
    assert len(orjson.loads(reply.body)["data"]) == 100_000
    client.send(b"", LINE)
    assert (await client.receive()).end == "silent"
    assert server.aborted == []
