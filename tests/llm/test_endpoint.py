"""ChatEndpoint: what it sends and how it fails is what the SDK sends, and how that fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest

from app.llm.endpoint import HEADERS, ChatEndpoint
from app.llm.exchange import MAX_UNREAD_BYTES, Exchange
from app.llm.openai import connect
from app.llm.providers import Account
from app.llm.transport import Transport
from tests.support.echo_provider import (
    OTHERS,
    Behaviour,
    ProviderConnection,
    answer,
    echo,
    echo_provider_running,
)
from tests.support.raw_provider import (
    BODY,
    CLOSE,
    HANG,
    RESET,
    RawProvider,
    Step,
    refusal,
    streamed,
    whole,
)

SENT = b'{"model":"m","messages":[{"role":"user","content":"Say \xe9\xbe\x8d."}]}'
UNASKED = answer(OTHERS)
KEPT = b"\r\n".join([b"HTTP/1.1 200 OK", b"content-length: 2", b"", b"hi"])


@contextlib.asynccontextmanager
async def endpoint_at(url: str, **over: Any) -> AsyncIterator[ChatEndpoint]:
    transport = Transport(connect_timeout=3.0, reuse_connections=True)
    client = connect(Account(url, "sk-test"), transport)
    try:
        yield ChatEndpoint(client, transport)
    finally:
        await client.close()


async def stock(url: str) -> Any:
    """The answer that the SDK gives with the client that it makes for itself."""
    async with openai.AsyncOpenAI(api_key="sk-test", base_url=url, max_retries=0) as client:
        return await client.post(
            "/chat/completions",
            content=SENT,
            cast_to=httpx2.Response,
            options={"headers": HEADERS, "timeout": httpx2.Timeout(None)},
            stream=True,
            stream_cls=openai.AsyncStream[Any],
        )


async def ours(url: str) -> bytes:
    async with endpoint_at(url) as endpoint, await endpoint.post(SENT) as body:
        assert isinstance(body, Exchange)
        return await body.read()


def told(head: str) -> tuple[str, dict[str, str]]:
    line, *fields = head.strip().split("\r\n")
    named = dict(field.split(": ", 1) for field in fields)
    found = {name.lower(): value for name, value in named.items()}
    found.pop("connection", None)  # each pool's own
    return line, found


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj_1"},
        {"OPENAI_CUSTOM_HEADERS": "x-team: lore\nuser-agent: dungeon/1"},
    ],
    ids=["none", "organization", "headers"],
)
async def test_line_headers_and_body_are_the_sdks(
    raw_provider: RawProvider, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    raw_provider.then(streamed(BODY), streamed(BODY))
    await (await stock(raw_provider.url)).aclose()
    assert await ours(raw_provider.url)
    theirs, own = raw_provider.heads
    assert told(own) == told(theirs)
    assert raw_provider.requests[0] == raw_provider.requests[1]
    for value in environment.values():
        assert value.split(": ")[-1] in own


FAULTS: dict[str, list[Step]] = {
    "400": refusal(400, "context_length_exceeded", "too long", "messages", x_request_id="req_1"),
    "401": refusal(401, "invalid_api_key", "Bad key", x_request_id="req_2"),
    "403": refusal(403, "model_not_found"),
    "404": refusal(404, "model_not_found"),
    "409": refusal(409, None),
    "422": refusal(422, None, "no", "seed"),
    "429": refusal(429, "rate_limit_exceeded", retry_after="7", x_request_id="req_3"),
    "500": refusal(500, None),
    "503": whole(b"<html>Bad gateway</html>", status=503, content_type="text/html"),
    "no words": whole(b"", status=502),
    "no head": [CLOSE],
    "reset": [RESET],
}


def facts(error: Exception) -> dict[str, Any]:
    found: dict[str, Any] = {"type": type(error), "said": str(error)}
    if isinstance(error, openai.APIStatusError):
        found |= {name: getattr(error, name) for name in ("status_code", "request_id", "body")}
        found |= {name: getattr(error, name) for name in ("code", "param", "type", "message")}
        found["headers"] = dict(error.response.headers)
        found["url"] = str(error.request.url)
    return found


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_the_sdks_exception_with_all_that_it_tells(
    raw_provider: RawProvider, name: str
) -> None:
    raw_provider.then(FAULTS[name], FAULTS[name])
    with pytest.raises(openai.OpenAIError) as theirs:
        await stock(raw_provider.url)
    with pytest.raises(openai.OpenAIError) as own:
        await ours(raw_provider.url)
    assert facts(own.value) == facts(theirs.value)
    assert len(raw_provider.requests) == 2, "the SDK asks nobody a second time"


async def test_a_provider_that_is_not_there_is_the_sdks_exception_too() -> None:
    url = "http://127.0.0.1:9/v1"
    with pytest.raises(openai.APIConnectionError) as theirs:
        await stock(url)
    with pytest.raises(openai.APIConnectionError) as own:
        await ours(url)
    assert facts(own.value) == facts(theirs.value)


# -- kept connections
@contextlib.asynccontextmanager
async def asking(behave: Behaviour = echo) -> AsyncIterator[tuple[Any, ChatEndpoint]]:
    async with echo_provider_running(behave) as provider, endpoint_at(provider.url) as endpoint:
        yield provider, endpoint


async def said(endpoint: ChatEndpoint, words: str) -> bytes:
    async with await endpoint.post(words.encode()) as body:
        found = b""
        while piece := await body.read():
            found += piece
        return found


async def each_gets_its_own(endpoint: ChatEndpoint, times: int, after: Any = None) -> None:
    for n in range(times):
        assert await said(endpoint, f"words {n}") == b"words %d" % n
        if after is not None:
            after(n)
        if n % 3 == 0:  # else what it said is still unread when the next one asks
            await asyncio.sleep(0)
            await asyncio.sleep(0)


def says_more(caller: ProviderConnection, asked: bytes) -> None:
    """In the segment in which the answer ends, a whole further one or its begin; or behind it."""
    whole_one, turn = answer(asked), caller.provider.requests % 4
    if turn < 2:
        caller.say(whole_one + (UNASKED if turn else UNASKED[:20]))
    else:  # the head was read before
        more = UNASKED if turn == 2 else UNASKED[:1]
        caller.say(whole_one[:-3])
        asyncio.get_running_loop().call_soon(caller.say, whole_one[-3:] + more)


async def test_what_comes_behind_an_answer_is_nobodys() -> None:
    async with asking(says_more) as (provider, endpoint):
        await each_gets_its_own(endpoint, 200)
        assert provider.accepted == 200, "each connection is closed"


async def test_what_comes_while_a_connection_is_idle_is_nobodys() -> None:
    async with asking() as (provider, endpoint):

        def push(n: int) -> None:
            provider.callers[-1].say(UNASKED if n % 2 else UNASKED[:20])

        await each_gets_its_own(endpoint, 200, push)
        assert provider.accepted == 200


async def test_a_connection_that_said_nothing_more_is_used_again() -> None:
    async with asking() as (provider, endpoint):
        await each_gets_its_own(endpoint, 20)
        assert provider.accepted == 1


async def test_an_answer_that_asks_to_close_is_the_connections_last(
    raw_provider: RawProvider,
) -> None:
    closing = KEPT.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    raw_provider.then([closing, HANG], [KEPT], [KEPT])
    async with endpoint_at(raw_provider.url) as endpoint:
        for _ in range(3):
            assert await said(endpoint, "{}") == b"hi"
    assert raw_provider.accepted == 2


async def test_an_answer_without_a_length_ends_with_its_connection(
    raw_provider: RawProvider,
) -> None:
    raw_provider.then([b"HTTP/1.1 200 OK\r\n\r\nhi", 0.02, CLOSE])
    async with endpoint_at(raw_provider.url) as endpoint:
        assert await said(endpoint, "{}") == b"hi"


async def test_what_nobody_reads_stays_outside(raw_provider: RawProvider) -> None:
    much = b"x" * 8_000_000
    raw_provider.then([b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(much), much])
    async with (
        endpoint_at(raw_provider.url) as endpoint,
        await endpoint.post(b"{}") as body,
    ):
        assert isinstance(body, Exchange)
        while not body._paused:  # private
            await asyncio.sleep(0)
        first = await body.read()
        assert len(first) < 2 * MAX_UNREAD_BYTES
        found = len(first)
        while piece := await body.read():
            found += len(piece)
        assert found == len(much)
