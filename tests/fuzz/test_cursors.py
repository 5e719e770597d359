"""Cursors under generated damage: of events, of generations and of lists, wherever one is taken.

They are cut, changed, another user's, of another kind, or forged: well-formed, under another key,
and pointing anywhere.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.sync.client import connect

from app.events.cursor import Cursor, EntryId, Position
from app.generations.cursor import Cursors
from app.seal import Seal
from tests.support import generation_clients
from tests.support.conformance import monitor
from tests.support.fuzzing import PATIENCE, cases, examples, unharmed, user
from tests.support.generation_clients import CHARACTER, FOLLOW
from tests.support.service import PROTOCOL, Service
from tests.support.sockets import EVENTS, socket_url

pytestmark = pytest.mark.long

FEW = 200
LIST = "query ($after: String) { contents(first: 2, after: $after) { edges { cursor } } }"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/"
entries = st.builds(EntryId, st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
positions = st.builds(Position, st.integers(0, 2**32 - 1), entries)
forged = st.builds(
    Cursor, st.integers(0, 255), st.dictionaries(st.integers(0, 255), positions, max_size=4)
).map(lambda cursor: cursor.encode(Seal("events")))
# Visible ASCII and Latin-1, as a header can have it.
strange = st.text(
    st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f\x85\xa0")
)
kinds = st.sampled_from(["as it is", "cut", "changed", "longer", "twice", "forged", "strange"])
doors = st.sampled_from(["socket", "sse", "sse header", "list", "rest", "rest header"])


@st.composite
def cursors(draw: Any, given_out: list[str], generations: list[str]) -> str:
    """One that was given out, damaged or not, or one that never was."""
    kind, cursor = draw(kinds), draw(st.sampled_from(given_out))
    place = draw(st.integers(0, len(cursor) - 1))
    if kind == "cut":
        return cursor[:place]
    if kind == "changed":
        return cursor[:place] + draw(st.sampled_from(ALPHABET)) + cursor[place + 1 :]
    if kind == "longer":
        return cursor + draw(st.text(ALPHABET, max_size=3_000))
    if kind == "strange":
        return str(draw(strange))
    if kind == "forged":
        of = st.builds(Cursors().encode, st.sampled_from(generations), st.integers(0, 2**64 - 1))
        return str(draw(forged | of))
    return cursor * 2 if kind == "twice" else cursor


class Doors:
    """Every way in for a cursor, of an event or of a generation."""

    def __init__(self, loregate: Service) -> None:
        self.http = httpx2.Client(base_url=loregate.url, timeout=PATIENCE)
        self.ws = socket_url(loregate)

    def try_one(self, door: str, after: str, generation: str | None, number: int) -> int:
        """The status; of a socket 200. Raises `AssertionError` for a failure of the server's."""
        document = EVENTS if generation is None else FOLLOW
        variables = {"id": generation, "after": after}
        headers = user(number)
        if door == "socket":
            return self._socket({"query": document, "variables": variables}, headers)
        if door == "list":
            return self._answer(
                "POST", "/graphql", headers, {"query": LIST, "variables": variables}
            )
        if door.startswith("sse"):
            headers["Accept"] = "text/event-stream"
            if door == "sse header":
                headers["Last-Event-ID"], variables["after"] = after, ""
            body = {"query": document, "variables": variables}
            return self._answer("POST", "/graphql", headers, body)
        path = f"/api/v2/generations/{generation}/events" if generation else "/api/v2/events"
        if door == "rest header":
            return self._answer("GET", path, {**headers, "Last-Event-ID": after})
        return self._answer("GET", path, headers, after=after)

    def _answer(
        self, method: str, path: str, headers: dict[str, str], body: Any = None, **query: str
    ) -> int:
        encoded = {k: v.encode("latin-1") for k, v in headers.items()}
        with self.http.stream(method, path, headers=encoded, json=body, params=query) as response:
            said = next(response.iter_raw(), b"")
            assert response.status_code < 500, (response.status_code, said)
            assert b"INTERNAL_ERROR" not in said, said
            return response.status_code

    def _socket(self, payload: Any, headers: dict[str, str]) -> int:
        with connect(self.ws, subprotocols=[PROTOCOL], close_timeout=PATIENCE) as ws:
            held = monitor()
            for message in (
                {"type": "connection_init", "payload": headers},
                {"type": "subscribe", "id": "1", "payload": payload},
                {"type": "ping", "payload": {"last": "word"}},
            ):
                held.sent(message)
                ws.send(json.dumps(message))
            while True:
                message = held.received(ws.recv(timeout=PATIENCE))
                assert "INTERNAL_ERROR" not in json.dumps(message), message
                if message.get("payload") == {"last": "word"}:
                    return 200


async def given_out(loregate: Service, number: int) -> tuple[list[str], str]:
    """Cursors that a user was given: of events, of a generation and of a list; its generation."""
    claims = {"sub": f"user{number}", "tier": "service"}
    at = (await loregate.data("{ eventCursor }", **claims))["eventCursor"]
    await loregate.generate(**claims)
    generation = await generation_clients.start(loregate, CHARACTER, **claims)
    followed = generation_clients.follow(loregate, generation, **claims)
    found = [at, *[event["cursor"] async for event in followed]]
    listed = await loregate.data(LIST, **claims)
    found += [edge["cursor"] for edge in listed["contents"]["edges"]]
    async with loregate.socket(**claims) as socket:
        await socket.acknowledged()
        await socket.subscribe(EVENTS, {"after": at})
        found.append((await socket.next("contentGenerated"))["cursor"])
    return found, generation


async def test_no_cursor_makes_anything_fail(loregate: Service) -> None:
    both = [await given_out(loregate, number) for number in (0, 1)]
    known = [cursor for found, _ in both for cursor in found]
    generations = [generation for _, generation in both]
    way, seen = Doors(loregate), set[tuple[str, int]]()

    @examples(cases(FEW))
    @given(
        door=doors,
        after=cursors(known, generations),
        of=st.sampled_from([None, *generations]),
        number=st.sampled_from([0, 1]),
    )
    def run(door: str, after: str, of: str | None, number: int) -> None:
        seen.add((door, way.try_one(door, after, of, number)))

    async with unharmed(loregate):
        await asyncio.to_thread(run)
        way.http.close()
    assert seen >= {("sse", 200), ("rest", 200), ("rest", 400), ("rest header", 400)}
