"""WebSockets under generated conversations: valid, nearly valid, and hostile.

Whatever is sent, what comes back keeps to the protocol (the monitor of the conformance suite), and
in bounded time the socket answers a ping, or is closed with a code of the protocol's or RFC 6455's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from tests.support.conformance import monitor
from tests.support.fuzzing import PATIENCE, cases, examples, unharmed, user, users, values
from tests.support.service import CHARACTER_INPUT, GENERATE, PROTOCOL, Service
from tests.support.sockets import EVENTS, socket_url

pytestmark = pytest.mark.long

FEW = 150
CODES = {1000, 1003, 1007, 1009, 4400, 4401, 4403, 4406, 4408, 4409, 4429}
START = """mutation ($input: GenerateCharacterContentInput!) {
  startGeneration(input: {characterContent: $input}) { generation { id } } }"""
DOCUMENTS = [
    *("{ __typename }", "{ viewer { id tier } }", "{ health { status } }", EVENTS, GENERATE, START),
    *(
        "subscription { events { __typename cursor } }",
        "{ contents(first: 3) { edges { cursor } } }",
    ),
    *("subscription { a: events { id } b: events { id } }", "subscription { __typename }"),
    *(
        "query A { __typename } query B { viewer { id } }",
        "{ viewer { ...F } } fragment F on Viewer { ...F }",
    ),
    *("{", "", "}", "query", "{ noFieldHasThisName }", "mutation { __typename }"),
    *("{" + "a{" * 300 + "b" + "}" * 301, "{ " + "viewer { id } " * 200 + "}"),
    'subscription { generation(id: "none") { __typename } }',
]
ids = st.sampled_from(["1", "2", "3", "é" * 80, "__proto__", " "]) | st.text(max_size=140)
documents = st.sampled_from(DOCUMENTS) | st.text(max_size=40)
variables = st.sampled_from([None, {"input": CHARACTER_INPUT}, {"after": None}, {"after": "x"}])
payloads = st.fixed_dictionaries(
    {"query": documents},
    optional={"variables": variables, "operationName": st.sampled_from(["A", "C"])},
)
objects = st.none() | st.dictionaries(st.text(max_size=5), values, max_size=3)
messages = st.one_of(
    st.fixed_dictionaries({"type": st.just("subscribe"), "id": ids, "payload": payloads}),
    st.fixed_dictionaries({"type": st.just("complete"), "id": ids}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["ping", "pong"])}, optional={"payload": objects}
    ),
)
ENDLESS = "subscription { events { type } }"
INIT = st.just({"type": "connection_init", "payload": {}})
names = st.sampled_from(["type", "id", "payload", "query", "extensions", "variables", "more"])


@st.composite
def nearly(draw: Any) -> Any:
    """A message with one member changed, added or taken away, in it or in its payload."""
    message = dict(draw(messages | INIT))
    inner = message.get("payload")
    if isinstance(inner, dict) and draw(st.booleans()):
        message["payload"] = changed = dict(inner)
    else:
        changed = message
    name = draw(names)
    if draw(st.booleans()):
        changed[name] = draw(values)
    else:
        changed.pop(name, None)
    return message


@st.composite
def hostile(draw: Any) -> str:
    """A text that is nearly JSON, or is meant to cost much."""
    text = json.dumps(draw(messages), ensure_ascii=False)
    place = draw(st.integers(0, len(text)))
    cut = st.just(text[:place])
    broken = st.text(max_size=3).map(lambda word: text[:place] + word + text[place:])
    deep = st.integers(1, 50_000).map(lambda n: "[" * n + "]" * n)
    member = st.integers(1, 20_000).map(lambda n: '{"type":' + '{"a":' * n)
    strange = st.sampled_from(['{"type":"ping","payload":{"a":"\\ud800"}}', '{"type":"\\u0000"}'])
    number = st.integers(1, 5_000).map(lambda n: f'{{"type":"ping","payload":{{"a":{"9" * n}}}}}')
    twice = st.just('{"type":"ping","type":"subscribe","id":"1","id":"2"}')
    return str(draw(cut | broken | deep | member | strange | number | twice | st.text(max_size=30)))


sent = st.one_of(messages, messages, messages, nearly(), hostile(), st.binary(max_size=40))
actions = st.tuples(sent, st.sampled_from([1, 1, 1, 2, 5]))
endings = st.sampled_from(["answer", "answer", "leave", "vanish", "bad utf-8"])


class Conversation:
    """One socket, whose every message is held against the protocol."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws, self.monitor = ws, monitor()

    def send(self, what: Any, fragments: int) -> None:
        text = what if isinstance(what, str | bytes) else json.dumps(what)
        with contextlib.suppress(ValueError, RecursionError):  # what is damaged may still be good
            self.monitor.sent(json.loads(text))
        size = max(1, -(-len(text) // fragments))
        parts = [text[n : n + size] for n in range(0, len(text), size)]
        self.ws.send(text if fragments == 1 or not parts else iter(parts))

    def until_answered(self) -> None:
        """A ping's own pong. Raises `TimeoutError`, or `ConnectionClosed`."""
        self.send({"type": "ping", "payload": {"last": "word"}}, 1)
        while True:
            message = self.monitor.received(self.ws.recv(timeout=PATIENCE))
            if message == {"type": "pong", "payload": {"last": "word"}}:
                return

    def end(self, ending: str) -> None:
        if ending == "vanish":
            with contextlib.suppress(OSError):  # the server has closed it already
                self.ws.socket.shutdown(socket.SHUT_RDWR)
            return
        if ending == "bad utf-8":
            with self.ws.send_context():
                self.ws.protocol.send_frame(Frame(Opcode.TEXT, b"\xff\xfe"))
        if ending != "leave":
            self.until_answered()
        self.ws.close()


def converse(url: str, headers: dict[str, str], begun: bool, said: Any, ending: str) -> int | None:
    """The code that the server closed with, if it did."""
    with connect(url, subprotocols=[PROTOCOL], close_timeout=PATIENCE) as ws:
        conversation = Conversation(ws)
        try:
            with contextlib.suppress(BrokenPipeError):
                if begun:
                    conversation.send({"type": "connection_init", "payload": headers}, 1)
                for what, fragments in said:
                    conversation.send(what, fragments)
                conversation.end(ending)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006
    return None


async def test_no_conversation_makes_a_socket_fail_or_hang(loregate: Service) -> None:
    seen: set[int | None] = set()
    url = socket_url(loregate)

    @examples(cases(FEW))
    @given(
        number=users,
        begun=st.sampled_from([True, True, True, False]),
        said=st.lists(actions, max_size=10),
        ending=endings,
    )
    def run(number: int, begun: bool, said: Any, ending: str) -> None:
        code = converse(url, user(number), begun, said, ending)
        assert code in {None, *CODES}
        seen.add(code)

    async with unharmed(loregate):
        await asyncio.to_thread(run)
        # The same id twice is drawn too seldom to be left to chance.
        twice = ({"type": "subscribe", "id": "1", "payload": {"query": ENDLESS}}, 1)
        seen.add(await asyncio.to_thread(converse, url, user(0), True, [twice, twice], "answer"))
    assert seen >= {None, 1007, 4400, 4401, 4409}
