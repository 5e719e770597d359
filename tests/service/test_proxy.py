"""Behind nginx with the delivered configuration: what passes, what does not, and who is who."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from websockets.asyncio.client import connect

from tests.support import nginx, service
from tests.support.below import Below, Client, serving
from tests.support.event_streams import publish
from tests.support.nginx import NAME, Proxy
from tests.support.service import PROTOCOL, SECRET, Service, Socket, token
from tests.support.sockets import EVENTS, until_subscribed

pytestmark = pytest.mark.servers
START = f"GET / HTTP/1.1\r\nhost: {NAME}\r\n".encode()
TRUSTED = ("127.0.0.1",)


@pytest.fixture
async def below() -> AsyncIterator[Below]:
    async with serving(trusted_proxies=TRUSTED) as found:
        yield found


@pytest.fixture
async def proxy(tmp_path: Path, below: Below) -> AsyncIterator[Proxy]:
    async with nginx.running(tmp_path, below.port) as found:
        yield found


@contextlib.asynccontextmanager
async def connected(proxy: Proxy, address: str = "127.0.0.1") -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1",
        proxy.port,
        ssl=proxy.trust,
        server_hostname=NAME,
        local_addr=(address, 0),
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def ask(proxy: Proxy, sent: bytes, address: str = "127.0.0.1") -> bytes:
    async with connected(proxy, address) as client:
        await client.send(sent)
        return await client.answer()


async def test_a_caller_is_who_connected_and_not_who_it_says(below: Below, proxy: Proxy) -> None:
    said = b"x-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: http\r\nx-real-ip: 9.9.9.9\r\n\r\n"
    assert (await ask(proxy, START + said, "127.0.0.7")).startswith(b"HTTP/1.1 200")
    [scope] = below.application.scopes
    assert (scope["client"][0], scope["scheme"]) == ("127.0.0.7", "https")
    told = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    assert told == [b"127.0.0.7"], "set, not appended to what came"
    assert dict(scope["headers"])[b"host"] == NAME.encode()
    assert b"x-real-ip" in dict(scope["headers"]), "which nobody reads"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (START + b"a: " + b"b" * 9_000 + b"\r\n\r\n", b"400"),
        (START + (b"a: " + b"b" * 8_000 + b"\r\n") * 5 + b"\r\n", b"400"),
        (START.replace(b"/ ", b"/" + b"a" * 9_000 + b" ") + b"\r\n", b"414"),
        (START.replace(b"GET", b"POST") + b"content-length: 300000\r\n\r\n", b"413"),
        (START.replace(b"/ ", b"/metrics ") + b"\r\n", b"404"),
        (START.replace(b"/ ", b"/health/ready ") + b"\r\n", b"404"),
    ],
)
async def test_what_is_out_of_bounds_does_not_reach_the_gateway(
    below: Below, proxy: Proxy, sent: bytes, expected: bytes
) -> None:
    assert (await ask(proxy, sent)).split()[1] == expected
    assert below.paths == []


async def test_an_upgrade_to_anything_but_websocket_is_not_passed_on(
    below: Below, proxy: Proxy
) -> None:
    upgrade = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: A\r\n\r\n"
    assert (await ask(proxy, START + upgrade)).startswith(b"HTTP/1.1 200")
    [scope] = below.application.scopes
    assert not {b"upgrade", b"connection"} & dict(scope["headers"]).keys()


async def test_a_slow_body_reaches_the_gateway_whole(below: Below, proxy: Proxy) -> None:
    async with connected(proxy) as client:
        await client.send(START.replace(b"GET", b"POST") + b"content-length: 3\r\n\r\n", b"a", b"b")
        await asyncio.sleep(0.1)
        assert below.paths == []
        await client.send(b"c")
        assert (await client.answer()).endswith(b"POST abc")


async def test_an_address_has_256_connections_and_no_more(below: Below, proxy: Proxy) -> None:
    held = START.replace(b"/ ", b"/held ") + b"\r\n"
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(256):
            client = await stack.enter_async_context(connected(proxy))
            await client.send(held)
        while len(below.paths) < 256:
            await asyncio.sleep(0.01)
        assert (await ask(proxy, START + b"\r\n")).split()[1] == b"503"
        assert (await ask(proxy, START + b"\r\n", "127.0.0.7")).split()[1] == b"200"


async def test_no_query_string_is_logged(proxy: Proxy) -> None:
    await ask(proxy, START.replace(b"/ ", b"/a?token=hidden ") + b"\r\n")
    async with asyncio.timeout(5):
        while not (logged := proxy.log.read_text()):
            await asyncio.sleep(0.01)
    assert '"GET /a" 200' in logged
    assert "hidden" not in logged


# -- with the gateway
@pytest.fixture
async def gateway(tmp_path: Path, redis_url: str) -> AsyncIterator[Service]:
    async with service.running(
        service.settings(tmp_path, redis_url, trusted_proxies=TRUSTED)
    ) as found:
        yield found


@pytest.fixture
async def in_front(tmp_path: Path, gateway: Service) -> AsyncIterator[Proxy]:
    async with nginx.running(tmp_path, int(gateway.url.rpartition(":")[2])) as found:
        yield found


async def test_events_of_a_stream_arrive_as_they_happen(gateway: Service, in_front: Proxy) -> None:
    asked = START.replace(b"/ ", b"/api/v2/events ") + b"accept: text/event-stream\r\n"
    async with connected(in_front) as client, asyncio.timeout(10):
        await client.send(asked + f"authorization: Bearer {token()}\r\n\r\n".encode())
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"text/event-stream" in head
        await until_subscribed(gateway)
        await publish(gateway, "first")
        assert b"first" in await client.reader.readuntil(b"first")


async def test_a_websocket_passes_and_its_events_arrive(gateway: Service, in_front: Proxy) -> None:
    url = f"wss://{NAME}/graphql"
    async with connect(
        url, ssl=in_front.trust, host="127.0.0.1", port=in_front.port, subprotocols=[PROTOCOL]
    ) as ws:
        socket = Socket(ws)
        await socket.send({"type": "connection_init", "payload": {"authorization": token()}})
        await socket.acknowledged()
        await socket.subscribe(EVENTS)
        await until_subscribed(gateway)
        await publish(gateway, "first")
        assert await socket.next("contentGenerated")


async def test_a_page_of_the_proxys_own_origin_may_open_a_websocket(
    gateway: Service, in_front: Proxy
) -> None:
    async with connect(
        f"wss://{NAME}/graphql",
        ssl=in_front.trust,
        host="127.0.0.1",
        port=in_front.port,
        origin=f"https://{NAME}",  # type: ignore[arg-type]
        subprotocols=[PROTOCOL],
    ) as ws:
        socket = Socket(ws)
        await socket.send({"type": "connection_init", "payload": {"authorization": token()}})
        await socket.acknowledged()


async def test_a_good_request_is_answered_through_it(gateway: Service, in_front: Proxy) -> None:
    body = orjson.dumps({"query": "{ viewer { id } }"})
    head = f"POST /graphql HTTP/1.1\r\nhost: {NAME}\r\nauthorization: Bearer {token()}\r\n"
    sent = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    answer = await ask(in_front, sent.encode() + body)
    assert b'"id":"alice"' in answer
    assert b"\r\nStrict-Transport-Security: max-age=" in answer
    assert SECRET.encode() not in answer
