"""Generations as clients see them: started, followed over sockets and REST, put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson

from tests.support import service
from tests.support.service import CHARACTER_INPUT, Service
from tests.support.upstream import Behaviour, Upstream, prose
from tests.support.waiting import until

START = """mutation ($input: StartGenerationInput!) {
  startGeneration(input: $input) { requestId rateLimit { scope }
    generation { id operation state cursor text contentId } } }"""
CANCEL = """mutation ($id: ID!) {
  cancelGeneration(id: $id) { requestId generation { id state text contentId } } }"""
GENERATION = """query ($id: ID!) {
  generation(id: $id) { id operation state cursor text contentId
    content { __typename contentId ... on GeneratedContent { text } }
    failure { code retryable retryAfterMs attempts { model outcome } } } }"""
FOLLOW = """subscription ($id: ID!, $after: String) {
  generation(id: $id, after: $after) {
    __typename generationId cursor
    ... on GenerationStarted { operation }
    ... on GenerationDelta { seq text }
    ... on GenerationReset { attempt reason }
    ... on GenerationCompleted { contentId finishReason cacheStatus content { __typename } }
    ... on GenerationFailed { code message retryable retryAfterMs }
  } }"""

CHARACTER = {"characterContent": CHARACTER_INPUT}
LONG = prose(60)
SLOW = Behaviour(text=LONG, pace=0.01)
SOON = 1.0  # s in which a cancellation reaches the provider
ENDS = ("GenerationCompleted", "GenerationFailed", "GenerationCancelled")


@dataclass
class HeardGeneration:
    """What a reader has heard, put together."""

    text: str = ""
    seq: int = 0
    cursor: str | None = None
    kinds: list[str] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)

    def hear(self, event: dict[str, Any]) -> None:
        kind = event["__typename"]
        if kind == "GenerationReset":
            self.text = ""
            self.seq = 0 if event["reason"] == "replayed" else self.seq
        elif kind == "GenerationDelta":
            assert event["seq"] == self.seq + 1
            self.text += event["text"]
            self.seq += 1
        if not self.kinds or self.kinds[-1] != kind:
            self.kinds.append(kind)
        self.cursor, self.last = event["cursor"], event

    @property
    def ended(self) -> bool:
        return bool(self.kinds) and self.kinds[-1] in ENDS


async def start(found: Service, given: Any, **claims: Any) -> str:
    """The id of a generation that was started."""
    answer = await found.data(START, {"input": given}, **claims)
    generation_id: str = answer["startGeneration"]["generation"]["id"]
    return generation_id


async def generation_now(found: Service, generation_id: str, **claims: Any) -> Any:
    for _ in range(3):  # a busy machine may keep Redis silent for the 50 ms that it has
        answer = (await found.graphql(GENERATION, {"id": generation_id}, **claims)).json()
        if "errors" not in answer:
            return answer["data"]["generation"]
        assert answer["errors"][0]["extensions"]["code"] == "DEPENDENCY_UNAVAILABLE", answer
    raise AssertionError("Redis was silent three times")


async def follow(
    found: Service, generation_id: str, after: str | None = None, **claims: Any
) -> AsyncGenerator[dict[str, Any], None]:
    """A generation's events over a socket; whoever leaves before the end just disappears."""
    async with found.socket(**claims) as socket:
        try:
            await socket.acknowledged()
            name = await socket.subscribe(FOLLOW, {"id": generation_id, "after": after})
            while (message := await socket.receive())["type"] == "next":
                assert "errors" not in message["payload"], message
                yield message["payload"]["data"]["generation"]
            assert message == {"type": "complete", "id": name}
        except (GeneratorExit, asyncio.CancelledError):
            # This client library does not read a close frame behind messages nobody took.
            socket.ws.transport.abort()
            raise


async def read_to_end(
    found: Service, generation_id: str, told: HeardGeneration | None = None, **claims: Any
) -> HeardGeneration:
    """All that follows what was heard, to the end."""
    told = told or HeardGeneration()
    async with aclosing(follow(found, generation_id, told.cursor, **claims)) as events:
        async for event in events:
            assert not told.ended, event
            told.hear(event)
    assert told.ended
    return told


async def read_halfway(found: Service, generation_id: str, length: int = 20) -> HeardGeneration:
    """What a reader has who leaves when that much of the text is there."""
    told = HeardGeneration()
    async with aclosing(follow(found, generation_id)) as events:
        async for event in events:
            told.hear(event)
            if len(told.text) >= length:
                return told
    raise AssertionError("it ended first")


async def cancelled(found: Service, generation_id: str) -> Any:
    answer = await found.data(CANCEL, {"id": generation_id})
    return answer["cancelGeneration"]["generation"]


# -- REST
NAMES = {
    "started": "GenerationStarted",
    "delta": "GenerationDelta",
    "reset": "GenerationReset",
    "completed": "GenerationCompleted",
    "failed": "GenerationFailed",
    "cancelled": "GenerationCancelled",
}


async def frames(response: httpx2.Response) -> AsyncGenerator[dict[str, Any], None]:
    """Server-sent events, named as GraphQL names them."""
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name in ("event", "id", "data"):
            event[name] = value
        if not line and "data" in event:
            data = orjson.loads(event["data"])
            assert data["type"] == event["event"]
            yield {**data, "__typename": NAMES[data["type"]], "cursor": event["id"]}
            event = {}


@asynccontextmanager
async def streamed(
    found: Service, path: str, body: Any = None, **headers: str
) -> AsyncIterator[httpx2.Response]:
    """A response of server-sent events; leaving the block leaves it."""
    given = {**found.headers(), "Accept": "text/event-stream", **headers}
    method = "GET" if body is None else "POST"
    async with found.http.stream(method, path, json=body, headers=given) as response:
        yield response


async def resumed(found: Service, generation_id: str, told: HeardGeneration) -> HeardGeneration:
    """All that follows what was heard, to the end, over REST."""
    after = {"Last-Event-ID": told.cursor} if told.cursor else {}
    path = f"/api/v2/generations/{generation_id}"
    async with streamed(found, path, **after) as response:
        assert response.status_code == 200, await response.aread()
        async for event in frames(response):
            assert not told.ended, event
            told.hear(event)
    return told


# -- two gateways
@asynccontextmanager
async def gateways_on_one_database(
    directory: Path, redis_url: str, provider: Upstream, count: int = 2
) -> AsyncIterator[list[Service]]:
    """So many gateways on one Redis and one database."""
    database = f"sqlite+aiosqlite:///{directory / 'shared.db'}"
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                service.running(
                    service.settings(
                        directory,
                        redis_url,
                        openai_base_url=provider.url,
                        database_url=database,
                    )
                )
            )
            for _ in range(count)
        ]


async def aborted_within(provider: Upstream, seconds: float, began: float) -> None:
    await until(lambda: provider.aborted)
    assert provider.aborted[0].at - began < seconds
