"""The fake provider's connections: what is sent unasked, how they end, where they are sent on."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import orjson
import pytest

from tests.support.raw_http_client import Client, connected, question
from tests.support.upstream import (
    FAULTS,
    GOOD,
    PROSE,
    UNASKED,
    UNASKED_TEXT,
    Behaviour,
    RequestRules,
    Upstream,
    running,
)


@pytest.fixture
async def server() -> AsyncIterator[Upstream]:
    async with running(RequestRules()) as found:
        yield found


@pytest.fixture
async def client(server: Upstream) -> AsyncIterator[Client]:
    async with connected(server.url) as found:
        yield found


async def answered(client: Client) -> str:
    """The text of the next answer in one piece on the connection."""
    reply = await client.receive()
    found: str = orjson.loads(reply.body)["choices"][0]["message"]["content"]
    return found


# -- bytes that nobody asked for
@pytest.mark.parametrize("stream", [True, False])
async def test_a_second_answer_comes_in_the_same_segment(stream: bool, server: Upstream) -> None:
    server.then(FAULTS["unasked_same_segment"])
    *_, last = await asyncio.to_thread(segments, server.port, question(stream=stream))
    assert len(last) > len(UNASKED), "with the end of the answer before it"


def segments(port: int, body: bytes) -> list[bytes]:
    """What is received, as it comes, up to the unasked answer's end; outside of the loop."""
    found: list[bytes] = []
    with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
        head = b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(body)
        sock.sendall(head + body)
        while not found or not found[-1].endswith(UNASKED):
            found.append(sock.recv(2**16))
    return found


async def test_a_second_answer_comes_while_the_connection_is_idle(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["unasked_idle"])
    assert (await client.ask()).end == "whole"
    assert await asyncio.wait_for(client.reader.readexactly(len(UNASKED)), 5) == UNASKED
    assert (await client.ask()).end == "whole"


async def test_a_connection_that_is_not_idle_for_so_long_hears_nothing(
    server: Upstream, client: Client
) -> None:
    server.then(Behaviour(after=UNASKED, after_idle=60))
    for _ in range(2):
        client.send(question(stream=False))
        assert await answered(client) == PROSE
    await server.stop()
    assert await client.reader.read() == b""


async def test_a_second_answer_comes_when_the_next_request_was_sent(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["unasked_next"])
    client.send(question(stream=False))
    assert await answered(client) == PROSE
    client.send(question(stream=False))
    assert await answered(client) == UNASKED_TEXT
    assert await answered(client) == PROSE


# -- ends
@pytest.mark.parametrize("name", ["closed_at_once", "closed_idle"])
async def test_an_idle_connection_is_closed_though_the_answer_did_not_say_so(
    name: str, server: Upstream, client: Client
) -> None:
    server.always = FAULTS[name]
    reply = await client.ask()
    assert reply.end == "whole"
    assert "connection" not in reply.headers
    assert await asyncio.wait_for(client.reader.read(), 5) == b""
    await server.all_left()


async def test_an_idle_connection_is_reset(server: Upstream, client: Client) -> None:
    server.always = FAULTS["reset_idle"]
    assert (await client.ask()).end == "whole"
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(client.reader.read(), 5)


async def test_a_connection_that_is_used_again_in_time_is_not_closed(
    server: Upstream, client: Client
) -> None:
    server.then(Behaviour(close_after=60))
    assert [(await client.ask()).end for _ in range(3)] == ["whole"] * 3


@pytest.mark.parametrize(("name", "end"), [("stale", "closed"), ("stale_reset", "reset")])
async def test_a_stale_connection_ends_without_a_byte_and_a_fresh_one_answers(
    name: str, end: str, server: Upstream, client: Client
) -> None:
    server.always = FAULTS[name]
    assert (await client.ask()).end == "whole"
    again = await client.ask()
    assert (again.end, again.status, again.sent) == (end, 0, b"")
    async with connected(server.url) as fresh:
        assert (await fresh.ask()).end == "whole"
    assert server.aborted == []


# -- redirections
async def test_a_redirection_leads_to_an_answer_and_who_follows_is_counted(
    server: Upstream, client: Client
) -> None:
    server.then(FAULTS["redirect"])
    reply = await client.ask()
    assert (reply.status, server.followed) == (307, 0)
    line = f"POST {reply.headers['location']} HTTP/1.1".encode()
    client.send(question(stream=False), line)
    assert await answered(client) == PROSE
    assert (server.followed, len(server.requests)) == (1, 1)


async def test_a_loop_of_redirections_has_no_end(server: Upstream, client: Client) -> None:
    server.then(FAULTS["redirect_loop"], GOOD)
    reply = await client.ask()
    for _ in range(5):
        client.send(question(), f"POST {reply.headers['location']} HTTP/1.1".encode())
        reply = await client.receive()
        assert reply.status == 307
    assert server.followed == 5
