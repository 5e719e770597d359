"""The client to providers: what it does not follow, does not wait for, and does not decode."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from app.llm.decoding import MAX_DECODED_BYTES
from app.llm.failure import AttemptFailed
from app.llm.openai import OpenAIWriter
from app.llm.transport import MAX_HEADERS, MAX_LINE_BYTES
from app.operations.metadata import AttemptOutcome
from tests.support.openai_writers import failure_of, open_writer, write, writer_at
from tests.support.raw_provider import (
    BODY,
    CLOSE,
    EVENT_STREAM,
    GOOD_ANSWER,
    HANG,
    HEAD,
    ROLE,
    TEXT,
    RawProvider,
    Step,
    chunked,
    piece,
    raw_provider_running,
    refusal,
    whole,
)

SOON = 2.0  # s; the writer's own deadlines come at 5 s and later


async def fails_soon(writer: OpenAIWriter) -> AttemptFailed:
    async with asyncio.timeout(SOON):
        return await failure_of(writer)


# -- redirects, cookies, proxies
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_malformed_and_nobody_else_is_asked(
    status: int, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    async with raw_provider_running() as other:
        raw_provider.then(whole(b"", status=status, location=f"{other.url}/chat/completions"))
        assert (await failure_of(writer)).outcome is AttemptOutcome.MALFORMED
        assert (len(raw_provider.requests), other.accepted) == (1, 0)


async def test_a_redirection_to_nowhere_is_malformed_as_well(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    for place in ("http://[", "/chat/completions", "https://x:port/"):
        raw_provider.then(whole(b"", status=307, location=place))
        assert (await failure_of(writer)).outcome is AttemptOutcome.MALFORMED
    assert len(raw_provider.requests) == 3


async def test_a_cookie_is_not_sent_with_the_next_request(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(whole(b"{}", set_cookie="user=1; Path=/"))
    await failure_of(writer)
    await write(writer)
    assert len(raw_provider.heads) == 2
    assert "cookie" not in "".join(raw_provider.heads).lower()


async def test_the_environments_proxy_is_asked_unless_it_is_not_meant(
    raw_provider: RawProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = raw_provider.url.removeprefix("http://").removesuffix("/v1")
    monkeypatch.setenv("http_proxy", f"http://user:word@{place}")
    async with open_writer("http://provider.invalid/v1") as writer:
        assert (await write(writer)).text == TEXT
    (head,) = raw_provider.heads
    assert head.startswith("POST http://provider.invalid/v1/chat/completions ")
    assert "proxy-authorization: basic dxnlcjp3b3jk" in head.lower()
    monkeypatch.setenv("no_proxy", "provider.invalid")
    async with open_writer("http://provider.invalid/v1") as writer:
        assert (await failure_of(writer)).outcome is AttemptOutcome.UNREACHABLE


# -- connecting
@contextlib.contextmanager
def deaf(*hosts: str) -> Iterator[int]:
    """A port at which each of these hosts takes no further connection, and refuses none."""
    with contextlib.ExitStack() as sockets:
        port = 0
        for host in hosts:
            full = sockets.enter_context(socket.create_server((host, port), backlog=0))
            port = full.getsockname()[1]
            for _ in range(3):  # more than wait in its queue: the SYNs of further ones are dropped
                waiting = sockets.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((host, port))
        yield port


async def unreachable(url: str, seconds: float) -> AttemptFailed:
    writer = writer_at(url, connect_timeout=seconds, first_token=20.0)
    try:
        return await failure_of(writer, 20.0)
    finally:
        await writer.close()


async def test_who_waits_for_a_connection_in_vain_does_so_once() -> None:
    with deaf("127.0.0.1") as port:
        failure = await unreachable(f"http://127.0.0.1:{port}/v1", 0.2)
    assert (failure.outcome, failure.again) == (AttemptOutcome.UNREACHABLE, False)


async def test_a_connection_that_is_refused_may_be_tried_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound, and nobody listens
        failure = await unreachable(f"http://127.0.0.1:{free.getsockname()[1]}/v1", 3.0)
    assert (failure.outcome, failure.again) == (AttemptOutcome.UNREACHABLE, True)


async def test_all_addresses_of_a_name_share_one_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")

    def found(host: str, port: int, *rest: Any, **more: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (h, port)) for h in hosts]

    with deaf(*hosts) as port:
        monkeypatch.setattr(socket, "getaddrinfo", found)
        begun = time.monotonic()
        failure = await unreachable(f"http://provider.test:{port}/v1", 0.5)
        assert time.monotonic() - begun < 1.0  # s; one after the other they took 2
    assert failure.again is False


async def test_looking_up_the_name_is_in_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def never(*names: Any, **more: Any) -> Any:
        over.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        async with asyncio.timeout(SOON):
            failure = await unreachable("http://provider.test/v1", 0.2)
    finally:
        over.set()
    assert (failure.outcome, failure.again) == (AttemptOutcome.UNREACHABLE, False)


async def test_the_handshake_is_in_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, and says nothing
        async with asyncio.timeout(SOON):
            failure = await unreachable(f"https://127.0.0.1:{mute.getsockname()[1]}/v1", 0.2)
    assert (failure.outcome, failure.again) == (AttemptOutcome.UNREACHABLE, False)


# -- framing
HEADERS = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"
INFORMED = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
BROKEN: dict[str, list[Step]] = {
    "a size that is none": [HEAD, chunked(ROLE), 0.02, b"zz\r\nxx\r\n", HANG],
    "in the text": [HEAD, chunked(piece("A")), 0.02, b"zz\r\nxx\r\n", HANG],
    "with the head": [HEAD + b"zz\r\n", HANG],
    "a size too small": [HEAD, chunked(ROLE), 0.02, b"2\r\nabcd\r\n", HANG],
    "a size beyond all": [HEAD, chunked(ROLE), 0.02, b"f" * 17 + b"\r\n", HANG],
    "a long status": [b"HTTP/1.1 200 " + b"x" * (MAX_LINE_BYTES + 1), HANG],
    "a long header": [HEADERS + b"x: " + b"x" * (MAX_LINE_BYTES + 1), HANG],
    "a long name": [HEADERS + b"x" * (MAX_LINE_BYTES + 1), HANG],
    "many headers": [HEADERS + b"x: 1\r\n" * MAX_HEADERS + b"\r\n", HANG],
    "many trailers": [HEAD, chunked(ROLE), b"0\r\n", b"x: 1\r\n" * MAX_HEADERS, HANG],
    "information without end": [INFORMED * 1000, HANG],
    "another protocol": [UPGRADED + b"\x81\x05hello", HANG],
    "another one, unnamed": [b"HTTP/1.1 101 Switching Protocols\r\n\r\n", HANG],
}


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_framing_is_malformed_at_once(
    name: str, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(BROKEN[name])
    failure = await fails_soon(writer)
    assert (failure.outcome, failure.partial) == (AttemptOutcome.MALFORMED, name == "in the text")
    await raw_provider.all_left()


async def test_a_plain_early_end_is_cut(writer: OpenAIWriter, raw_provider: RawProvider) -> None:
    for begun in (b"", b"1", b"10\r\nab"):
        raw_provider.then([HEAD, chunked(piece("A")), begun, 0.02, CLOSE])
        assert (await fails_soon(writer)).outcome is AttemptOutcome.CUT


async def test_what_breaks_behind_the_finish_reason_does_not_void_the_answer(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then([*GOOD_ANSWER[:-1], 0.02, b"zz\r\n", HANG])
    assert (await write(writer)).text == TEXT


async def test_information_and_trailers_are_passed_over(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then([INFORMED * 3, *GOOD_ANSWER[:-1], b"0\r\ncontent-type: text/html\r\n\r\n"])
    for _ in range(2):
        assert (await write(writer)).text == TEXT
    assert raw_provider.accepted == 1


# -- decoding
def bare(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKED = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "bare": ("deflate", bare),
}


def encoded(coding: str, body: bytes, *, status: int = 200, **headers: str) -> list[Step]:
    return whole(body, status=status, content_encoding=coding, **(EVENT_STREAM | headers))


@pytest.mark.parametrize("name", PACKED)
async def test_what_was_compressed_unasked_is_decoded(
    name: str, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    coding, pack = PACKED[name]
    packed = pack(BODY)
    raw_provider.then(encoded(coding, packed))
    raw_provider.then(
        [*encoded(coding, packed[:9], content_length=str(len(packed))), 0.02, packed[9:]]
    )
    for _ in range(2):
        assert (await write(writer)).text == TEXT
    assert raw_provider.accepted == 1


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "compress"])
async def test_any_other_encoding_is_malformed_and_an_error_is_its_status(
    coding: str, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(encoded(coding, b"xx"), encoded(coding, b"xx", status=503))
    assert (await fails_soon(writer)).outcome is AttemptOutcome.MALFORMED
    assert (await fails_soon(writer)).outcome is AttemptOutcome.FAILED


async def test_an_archive_is_whole_and_one(writer: OpenAIWriter, raw_provider: RawProvider) -> None:
    packed = gzip.compress(piece("A"))
    raw_provider.then(encoded("gzip", packed[:-5]), encoded("gzip", packed + packed))
    assert (await fails_soon(writer)).outcome is AttemptOutcome.CUT
    assert (await fails_soon(writer)).outcome is AttemptOutcome.MALFORMED


async def test_a_compressed_error_is_read_by_its_code(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    (said,) = refusal(400, "context_length_exceeded")
    assert isinstance(said, bytes)
    body = gzip.compress(said.partition(b"\r\n\r\n")[2])
    raw_provider.then(encoded("gzip", body, status=400, content_type="application/json"))
    assert (await fails_soon(writer)).outcome is AttemptOutcome.TOO_LONG


# Each decodes to 240 MB of what no reader stops at by itself.
PADDED = b'data: {"choices":[],"padding":"%s"}\n\n' % (b"x" * 9966)
BOMBS = {
    "error": (503, "application/json", b" ", AttemptOutcome.FAILED, 1_000_000),
    "whole": (200, "application/json", b" ", AttemptOutcome.MALFORMED, 4 * MAX_DECODED_BYTES),
    "stream": (200, "text/event-stream", PADDED, AttemptOutcome.MALFORMED, 1_000_000),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_an_archive_of_300_kb_is_not_unpacked_to_240_mb(
    name: str, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    status, kind, filler, outcome, most = BOMBS[name]
    packed = gzip.compress(filler * (240_000_000 // len(filler)), 6)
    raw_provider.then([*encoded("gzip", packed, status=status, content_type=kind), HANG])
    tracemalloc.start()
    try:
        assert (await failure_of(writer, 30.0)).outcome is outcome
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < most + 2 * len(packed)
