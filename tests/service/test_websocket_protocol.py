"""WebSocket below the application, at a real socket: frames without end, and peers that do not
read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.websocket_protocol import (
    MAX_AFTER_CLOSE,
    MAX_DRAINED_BYTES,
    MAX_FRAGMENTS,
    PIECE,
    WebSocketProtocol,
)
from tests.support.below import Below, serving
from tests.support.raw_sockets import (
    CONT,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    closed,
    frame,
    protocol,
    socket,
)
from tests.support.waiting import until


@pytest.fixture
async def below() -> AsyncIterator[Below]:
    async with serving() as found:
        yield found


def received(below: Below) -> list[str]:
    return [m["text"] for m in below.application.sockets if m["type"] == "websocket.receive"]


# -- frames
@pytest.mark.parametrize("kind", [PING, PONG])
async def test_more_control_frames_than_anybody_needs_close_the_socket(
    below: Below, kind: int
) -> None:
    async with socket(below) as client:
        answers = await client.rest(frame(kind) * 40_000)
    assert closed(answers) == (1008, b"Too many pings or pongs")
    assert answers.count(b"\x8a\x00") <= PIECE // 6, "those of one piece"
    await asyncio.wait_for(below.application.left.wait(), 5)


async def test_a_few_pings_are_answered(below: Below) -> None:
    async with socket(below) as client:
        await client.send(frame(PING, b"ab") * 20)
        async with asyncio.timeout(5):
            assert await client.reader.readexactly(80) == b"\x8a\x02ab" * 20


@pytest.mark.parametrize("payload", [b"", b"a"])
async def test_a_message_of_too_many_fragments_closes_the_socket(
    below: Below, payload: bytes
) -> None:
    begun = frame(TEXT, end=False)
    async with socket(below) as client:
        answers = await client.rest(begun + frame(CONT, payload, end=False) * 40_000)
    assert closed(answers) == (1008, b"A message has at most 256 fragments")


async def test_a_message_in_as_many_fragments_as_may_be_is_read(below: Below) -> None:
    parts = [frame(TEXT, b"a", end=False)]
    parts += [frame(CONT, b"a", end=False)] * (MAX_FRAGMENTS - 2) + [frame(CONT, b"a")]
    below.application.let.set()
    async with socket(below) as client:
        await client.send(b"".join(parts) * 2)
        await until(lambda: received(below) == ["a" * MAX_FRAGMENTS] * 2)


async def test_a_message_may_have_256_kilobytes_and_no_more(below: Below) -> None:
    below.application.let.set()
    async with socket(below) as client:
        await client.send(frame(TEXT, b"a" * 2**18))
        await until(lambda: received(below) == ["a" * 2**18])
        assert closed(await client.rest(frame(TEXT, b"a" * (2**18 + 1))))[0] == 1009


async def test_who_goes_on_behind_its_close_is_cut_off(below: Below) -> None:
    async with socket(below) as client:
        with pytest.raises(ConnectionError):
            await client.send(frame(PING) * 1000, *[bytes(MAX_DRAINED_BYTES)] * 100)
    await until(lambda: len(below.connections) == 0)


# -- flow
async def test_messages_wait_unparsed_for_the_application(below: Below) -> None:
    async with socket(below) as client:
        await client.send(frame(TEXT) * 50_000)
        await until(lambda: below.application.sockets != [])
        assert protocol(below).queue.qsize() <= PIECE // 6
        below.application.let.set()
        await until(lambda: len(received(below)) == 50_000)


async def test_a_peer_that_reads_nothing_is_not_read_either(
    below: Below, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.websocket_protocol.CONTROL_BURST", 10**9)
    async with socket(below) as client:
        client.reader._limit = 1  # private: asyncio has no other way to stop reading
        client.writer.write(frame(PING, bytes(125)) * 200_000)
        await until(lambda: not protocol(below).writable.is_set())
        assert protocol(below).transport.get_write_buffer_size() < 200_000


# -- handshakes
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (HANDSHAKE + b"cookie: " + b"a" * 10_000 + b"\r\n\r\n", b"431"),
        (HANDSHAKE + b"a: b\r\n" * 100 + b"\r\n", b"431"),
        (HANDSHAKE + b"a: " + b"b" * 40_000 + b"\r\n\r\n", b"431"),
        (HANDSHAKE.replace(b"GET /", b"GET /" + b"a" * 9_000, 1) + b"\r\n", b"414"),
        (HANDSHAKE.replace(b"GET", b"POST", 1) + b"\r\n", b"405"),
        (HANDSHAKE.replace(b"1.1", b"1.0", 1) + b"\r\n", b"400"),
        (HANDSHAKE + b"content-length: 5\r\n\r\nhello", b"400"),
        (HANDSHAKE.replace(b"version: 13", b"version: 8", 1) + b"\r\n", b"400"),
    ],
)
async def test_a_handshake_that_is_none_is_answered_and_closed(
    below: Below, sent: bytes, expected: bytes
) -> None:
    answer = await below.ask(sent)
    assert answer.split()[1] == expected
    await until(lambda: len(below.connections) == 0)


async def test_a_handshakes_header_may_have_8_kilobytes(below: Below) -> None:
    async with below.connected() as client:
        await client.send(HANDSHAKE + b"cookie: " + b"a" * 8_100 + b"\r\n\r\n")
        assert b" 101 " in await client.reader.readuntil(b"\r\n\r\n")


async def test_what_is_sent_before_the_handshake_is_answered_waits_for_it(below: Below) -> None:
    below.application.let.set()
    async with below.connected() as client:
        await client.send(HANDSHAKE + b"\r\n" + frame(TEXT, b"early"))
        await until(lambda: received(below) == ["early"])


# -- how many
async def test_a_socket_counts_as_a_connection_until_it_has_ended() -> None:
    async with serving(connections_per_address=1) as below:
        async with socket(below):
            assert (await below.ask(b"")).split()[1] == b"503"
        await until(lambda: len(below.connections) == 0)
        async with socket(below):
            pass


async def test_behind_its_close_little_is_parsed_and_all_is_read(
    below: Below, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an application that closes at the first message would have all the others parsed."""
    below.application.closes = True
    parsed = 0
    handle = WebSocketProtocol.handle_text

    def counted(self: WebSocketProtocol, event: Any) -> None:
        nonlocal parsed
        parsed += 1
        handle(self, event)

    monkeypatch.setattr(WebSocketProtocol, "handle_text", counted)
    async with socket(below) as client:
        assert closed(await client.rest(frame(TEXT) * 40_000)) == (4400, b"")
    assert parsed <= (MAX_AFTER_CLOSE + 2 * PIECE) // 6
