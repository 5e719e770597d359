"""Two bare apps to compare with: the same call to the same provider, and nothing else.

    OPENAI_BASE_URL=… uvicorn --factory tests.benchmarks.bare:rest | graphql

No authentication, limits, storage, events, logs or checks: what the libraries cost by themselves
in their usual form (`chat.completions.create` with the aiohttp transport; for GraphQL Strawberry's
own ASGI view with its parser and validation caches).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import openai
import orjson
import strawberry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
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


async def complete() -> dict[str, Any]:
    answer = await clients[0].chat.completions.create(
        model="bench", messages=MESSAGES, temperature=0.7, max_tokens=1000
    )
    return answer.to_dict(mode="json")


def rest() -> Starlette:
    async def route(request: Request) -> Response:
        orjson.loads(await request.body())
        return Response(orjson.dumps(await complete()), media_type="application/json")

    return Starlette(routes=[Route("/chat", route, methods=["POST"])], lifespan=lifespan)


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


def graphql() -> Starlette:
    schema = strawberry.Schema(
        Query, Mutation, extensions=[lambda: ParserCache(100), lambda: ValidationCache(100)]
    )
    return Starlette(
        routes=[Route("/graphql", GraphQL(schema, graphql_ide=None))], lifespan=lifespan
    )
