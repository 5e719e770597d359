"""What is written to a socket past ASGI are the frames of RFC 6455, and nothing goes astray."""

from __future__ import annotations

import asyncio

import pytest
from websockets.frames import Frame, Opcode

from app.direct_socket import DirectSocket, text_frame
from tests.support.below import serving
from tests.support.raw_sockets import HANDSHAKE, TEXT, closed, frame, protocol, socket
from tests.support.waiting import until


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 300_000])
def test_a_frame_is_that_of_the_library_at_each_length_of_the_length(length: int) -> None:
    """7, 16 and 64 bits (RFC 6455, section 5.2)."""
    body = b"a" * length
    theirs = Frame(Opcode.TEXT, body).serialize(mask=False)
    assert text_frame(body[: length // 3], b"", body[length // 3 :]) == theirs


async def test_what_is_written_directly_stands_between_what_is_sent_in_its_order() -> None:
    async with serving() as below, socket(below) as client:
        await until(lambda: below.application.scopes != [])
        ours = protocol(below)
        assert ours.write_text(b"a", b"b")
        await ours.send({"type": "websocket.send", "text": "c", "bytes": None})
        assert ours.write_text(b"d" * 70_000)
        wanted = text_frame(b"ab") + text_frame(b"c") + text_frame(b"d" * 70_000)
        async with asyncio.timeout(5):
            assert await client.reader.readexactly(len(wanted)) == wanted


async def test_to_a_client_that_takes_nothing_nothing_is_written_directly() -> None:
    async with serving() as below, socket(below) as client:
        ours, piece, written = protocol(below), b"x" * 50_000, 0
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as it is in fact
        while ours.write_text(piece):
            written += 1
            await asyncio.sleep(0)
        assert not ours.writable.is_set()
        assert ours.transport.get_write_buffer_size() <= 64 * 1024 + len(piece) + 10
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]  # as above
        wanted = text_frame(piece) * written
        async with asyncio.timeout(20):
            assert await client.reader.readexactly(len(wanted)) == wanted
        await until(ours.writable.is_set)
        assert ours.write_text(b"again")


async def test_nothing_is_written_directly_before_the_handshake_nor_behind_a_close() -> None:
    async with serving() as below:
        async with below.connected() as client:
            await client.send(HANDSHAKE)
            await until(lambda: len(below.connections) == 1)
            await client.send(b"\r\n")
            await client.reader.readuntil(b"\r\n\r\n")
            below.application.closes = True
            await client.send(frame(TEXT, b"close it"))
            ours = protocol(below)
            await until(lambda: ours.close_sent)
            assert not ours.write_text(b"late")
            assert closed(await client.rest(frame(8, b"\x11\x30"))) == (4400, b"")
        assert not ours.write_text(b"later")


async def test_a_socket_is_served_on_when_its_application_has_returned() -> None:
    """And what its opening said is let go of: with thousands of sockets it is megabytes."""

    async def serve(direct: DirectSocket) -> None:
        message = await direct.receive()
        assert direct.write_text(b"heard: ", message["text"].encode())
        await direct.send({"type": "websocket.close", "code": 4000})

    async with serving() as below:
        below.application.after = serve
        async with socket(below) as client:
            await until(lambda: below.application.scopes == [{}])
            assert not protocol(below).request.headers
            await client.send(frame(TEXT, b"one"))
            async with asyncio.timeout(5):
                assert await client.reader.readexactly(12) == text_frame(b"heard: one")
            assert closed(await client.rest(frame(8, b"\x0f\xa0"))) == (4000, b"")
        await until(lambda: len(below.connections) == 0)


async def test_what_fails_behind_the_application_is_logged_and_closes_the_socket(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def serve(_: DirectSocket) -> None:
        raise ZeroDivisionError

    async with serving() as below:
        below.application.after = serve
        async with socket(below) as client:
            assert await client.rest() == b""
    assert "ZeroDivisionError" in caplog.text
