"""Bare apps to compare with: the same call to the same provider, or to Redis, and nothing else.

    OPENAI_BASE_URL=… REDIS_URL=… uvicorn --factory tests.benchmarks.bare:NAME

NAME is `rest`, `stock`, `stream`, `graphql` or `cached`.
No authentication, limits, storage, events, logs or checks: what the libraries cost by themselves
in their usual form (`chat.completions.create` with the aiohttp transport; for GraphQL Strawberry's
own ASGI view with its parser and validation caches). `stock` is `rest` with the SDK's client as it
comes, without the aiohttp transport.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any

import openai
import orjson
import strawberry
from redis import asyncio as redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

MESSAGES: Any = [
    {"role": "system", "content": "You are a dungeon master."},
    {"role": "user", "content": "Write the backstory of a tiefling warlock. " * 10},
]
clients: list[openai.AsyncOpenAI] = []


@contextlib.asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    transport = openai.DefaultAioHttpClient()
    clients[:] = [openai.AsyncOpenAI(api_key="none", max_retries=0, http_client=transport)]
    yield
    await clients[0].close()


@contextlib.asynccontextmanager
async def stock_lifespan(_: Starlette) -> AsyncIterator[None]:
    clients[:] = [openai.AsyncOpenAI(api_key="none", max_retries=0)]
    yield
    await clients[0].close()


async def complete() -> dict[str, Any]:
    answer = await clients[0].chat.completions.create(
        model="bench", messages=MESSAGES, temperature=0.7, max_tokens=1000
    )
    return answer.to_dict(mode="json")


async def answer(request: Request) -> Response:
    orjson.loads(await request.body())
    return Response(orjson.dumps(await complete()), media_type="application/json")


async def answer_streamed(request: Request) -> Response:
    """Sends on each chunk of the model's answer as the SDK gives it; `model` is the caller's."""
    asked = orjson.loads(await request.body())
    chunks: Any = await clients[0].chat.completions.create(
        model=asked["model"],
        messages=MESSAGES,
        temperature=0.7,
        max_tokens=1000,
        stream=True,
        stream_options={"include_usage": True},
    )

    async def frames() -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield b"data: %b\n\n" % orjson.dumps(chunk.to_dict(mode="json"))
        yield b"data: [DONE]\n\n"

    return StreamingResponse(frames(), media_type="text/event-stream")


ROUTES = [
    Route("/chat", answer, methods=["POST"]),
    Route("/stream", answer_streamed, methods=["POST"]),
]


def rest() -> Starlette:
    return Starlette(routes=ROUTES, lifespan=lifespan)


def stock() -> Starlette:
    return Starlette(routes=ROUTES, lifespan=stock_lifespan)


def stream() -> Starlette:
    routes = [Route("/chat", answer_streamed, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan)


@strawberry.input
class Asked:
    model: str
    prompt: str


@strawberry.type
class Usage:
    total_tokens: int


@strawberry.type
class Answer:
    id: str
    text: str
    usage: Usage


@strawberry.type
class Query:
    ok: bool = True


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def complete(self, input: Asked) -> Answer:
        found = await complete()
        return Answer(
            id=found["id"],
            text=found["choices"][0]["message"]["content"],
            usage=Usage(total_tokens=found["usage"]["total_tokens"]),
        )


def strawberry_app(mutation: type, lifespan: Any) -> Starlette:
    schema = strawberry.Schema(
        Query, mutation, extensions=[lambda: ParserCache(100), lambda: ValidationCache(100)]
    )
    return Starlette(
        routes=[Route("/graphql", GraphQL(schema, graphql_ide=None))], lifespan=lifespan
    )


def graphql() -> Starlette:
    return strawberry_app(Mutation, lifespan)


# A fixed-window counter: one script, as a bare app would have it.
COUNT = """
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('EXPIRE', KEYS[1], 60) end
return n
"""
store: list[Any] = []


@contextlib.asynccontextmanager
async def with_redis(_: Starlette) -> AsyncIterator[None]:
    client = redis.from_url(os.environ["REDIS_URL"])
    store[:] = [client, await client.script_load(COUNT)]
    yield
    await client.aclose()


@strawberry.type
class CachedMutation:
    @strawberry.mutation
    async def complete(self, input: Asked) -> Answer:
        """An answer from Redis, and a count, in one pipeline."""
        asked = orjson.dumps([input.model, input.prompt])
        key = "bench:" + hashlib.sha256(asked).hexdigest()
        pipeline = store[0].pipeline(transaction=False)
        pipeline.evalsha(store[1], 1, "bench:count")
        pipeline.get(key)
        _, found = await pipeline.execute()
        if found is None:
            found = orjson.dumps(["bench-1", "The lamps went out one by one. " * 30, 440])
            await store[0].set(key, found, ex=3600)
        name, text, tokens = orjson.loads(found)
        return Answer(id=name, text=text, usage=Usage(total_tokens=tokens))


def cached() -> Starlette:
    return strawberry_app(CachedMutation, with_redis)
