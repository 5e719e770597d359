"""HTTP below the application, at a real socket: what a connection may send, and how slowly."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import orjson
import pytest

from app.connections import network, plain
from app.http_heads import MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET_BYTES
from app.http_protocol import MAX_DRAINED_BYTES, MAX_HELD_BYTES, HttpTimeouts
from tests.support.below import HEAD, NEVER, Below, serving
from tests.support.waiting import until

SHORT = HttpTimeouts(head=0.2, body=0.2, linger=0.2)
START = b"GET / HTTP/1.1\r\nhost: x\r\n"
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"


@pytest.fixture
async def below() -> AsyncIterator[Below]:
    async with serving() as found:
        yield found


def status(answer: bytes) -> int:
    return int(answer.split()[1]) if answer else 0


def code(answer: bytes) -> str:
    """The code of the one refusal that was answered."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nconnection: close" in head
    said = orjson.loads(body)
    assert said.keys() == {"code", "message", "details"}
    assert f"x-request-id: {said['details']['request_id']}".encode() in head
    found: str = said["code"]
    return found


# -- heads
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (START + b"a: " + b"b" * MAX_HEAD_BYTES + b"\r\n\r\n", (431, "HEADERS_TOO_LARGE")),
        (START + b"a: b\r\n" * MAX_HEADERS + b"\r\n", (431, "HEADERS_TOO_LARGE")),
        (START + b"a" * MAX_HEAD_BYTES, (431, "HEADERS_TOO_LARGE")),
        (b"\r\n" * MAX_HEAD_BYTES, (431, "HEADERS_TOO_LARGE")),
        (b"GET /" + b"a" * MAX_TARGET_BYTES + b" HTTP/1.1\r\n", (414, "URI_TOO_LONG")),
        (b"GET /" + b"a" * 10 * MAX_HEAD_BYTES, (414, "URI_TOO_LONG")),
        (START + b"host: y\r\n\r\n", (400, "INVALID_REQUEST")),
        (START + b"host: x\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET /\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"GET http://other/ HTTP/1.1\r\nhost: x\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n", (400, "INVALID_REQUEST")),
        (b"hello\r\n\r\n", (400, "INVALID_REQUEST")),
        (CHUNKED[:-2] + b"content-length: 3\r\n\r\n", (400, "INVALID_REQUEST")),
        (POST + b"transfer-encoding: gzip, chunked\r\n\r\n", (400, "INVALID_REQUEST")),
        (
            b"POST / HTTP/1.0\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            (400, "INVALID_REQUEST"),
        ),
    ],
)
async def test_a_head_out_of_bounds_is_refused_and_the_connection_closed(
    below: Below, sent: bytes, expected: tuple[int, str]
) -> None:
    answer = await below.ask(sent)
    assert (status(answer), code(answer)) == expected
    assert below.paths == []


@pytest.mark.parametrize(
    "sent",
    [
        START + b"a: " + b"b" * (MAX_HEAD_BYTES - len(START) - 7) + b"\r\n\r\n",
        START + b"a: b\r\n" * (MAX_HEADERS - 1) + b"\r\n",
        b"GET /" + b"a" * (MAX_TARGET_BYTES - 1) + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\r\n\r\n" + HEAD,
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET http://X/ HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: [::1]:8100\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost:\r\n\r\n",
    ],
)
async def test_a_head_within_the_bounds_is_served(below: Below, sent: bytes) -> None:
    async with below.connected() as client:
        await client.send(sent)
        assert status(await client.answer()) == 200


@pytest.mark.parametrize("at", range(len(HEAD) - 4, len(HEAD)))
async def test_a_heads_end_is_seen_across_segments(below: Below, at: int) -> None:
    body = b"a" * 2 * MAX_HEAD_BYTES
    sent = POST + b"content-length: %d\r\n\r\n" % len(body)
    cut = len(sent) - len(HEAD) + at
    async with below.connected() as client:
        await client.send(sent[:cut], sent[cut:] + body + HEAD)
        assert (await client.answer()).endswith(body)
        assert (await client.answer()).endswith(b"GET ")


@pytest.mark.parametrize("target", [b"/graphql", b"/graphql?query=", b"/graphql/"])
async def test_a_refusal_of_graphqls_route_has_its_form(below: Below, target: bytes) -> None:
    answer = await below.ask(b"POST %s HTTP/1.1\r\n\r\n" % target)
    [error] = orjson.loads(answer.partition(b"\r\n\r\n")[2])["errors"]
    assert (status(answer), error["extensions"]["code"]) == (400, "BAD_USER_INPUT")


# -- one request at a time
async def test_pipelined_requests_are_answered_in_their_turn(below: Below) -> None:
    posts = [POST + b"content-length: 1\r\n\r\n%d" % n for n in range(5)]
    async with below.connected() as client:
        await client.send(b"".join(posts) + HEAD)
        found = [(await client.answer()).rpartition(b"\r\n")[2] for _ in range(6)]
    assert found == [*(b"POST %d" % n for n in range(5)), b"GET "]


async def test_what_is_behind_a_request_becomes_none_before_that_is_answered(below: Below) -> None:
    async with below.connected() as client:
        await client.send(HEAD.replace(b"/ ", b"/held "), HEAD * 10)
        await until(lambda: bool(below.paths))
        assert below.paths == ["/held"]
        below.application.let.set()
        for _ in range(11):
            await client.answer()
    assert below.paths == ["/held", *["/"] * 10]


async def test_more_than_is_held_is_not_read_and_not_answered(below: Below) -> None:
    async with below.connected() as client:
        await client.send(HEAD.replace(b"/ ", b"/held "))
        await until(lambda: bool(below.paths))
        client.writer.write(HEAD * (8 * 2**20 // len(HEAD)))
        [protocol] = below.server.server_state.connections
        await until(lambda: protocol.flow.read_paused)
        held = protocol._held  # private: memory is what the bound is for
        assert len(held) <= MAX_HELD_BYTES
        below.application.let.set()
        await client.rest()
    assert below.paths == ["/held"]


async def test_a_request_in_chunks_and_what_follows_at_once_ends_the_connection(
    below: Below,
) -> None:
    """The parser does not say where chunks end: the rest is the client's to ask again."""
    answer = await below.ask(CHUNKED + b"1\r\na\r\n0\r\n\r\n" + HEAD)
    assert answer.endswith(b"POST a")
    assert b"connection: close" in answer
    assert below.paths == ["/"]


async def test_a_request_behind_chunks_that_comes_by_itself_is_answered(below: Below) -> None:
    async with below.connected() as client:
        await client.send(CHUNKED, b"1\r\na\r\n0\r\n\r\n", HEAD)
        assert (await client.answer()).endswith(b"POST a")
        assert (await client.answer()).endswith(b"GET ")


# -- bodies
async def test_what_follows_an_early_answer_is_not_read_on(below: Below) -> None:
    early = POST.replace(b"/", b"/early", 1) + b"content-length: 10000000000\r\n\r\n"
    async with below.connected() as client:
        await client.send(early)
        answer = await client.answer()
        assert b"connection: close" in answer
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 2**30:
                await client.send(b"a" * 65_536)
                sent += 65_536
    assert sent < MAX_DRAINED_BYTES + 16 * 2**20  # what the system buffers


async def test_an_early_answer_arrives_also_while_its_client_still_sends(below: Below) -> None:
    early = POST.replace(b"/", b"/early", 1) + b"content-length: 10000000\r\n\r\n"
    answer = await below.ask(early + b"a" * (MAX_DRAINED_BYTES // 2))
    assert (status(answer), answer.endswith(b"POST ")) == (200, True)


async def test_trailers_become_no_headers(below: Below) -> None:
    async with below.connected() as client:
        await client.send(CHUNKED, b"1\r\na\r\n0\r\nauthorization: b\r\nhost: y\r\n\r\n")
        assert (await client.answer()).endswith(b"POST a")
    [scope] = below.application.scopes
    assert [name for name, _ in scope["headers"]] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize(
    "sent",
    [b"1;" + b"a" * 300_000, b"0\r\na: " + b"a" * 300_000, b"1;%s\r\na\r\n" % (b"a" * 99) * 30_000],
)
async def test_a_body_of_framing_alone_is_refused(below: Below, sent: bytes) -> None:
    segments = [sent[n : n + 16_000] for n in range(0, len(sent), 16_000)]
    answer = await below.ask(CHUNKED, *segments)
    assert (status(answer), code(answer)) == (413, "PAYLOAD_TOO_LARGE")


async def test_the_application_is_told_of_a_body_that_is_none(below: Below) -> None:
    answer = await below.ask(CHUNKED, b"x\r\n")
    assert (status(answer), code(answer)) == (400, "INVALID_REQUEST")
    await asyncio.wait_for(below.application.left.wait(), 5)


@pytest.mark.parametrize("framing", [b"content-length: 40", b"transfer-encoding: chunked"])
async def test_the_body_of_an_upgrade_that_is_not_followed_is_the_requests(
    below: Below, framing: bytes
) -> None:
    """As Java's client asks with every first request; the body must be no request of its own."""
    upgrade = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n"
    smuggled = b"GET /smuggled HTTP/1.1\r\nhost: xxxxxxxx\r\n\r\n"[:40]
    body = smuggled if b"length" in framing else b"28\r\n%s\r\n0\r\n\r\n" % smuggled
    answer = await below.ask(POST + upgrade + framing + b"\r\n\r\n", body)
    assert answer.endswith(b"POST " + smuggled)
    assert below.paths == ["/"]


# -- time
@pytest.mark.parametrize(
    ("sent", "expected"), [(b"", 0), (b"GET / HTTP/1.1\r\nhost: x\r\na:", 408)]
)
async def test_a_head_that_does_not_come_is_not_waited_for(sent: bytes, expected: int) -> None:
    async with serving(SHORT) as below:
        assert status(await below.ask(sent)) == expected


async def test_a_head_that_drips_is_not_waited_for() -> None:
    async with serving(SHORT) as below, below.connected() as client:
        dripping = asyncio.create_task(client.send(*[b"GET /" + b"a" * 50] + [b"a"] * 200))
        assert status(await client.rest()) == 408
        dripping.cancel()


async def test_a_second_head_has_its_own_time() -> None:
    async with serving(SHORT) as below, below.connected() as client:
        await client.send(HEAD)
        await client.answer()
        await asyncio.sleep(2 * SHORT.head)  # silent between requests, which is another time-out
        await client.send(HEAD[:10])
        assert status(await client.rest()) == 408


async def test_a_connection_is_kept_alive_for_as_long_as_it_is_said() -> None:
    async with serving(SHORT) as below:
        below.server.config.timeout_keep_alive = 1
        async with below.connected() as client:
            await client.send(HEAD)
            await client.answer()
            began = time.monotonic()
            assert await client.rest() == b""
            assert time.monotonic() - began > 0.9


async def test_a_body_that_comes_too_slowly_is_not_waited_for() -> None:
    async with serving(SHORT) as below, below.connected() as client:
        await client.send(POST + b"content-length: 1000\r\n\r\n")
        dripping = asyncio.create_task(client.send(*[b"a"] * 200))
        answer = await client.rest()
        assert (status(answer), code(answer)) == (408, "REQUEST_TIMEOUT")
        await asyncio.wait_for(below.application.left.wait(), 5)
        dripping.cancel()


async def test_a_body_that_comes_slowly_but_steadily_is_read() -> None:
    async with serving(SHORT) as below, below.connected() as client:
        await client.send(POST + b"content-length: 4096\r\n\r\n")
        await client.send(*[b"a" * 64] * 64)  # 6 KB/s
        assert (await client.answer()).endswith(b"a" * 4096)


async def test_who_waits_to_be_asked_for_the_body_is_not_late() -> None:
    async with serving(SHORT) as below, below.connected() as client:
        path = POST.replace(b"/", b"/held", 1)
        await client.send(path + b"content-length: 1\r\nexpect: 100-continue\r\n\r\n")
        await asyncio.sleep(3 * SHORT.body)
        below.application.let.set()
        assert status(await client.reader.readuntil(b"\r\n\r\n")) == 100
        await client.send(b"a")
        assert (await client.answer()).endswith(b"POST a")


# -- whose
@pytest.mark.parametrize(
    ("trusted", "expected"),
    [((), "127.0.0.1"), (("10.0.0.0/8",), "127.0.0.1"), (("127.0.0.1", "10.0.0.0/8"), "9.9.9.9")],
)
async def test_a_proxy_is_believed_only_where_it_is_named(
    trusted: tuple[str, ...], expected: str
) -> None:
    async with serving(trusted_proxies=trusted) as below, below.connected() as client:
        await client.send(START + b"x-forwarded-for: 8.8.8.8, 9.9.9.9, 10.1.2.3\r\n\r\n")
        await client.answer()
        assert below.application.scopes[0]["client"][0] == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_of_ipv6_counts_as_its_network(host: str, expected: str) -> None:
    assert network(host) == expected


def test_an_address_of_ipv4_on_a_socket_of_ipv6_is_that() -> None:
    assert plain(("::ffff:10.0.0.1", 1)) == ("10.0.0.1", 1)
    assert plain(("::ffff:a", 1)) == ("::ffff:a", 1)


# -- how many
async def test_an_address_has_so_many_connections_and_no_more() -> None:
    async with serving(connections_per_address=2) as below:
        async with below.connected() as first, below.connected() as second:
            for client in (first, second):
                await client.send(HEAD)
                await client.answer()
            answer = await below.ask(HEAD)
            assert (status(answer), code(answer)) == (503, "TOO_MANY_CONNECTIONS")
            assert b"\r\nretry-after: 5\r\n" in answer
        await until(lambda: len(below.connections) == 0)
        async with below.connected() as client:
            await client.send(HEAD)
            assert status(await client.answer()) == 200


async def test_all_addresses_have_so_many_connections_together() -> None:
    async with (
        serving(connections=1, trusted_proxies=("127.0.0.0/8",)) as below,
        below.connected() as client,
    ):
        await client.send(HEAD)
        await client.answer()
        assert status(await below.ask(HEAD)) == 503


async def test_a_proxys_address_has_no_bound_of_its_own() -> None:
    async with (
        serving(connections_per_address=1, trusted_proxies=("127.0.0.0/8",)) as below,
        below.connected() as first,
        below.connected() as second,
    ):
        for client in (first, second):
            await client.send(HEAD)
            assert status(await client.answer()) == 200


async def test_a_refused_connection_that_stays_is_closed() -> None:
    async with (
        serving(SHORT, connections=1) as below,
        below.connected(),
        below.connected() as client,
    ):
        assert status(await client.rest()) == 503
        await until(lambda: below.connections.refused == 0)


async def test_a_connection_that_was_refused_is_given_back_whatever_it_sends() -> None:
    async with serving(HttpTimeouts(NEVER, NEVER, NEVER)) as below:
        for _ in range(3):
            await below.ask(b"hello\r\n\r\n" + b"a" * 2 * MAX_DRAINED_BYTES)
        await until(lambda: len(below.connections) == 0)
