"""Connection: one `graphql-transport-ws` socket, from its first message to its close.

https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md has the messages and close codes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect

from app import spans
from app.caller import Caller
from app.direct_socket import Socket, direct_socket
from app.errors import GatewayError, InternalError, Unauthenticated
from app.http import address, authorization
from app.open_streams import TokenExpired
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.stages import measured
from resolvers import refusals
from resolvers.errors import InvalidDocument, from_gateway
from resolvers.execution import Executor, Reply
from resolvers.questions import Question, question
from resolvers.response_streams import ResponseStream
from resolvers.websocket_messages import (
    MAX_OPERATIONS,
    Closing,
    TooManyOperations,
    decoded,
    operation_id,
    ping,
)

CLOSE_TIMEOUT = 2.0  # s for the last words
CONTROL_RATE = 100.0  # pings, pongs and completes a second, which count for no limit
CONTROL_BURST = 300  # of them at once: each operation completed, and some pings
PING_INTERVAL = 12.0  # s; proxies cut what is silent for 30 to 60

log = logging.getLogger(__name__)


@dataclass(slots=True)
class SocketTimeouts:
    """How long a connection waits, in seconds."""

    init: float = 10.0  # for connection_init
    ping: float = PING_INTERVAL  # between pings, also to clients that never ping
    pong: float = 3 * PING_INTERVAL  # for any word of the client's, once it was pinged
    write: float = 20.0  # for the client to take what was sent


class Connection:
    """One socket: its caller, and its operations by their ids."""

    def __init__(
        self,
        ws: WebSocket,
        executor: Executor,
        gateway: Gateway,
        timeouts: SocketTimeouts,
    ) -> None:
        direct = direct_socket(ws.scope)
        self._socket: Socket = ws if direct is None else direct
        self._write = _never if direct is None else direct.write_text
        # Not the WebSocket: it has all headers, and the wrappings of each middleware.
        self._opened_by = authorization(ws.headers), address(ws)
        self._timeouts = timeouts
        self._executor, self._gateway, self._open_streams = executor, gateway, gateway.open_streams
        self._caller: Caller | None = None
        self._loop = asyncio.get_running_loop()  # looking it up is a system call in Python 3.11
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._lives: dict[str, ResponseStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._lease = asyncio.timeout(None)
        self._closing: Closing | None = None
        self._ended = False  # no message is awaited any more, whoever closed
        self._sending: float | None = None  # since when, in the event loop's time
        self._heard = self._pinged = 0.0  # when
        self._trace: tuple[Any, Any] = (None, None)  # where its operations belong, as it says
        self._controls = self._controlled = 0.0  # a bucket that leaks, and when it was looked at

    async def serve(self) -> None:
        """Until either side closes; leaves no task behind."""
        try:
            await self._part(await self._served())
        except WebSocketDisconnect:
            log.debug("a socket was closed by its client")
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._open_streams.release(self)
            if self._caller is not None:
                self._open_streams.sockets.leave(self._caller.id)

    async def _part(self, closing: Closing) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # A client that takes nothing is not waited for: its connection ends with the socket's own
        # time-out (`cli.listen`).
        with contextlib.suppress(RuntimeError, OSError, WebSocketDisconnect, TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                if closing.farewell:
                    await self._send(self._positions())
                end = {"type": "websocket.close", "code": closing.code}
                await self._socket.send({**end, "reason": closing.reason})

    async def _served(self) -> Closing:
        """Answer messages until there is a reason to close."""
        try:
            await self._initialise()
            async with self._lease:
                self._open_streams.hold(self)
                try:
                    while True:
                        await self._handle(await self._receive())
                finally:
                    self._ended = True
        except Closing as closing:
            return closing
        except TimeoutError:
            if self._closing is None:
                raise
            return self._closing

    # -- the lease
    @property
    def caller(self) -> Caller:
        if self._caller is None:
            raise RuntimeError("the connection was not initialised")
        return self._caller

    def end(self, reason: GatewayError) -> None:
        """Close, with the place of each subscription: a client goes on behind it elsewhere."""
        # 4401 is fatal to clients of graphql-ws; 4403 is theirs to renew, and 1012 to retry.
        code = 4403 if isinstance(reason, TokenExpired) else 1012
        self._close(Closing(code, reason.message, farewell=True))

    def look(self, now: float) -> None:
        """Ping when it is time; give up a client that takes or says nothing."""
        if self._sending is not None:
            if now - self._sending > self._timeouts.write:
                self._close(Closing(4408, "Nothing was read in time"))
        elif self._pinged > self._heard and now - self._heard > self._timeouts.pong:
            self._close(Closing(4408, "No pong in time"))
        # Who has subscriptions is told its positions, also when it pings by itself.
        elif now - max(self._pinged, 0 if self._lives else self._heard) >= self._timeouts.ping:
            self._start(self._ping())

    async def _ping(self) -> None:
        """The positions are of now, and no result is being sent that they would fall behind."""
        if self._sending is None:
            self._pinged = self._loop.time()
            with contextlib.suppress(WebSocketDisconnect):
                await self._send(self._positions())

    def _close(self, closing: Closing) -> None:
        if self._closing is None and not self._ended:
            self._closing = closing
            self._lease.reschedule(self._loop.time())

    def _positions(self) -> dict[str, Any]:
        return ping({name: live.cursor for name, live in self._lives.items()})

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- messages
    async def _receive(self) -> dict[str, Any]:
        message = await self._socket.receive()
        self._heard = self._loop.time()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return decoded(message.get("text"))

    async def _send(self, message: dict[str, Any]) -> None:
        await self._send_text(orjson.dumps(message))

    def _write_now(self, *parts: bytes) -> bool:
        """Whether the message was written: the client takes what it gets, and none waits."""
        return self._sending is None and self._write(*parts)

    async def _send_text(self, *parts: bytes) -> None:
        if self._write_now(*parts):
            return
        if first := self._sending is None:  # others may be waiting behind it
            self._sending = self._loop.time()
        try:
            text = b"".join(parts).decode()
            await self._socket.send({"type": "websocket.send", "text": text})
        except (RuntimeError, OSError) as error:  # it was closed in the meantime
            raise WebSocketDisconnect(1006) from error
        finally:
            if first:
                self._sending = None

    async def _initialise(self) -> None:
        try:
            async with asyncio.timeout(self._timeouts.init):
                message = await self._receive()
                while message["type"] in ("ping", "pong"):
                    await self._handle(message)
                    message = await self._receive()
        except TimeoutError:
            raise Closing(4408, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Closing(4401, "Unauthorized")
        payload = message.get("payload") or {}
        self._trace = payload.get("traceparent"), payload.get("tracestate")
        caller = await self._authenticated(payload)
        sockets = self._open_streams.sockets
        if not sockets.enter(caller.id):
            raise Closing(1013, f"A user may have at most {sockets.most} sockets open here")
        self._caller = caller  # from here on it is counted
        await self._send({"type": "connection_ack"})

    async def _authenticated(self, payload: dict[str, Any]) -> Caller:
        header = payload.get("Authorization") or payload.get("authorization")
        in_headers, client = self._opened_by
        header = header or in_headers
        try:
            if isinstance(header, str) and " " not in header.strip(" "):
                header = f"Bearer {header}"  # the payload may name the token alone
            given = header if isinstance(header, str) else None
            return await self._gateway.connect(given, client)
        except Unauthenticated as error:
            raise Closing(4403, error.message) from None
        except GatewayError as error:
            raise Closing(1013, error.message) from None  # "try again later"

    async def _handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind in ("ping", "pong", "complete"):
            await self._count_control()
        if kind == "ping":
            payload = {"payload": message["payload"]} if "payload" in message else {}
            await self._send({"type": "pong", **payload})
        elif kind == "subscribe":
            await self._subscribe(message)
        elif kind == "complete":
            if task := self._operations.pop(operation_id(message), None):
                self._lives.pop(operation_id(message), None)
                task.cancel()
        elif kind == "connection_init":
            raise Closing(4429, "Too many initialisation requests")
        elif kind != "pong":
            raise Closing(4400, "Unknown message type")

    async def _count_control(self) -> None:
        """Others go first: what was received is read without a pause of the loop."""
        leaked = (self._heard - self._controlled) * CONTROL_RATE
        self._controls, self._controlled = max(0.0, self._controls - leaked) + 1, self._heard
        if self._controls > CONTROL_BURST:
            raise Closing(1008, "Too many pings, pongs or completes")
        await asyncio.sleep(0)

    # -- operations
    async def _subscribe(self, message: dict[str, Any]) -> None:
        name = operation_id(message)
        if self._caller is None:
            raise Closing(4401, "Unauthorized")
        if name in self._operations:
            raise Closing(4409, f"Subscriber for {name} already exists")
        request_id = str(uuid4())
        try:
            asked = question(message.get("payload"))
        except GatewayError as error:
            raise Closing(4400, (await self._counted(error, request_id)).message) from None
        if len(self._operations) < MAX_OPERATIONS:
            self._operations[name] = self._start(self._traced(name, asked, request_id))
        else:
            refused = await self._counted(TooManyOperations(), request_id)
            errors = [from_gateway(refused, request_id)]
            await self._send({"id": name, "type": "error", "payload": errors})

    async def _counted(self, refusal: GatewayError, request_id: str) -> GatewayError:
        """What is told of an operation that did not come to run: it counts as any other."""
        try:
            async with self._request(request_id):
                raise refusal
        except GatewayError as told:
            return told

    def _request(self, request_id: str) -> contextlib.AbstractAsyncContextManager[RequestContext]:
        return self._gateway.request(self.caller, request_id, edge="websocket")

    async def _traced(self, name: str, asked: Question, request_id: str) -> None:
        """A span for each operation: a socket has no request of its own, and lives for days."""
        trace = asked.trace if asked.trace[0] else self._trace
        with spans.server("GraphQL Operation", *trace), measured():
            await self._run(name, asked, request_id)

    async def _run(self, name: str, asked: Question, request_id: str) -> None:
        """One operation from its document to its last message."""
        try:
            async with self._request(request_id) as context:
                outcome = await self._outcome(asked, context)
            errors = await self._results(name, outcome)
        except InvalidDocument as error:
            errors = error.formatted(request_id)
        except GatewayError as error:
            errors = [from_gateway(error, request_id)]
        except WebSocketDisconnect:
            return
        except Exception:
            log.exception("unexpected error", extra={"request_id": request_id})
            errors = [from_gateway(InternalError(), request_id)]
        if errors:
            spans.current().failed(errors[0].get("extensions", {}).get("code", ""), fault=False)
        # Off the list first: the client may use the id again once it has the last message.
        if self._operations.get(name) is asyncio.current_task():
            del self._operations[name]
            self._lives.pop(name, None)
        with contextlib.suppress(WebSocketDisconnect):
            if errors:
                await self._send({"id": name, "type": "error", "payload": errors})
            else:
                await self._send({"id": name, "type": "complete"})

    async def _outcome(self, asked: Question, request: RequestContext) -> ResponseStream | Reply:
        """A subscription that runs, or the one reply. Raises `InvalidDocument`."""
        executor = self._executor
        refusals.foresee(executor, asked, request)
        document = await executor.document(asked)
        kind = document.operation(asked.operation_name).kind
        spans.current().rename(kind.value)
        name, request_id = asked.operation_name, request.request_id
        context = executor.prepare(document, name, request, request_id)
        if kind is not OperationType.SUBSCRIPTION:
            reply = await executor.run(document, asked, context)
            refusals.remember(asked, request, reply)
            return reply
        found = await executor.stream(document, asked, context)
        if isinstance(found, Reply):  # why it does not run, which is no result
            return Reply({"errors": found.body["errors"]}, found.errors)
        return found

    async def _results(self, name: str, outcome: ResponseStream | Reply) -> list[dict[str, Any]]:
        """Send the operation's results; the errors that kept it from having any."""
        if isinstance(outcome, Reply):
            return await self._one(name, outcome)
        self._lives[name] = outcome
        head = b'{"id":%b,"type":"next","payload":' % orjson.dumps(name)
        async with contextlib.aclosing(outcome):
            await outcome.join()
            if (cursor := outcome.cursor) is not None:
                self._pinged = self._loop.time()
                await self._send(ping({name: cursor}))
            outcome.push_to(lambda _, body: self._write_now(head, body, b"}"))
            async for _, body in outcome:
                await self._send_text(head, body, b"}")
        return []

    async def _one(self, name: str, reply: Reply) -> list[dict[str, Any]]:
        if "data" not in reply.body:
            errors: list[dict[str, Any]] = reply.body["errors"]
            return errors
        await self._send({"id": name, "type": "next", "payload": reply.body})
        return []


def _never(*_: bytes) -> bool:
    return False
