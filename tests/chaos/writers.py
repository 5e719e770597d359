"""Writers: users who let texts be written, over REST, GraphQL and as streams.

Each request has its idempotency key and is tried once more, on another process, when the
connection breaks or the answer is 503. Some ask again for what they have.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from functools import lru_cache
from typing import Any

import aiohttp

from app.generations.transcript import FINAL_TYPES
from tests.chaos.fleet import TIER, Fleet
from tests.chaos.ledger import Ledger, Told, Wanted
from tests.chaos.stream import Frame, cut, frames
from tests.support.rest_bodies import GOOD, STORY, TEXT
from tests.support.service import CHARACTER, CHARACTER_INPUT, GENERATE, token

DAY = 86_400
PATIENCE = aiohttp.ClientTimeout(total=60.0)  # s; the slowest waits for a dead maker's lease
STREAMING = aiohttp.ClientTimeout(total=60.0, sock_read=20.0)
KINDS = {"rest": 4, "graphql": 3, "story": 2, "stream": 3}  # and how often each comes
AGAIN = 0.1  # of the answers are asked for a second time
PAUSE = (0.2, 1.2)  # s between two wishes of a writer
FOLLOWING = 40.0  # s for which a generation's end is awaited
BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


class Away(Exception):
    """The connection broke, or the answer was 503; `at` is where."""

    def __init__(self, at: str, why: str) -> None:
        super().__init__(why)
        self.at = at


class Refused(Exception):
    """An answer that another try would not change."""


@lru_cache(1000)  # a user keeps a token; gateways remember those that they have verified
def bearer(user: str, tier: str = TIER) -> str:
    return "Bearer " + token(user, tier=tier, exp=int(time.time()) + DAY)


class Writer:
    """One user who wants text after text."""

    def __init__(self, user: str, fleet: Fleet, ledger: Ledger, rng: random.Random) -> None:
        self.user, self._fleet, self._ledger, self._random = user, fleet, ledger, rng
        self._headers = {"Authorization": bearer(user)}
        self._count = 0
        self.streaming: aiohttp.ClientResponse | None = None

    async def run(self) -> None:
        """Until the ledger is closed."""
        while not self._ledger.closed:
            wanted = self._wish()
            self._ledger.wanted.append(wanted)
            await self.have(wanted)
            if wanted.answers and self._random.random() < AGAIN:
                self._ledger.counts["asked again"] += 1
                await self.have(wanted)
            await asyncio.sleep(self._random.uniform(*PAUSE))

    def drop(self) -> bool:
        """Break the stream that is being read; whether there is one."""
        if self.streaming is None:
            return False
        cut(self.streaming)
        return True

    def _wish(self) -> Wanted:
        self._count += 1
        [kind] = self._random.choices(list(KINDS), list(KINDS.values()))
        path, body = (STORY, GOOD[STORY]) if kind == "story" else (TEXT, CHARACTER)
        return Wanted(self.user, kind, path, body, f"{self.user}-{self._count}")

    async def have(self, wanted: Wanted) -> None:
        """Ask, and once more where it makes sense; what came stands in the ledger."""
        ask = {"graphql": self._graphql, "stream": self._stream}.get(wanted.kind, self.rest)
        counts, began, but = self._ledger.counts, time.time(), None
        for last in (False, True):
            try:
                wanted.answers.append(await ask(wanted, self._fleet.balancer.pick(but)))
                counts["acknowledged"] += 1
            except Away as away:
                but = away.at
                counts["gave up" if last else "tried again"] += 1
                wanted.dark = last
            except Refused as refused:
                self._ledger.unexpected[str(refused)] += 1
                return
            else:
                wanted.dark = self._ledger.away(began, time.time())
                return

    async def rest(self, wanted: Wanted, at: str) -> str:
        """The content's id. Raises `Away`, `Refused`."""
        headers = {**self._headers, "Idempotency-Key": wanted.key}
        body = await self._posted(f"{at}{wanted.path}", wanted.body, headers, at)
        return str(body["content_id"])

    async def _graphql(self, wanted: Wanted, at: str) -> str:
        given = {**CHARACTER_INPUT, "idempotencyKey": wanted.key}
        asked = {"query": GENERATE, "variables": {"input": given}}
        body = await self._posted(f"{at}/graphql", asked, self._headers, at)
        if "errors" in body:
            code = body["errors"][0]["extensions"]["code"]
            if code in ("DEPENDENCY_UNAVAILABLE", "MODEL_UNAVAILABLE", "SHUTTING_DOWN"):
                raise Away(at, code)
            raise Refused(f"graphql {code}")
        return str(body["data"]["generateCharacterContent"]["content"]["contentId"])

    async def _posted(self, url: str, body: Any, headers: dict[str, str], at: str) -> Any:
        try:
            async with self._fleet.http.post(
                url, json=body, headers=headers, timeout=PATIENCE
            ) as response:
                found = await response.json()
                _accepted(response.status, found, at)
                return found
        except BROKEN as error:
            raise Away(at, type(error).__name__) from error

    # -- streams
    async def _stream(self, wanted: Wanted, at: str) -> str:
        """Start a generation and read it to its end, wherever its process or reader dies."""
        headers = {**self._headers, "Idempotency-Key": wanted.key, "Accept": "text/event-stream"}
        told: Told | None = None
        reading = _Reading()
        try:
            async with self._fleet.http.post(
                f"{at}{wanted.path}", json=wanted.body, headers=headers, timeout=STREAMING
            ) as response:
                if response.status != 200:
                    _accepted(response.status, await response.json(), at)
                told = Told(self.user, response.headers["X-Generation-ID"], time.time())
                self._ledger.generations.append(told)
                await self._read(response, reading)
        except BROKEN as error:
            if told is None:
                raise Away(at, type(error).__name__) from error
        await self._follow(told, reading, at)
        return self._outcome(told, reading, at)

    async def _read(self, response: aiohttp.ClientResponse, reading: _Reading) -> None:
        self.streaming = response
        try:
            async for frame in frames(response):
                reading.hear(frame)
        finally:
            self.streaming = None

    async def _follow(self, told: Told, reading: _Reading, at: str) -> None:
        until = time.monotonic() + FOLLOWING
        while not reading.ends and not told.unknown and time.monotonic() < until:
            self._ledger.counts["streams resumed"] += 1
            try:
                await self._resume(told, reading, at)
            except BROKEN:
                await asyncio.sleep(0.1)
            at = self._fleet.balancer.pick(at)
        told.ends, told.ended = reading.ends, time.time()

    async def _resume(self, told: Told, reading: _Reading, at: str) -> None:
        headers = {**self._headers, "Accept": "text/event-stream"}
        if reading.place is not None:
            headers["Last-Event-ID"] = reading.place
        url = f"{at}/api/v2/generations/{told.id}"
        async with self._fleet.http.get(url, headers=headers, timeout=STREAMING) as response:
            if response.status == 200:
                await self._read(response, reading)
            elif response.status == 404:
                told.unknown = True
            elif response.status == 503:
                await asyncio.sleep(0.2)
            else:
                raise Refused(f"generation {response.status}")

    def _outcome(self, told: Told, reading: _Reading, at: str) -> str:
        self._ledger.counts["generations"] += 1
        if reading.ends[-1:] == ["completed"]:
            return str(reading.last["content_id"])
        if reading.ends and not reading.last.get("retryable"):
            raise Refused(f"generation {reading.last.get('code', reading.ends[-1])}")
        raise Away(at, "the generation was interrupted")


class _Reading:
    """What a reader of a generation has heard."""

    def __init__(self) -> None:
        self.place: str | None = None
        self.ends: list[str] = []
        self.last: dict[str, Any] = {}

    def hear(self, frame: Frame) -> None:
        self.place = frame.id or self.place
        if frame.event in FINAL_TYPES:
            self.ends.append(frame.event)
            self.last = json.loads(frame.data)


def _accepted(status: int, body: Any, at: str) -> None:
    if status == 503:
        raise Away(at, str(body.get("code")))
    if status != 200:
        raise Refused(f"{status} {body.get('code')}")
