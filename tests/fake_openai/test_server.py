"""The fake provider as a server: whose orders it follows, and what it sees of its connections."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.support.raw_http_client import MODEL, Client, connected, question
from tests.support.upstream import FAULTS, GOOD, Behaviour, RequestRules, Upstream, refusal, running


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with running(RequestRules()) as found:
        yield found


@pytest.fixture
async def client(server: Upstream) -> AsyncIterator[Client]:
    async with connected(server.url) as found:
        yield found


async def test_a_model_has_its_own_behaviour(server: Upstream, client: Client) -> None:
    server.on(MODEL).always = refusal(503, "overloaded")
    server.on("gpt-6.1-terra").then(refusal(429, "rate_limit_exceeded"))
    small = "gpt-6.1-terra"
    found = [(await client.ask(model=m)).status for m in (MODEL, small, MODEL, small, small)]
    assert found == [503, 429, 503, 200, 200]
    assert server.calls == Counter({MODEL: 2, "gpt-6.1-terra": 3})


async def test_orders_are_followed_once_each_and_then_always(
    server: Upstream, client: Client
) -> None:
    server.always = refusal(500, "server_error")
    server.then(refusal(503, "overloaded"), lambda: GOOD)
    assert [(await client.ask()).status for _ in range(4)] == [503, 200, 500, 500]
    assert [r["model"] for r in server.requests] == [MODEL] * 4
    assert server.headers[0]["host"] == "x"


# -- connections
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", ["silent", "stall", "endless"])
async def test_a_client_that_goes_is_noticed_at_once(
    name: str, stream: bool, server: Upstream
) -> None:
    server.always = FAULTS[name]
    async with connected(server.url) as client:
        client.send(question(stream=stream))
        while not server.requests:
            await asyncio.sleep(0)
        assert (server.connections, server.aborted) == (1, [])
        left = time.monotonic()
    async with asyncio.timeout(5):
        await server.all_left()
    [gone] = server.aborted
    assert gone.model == MODEL
    assert gone.at >= left


async def test_who_got_the_whole_answer_abandoned_nothing(server: Upstream) -> None:
    async with connected(server.url) as client:
        await client.ask()
    await server.all_left()
    assert server.aborted == []


@pytest.mark.parametrize(
    ("line", "body", "status"),
    [
        (b"GET /v1/chat/completions HTTP/1.1", b"", 404),
        (b"POST /v1/embeddings HTTP/1.1", b"{}", 404),
        (b"POST /v1/chat/completions HTTP/1.1", b"{", 400),
        (b"POST /v1/chat/completions HTTP/1.1", b"[]", 400),
    ],
)
async def test_only_requests_for_completions_are_answered(
    line: bytes, body: bytes, status: int, server: Upstream, client: Client
) -> None:
    client.send(body, line)
    reply = await client.receive()
    assert (reply.status, reply.end, server.requests) == (status, "whole", [])
    assert (await client.ask()).status == 200, "the connection goes on"


async def test_the_path_before_chat_completions_is_anybodys(client: Client) -> None:
    client.send(question(), b"POST /tenant/chat/completions?api-version=1 HTTP/1.1")
    assert (await client.receive()).status == 200


async def test_a_request_that_is_too_long_is_not_read(server: Upstream, client: Client) -> None:
    client.writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 9000000\r\n\r\n")
    assert (await client.receive()).status == 413
    assert await client.reader.read() == b""


async def test_a_stopped_server_leaves_nothing_open_and_may_be_stopped_again(
    server: Upstream,
) -> None:
    server.always = Behaviour(silent=True)
    async with connected(server.url) as client:
        client.send(question())
        while not server.requests:
            await asyncio.sleep(0)
        await server.stop()
        await server.stop()
        assert server.connections == 0
        assert (await client.receive()).end in ("closed", "reset")
    with pytest.raises(ConnectionRefusedError):
        async with connected(server.url):
            """Nobody is there."""
