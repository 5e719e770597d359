"""The fake provider's faults: each does what its name says, as a raw client sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
import pytest

from tests.support.raw_http_client import SILENCE, Client, connected, question
from tests.support.upstream import (
    FAULTS,
    PROSE,
    Behaviour,
    Flapping,
    RequestRules,
    Upstream,
    fresh,
    now,
    refusal,
    running,
    usage,
    words,
)

WORDS = len(words(PROSE))
USAGE = usage(120, 40)


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with running(RequestRules()) as found:
        yield found


@pytest.fixture
async def client(server: Upstream) -> AsyncIterator[Client]:
    async with connected(server.url) as found:
        yield found


@dataclass
class Seen:
    """What a client sees of a stream that was asked for."""

    end: str = "whole"
    status: int = 200
    deltas: int | None = WORDS  # None: nothing was streamed
    finish: str | None = "stop"
    done: bool = True
    usage: Any = field(default_factory=lambda: USAGE)


def usage_of(name: str) -> Any:
    return now(FAULTS[name]).usage


def refused(status: int) -> Seen:
    return Seen(status=status, deltas=None)


NOTHING = Seen("closed", 0, 0, None, done=False, usage=None)
CUT = Seen("closed", deltas=4, finish=None, done=False, usage=None)
BYTES = replace(CUT, deltas=0)

STREAMED: dict[str, Seen] = {
    **{name: refused(int(name)) for name in FAULTS if name.isdecimal()},
    "429_seconds": refused(429),
    "429_milliseconds": refused(429),
    "429_date": refused(429),
    "429_quota": refused(429),
    "502_page": refused(502),
    "503_seconds": refused(503),
    "content_filter": refused(400),
    "context_length_exceeded": refused(400),
    "flapping": refused(503),
    "reset": replace(NOTHING, end="reset"),
    "silent": replace(NOTHING, end="silent"),
    "slow_headers": Seen(),
    "cut_headers": BYTES,
    "cut_bytes": BYTES,
    "cut_bytes_reset": replace(BYTES, end="reset"),
    "cut": CUT,
    "cut_reset": replace(CUT, end="reset"),
    "cut_before_finish": replace(CUT, deltas=WORDS),
    "slow_first_token": Seen(),
    "slow_tokens": Seen(),
    "stall_at_once": replace(CUT, end="silent", deltas=0),
    "stall": replace(CUT, end="silent"),
    "stall_before_finish": replace(CUT, end="silent", deltas=WORDS),
    "malformed": Seen(),
    "error_midway": replace(CUT, end="whole"),
    "endless": Seen(deltas=999, finish=None, done=False, usage=None),
    "comments": Seen(),
    "split": Seen(),
    "whole_json": Seen(deltas=None),
    "no_done": Seen(done=False),
    "no_done_open": Seen("silent", done=False),
    "no_usage": Seen(usage=None),
    "length": Seen(finish="length"),
    "filtered": Seen(finish="content_filter"),
    "tool_calls": Seen(finish="tool_calls"),
    "no_finish_reason": Seen(finish=None),
    "refusal": Seen(deltas=0),
    "empty": Seen(deltas=0),
    "blank": Seen(deltas=1),
    "page": Seen(deltas=None),
    "no_completion": Seen(deltas=None),
    "wrong_json": Seen(deltas=5),
    "wrong_schema": Seen(deltas=4),
    "model_retired": refused(404),
    "could_not_finish_400": refused(400),
    "flat_error": refused(400),
    "numeric_code": refused(429),
    "gzip_error": refused(400),
    "redirect": refused(307),
    "redirect_loop": refused(307),
    "retry_after_long": refused(429),
    "retry_after_zero": refused(429),
    "retry_after_negative": refused(429),
    "retry_after_past": refused(429),
    "retry_after_skewed": refused(429),
    "reasoning_content": Seen(),
    "reasoning": Seen(),
    "thinking_comments": Seen(),
    "choiceless": Seen(),
    "empty_deltas": Seen(),
    "whole_json_slow": Seen(deltas=None),
    "reasoning_ate_cap": Seen(deltas=0, finish="length", usage=usage(120, 400, 400)),
    "gzip_answer": Seen(),
    "bad_chunks": replace(CUT, end="misframed"),
    "content_list": Seen(),
    "error_finish": replace(CUT, end="whole", finish="error"),
    "usage_huge": Seen(usage=usage_of("usage_huge")),
    "usage_strings": Seen(usage=usage_of("usage_strings")),
    "usage_negative": Seen(usage=usage_of("usage_negative")),
    "unasked_same_segment": Seen(),
    "unasked_idle": Seen(),
    "unasked_next": Seen(),
    "closed_at_once": Seen(),
    "closed_idle": Seen(),
    "reset_idle": Seen(),
    "stale": Seen(),
    "stale_reset": Seen(),
}


def test_every_fault_stands_in_the_table() -> None:
    assert STREAMED.keys() == FAULTS.keys()


@pytest.mark.parametrize("name", FAULTS)
async def test_a_streamed_fault_is_what_it_says(
    name: str, server: Upstream, client: Client
) -> None:
    behaviour, wanted = now(fresh(FAULTS[name])), STREAMED[name]
    server.then(replace(behaviour, first=min(behaviour.first, SILENCE / 5)))
    reply = await client.ask()
    assert (reply.end, reply.status) == (wanted.end, wanted.status)
    if wanted.deltas is None:
        assert "event-stream" not in reply.headers["content-type"]
        assert int(reply.headers["content-length"]) == len(reply.sent)
        return
    assert len(reply.deltas) == wanted.deltas
    assert reply.finish == wanted.finish
    assert ("[DONE]" in reply.lines) == wanted.done
    assert reply.usage == wanted.usage


WHOLE = {
    "reset": "reset",
    "silent": "silent",
    "cut_headers": "closed",
    "cut_bytes": "closed",
    "cut_bytes_reset": "reset",
    "cut": "closed",
    "cut_reset": "reset",
    "cut_before_finish": "closed",
    "stall_at_once": "silent",
    "stall": "silent",
    "stall_before_finish": "silent",
    "bad_chunks": "misframed",
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_a_whole_answer_ends_as_its_stream_does(
    name: str, server: Upstream, client: Client
) -> None:
    behaviour = replace(now(fresh(FAULTS[name])), first=0.0, pace=0.0, thinks=0.0)
    server.then(behaviour)
    reply = await client.ask(stream=False)
    assert reply.end == WHOLE.get(name, "whole")
    assert reply.status == STREAMED[name].status
    if reply.end != "whole" or reply.status != 200:
        return
    if name in ("page", "malformed", "endless"):
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(reply.body)
    elif name not in ("error_midway", "no_completion"):
        answer = orjson.loads(reply.body)
        [choice] = answer["choices"]
        assert choice["finish_reason"] == STREAMED[name].finish
        assert choice["message"]["refusal"] == behaviour.refusal
        assert answer.get("usage") == STREAMED[name].usage


def test_a_providers_wait_is_told_in_all_three_ways() -> None:
    told = {n: now(FAULTS[n]).headers for n in ("429_seconds", "429_milliseconds", "429_date")}
    assert told["429_seconds"] == {"retry_after": "1"}
    assert told["429_milliseconds"] == {"retry_after_ms": "300"}
    date = parsedate_to_datetime(told["429_date"]["retry_after"])
    assert 0 < date.timestamp() - time.time() <= 2


async def test_headers_reach_the_client_by_their_names(server: Upstream, client: Client) -> None:
    server.then(refusal(429, "rate_limit_exceeded", retry_after_ms="300"))
    reply = await client.ask()
    assert reply.headers["retry-after-ms"] == "300"
    assert orjson.loads(reply.body)["error"]["code"] == "rate_limit_exceeded"


async def test_slow_headers_come_byte_by_byte(server: Upstream, client: Client) -> None:
    server.then(Behaviour(drip=0.005))
    client.send(question())
    async with asyncio.timeout(5):
        pieces = [await client.reader.read(1000) for _ in range(10)]
    assert b"".join(pieces).startswith(b"HTTP/1.1")
    assert b"\r\n\r\n" not in b"".join(pieces)
    rest = await asyncio.wait_for(client.reader.readuntil(b"data: [DONE]"), 10)
    assert b"\r\n\r\n" in rest


async def test_first_pace_and_delay_are_waited_for(server: Upstream, client: Client) -> None:
    waits = {"delay": Behaviour(delay=0.2), "first": Behaviour(first=0.2)}
    waits["pace"] = Behaviour(pace=0.2 / (WORDS - 1))
    for name, behaviour in waits.items():
        for stream in (True, False):
            server.then(behaviour)
            began = time.monotonic()
            await client.ask(stream=stream)
            # Neither clock is finer than a millisecond.
            assert time.monotonic() - began > 0.2 - 0.001 * WORDS, name


async def test_the_role_comes_before_a_slow_first_token(server: Upstream, client: Client) -> None:
    server.then(Behaviour(first=60))
    reply = await client.ask()
    assert (reply.end, len(reply.events)) == ("silent", 1)
    assert reply.events[0]["choices"][0]["delta"]["role"] == "assistant"


async def test_what_is_malformed_is_no_json_and_stands_after_its_tokens(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["malformed"])
    lines = (await client.ask()).lines
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(lines[5])  # behind the role and four tokens
    assert len(lines) == 1 + WORDS + 1 + 3


async def test_an_error_midway_is_an_event_and_the_last_one(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["error_midway"], FAULTS["error_midway"])
    events = (await client.ask()).events
    assert (len(events), events[-1]["error"]["type"]) == (6, "server_error")
    assert "error" in orjson.loads((await client.ask(stream=False)).body)


async def test_comments_stand_between_the_tokens(server: Upstream, client: Client) -> None:
    server.then(FAULTS["comments"])
    reply = await client.ask()
    assert reply.lines.count(": keep-alive") == WORDS
    assert reply.deltas == words(PROSE)


async def test_a_refusal_is_told_in_its_own_field(server: Upstream, client: Client) -> None:
    server.then(FAULTS["refusal"])
    deltas = [c["delta"] for e in (await client.ask()).events for c in e["choices"]]
    assert {"refusal": "I can't help with that."} in deltas


@pytest.mark.parametrize("stream", [True, False])
async def test_a_split_falls_into_characters(
    stream: bool, server: Upstream, client: Client
) -> None:
    text = "Žluťoučký kůň — 龍の巣 🐉🐉 "
    server.then(Behaviour(text=text, split=2))
    reply = await client.ask(stream=stream)
    if stream:
        assert {len(c) for c in reply.chunks} <= {1, 2}
        assert "".join(reply.deltas) == text
        torn = [c for c in reply.chunks if b"\xef\xbf\xbd" in c.decode(errors="replace").encode()]
        assert len(torn) > 10
    else:
        assert len(reply.chunks) > 1
        assert orjson.loads(reply.body)["choices"][0]["message"]["content"] == text


async def test_an_answer_may_last_only_so_long(server: Upstream, client: Client) -> None:
    server.then(Behaviour(silent=True, lasts=0.05))
    assert (await client.ask()).end == "reset"
    assert server.aborted == [], "it was the server's own doing"


async def test_what_flaps_fails_and_answers_by_turns() -> None:
    times = iter([0.0, 0.0, 1.9, 2.0, 2.9, 3.0, 5.0, 60.0, 62.5])
    flapping = Flapping(refusal(503, "overloaded"), (2.0, 1.0), clock=lambda: next(times))
    found = [flapping().status for _ in range(8)]
    assert found == [503, 503, 200, 200, 503, 200, 503, 200]


async def test_what_flaps_begins_with_the_first_request_of_its_order(
    server: Upstream, client: Client
) -> None:
    times = iter([0.0, 0.0, 1.5, 7.0, 7.0, 8.5])
    template = Flapping(refusal(503, "overloaded"), clock=lambda: next(times))
    for _ in range(2):  # a second order does not go on where the first one was
        server.always = template
        assert [(await client.ask()).status for _ in range(2)] == [503, 200]
