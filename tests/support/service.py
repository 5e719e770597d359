"""The whole service for tests: the real app under uvicorn on a real socket, and its clients."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect

from app.caller import PERMISSIONS, Caller
from app.config_file import ConfigFile, LimitTable
from app.main import Parts, create_app
from app.policies.keys import sign
from app.server import listen, uvicorn_options
from app.settings import Settings
from resolvers.websocket import WebSocketEndpoint as SocketEdge
from tests.support.databases import migrated

SECRET = "a secret of the tests of at least thirty-two bytes"
PROTOCOL: Any = "graphql-transport-ws"
# Every client would read the system's certificates anew: 46 ms of each test, for no TLS at all.
CERTIFICATES = ssl.create_default_context()

CHARACTER = {
    "type": "backstory",
    "character_context": {
        "character_class": "warlock",
        "character_race": "tiefling",
        "character_level": 5,
    },
    "theme": {"tone": "ominous"},
}
CHARACTER_INPUT = {
    "type": "BACKSTORY",
    "characterContext": {
        "characterClass": "warlock",
        "characterRace": "tiefling",
        "characterLevel": 5,
    },
    "theme": {"tone": "ominous"},
}
GENERATE = """
mutation ($input: GenerateCharacterContentInput!) {
  generateCharacterContent(input: $input) {
    requestId
    rateLimit { scope limit remaining resetAt }
    content {
      contentId contentType text
      metadata { modelUsed degraded cached requestId tokenUsage { totalTokens } }
    }
  }
}
"""


def token(sub: str = "alice", permissions: Any = PERMISSIONS, **claims: Any) -> str:
    now = int(time.time())
    found = {"sub": sub, "iat": now, "exp": now + 600, "permissions": list(permissions), **claims}
    return sign({k: v for k, v in found.items() if v is not None}, secret=SECRET)


def settings(directory: Path, redis_url: str, **given: Any) -> Settings:
    """Settings for a service of the tests' own; nothing of the environment reaches it."""
    database = given.pop("database_url", None) or f"sqlite+aiosqlite:///{directory / 'test.db'}"
    found = Settings.load(
        host="127.0.0.1",
        port=0,
        data_dir=directory,
        redis_url=SecretStr(redis_url),
        database_url=SecretStr(database),
        jwt_secret=(SecretStr(SECRET),),
        introspection=True,
        graphiql=True,
        metrics_address=given.pop("metrics_address", "open"),
        **given,
    )
    return found.model_copy(update={"model_keys": {}})


class Service:
    """A running service."""

    def __init__(self, app: Starlette, parts: Parts, url: str) -> None:
        self.app, self.parts, self.url = app, parts, url
        self.gateway = parts.gateway
        self.http = httpx2.AsyncClient(base_url=url, timeout=20, verify=CERTIFICATES)

    @property
    def sockets(self) -> SocketEdge:
        """The endpoint of WebSockets, whose times a test may shorten."""
        [route] = [r for r in self.app.routes if isinstance(r, WebSocketRoute)]
        handle: Any = route.endpoint
        found: SocketEdge = handle.__self__
        return found

    async def counted(self, scope: str = "user", sub: str = "alice") -> int:
        """How much of a limit a user of the standard tier has taken."""
        standings = await self.gateway.admission_call.look(Caller(sub))
        [found] = [s.limit - s.remaining for s in standings if s.scope == scope]
        return found

    def headers(self, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {token(**claims)}"}

    async def post(self, path: str, body: Any, **claims: Any) -> httpx2.Response:
        return await self.http.post(path, json=body, headers=self.headers(**claims))

    async def get(self, path: str, **claims: Any) -> httpx2.Response:
        return await self.http.get(path, headers=self.headers(**claims))

    async def graphql(
        self, query: str, variables: Any = None, *, anonymous: bool = False, **claims: Any
    ) -> httpx2.Response:
        body = {"query": query, "variables": variables}
        headers = {} if anonymous else self.headers(**claims)
        return await self.http.post("/graphql", json=body, headers=headers)

    async def data(self, query: str, variables: Any = None, **claims: Any) -> Any:
        response = await self.graphql(query, variables, **claims)
        body = response.json()
        assert "errors" not in body, body
        return body["data"]

    async def generate(self, **claims: Any) -> dict[str, Any]:
        found = await self.data(GENERATE, {"input": CHARACTER_INPUT}, **claims)
        content: dict[str, Any] = found["generateCharacterContent"]["content"]
        return content

    @contextlib.asynccontextmanager
    async def socket(self, *, init: Any = None, **claims: Any) -> AsyncIterator[Socket]:
        url = self.url.replace("http", "ws", 1) + "/graphql"
        # With a bounded queue a client that reads nothing more would not read the farewell either.
        async with connect(url, subprotocols=[PROTOCOL], max_queue=None) as ws:
            socket = Socket(ws)
            payload = {"authorization": token(**claims)} if init is None else init
            await socket.send({"type": "connection_init", "payload": payload})
            yield socket


class Socket:
    """A graphql-transport-ws client that hides nothing."""

    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self._ids = itertools.count(1)
        self.told: list[dict[str, str]] = []  # the cursors of each ping that had some

    async def send(self, message: Any) -> None:
        await self.ws.send(orjson.dumps(message).decode())

    async def receive(self, seconds: float = 10) -> Any:
        """The next message; of pings with cursors, what they say is kept."""
        async with asyncio.timeout(seconds):
            while True:
                message = orjson.loads(await self.ws.recv())
                if message["type"] != "ping" or "payload" not in message:
                    return message
                self.told.append(message["payload"]["cursors"])

    async def acknowledged(self) -> Socket:
        assert (await self.receive())["type"] == "connection_ack"
        return self

    async def subscribe(self, query: str, variables: Any = None) -> str:
        name = str(next(self._ids))
        payload = {"query": query, "variables": variables}
        await self.send({"type": "subscribe", "id": name, "payload": payload})
        return name

    async def next(self, field: str, seconds: float = 10) -> Any:
        message = await self.receive(seconds)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"][field]

    async def closed(self, seconds: float = 10) -> tuple[int | None, str | None]:
        await asyncio.wait_for(self.ws.wait_closed(), seconds)
        return self.ws.close_code, self.ws.close_reason


class Server(uvicorn.Server):
    """Looks whether it is to stop each 10 ms and not each 100: of thousands of tests a minute."""

    async def main_loop(self) -> None:
        tick = 0
        while not await self.on_tick(tick):
            await asyncio.sleep(0.01)
            tick = (tick + 1) % 10  # at each tenth it takes the date of its answers


@contextlib.asynccontextmanager
async def running(found: Settings, **wired: Any) -> AsyncIterator[Service]:
    """The service with these settings, migrated, until the block ends."""
    await asyncio.to_thread(migrated, found.database)
    app = create_app(found, alone=False, **wired)
    listening = listen(found)
    config = uvicorn.Config(app, **uvicorn_options(found))
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        if serving.done():
            serving.result()
            raise RuntimeError("the service did not start")
        await asyncio.sleep(0.01)
    service = Service(app, app.state.parts, f"http://127.0.0.1:{listening.getsockname()[1]}")
    try:
        yield service
    finally:
        await service.http.aclose()
        server.should_exit = True
        await serving


def running_with_limits(
    path: Path, redis_url: str, **limits: int
) -> contextlib.AbstractAsyncContextManager[Service]:
    """With these limits instead of the default ones; `__` stands for a target's colon."""
    tables = tuple(LimitTable(target=t.replace("__", ":"), max=n) for t, n in limits.items())
    found = settings(path, redis_url)
    return running(found.model_copy(update={"file": ConfigFile(limits=tables)}))
