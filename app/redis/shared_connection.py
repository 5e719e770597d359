"""SharedConnection: one connection to a server, shared by all requests and pipelined.

Commands that are asked in one turn of the loop leave in one write, and replies come back in their
order: a command costs a place in a queue, one future, and no lock, task or timer of its own.
Whoever leaves early only has its reply dropped. redis-py dials (addresses, TLS, logins, sentinels);
nothing is sent twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from hiredis import PushNotification, pack_command
from redis import exceptions

# redis-py's mark of a reply that has not come whole.
from redis._parsers.hiredis import NOT_ENOUGH_DATA
from redis.asyncio.connection import AbstractConnection

# That a server may have at once. What comes in one write it answers together, behind the last: 64
# scripts look like 50 ms of silence where it shares its core with others.
MAX_IN_FLIGHT = 16
SLICES = 20  # parts of a budget of silence; see `Silence`, which counts in the same way

Command = Sequence[Any]
# What a server says that is not to be asked again on this connection: it loads, wants a login, or
# is a replica by now.
STALE = (exceptions.ConnectionError, exceptions.ReadOnlyError)


def lost() -> exceptions.ConnectionError:
    """New each time: one that is raised again and again would keep all frames that it left."""
    return exceptions.ConnectionError("the connection was closed")


class Exchange:
    """Commands that go together, and their replies to come, errors among them.

    since: the tick from which on it is for the server to speak. limit: ticks of silence.
    """

    __slots__ = ("count", "done", "limit", "packed", "replies", "since")

    def __init__(self, packed: bytes, count: int, limit: int, since: int) -> None:
        self.packed, self.count, self.limit, self.since = packed, count, limit, since
        self.replies: list[Any] = []
        self.done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()

    def fail(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Wire(asyncio.Protocol):
    """An open connection. It has no word from its server until `heard`, a tick."""

    def __init__(self, connection: AbstractConnection, shared: SharedConnection) -> None:
        # Kept as a whole: its writer, let go of, closes the transport.
        opened: Any = connection
        self._connection = opened
        self._transport: asyncio.Transport = opened._writer.transport
        self._parser = opened._parser._reader
        self._shared = shared
        self._waiting: deque[Exchange] = deque()
        self.heard = shared.tick
        self._transport.set_protocol(self)

    @property
    def busy(self) -> bool:
        return bool(self._waiting)

    @property
    def room(self) -> int:
        """How many exchanges more it takes."""
        return MAX_IN_FLIGHT - len(self._waiting)

    def send(self, exchanges: Sequence[Exchange]) -> None:
        for exchange in exchanges:
            exchange.since = self._shared.tick
        self._waiting.extend(exchanges)
        self._transport.write(b"".join([exchange.packed for exchange in exchanges]))

    def data_received(self, data: bytes) -> None:
        self.heard = self._shared.tick
        self._parser.feed(data)
        try:
            while (reply := self._parser.gets()) is not NOT_ENOUGH_DATA:
                self._take(reply)
        except exceptions.RedisError as error:  # what came is no reply
            self.close(error)
        self._shared.flush()

    def _take(self, reply: Any) -> None:
        if isinstance(reply, PushNotification):
            return
        if not self._waiting:
            raise exceptions.InvalidResponse("a reply to nothing")
        exchange = self._waiting[0]
        exchange.replies.append(reply)
        if len(exchange.replies) == exchange.count:
            self._waiting.popleft()
            if not exchange.done.done():
                exchange.done.set_result(exchange.replies)
        if isinstance(reply, STALE):
            self._shared.leave(self)
        if not self._waiting and not self._shared.has(self):
            self.close(lost())

    def expire(self, tick: int) -> bool:
        """Fails what has waited for too long. Whether anything had, of callers that left too."""
        late = [x for x in self._waiting if tick - max(x.since, self.heard) >= x.limit]
        for exchange in late:
            exchange.fail(TimeoutError("redis is silent"))
        if late and all(x.done.done() for x in self._waiting):
            self.close(lost())
        return bool(late)

    def connection_lost(self, error: Exception | None) -> None:
        self.close(lost())

    def close(self, error: Exception) -> None:
        self._shared.closed(self)
        while self._waiting:
            self._waiting.popleft().fail(error)
        self._transport.abort()  # what a silent server did not take it need not get
        self._connection._close()


class SharedConnection:
    """To one server; dials when it is asked, and anew when a wire is lost or fell silent."""

    def __init__(self, make: Callable[[], AbstractConnection], *, budget: float) -> None:
        """`make` gives a connection that is not open yet; `budget`: s of silence, by default."""
        self._make, self._slice = make, budget / SLICES
        self._queue: list[Exchange] = []
        self._wire: Wire | None = None
        self._wires: set[Wire] = set()  # with those that are left, and have replies to come
        self._dialing: asyncio.Task[AbstractConnection] | None = None
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self.tick = 0  # slices of time that have passed while somebody waited

    async def ask(self, commands: Sequence[Command], budget: float) -> list[Any]:
        """The commands' replies, in their order; an error reply is in its place.

        Raises:
            redis.exceptions.ConnectionError, OSError: all that a connection fails with.
            TimeoutError: the server was silent for the budget, in seconds.
        """
        if not commands:
            return []  # nothing is answered to nothing: it would hold up all who come behind
        try:
            packed = b"".join([pack_command(tuple(command)) for command in commands])
        except TypeError as error:
            raise exceptions.DataError(str(error)) from None
        limit = max(1, round(budget / self._slice))
        exchange = Exchange(packed, len(commands), limit, self.tick)
        self._queue.append(exchange)
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._timer = loop.call_later(self._slice, self._tick)
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self.flush)
        try:
            return await exchange.done
        except asyncio.CancelledError:
            await self._left()
            raise

    def flush(self) -> None:
        """All that was asked in this turn, in one write, as far as there is room for it."""
        self._flushing = False
        wire = self._wire
        if not self._queue or (wire is not None and wire.room <= 0):
            return
        wanted = [exchange for exchange in self._queue if not exchange.done.done()]
        if wire is not None:
            self._queue = wanted[wire.room :]
            if sent := wanted[: wire.room]:
                wire.send(sent)
        elif self._dialing is None and wanted:
            self._dialing = asyncio.create_task(self._dial(), name="redis-dial")
            self._dialing.add_done_callback(self._dialled)

    async def _dial(self) -> AbstractConnection:
        connection: Any = self._make()
        try:
            await connection.connect()
        except BaseException:
            connection._close()
            raise
        return connection  # type: ignore[no-any-return]  # `Any` for what redis-py keeps private

    def _dialled(self, dial: asyncio.Task[AbstractConnection]) -> None:
        """A dial that was cancelled failed nobody: who still waits has it tried again."""
        self._dialing = None
        if not dial.cancelled():
            if (error := dial.exception()) is not None:
                failed, self._queue = self._queue, []
                for exchange in failed:
                    exchange.fail(error)
            else:
                self._wire = Wire(dial.result(), self)
                self._wires.add(self._wire)
        self.flush()

    async def _left(self) -> None:
        """Ends a dial that nobody waits for any more."""
        dial = self._dialing
        if dial is not None and all(exchange.done.done() for exchange in self._queue):
            self._queue.clear()
            dial.cancel()
            await asyncio.wait({dial})

    def _tick(self) -> None:
        """A slice of time has passed. A late one counts only its own length, and between two the
        loop has read what had arrived: so this process's own lateness is no silence."""
        self.tick += 1
        dialing = self._queue if self._wire is None else ()
        late = [x for x in dialing if self.tick - x.since >= x.limit]
        for exchange in late:
            exchange.fail(TimeoutError("redis is silent"))
            self._queue.remove(exchange)
        if late and self._dialing is not None:
            self._dialing.cancel()
        for wire in list(self._wires):
            if wire.expire(self.tick):
                self.leave(wire)
        self._timer = None
        if self._queue or any(wire.busy for wire in self._wires):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._slice, self._tick)

    def has(self, wire: Wire) -> bool:
        """Whether commands are sent on it."""
        return self._wire is wire

    def leave(self, wire: Wire) -> None:
        """Nothing more is sent on it; what was sent may still be answered."""
        if self._wire is wire:
            self._wire = None
            for exchange in self._queue:
                exchange.since = self.tick
            asyncio.get_running_loop().call_soon(self.flush)

    def closed(self, wire: Wire) -> None:
        self.leave(wire)
        self._wires.discard(wire)

    async def close(self) -> None:
        """Closes every connection; whoever waits is told that it is lost."""
        for exchange in self._queue:
            exchange.fail(lost())
        self._queue.clear()
        if self._dialing is not None:
            self._dialing.cancel()
            await asyncio.wait({self._dialing})
        for wire in list(self._wires):
            wire.close(lost())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
