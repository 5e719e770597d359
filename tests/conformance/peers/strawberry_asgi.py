"""Strawberry's own ASGI app under uvicorn; its first line of output is the URL."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import strawberry
import uvicorn
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"

    @strawberry.field
    async def slow(self) -> str:
        await asyncio.sleep(0.8)
        return "late"

    @strawberry.field
    def failing(self) -> str | None:
        raise ValueError("broken")


@strawberry.type
class Mutation:
    @strawberry.mutation
    def touch(self) -> int:
        return 1


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def silent(self) -> AsyncGenerator[int, None]:
        await asyncio.sleep(60)
        yield 0

    @strawberry.subscription
    async def count(self) -> AsyncGenerator[int, None]:
        for n in (1, 2, 3):
            yield n

    @strawberry.subscription
    async def failing(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("broken")


class Endpoint(GraphQL[Any, Any]):
    async def on_ws_connect(self, context: Any) -> Any:
        asked = context["connection_params"]
        if asked.get("crash"):
            raise ValueError("broken")
        if asked.get("reject"):
            raise ConnectionRejectionError
        return await super().on_ws_connect(context)


def main() -> None:
    schema = strawberry.Schema(Query, Mutation, Subscription)
    app: Any = Endpoint(schema, connection_init_wait_timeout=timedelta(seconds=1))
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ws://127.0.0.1:{listening.getsockname()[1]}/graphql", flush=True)
    config = uvicorn.Config(app, log_level="critical")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
