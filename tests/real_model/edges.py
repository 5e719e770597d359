"""Edges: one question asked of a running Loregate in each way, read into the same `Told`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from app.operations import OPERATIONS
from tests.real_model.questions import MADE, Question
from tests.support.service import PROTOCOL, token

PATIENCE = 600.0  # s for an answer; the gateway gives up long before
VALID = 86_400  # s of a token: a whole run on a slow machine
STRICT = {"X-Allow-Degraded": "false", "Cache-Control": "no-store"}
STREAM = {"Accept": "text/event-stream"}
START = """mutation ($input: StartGenerationInput!) {
  startGeneration(input: $input) { generation { id } } }"""
FOLLOW = (
    """subscription ($id: ID!) {
  generation(id: $id) {
    __typename
    ... on GenerationDelta { text }
    ... on GenerationReset { reason }
    ... on GenerationCompleted { content { ...Made } }
    ... on GenerationFailed { code message attempts { model outcome } }
  }
}"""
    + MADE
)
CANCEL = "mutation ($id: ID!) { cancelGeneration(id: $id) { generation { state } } }"


class Refused(Exception):
    """There is no answer; the message says what came instead."""

    @classmethod
    def told(cls, code: str, message: str, tried: Any) -> Refused:
        """With the attempts that were made, if any."""
        listed = ", ".join(f"{a['model']} {a['outcome'].lower()}" for a in tried or ())
        return cls(f"{code}: {message} ({listed})")

    @classmethod
    def by_rest(cls, answer: httpx2.Response) -> Refused:
        body = answer.json()
        return cls.told(body["code"], body["message"], body["details"].get("tried"))

    @classmethod
    def by_graphql(cls, errors: list[dict[str, Any]]) -> Refused:
        facts = errors[0].get("extensions", {})
        return cls.told(facts.get("code", "?"), errors[0]["message"], facts.get("tried"))


# What a caller may get in place of an answer.
UNANSWERED = (Refused, httpx2.TransportError, WebSocketException)


@dataclass
class Told:
    """What a caller got, and when. first: seconds to the first text, None where it came whole."""

    content_id: str = ""
    model: str = ""
    degraded: bool = False
    cached: bool = False
    finish: str = ""
    source: str = ""
    prompt: int = 0
    completion: int = 0
    tried: list[str] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # the pieces of text behind the last reset
    first: float | None = None
    seconds: float = 0.0
    began: float = field(default_factory=time.perf_counter)

    def hear(self, text: str) -> None:
        if self.first is None:
            self.first = time.perf_counter() - self.began
        self.heard.append(text)

    def reset(self, reason: str) -> None:
        self.resets.append(reason)
        self.heard.clear()

    def end(self, content_id: str, metadata: dict[str, Any]) -> Told:
        """The answer is there. `metadata` as REST has it."""
        self.seconds = time.perf_counter() - self.began
        self.content_id = content_id
        self.model, self.degraded = metadata["model_used"], metadata["degraded"]
        self.cached, self.finish = metadata["cached"], metadata["finish_reason"]
        usage = metadata["token_usage"]
        self.source = usage["source"]
        self.prompt, self.completion = usage["prompt_tokens"], usage["completion_tokens"]
        self.tried = [f"{a['model']} {a['outcome']}" for a in metadata["attempts"]]
        return self

    def end_of(self, made: dict[str, Any]) -> Told:
        """The answer is there, as GraphQL has it."""
        told = made["metadata"]
        usage = told["tokenUsage"]
        attempts = [{**a, "outcome": a["outcome"].lower()} for a in told["attempts"]]
        return self.end(
            made["contentId"],
            {
                "model_used": told["modelUsed"],
                "degraded": told["degraded"],
                "cached": told["cached"],
                "finish_reason": told["finishReason"].lower(),
                "token_usage": {
                    "source": usage["source"].lower(),
                    "prompt_tokens": usage["promptTokens"],
                    "completion_tokens": usage["completionTokens"],
                },
                "attempts": attempts,
            },
        )


class Client:
    """A caller of a running Loregate, on whichever edge."""

    def __init__(self, url: str, http: httpx2.AsyncClient, sub: str = "alice") -> None:
        self.url, self.http = url, http
        self.token = token(sub, exp=int(time.time()) + VALID)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def graphql(self, query: str, variables: dict[str, Any]) -> Any:
        """The data. Raises `Refused` when there are errors."""
        asked = {"query": query, "variables": variables}
        answer = await self.http.post("/graphql", json=asked, headers=self.headers)
        body = answer.json()
        if "errors" in body:
            raise Refused.by_graphql(body["errors"])
        return body["data"]

    async def start(self, question: Question, tokens: int | None = None) -> str:
        """The id of a generation that was started."""
        given = {question.started: question.graphql(tokens)}
        found = await self.graphql(START, {"input": given})
        generation_id: str = found["startGeneration"]["generation"]["id"]
        return generation_id

    async def stored(self, content_id: str) -> dict[str, Any]:
        answer = await self.http.get(f"/api/v2/content/{content_id}", headers=self.headers)
        if answer.status_code != 200:
            raise Refused.by_rest(answer)
        found: dict[str, Any] = answer.json()
        return found

    async def follow(self, generation_id: str) -> AsyncIterator[dict[str, Any]]:
        """A generation's events over a WebSocket."""
        url = self.url.replace("http", "ws", 1) + "/graphql"
        async with connect(url, subprotocols=[PROTOCOL]) as ws:
            await _send(ws, {"type": "connection_init", "payload": {"authorization": self.token}})
            asked = {"query": FOLLOW, "variables": {"id": generation_id}}
            await _send(ws, {"type": "subscribe", "id": "1", "payload": asked})
            async for raw in ws:
                message = orjson.loads(raw)
                if message["type"] == "complete":
                    return
                if message["type"] == "error":
                    raise Refused.by_graphql(message["payload"])
                if message["type"] == "ping":
                    await _send(ws, {"type": "pong"})
                elif message["type"] == "next":
                    yield _data(message["payload"])


async def _send(ws: ClientConnection, message: dict[str, Any]) -> None:
    await ws.send(orjson.dumps(message).decode())


def _data(payload: dict[str, Any]) -> dict[str, Any]:
    if "errors" in payload:
        raise Refused.by_graphql(payload["errors"])
    event: dict[str, Any] = payload["data"]["generation"]
    return event


async def frames(answer: httpx2.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The events of a stream: name and data."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        await answer.aread()
        raise Refused.by_rest(answer)
    name = ""
    async for line in answer.aiter_lines():
        kind, _, value = line.partition(": ")
        if kind == "event":
            name = value
        elif kind == "data" and value and name != "position":
            yield name, orjson.loads(value)


# -- the edges
async def by_mutation(client: Client, question: Question, tokens: int | None) -> Told:
    told = Told()
    data = await client.graphql(question.document, {"input": question.graphql(tokens)})
    return told.end_of(data["payload"]["made"])


async def by_post(client: Client, question: Question, tokens: int | None) -> Told:
    told = Told()
    path, headers = OPERATIONS[question.operation].path, {**client.headers, **STRICT}
    answer = await client.http.post(path, json=question.rest(tokens), headers=headers)
    if answer.status_code != 200:
        raise Refused.by_rest(answer)
    body = answer.json()
    return told.end(body["content_id"], body["metadata"])


async def by_stream(client: Client, question: Question, tokens: int | None) -> Told:
    told, headers = Told(), {**client.headers, **STRICT, **STREAM}
    body, path = question.rest(tokens), OPERATIONS[question.operation].path
    async with client.http.stream("POST", path, json=body, headers=headers) as answer:
        async for name, event in frames(answer):
            if name == "delta":
                told.hear(event["text"])
            elif name == "reset":
                told.reset(event["reason"])
            elif name == "completed":
                return told.end(event["content_id"], event["metadata"])
            elif name == "failed":
                raise Refused.told(event["code"], event["message"], event["details"].get("tried"))
    raise Refused("the stream ended without its last event")


async def by_socket(client: Client, question: Question, tokens: int | None) -> Told:
    told = Told()
    generation_id = await client.start(question, tokens)
    async for event in client.follow(generation_id):
        if _hear(told, event):
            return told
    raise Refused("the subscription ended without its last event")


async def by_graphql_stream(client: Client, question: Question, tokens: int | None) -> Told:
    told = Told()
    asked = {"query": FOLLOW, "variables": {"id": await client.start(question, tokens)}}
    headers = {**client.headers, **STREAM}
    async with client.http.stream("POST", "/graphql", json=asked, headers=headers) as answer:
        async for name, payload in frames(answer):
            if name == "next" and _hear(told, _data(payload)):
                return told
    raise Refused("the stream ended without its last event")


def _hear(told: Told, event: dict[str, Any]) -> bool:
    """Whether this was the last event."""
    kind = event["__typename"]
    if kind == "GenerationDelta":
        told.hear(event["text"])
    elif kind == "GenerationReset":
        told.reset(event["reason"])
    elif kind == "GenerationCompleted":
        told.end_of(event["content"])
        return True
    elif kind == "GenerationFailed":
        raise Refused.told(event["code"], event["message"], event["attempts"])
    return False


Edge = Callable[[Client, Question, int | None], Coroutine[Any, Any, Told]]
EDGES: dict[str, Edge] = {
    "GraphQL": by_mutation,
    "REST": by_post,
    "REST stream": by_stream,
    "WebSocket": by_socket,
    "GraphQL stream": by_graphql_stream,
}
STREAMED = frozenset({"REST stream", "WebSocket", "GraphQL stream"})
