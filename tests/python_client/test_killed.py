"""loregate-client beside a gateway that is killed, stopped and started again in its own process."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from loregate_client import AsyncLoregate, Loregate

from tests.support import cli_process
from tests.support.cli_process import CliProcess, free_port
from tests.support.python_clients import Threaded, rest
from tests.support.service import CHARACTER_INPUT

CONTENTS = "{ contents(first: 50) { edges { node { contentId } } } }"
TIMES = 3  # each way, in each of the gateway's three lives


class Listener:
    """Who takes all events, and what they are about."""

    def __init__(self, events: Any) -> None:
        self._events = events
        self.ids: list[str] = []
        self.about: list[str] = []

    async def hear(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.ids) < count:
                event = await anext(self._events)
                self.ids.append(event["id"])
                self.about.append(event["contentId"])


async def write(gate: Any) -> None:
    """So many contents, each way."""
    for _ in range(TIMES):
        assert (await gate.write("character", CHARACTER_INPUT))["content"]["text"]
        stream = gate.stream("character", CHARACTER_INPUT)
        pieces = await rest(stream)
        assert [p["type"] for p in pieces].count("completed") <= 1
        if pieces[-1]["type"] == "completed":  # the one that was being written when it was killed
            assert stream.text == pieces[-1]["content"]["text"]
        else:
            assert pieces[-1]["code"] == "INTERRUPTED"


@pytest.mark.long
async def test_killed_and_stopped_meanwhile_it_loses_nothing_and_tells_nothing_twice(
    tmp_path: Path,
) -> None:
    """Both clients write and listen; what they wait for is carried out once, whoever died."""
    port = free_port()

    async def life(stack: AsyncExitStack) -> CliProcess:
        return await stack.enter_async_context(cli_process.serving(tmp_path, "dev", port=port))

    async with AsyncExitStack() as stack:
        first = await life(stack)
        gate = await stack.enter_async_context(AsyncLoregate(first.url, first.token))
        blocking = Threaded(stack.enter_context(Loregate(first.url, first.token)))
        place = await gate.event_cursor()
        streams = [g.events(after=place) for g in (gate, blocking)]
        listeners = [Listener(await stack.enter_async_context(s)) for s in streams]
        writing = [asyncio.create_task(write(g)) for g in (gate, blocking) for _ in range(3)]
        await listeners[0].hear(2)
        await first.kill()
        second = await life(stack)
        await listeners[0].hear(8)
        second.process.terminate()
        await second.process.wait()
        await life(stack)
        await asyncio.gather(*writing)
        edges = (await gate.request(CONTENTS))["data"]["contents"]["edges"]
        stored = sorted(edge["node"]["contentId"] for edge in edges)
        for listener in listeners:
            await listener.hear(len(stored))
            assert sorted(listener.about) == stored
            assert len(set(listener.ids)) == len(stored)
