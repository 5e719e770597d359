"""Clients of every kind, who count what they asked for and what they got."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
from websockets.asyncio.client import connect

from tests.agreement.provider import SLOWLY
from tests.support.rest_bodies import GOOD, STORY, TEXT, THEME, VALIDATION
from tests.support.service import PROTOCOL, token

OPERATIONS = {TEXT: "character", STORY: "story", THEME: "theme", VALIDATION: "validation"}
GENERATE = """mutation ($input: GenerateCharacterContentInput!) {
  generateCharacterContent(input: $input) { content { contentId
    metadata { degraded cached attempts { outcome } } } } }"""
INPUT = {"type": "BACKSTORY", "characterContext": {"characterClass": "warlock"}}
EVENTS = "subscription { events(all: true) { id contentId } }"
ADMIN = ("gateway:admin", "events:subscribe", "events:read-all", "*:*")
FRUGAL = "frugal"  # of a tier whose limits end
REFUSALS = (
    "UNAUTHENTICATED",
    "RATE_LIMIT_EXCEEDED",
    "FORBIDDEN",
    "QUOTA_EXCEEDED",
    "BUDGET_EXCEEDED",
)
INVALID = ("INVALID_REQUEST", "BAD_USER_INPUT")


@dataclass
class Counts:
    """What all clients saw.

    outcomes: of operations, by edge, operation and outcome; `left` where nobody stayed to see it.
    limited: refusals by limits, also of a model that was passed over for the next one.
    contents: ids of answers that were made for the client, not found. heard: events, by listener.
    published: contents that events told of.
    """

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    limited: int = 0
    contents: set[str] = field(default_factory=set)
    heard: dict[str, list[str]] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)

    def saw(self, edge: str, operation: str, body: Any, code: str | None) -> None:
        outcome = _outcome(code, body)
        self.outcomes[edge, operation, outcome] += 1
        self.limited += code == "RATE_LIMIT_EXCEEDED"
        if code is None and not body["metadata"]["cached"]:
            self.passed_over(body)
            self.contents.add(body.get("content_id") or body["contentId"])

    def passed_over(self, body: Any) -> None:
        """Of an answer that several share it is one that was passed over."""
        if (body.get("content_id") or body["contentId"]) not in self.contents:
            outcomes = [attempt["outcome"].lower() for attempt in body["metadata"]["attempts"]]
            self.limited += outcomes.count("limited")


def _outcome(code: str | None, body: Any) -> str:
    if code is None:
        return "degraded" if body["metadata"]["degraded"] else "ok"
    if code in INVALID:
        return "invalid"
    return "refused" if code in REFUSALS else "rejected" if code == "CONTENT_REJECTED" else "failed"


class Crowd:
    """Asks and listens at all gateways by turns."""

    def __init__(self, urls: Sequence[str], counts: Counts, seed: int) -> None:
        self._urls, self.counts, self._random = urls, counts, random.Random(seed)
        self._http = httpx2.AsyncClient(timeout=60)

    async def close(self) -> None:
        await self._http.aclose()

    def _claims(self) -> dict[str, Any]:
        if self._random.random() < 0.2:
            return {"sub": FRUGAL, "tier": "free"}
        return {"sub": f"user-{self._random.randrange(12)}", "tier": "service"}

    def _headers(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": "Bearer " + token(**(claims or self._claims()))}

    @property
    def _url(self) -> str:
        return self._random.choice(self._urls)

    async def ask(self) -> None:
        """One request of some kind."""
        await self._random.choice(
            (self.by_rest, self.by_rest, self.by_graphql, self.by_socket, self.by_batch,
             self.wrongly, self.forbidden, self.leaving, self.again)
        )()  # fmt: skip

    async def _post(self, path: str, body: Any, headers: dict[str, str]) -> None:
        found = await self._http.post(self._url + path, json=body, headers=headers)
        answer = found.json()
        code = None if found.status_code == 200 else answer["code"]
        self.counts.saw("rest", OPERATIONS[path], answer, code)

    async def by_rest(self) -> None:
        path = self._random.choice(list(OPERATIONS))
        await self._post(path, GOOD[path], self._headers() | {"Cache-Control": "no-cache"})

    async def again(self) -> None:
        """What may well be cached, or under way."""
        await self._post(THEME, GOOD[THEME], self._headers())

    async def wrongly(self) -> None:
        await self._post(TEXT, {**GOOD[TEXT], "type": "lament"}, self._headers())

    async def forbidden(self) -> None:
        await self._post(
            TEXT, GOOD[TEXT], self._headers(sub="reader", permissions=["theme:analyze"])
        )

    async def by_graphql(self) -> None:
        asked = {"query": GENERATE, "variables": {"input": INPUT}}
        found = await self._http.post(f"{self._url}/graphql", json=asked, headers=self._headers())
        self._saw("graphql", found.json())

    async def by_socket(self) -> None:
        claims = self._claims()
        async with self._socket(**claims) as ws:
            asked = {"query": GENERATE, "variables": {"input": INPUT}}
            await ws.send(_said({"type": "subscribe", "id": "1", "payload": asked}))
            async for text in ws:
                message = orjson.loads(text)
                if message["type"] == "next":
                    self._saw("websocket", message["payload"])
                elif message["type"] == "error":
                    self._saw("websocket", {"errors": message["payload"]})
                if message["type"] in ("complete", "error"):
                    return

    def _saw(self, edge: str, body: Any) -> None:
        errors = body.get("errors")
        made = None if errors else body["data"]["generateCharacterContent"]["content"]
        code = errors[0]["extensions"]["code"] if errors else None
        self.counts.saw(edge, "character", made, code)

    async def by_batch(self) -> None:
        paths = self._random.choices(list(OPERATIONS), k=3)
        asked = [{"id": str(n), "path": p, "body": GOOD[p]} for n, p in enumerate(paths)]
        found = await self._http.post(
            f"{self._url}/api/v2/batch",
            json={"requests": asked},
            headers=self._headers() | {"Cache-Control": "no-cache"},
        )
        for path, result in zip(paths, found.json()["results"], strict=True):
            code = None if result["status"] == 200 else result["body"]["code"]
            self.counts.saw("rest", OPERATIONS[path], result["body"], code)

    async def leaving(self) -> None:
        """Leaves at the first word, while a model writes without end."""
        body = {"type": "backstory", "character_context": {"character_class": SLOWLY}}
        headers = self._headers() | {"X-On-Disconnect": "cancel", "Accept": "text/event-stream"}
        url = self._url + TEXT
        async with self._http.stream("POST", url, json=body, headers=headers) as response:
            if response.status_code != 200:
                code = orjson.loads(await response.aread())["code"]
                self.counts.saw("rest", "character", None, code)
                return
            self.counts.outcomes["rest", "character", "left"] += 1
            async for line in response.aiter_lines():
                if line == "event: delta":
                    return

    # -- who listens
    @contextlib.asynccontextmanager
    async def _socket(self, **claims: Any) -> AsyncIterator[Any]:
        url = self._url.replace("http", "ws", 1) + "/graphql"
        async with connect(url, subprotocols=[PROTOCOL], max_queue=None) as ws:
            payload = {"authorization": token(**claims)}
            await ws.send(_said({"type": "connection_init", "payload": payload}))
            assert orjson.loads(await ws.recv())["type"] == "connection_ack"
            yield ws

    async def listen_by_socket(self, name: str, ready: asyncio.Event) -> None:
        """Until cancelled."""
        heard = self.counts.heard[name] = []
        async with self._socket(sub="admin", permissions=ADMIN, tier="service") as ws:
            payload = {"query": EVENTS}
            await ws.send(_said({"type": "subscribe", "id": "1", "payload": payload}))
            await ws.send(_said({"type": "ping"}))
            async for text in ws:
                message = orjson.loads(text)
                if message["type"] == "next":
                    event = message["payload"]["data"]["events"]
                    heard.append(event["id"])
                    self.counts.published.add(event["contentId"])
                elif message["type"] == "pong":
                    ready.set()

    async def listen_by_sse(self, name: str, ready: asyncio.Event) -> None:
        """Until cancelled."""
        heard = self.counts.heard[name] = []
        headers = self._headers(sub="admin", permissions=ADMIN, tier="service")
        url = f"{self._url}/api/v2/events?all=true"
        async with self._http.stream("GET", url, headers=headers, timeout=None) as response:
            ready.set()
            async for line in response.aiter_lines():
                if line.startswith("data:") and '"occurred_at"' in line:
                    heard.append(orjson.loads(line[5:])["id"])  # noqa: PERF401  # as it comes


def _said(message: Any) -> str:
    return orjson.dumps(message).decode()
