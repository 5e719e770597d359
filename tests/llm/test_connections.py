"""Kept connections: nobody reads what another one's connection said, and no end is a failure."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import logging
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvloop
from aiohttp.client_proto import ResponseHandler
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.llm import transport
from app.llm.connections import Pool, PooledConnection
from app.llm.openai import OpenAIWriter
from app.llm.transport import http_client
from app.operations.metadata import AttemptOutcome
from tests.support.echo_provider import (
    OTHERS,
    Behaviour,
    EchoProvider,
    ProviderConnection,
    answer,
    echo,
    echo_provider_running,
)
from tests.support.openai_writers import failure_of, open_writer, write
from tests.support.random_closer import GOOD, asks
from tests.support.raw_provider import CLOSE, HANG, HEAD, RESET, TEXT, RawProvider, piece, streamed

TIMES = 1000
UNASKED = answer(OTHERS)


@contextlib.asynccontextmanager
async def asking(
    behave: Behaviour = echo, tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[tuple[EchoProvider, httpx2.AsyncClient]]:
    async with echo_provider_running(behave, tls) as provider:
        client = http_client(**options)
        try:
            yield provider, client
        finally:
            await client.aclose()


async def ask(client: httpx2.AsyncClient, provider: EchoProvider, words: str) -> str:
    return (await client.post(provider.url, content=words.encode())).text


async def each_gets_its_own(
    client: httpx2.AsyncClient,
    provider: EchoProvider,
    after: Callable[[int], None],
    times: int = TIMES,
) -> None:
    for n in range(times):
        assert await ask(client, provider, f"words {n}") == f"words {n}"
        after(n)
        if n % 3 == 0:  # else what it said is still unread when the next one asks
            await asyncio.sleep(0)
            await asyncio.sleep(0)


# -- what nobody asked for
def says_more(caller: ProviderConnection, asked: bytes) -> None:
    """In the segment in which the answer ends: a whole further one, or its begin."""
    said, turn = answer(asked), caller.provider.requests % 4
    if turn == 0:
        caller.say(said + UNASKED)
    elif turn == 1:
        caller.say(said + UNASKED[:20])
    else:  # the head was read before
        caller.say(said[:-3])
        more = UNASKED if turn == 2 else UNASKED[:20]
        asyncio.get_running_loop().call_soon(caller.say, said[-3:] + more)


async def test_a_second_answer_in_the_same_segment_is_nobodys() -> None:
    async with asking(says_more) as (provider, client):
        await each_gets_its_own(client, provider, lambda n: None)
        assert provider.accepted == TIMES, "each connection is closed"


async def a_second_answer_while_idle(times: int, tls: ssl.SSLContext | None = None) -> None:
    async with asking(tls=tls) as (provider, client):

        def push(n: int) -> None:
            provider.callers[-1].say(UNASKED if n % 2 else UNASKED[:20])

        await each_gets_its_own(client, provider, push, times)
        assert provider.accepted == times


async def test_a_second_answer_on_an_idle_connection_is_nobodys() -> None:
    await a_second_answer_while_idle(TIMES)


def test_uvloops_connections_are_looked_at_too() -> None:
    uvloop.run(a_second_answer_while_idle(100))


async def test_without_reuse_no_answer_crosses_whenever_it_comes() -> None:
    def tells_everybody(caller: ProviderConnection, asked: bytes) -> None:
        for other in caller.provider.callers:
            if other.asked and other is not caller:  # it had its answer
                other.say(UNASKED)
        caller.say(answer(asked) + UNASKED)

    async with asking(tells_everybody, reuse_connections=False) as (provider, client):
        for n in range(0, TIMES, 4):
            lanes = [ask(client, provider, f"words {n + i}") for i in range(4)]
            assert await asyncio.gather(*lanes) == [f"words {n + i}" for i in range(4)]
        assert provider.accepted == provider.requests == TIMES
        assert all(b"\r\nconnection: close\r\n" in head + b"\r\n" for head in provider.heads)


async def test_a_connection_that_said_nothing_more_is_used_again() -> None:
    async with asking() as (provider, client):
        await each_gets_its_own(client, provider, lambda n: None, 20)
        assert provider.accepted == 1


@pytest.mark.parametrize(
    "script",
    [[HANG], [HEAD, HANG], streamed(piece("A"), HANG), [GOOD[:-2], 0.05, GOOD[-2:]]],
    ids=["no head", "a head", "a piece", "all but the end"],
)
async def test_a_cancelled_call_leaves_no_connection_to_the_next(
    script: list[bytes | float | str], writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then(script)
    call = asyncio.create_task(write(writer))
    await raw_provider.asked.wait()
    await asyncio.sleep(0.01)  # what was said is on its way
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await write(writer)).text == TEXT
    assert raw_provider.accepted == 2


async def test_an_answer_to_half_a_request_ends_its_connection() -> None:
    accepted = []

    async def refuse(reader: asyncio.StreamReader, caller: asyncio.StreamWriter) -> None:
        accepted.append(caller)
        await reader.readuntil(b"\r\n\r\n")  # and no further: the body is more than buffers hold
        caller.write(answer(b"no"))
        await caller.drain()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0, limit=1000)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    client = http_client()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # aiohttp's, of so large a body
        for _ in range(2):
            assert (await client.post(url, content=bytes(20_000_000))).text == "no"
    assert len(accepted) == 2
    await client.aclose()
    server.close()
    for caller in accepted:
        caller.transport.abort()


# -- the hook
def stock(name: str) -> Any:
    return getattr(ResponseHandler, name)


@pytest.mark.parametrize(
    ("where", "name", "gone"),
    [
        (PooledConnection, "feed_data", stock("feed_data")),
        (PooledConnection, "data_received", stock("data_received")),
        (PooledConnection, "_parses_another", lambda connection: False),
        (PooledConnection, "_is_silent", lambda connection: True),
        (Pool, "connect", Pool.__mro__[1].connect),  # type: ignore[attr-defined]
    ],
)
async def test_where_aiohttp_calls_no_hook_nothing_is_used_again(
    where: type[Any],
    name: str,
    gone: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(where, name, gone)
    async with asking() as (provider, client):
        for n in range(4):
            assert await ask(client, provider, f"words {n}") == f"words {n}"
        assert provider.accepted == 4
    lines = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert len(lines) == 1
    assert "aiohttp has changed" in lines[0].message


# -- ends of kept connections
async def six_at_once(writer: OpenAIWriter) -> None:
    answers = await asyncio.gather(*(write(writer) for _ in range(6)))
    assert [a.text for a in answers] == [TEXT] * 6


def good(caller: ProviderConnection, asked: bytes) -> None:
    caller.say(GOOD)


async def test_six_idle_connections_that_were_closed_cost_no_attempt() -> None:
    async with echo_provider_running(good) as provider, open_writer(provider.url) as writer:
        await six_at_once(writer)
        for caller in list(provider.callers):
            caller.transport.abort()  # and the loop has no turn to see it
        await six_at_once(writer)
        assert (provider.requests, provider.accepted) == (12, 12)


@pytest.mark.parametrize("ending", ["close", "abort"])
async def test_six_that_close_as_the_requests_come_cost_six_repeats(ending: str) -> None:
    def once(caller: ProviderConnection, asked: bytes) -> None:
        if caller.asked > 1:
            getattr(caller.transport, ending)()
        else:
            good(caller, asked)

    async with echo_provider_running(once) as provider, open_writer(provider.url) as writer:
        await six_at_once(writer)
        assert provider.accepted == 6
        await six_at_once(writer)
        assert (provider.requests, provider.accepted) == (18, 12)


async def test_the_second_failure_is_a_real_one(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    await write(writer)
    raw_provider.then([CLOSE], [RESET])
    failure = await failure_of(writer)
    assert (failure.outcome, failure.again) == (AttemptOutcome.UNREACHABLE, True)
    assert len(raw_provider.requests) == 3


async def test_a_fresh_connection_that_fails_is_not_repeated(
    writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    raw_provider.then([CLOSE])
    assert (await failure_of(writer)).outcome is AttemptOutcome.UNREACHABLE
    assert len(raw_provider.requests) == 1


@pytest.mark.parametrize("begun", [HEAD[:1], HEAD[:40], HEAD])
async def test_nothing_is_repeated_once_a_byte_of_the_answer_came(
    begun: bytes, writer: OpenAIWriter, raw_provider: RawProvider
) -> None:
    await write(writer)
    raw_provider.then([begun, 0.02, CLOSE])
    assert (await failure_of(writer)).outcome in (AttemptOutcome.UNREACHABLE, AttemptOutcome.CUT)
    assert len(raw_provider.requests) == 2


async def test_a_thousand_calls_over_connections_that_end_at_random_all_succeed() -> None:
    report = await asks(1000)
    assert report.failed == []
    assert report.answers == 1000
    assert min(report.closed[when] for when in ("at once", "later", "crossing")) > 50
    assert report.asked <= 1000 + report.closed["later"] + report.closed["crossing"]


# -- TLS
def certificate(folder: Path) -> Path:
    """A key and a certificate for localhost that it signed itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    places = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(places), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "localhost.pem"
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none)
    path.write_bytes(private + made.public_bytes(pem))
    return path


async def test_over_tls_connections_are_kept_and_looked_at_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path)
    monkeypatch.setattr(transport, "TRUSTED", ssl.create_default_context(cafile=path))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(path)
    async with asking(tls=tls) as (provider, client):
        await each_gets_its_own(client, provider, lambda n: None, 20)
        assert provider.accepted == 1
    await a_second_answer_while_idle(30, tls)
