"""Crowd: who asks the gateways all the time, over every edge, and as scenes want it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.alerts.stage import LOST, RETIRING, STEADY, TIER, Stage
from tests.chaos.fleet import Node
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import CHARACTER_INPUT, GENERATE, PROTOCOL, token

USUAL = (STEADY,) * 18 + (RETIRING, LOST)  # which model is asked, of twenty requests
PAUSE = 0.12  # s between two requests of one of the crowd
CALLERS = 3
AGAIN = 1.0  # s until a subscriber whose gateway went comes back
PATIENCE = aiohttp.ClientTimeout(total=30.0)
EVENTS = "subscription { contentGenerated { id } }"
LISTENER = "listener"
ID = re.compile(r"[0-9a-f-]{36}")
SCORES = (5, 4, 4, 3, 1)


class Crowd:
    """Asks until it is cancelled. `models` is what it asks, and a scene may change it."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._numbers = stage, itertools.count()
        self.models: tuple[str, ...] = USUAL
        self.counts: Counter[str] = Counter()  # by what came of it
        self._random = random.Random(14)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for node in self._stage.nodes:
                tasks.create_task(self._listens(node))
            for number in range(CALLERS):
                tasks.create_task(self._asks(number))

    def _node(self) -> Node:
        return self._stage.nodes[next(self._numbers) % len(self._stage.nodes)]

    async def _asks(self, number: int) -> None:
        """Fresh users by turns; each twentieth request comes again, and is in the cache."""
        for turn in itertools.count():
            user = f"{number}-{turn}" if turn % 5 else LISTENER
            edge = self.graphql if turn % 3 == 0 else self.rest
            await edge(user, self._random.choice(self.models), fresh=bool(turn % 4))
            await asyncio.sleep(PAUSE)

    async def rest(
        self,
        user: str,
        model: str,
        *,
        tier: str = TIER,
        fresh: bool = True,
        node: Node | None = None,
    ) -> int:
        """The status of one request; 0 where there was no answer."""
        headers = {"Authorization": "Bearer " + token(user, tier=tier)}
        if fresh:
            headers["Cache-Control"] = "no-cache"
        body = {**GOOD[TEXT], "model": {"name": model}}
        status, answer = await self._send("POST", node or self._node(), TEXT, body, headers)
        if status == 200 and self._random.random() < 0.2:
            await self._rate(answer, headers)
        return status

    async def _rate(self, answer: Any, headers: dict[str, str]) -> None:
        path = f"/api/v2/content/{answer['content_id']}/rating"
        body = {"score": self._random.choice(SCORES)}
        await self._send("PUT", self._node(), path, body, headers)

    async def graphql(self, user: str, model: str, *, fresh: bool = True) -> int:
        given = {**CHARACTER_INPUT, "model": {"name": model}}
        body = {"query": GENERATE, "variables": {"input": given}}
        headers = {"Authorization": "Bearer " + token(user, tier=TIER)}
        if fresh:
            headers["Cache-Control"] = "no-cache"
        status, _ = await self._send("POST", self._node(), "/graphql", body, headers)
        return status

    async def looks(self, user: str, tier: str = TIER) -> int:
        """A request that counts and costs next to nothing."""
        headers = {"Authorization": "Bearer " + token(user, tier=tier)}
        body = {"query": "{ rateLimits { scope } }"}
        status, _ = await self._send("POST", self._node(), "/graphql", body, headers)
        return status

    async def _send(
        self, method: str, node: Node, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, Any]:
        status, answer = 0, None
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
            async with self._stage.http.request(
                method, node.url + path, json=body, headers=headers, timeout=PATIENCE
            ) as response:
                status, answer = response.status, await response.json()
        self.counts[f"{method} {ID.sub('…', path)} {status}"] += 1
        return status, answer

    async def _listens(self, node: Node) -> None:
        """A subscriber at this gateway, who comes back when it is gone."""
        while True:
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                async for _ in events(node.url):
                    self.counts["events"] += 1
            await asyncio.sleep(AGAIN)


async def events(at: str) -> AsyncIterator[Any]:
    """What the listener is told there, until the socket ends."""
    url = at.replace("http", "ws", 1) + "/graphql"
    async with connect(url, subprotocols=[PROTOCOL], open_timeout=5, close_timeout=1) as socket:
        payload = {"authorization": token(LISTENER, tier=TIER)}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        async for message in socket:
            told = json.loads(message)
            if told["type"] == "connection_ack":
                asked = {"id": "1", "type": "subscribe", "payload": {"query": EVENTS}}
                await socket.send(json.dumps(asked))
            elif told["type"] == "ping":
                await socket.send(json.dumps({"type": "pong"}))
            elif told["type"] == "next":
                yield told["payload"]
            elif told["type"] == "error":  # what it needs is away just now
                return
