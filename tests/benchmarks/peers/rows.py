"""Rows: what each server is asked, for whole answers and for streamed ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks import bench
from tests.benchmarks.bare import MESSAGES
from tests.benchmarks.peers.servers import LOREGATE
from tests.benchmarks.streams import ASKED
from tests.support.service import CHARACTER

CHAT = {"model": "bench", "messages": MESSAGES, "temperature": 0.7, "max_tokens": 1000}
STREAMED = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
COMPLETE = (
    "mutation Ask($input: Asked!) { complete(input: $input) { id text usage { totalTokens } } }"
)
HIVE = (
    "mutation Ask($input: mutationInput_complete_input_Input!) { complete(input: $input) "
    "{ id choices { message { content } finish_reason } usage { total_tokens } } }"
)
CHARACTERS = "/api/v2/text/character"
COMPLETIONS = "/v1/chat/completions"
PORTKEY = {
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": f"http://127.0.0.1:{bench.PROVIDER}/v1",
    "authorization": "Bearer none",
}
LITELLM = {"authorization": "Bearer sk-bench"}


@dataclass(frozen=True)
class Row:
    """One line of the tables: a server and what it is asked.

    `via` is how a stream is followed: its own answer's events, or Loregate's WebSocket. A row that
    `hits` is answered from the cache, and no model is asked.
    """

    name: str
    server: str
    path: str
    body: Any
    says: str
    headers: Mapping[str, str] = field(default_factory=dict)
    streamed: bool = False
    hits: bool = False
    via: str = "events"


def _complete(**asked: Any) -> dict[str, Any]:
    return {"query": COMPLETE, "operationName": "Ask", "variables": {"input": asked}}


MINE = bench.rows()
BARE = _complete(model="bench", prompt="Write the backstory of a tiefling warlock.")
USE_CACHE = {"cache-control": "max-age=3600"}
HIVE_ASKED = {
    "query": HIVE,
    "operationName": "Ask",
    "variables": {"input": {"model": "bench", "messages": MESSAGES}},
}

ALL = [
    Row("loregate rest", LOREGATE, CHARACTERS, CHARACTER, "REST, a model answers"),
    Row("loregate graphql", LOREGATE, "/graphql", MINE["mutation"].body, "GraphQL, a model"),
    Row("loregate rest hit", LOREGATE, CHARACTERS, CHARACTER, "REST, the cache", USE_CACHE,
        hits=True),
    Row("loregate graphql hit", LOREGATE, "/graphql", MINE["hit"].body, "GraphQL, the cache",
        hits=True),
    Row("loregate rest stream", LOREGATE, CHARACTERS, CHARACTER, "REST, events", streamed=True),
    Row("loregate graphql stream", LOREGATE, "/graphql", ASKED,
        "GraphQL: started by HTTP, followed by WebSocket", streamed=True, via="websocket"),
    Row("starlette", "rest", "/chat", CHAT, "REST"),
    Row("starlette stream", "rest", "/stream", STREAMED, "REST, events", streamed=True),
    Row("stock", "stock", "/chat", CHAT, "REST"),
    Row("stock stream", "stock", "/stream", STREAMED, "REST, events", streamed=True),
    Row("strawberry", "graphql", "/graphql", BARE, "GraphQL"),
    Row("litellm", "litellm", COMPLETIONS, CHAT, "REST", LITELLM),
    Row("litellm stream", "litellm", COMPLETIONS, STREAMED, "REST, events", LITELLM,
        streamed=True),
    Row("portkey", "portkey", COMPLETIONS, CHAT, "REST", PORTKEY),
    Row("portkey stream", "portkey", COMPLETIONS, STREAMED, "REST, events", PORTKEY,
        streamed=True),
    Row("yoga", "yoga", "/graphql", BARE, "GraphQL"),
    Row("mercurius", "mercurius", "/graphql", BARE, "GraphQL"),
    Row("hive", "hive", "/graphql", HIVE_ASKED, "GraphQL"),
]  # fmt: skip
ROWS = {row.name: row for row in ALL}


def encoded(row: Row, bearer: str) -> bytes:
    """The request as it is sent. A row that names no authorization of its own sends `bearer`."""
    body = json.dumps(row.body).encode()
    accept = "text/event-stream" if row.streamed else "application/json"
    headers = {
        "host": f"127.0.0.1:{bench.SERVER}",
        "authorization": f"Bearer {bearer}",
        "accept": accept,
        "content-type": "application/json",
        "content-length": str(len(body)),
        **row.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {row.path} HTTP/1.1\r\n{lines}\r\n".encode() + body
