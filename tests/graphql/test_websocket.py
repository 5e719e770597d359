"""GraphQL over WebSocket: the protocol to the letter, tokens that end, clients that vanish."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from resolvers import websocket_messages
from tests.support import service
from tests.support.event_streams import IDS, publish
from tests.support.service import PROTOCOL, Service, Socket, token
from tests.support.sockets import (
    EVENTS,
    socket_url,
    subscribe,
    until_no_socket_is_left,
    until_subscribed,
)

# -- opening
REASONS = {
    None: "Subprotocol not acceptable: offer graphql-transport-ws",
    "chat, graphql-sse": "Subprotocol not acceptable: offer graphql-transport-ws",
    "graphql-ws": "The subprotocol graphql-ws is not spoken any more: "
    "use a client of graphql-transport-ws",
}


@pytest.mark.parametrize("offered", REASONS)
async def test_a_client_of_another_protocol_is_told_which_is_spoken(
    loregate: Service, offered: str | None
) -> None:
    """The old protocol is taken in the handshake: a browser would otherwise see no reason."""
    protocols: Any = offered.split(", ") if offered else None
    async with connect(socket_url(loregate), subprotocols=protocols) as ws:
        assert ws.subprotocol == ("graphql-ws" if offered == "graphql-ws" else None)
        assert await Socket(ws).closed() == (4406, REASONS[offered])


async def test_the_subprotocol_is_found_among_others(loregate: Service) -> None:
    offered: Any = ["graphql-ws", PROTOCOL]
    async with connect(socket_url(loregate), subprotocols=offered) as ws:
        assert ws.subprotocol == PROTOCOL


FOREIGN = ["https://evil.example", "null", "http://[", "http://127.0.0.1", ""]


async def test_a_page_of_elsewhere_is_told_why_and_gets_nothing(loregate: Service) -> None:
    """By a close: of a refused handshake a browser tells its page nothing."""
    for origin in FOREIGN:
        headers = {"Origin": origin}
        async with connect(
            socket_url(loregate), subprotocols=[PROTOCOL], additional_headers=headers
        ) as ws:
            socket = Socket(ws)
            with contextlib.suppress(ConnectionClosed):
                await socket.send({"type": "connection_init", "payload": {}})
            code, reason = await socket.closed()
        assert code == 4403, origin
        assert reason is not None
        assert "LOREGATE_CORS_ORIGINS" in reason


@pytest.mark.parametrize("init", [{}, {"payload": {}}, {"payload": None}])
async def test_the_handshakes_own_header_counts(loregate: Service, init: Any) -> None:
    async with connect(
        socket_url(loregate), subprotocols=[PROTOCOL], additional_headers=loregate.headers()
    ) as ws:
        socket = Socket(ws)
        await socket.send({"type": "connection_init", **init})
        assert await socket.receive() == {"type": "connection_ack"}


async def test_what_the_init_says_counts_before_the_handshakes_header(loregate: Service) -> None:
    async with connect(
        socket_url(loregate), subprotocols=[PROTOCOL], additional_headers=loregate.headers()
    ) as ws:
        socket = Socket(ws)
        await socket.send({"type": "connection_init", "payload": {"authorization": "Bearer x"}})
        assert (await socket.closed())[0] == 4403


async def test_our_own_pages_and_allowed_ones_open_sockets(tmp_path: Any, redis_url: str) -> None:
    given = service.settings(tmp_path, redis_url, cors_origins=("https://table.example",))
    async with service.running(given) as loregate:
        for origin in (loregate.url, "https://table.example"):
            async with connect(
                socket_url(loregate), subprotocols=[PROTOCOL], additional_headers={"Origin": origin}
            ) as ws:
                assert ws.subprotocol == PROTOCOL


# -- the protocol
INIT = {"type": "connection_init", "payload": {"authorization": "…"}}


AFTER_INIT: dict[str, tuple[Any, int]] = {
    "a list": ([], 4400),
    "a number": (5, 4400),
    "a string": ("x", 4400),
    "null": (None, 4400),
    "no type": ({}, 4400),
    "a type that is no string": ({"type": 5}, 4400),
    "an unknown type": ({"type": "start"}, 4400),
    "a message of ours": ({"type": "connection_ack"}, 4400),
    "init again": ({"type": "connection_init"}, 4429),
    "a ping with a payload that is no object": ({"type": "ping", "payload": 5}, 4400),
    "subscribe without an id": ({"type": "subscribe", "payload": {"query": "{a}"}}, 4400),
    "subscribe without a payload": ({"type": "subscribe", "id": "1"}, 4400),
    "payload 5": ({"type": "subscribe", "id": "1", "payload": 5}, 4400),
    "payload without a query": ({"type": "subscribe", "id": "1", "payload": {}}, 4400),
    "query 5": (subscribe(query=5), 4400),
    "variables 5": (subscribe(variables=5), 4400),
    "operationName 5": (subscribe(operationName=5), 4400),
    "an empty id": (subscribe(""), 4400),
    "id 5": (subscribe(5), 4400),
    "an id of 1,000 characters": (subscribe("x" * 1000), 4400),
    "complete without an id": ({"type": "complete"}, 4400),
    "complete with a list": ({"type": "complete", "id": []}, 4400),
}
RAW: dict[str, tuple[Any, int]] = {
    "no JSON": ("{", 4400),
    "nothing": ("", 4400),
    "nesting of 100,000": ("[" * 100_000, 4400),
    "objects nested 60,000 deep": ('{"a":' * 40_000, 4400),
    "bytes": (b'{"type":"ping"}', 4400),
    "no bytes": (b"", 4400),
    "a lone surrogate": ('{"type":"ping","payload":{"a":"\\ud800"}}', 4400),
    "NaN": ('{"type":"ping","payload":{"a":NaN}}', 4400),
    "over 256 KB": ("x" * 300_000, 1009),
}


def traces(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [r for r in caplog.records if r.exc_info or r.levelno >= logging.ERROR]


@pytest.mark.parametrize("name", AFTER_INIT)
async def test_a_message_that_breaks_the_protocol_closes_the_socket(
    loregate: Service, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    message, code = AFTER_INIT[name]
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.send(message)
        assert (await socket.closed())[0] == code
    assert traces(caplog) == []


@pytest.mark.parametrize("name", RAW)
async def test_a_message_that_cannot_be_read_closes_the_socket(
    loregate: Service, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    raw, code = RAW[name]
    for initialised in (False, True):
        async with connect(socket_url(loregate), subprotocols=[PROTOCOL]) as ws:
            socket = Socket(ws)
            if initialised:
                payload = {"authorization": token()}
                await socket.send({"type": "connection_init", "payload": payload})
                await socket.acknowledged()
            await ws.send(raw)
            assert (await socket.closed())[0] == code
    assert traces(caplog) == []


async def test_text_that_is_no_utf8_closes_the_socket(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        protocol = socket.ws.protocol
        protocol.send_frame(Frame(Opcode.TEXT, b"\xff\xfe"))
        socket.ws.transport.write(b"".join(protocol.data_to_send()))
        assert (await socket.closed())[0] == 1007
    await until_no_socket_is_left(loregate)


async def test_without_init_in_time_the_socket_closes_with_4408(loregate: Service) -> None:
    loregate.sockets.timeouts.init = 0.05
    async with connect(socket_url(loregate), subprotocols=[PROTOCOL]) as ws:
        assert await Socket(ws).closed() == (4408, "Connection initialisation timeout")


@pytest.mark.parametrize("message", [subscribe(), {"type": "complete", "id": "1"}])
async def test_before_init_only_init_and_pings_are_heard(loregate: Service, message: Any) -> None:
    async with connect(socket_url(loregate), subprotocols=[PROTOCOL]) as ws:
        socket = Socket(ws)
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}
        await socket.send(message)
        assert (await socket.closed())[0] == 4401


async def test_init_with_a_payload_that_is_no_object_is_4400(loregate: Service) -> None:
    async with loregate.socket(init=5) as socket:
        assert (await socket.closed())[0] == 4400


async def test_a_ping_is_answered_with_its_payload(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        for payload in ({"payload": {"at": 5}}, {"payload": None}, {}):
            await socket.send({"type": "ping", **payload})
            assert await socket.receive() == {"type": "pong", **payload}
        await socket.send({"type": "pong"})  # unasked for, and welcome
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


async def test_an_id_in_use_is_4409_and_free_again_after_its_end(loregate: Service) -> None:
    name = "é" * websocket_messages.MAX_ID_CHARACTERS  # 256 bytes, more than a close frame holds
    async with loregate.socket() as socket:
        await socket.acknowledged()
        for _ in range(2):
            await socket.send(subscribe(name))
            assert (await socket.receive())["type"] == "next"
            assert await socket.receive() == {"id": name, "type": "complete"}
        await socket.send(subscribe(name, EVENTS))
        await socket.send(subscribe(name))
        code, said = await socket.closed()
        assert code == 4409
        assert said
        assert said.startswith("Subscriber for é")
    await until_no_socket_is_left(loregate)


async def test_one_operation_over_the_bound_is_refused_alone(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        for i in range(websocket_messages.MAX_OPERATIONS):
            await socket.send(subscribe(str(i), EVENTS))
        await socket.send(subscribe("over", EVENTS))
        refused = await socket.receive()
        assert (refused["id"], refused["type"]) == ("over", "error")
        assert refused["payload"][0]["extensions"]["code"] == "TOO_MANY_OPERATIONS"
        await until_subscribed(loregate, websocket_messages.MAX_OPERATIONS)
        await socket.send({"type": "complete", "id": "7"})
        await socket.send(subscribe("over"))
        assert (await socket.receive())["type"] == "next"
    await until_no_socket_is_left(loregate)


# -- positions
async def test_the_position_comes_right_after_joining(loregate: Service) -> None:
    """A client whose server is killed before its first event goes on from there."""
    loregate.sockets.timeouts.ping = 1_000
    async with loregate.socket() as socket:
        await socket.acknowledged()
        name = await socket.subscribe(EVENTS)
        async with asyncio.timeout(10):
            message = orjson.loads(await socket.ws.recv())
        assert message["type"] == "ping"
        assert set(message["payload"]["cursors"]) == {name}
    await publish(loregate, "meanwhile")
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(IDS, {"after": message["payload"]["cursors"][name]})
        assert (await socket.next("events"))["id"] == "meanwhile"


async def test_positions_come_again_while_nothing_happens(loregate: Service) -> None:
    """Also to a client that pings by itself, and moved on by what is others'."""
    loregate.sockets.timeouts.ping = 0.05
    async with loregate.socket() as socket:
        await socket.acknowledged()
        name = await socket.subscribe(IDS)
        await until_subscribed(loregate)
        await publish(loregate, "others", user="bob")
        while len({cursors[name] for cursors in socket.told}) < 2:
            await socket.send({"type": "ping"})
            assert await socket.receive() == {"type": "pong"}
            await asyncio.sleep(0.02)  # more often, and it would be closed for its pings
        place = socket.told[-1][name]
    await publish(loregate, "mine")
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(IDS, {"after": place})
        assert (await socket.next("events"))["id"] == "mine"


async def test_each_result_has_its_cursor_beside_its_data(loregate: Service) -> None:
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe("subscription { events { id same: cursor } }")
        await until_subscribed(loregate)
        await publish(loregate, "one")
        result = (await socket.receive())["payload"]
    assert result["extensions"] == {"cursor": result["data"]["events"]["same"]}
