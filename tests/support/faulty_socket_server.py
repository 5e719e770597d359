"""A small server of `graphql-transport-ws`, right in everything but the one defect it is told.

It knows its documents by their texts, and nothing of GraphQL.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

PROTOCOL: Any = "graphql-transport-ws"
INIT_TIMEOUT = 0.5  # s
SLOW = 0.5  # s
DOCUMENTS = {
    "query": "{ __typename }",
    "mutation": "mutation { touch }",
    "subscription": "subscription { silent }",
    "subscription_that_ends": "subscription { count }",
    "slow_query": "{ slow }",
    "failing_query": "{ failing }",
    "failing_subscription": "subscription { failing }",
    "rejected_init": {"reject": True},
    "crashing_init": {"crash": True},
}
NAMED = {
    "query A { a: __typename } query B { b: __typename }": "b",
    "query ($no: Boolean!) { a: __typename @skip(if: $no) b: __typename }": "b",
}
RESULTS: dict[str, list[Any]] = {
    "{ __typename }": [{"data": {"__typename": "Query"}}],
    "mutation { touch }": [{"data": {"touch": 1}}],
    "subscription { count }": [{"data": {"count": n}} for n in (1, 2, 3)],
    "{ slow }": [{"data": {"slow": "late"}}],
    "{ failing }": [{"data": None, "errors": [{"message": "broken"}]}],
    **{document: [{"data": {name: "Query"}}] for document, name in NAMED.items()},
}


class Closing(Exception):
    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code, self.reason = code, reason


def wrong(message: Any) -> bool:
    """Whether it is no message of a client's."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return True
    kind, payload, name = message["type"], message.get("payload"), message.get("id")
    if kind in ("subscribe", "complete") and not (isinstance(name, str) and name):
        return True
    if kind != "subscribe":
        known = kind in ("connection_init", "ping", "pong", "complete")
        return not known or not isinstance(payload, dict | None)
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return True
    objects = all(isinstance(payload.get(k), dict | None) for k in ("variables", "extensions"))
    return not objects or not isinstance(payload.get("operationName"), str | None)


class FaultySocket:
    """One socket. A subclass is a server with a defect."""

    init_timeout = INIT_TIMEOUT
    acknowledged = initialised = False

    def __init__(self, ws: ServerConnection) -> None:
        self.ws = ws
        self.operations: dict[str, asyncio.Task[None]] = {}

    async def send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.ws.send(json.dumps(message))

    async def serve(self) -> None:
        timer = asyncio.get_running_loop().call_later(self.init_timeout, self.timed_out)
        try:
            if self.ws.subprotocol != PROTOCOL:
                raise Closing(4406, "Subprotocol not acceptable")
            while True:
                await self.handle(self.read(await self.receive()))
        except Closing as closing:
            await self.close(closing)
        except ConnectionClosed:
            pass
        finally:
            timer.cancel()
            for task in self.operations.values():
                task.cancel()

    async def close(self, closing: Closing) -> None:
        reason = closing.reason.encode()[:123].decode(errors="ignore")
        await self.ws.close(closing.code, reason)

    def timed_out(self) -> None:
        if not self.initialised:
            self.closing = asyncio.create_task(self.close(Closing(4408)))

    async def receive(self) -> Any:
        return await self.ws.recv()

    def read(self, data: str | bytes) -> Any:
        if isinstance(data, bytes):
            raise Closing(4400, "text frames only")
        try:
            message = json.loads(data)
        except ValueError:
            raise Closing(4400, "no JSON") from None
        if self.wrong(message):
            raise Closing(4400, "invalid message")
        return message

    def wrong(self, message: Any) -> bool:
        return wrong(message)

    async def handle(self, message: dict[str, Any]) -> None:
        await getattr(self, message["type"])(message)

    async def connection_init(self, message: dict[str, Any]) -> None:
        if self.initialised:
            raise Closing(4429)
        self.initialised = True
        payload = message.get("payload") or {}
        if payload.get("reject"):
            raise Closing(4403)
        if payload.get("crash"):
            raise Closing(4500)
        await self.send({"type": "connection_ack"})
        self.acknowledged = True

    async def ping(self, message: dict[str, Any]) -> None:
        await self.send({**message, "type": "pong"})

    async def pong(self, message: dict[str, Any]) -> None:
        pass

    async def complete(self, message: dict[str, Any]) -> None:
        if task := self.operations.pop(message["id"], None):
            task.cancel()

    async def subscribe(self, message: dict[str, Any]) -> None:
        if not self.acknowledged:
            raise Closing(4401)
        name = message["id"]
        if name in self.operations:
            raise Closing(4409, f"Subscriber for {name} already exists")
        self.operations[name] = asyncio.create_task(self.run(name, message["payload"]))

    async def run(self, name: str, payload: dict[str, Any]) -> None:
        document = payload["query"]
        if document == "subscription { silent }":
            await asyncio.sleep(60)
        if document == "{ slow }":
            await asyncio.sleep(SLOW)
        await self.answer(name, self.results(payload))

    def results(self, payload: dict[str, Any]) -> list[Any] | None:
        """None for a document that has none."""
        named = payload["query"].startswith("query A") and not payload.get("operationName")
        return None if named else RESULTS.get(payload["query"])

    async def answer(self, name: str, results: list[Any] | None) -> None:
        for result in results or []:
            await self.send({"type": "next", "id": name, "payload": result})
        self.forget(name)
        if results is None:
            await self.send({"type": "error", "id": name, "payload": [{"message": "invalid"}]})
        else:
            await self.send({"type": "complete", "id": name})

    def forget(self, name: str) -> None:
        if self.operations.get(name) is asyncio.current_task():
            del self.operations[name]


@contextlib.asynccontextmanager
async def running(
    socket: type[FaultySocket],
    choose: Callable[[ServerConnection, Any], Any] | None = None,
) -> AsyncIterator[str]:
    """The server's address, until the block ends."""

    def chosen(ws: ServerConnection, offered: Any) -> Any:
        return PROTOCOL if PROTOCOL in offered else None

    async def handler(ws: ServerConnection) -> None:
        await socket(ws).serve()

    async with serve(
        handler, "127.0.0.1", 0, select_subprotocol=choose or chosen, ping_interval=None
    ) as server:
        [listening] = server.sockets
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}/graphql"
