"""The only door to Redis: connections, a budget of silence, a breaker, its errors as ours.

Every call ends within `BUDGET` seconds of Redis's silence. Five failures in a row open the
breaker, and one refusal to write does, for a server that is full or read-only says so to all: calls
then fail at once, and a probe looks until Redis takes writes again. In a cluster
each master has a breaker of its own, so that one that is away does not hold up the others' users.
Whoever calls decides what to do without Redis; the one error to catch is
`DependencyUnavailable("redis")`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from typing import Any

from redis import exceptions
from redis.asyncio.connection import AbstractConnection

from app.errors import DependencyUnavailable
from app.redis.address import address as address  # part of this door
from app.redis.address import connect as connect
from app.redis.away import AWAY, is_away, refuses_writes
from app.redis.blocking_reader import MAX_READERS, BlockingReader
from app.redis.cluster import Cluster, Keys
from app.redis.shared_connection import Command, SharedConnection
from app.redis.silence import Silence

BUDGET = 0.05  # s of silence in a request's path; past it the local limiter answers sooner
MAX_FAILURES = 5  # in a row, until the breaker opens
PROBE_INTERVAL = 1.0  # s; with PROBE_BUDGET it keeps "heals within 10 s of Redis's return"
PROBE_TIMEOUT = 2.0  # s
CHECK_TIMEOUT = 1.0  # s
CHECK_TTL = 1_000  # ms for which what a probe or a check writes lives
ROOM_BUDGET = 2.0  # s; to cut a million entries off a stream takes some 100 ms
MAX_CONNECTIONS = 64  # at once for requests; more only queue in the server, which runs one by one
SPARE_CONNECTIONS = 8  # for the probe and the health check, which must not wait for requests

MOVED = (exceptions.MovedError, exceptions.AskError)
KEYS = Keys()
log = logging.getLogger(__name__)


@lru_cache(10_000)
def user_slot(user_id: str) -> str:
    """How a user's keys begin: all of them in one slot of a cluster, of bounded length, no name."""
    return "loregate:{u:" + hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest() + "}"


class Script:
    """A Lua script, known to the server by its digest."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def called(self, keys: Sequence[str], args: Iterable[Any]) -> Command:
        return ("EVALSHA", self.digest, len(keys), *keys, *args)

    def whole(self, command: Command) -> Command:
        """The same call for a server that does not know the digest."""
        return ("EVAL", self.source, *command[2:])


@dataclass(frozen=True, slots=True)
class Call:
    """A script with its keys and arguments, to be run beside others."""

    script: Script
    keys: Sequence[str]
    args: Sequence[Any]


class Redis:
    """Commands and scripts for requests, bounded; `reader()` gives clients that may block."""

    def __init__(
        self, url: str, *, budget: float = BUDGET, probe_every: float = PROBE_INTERVAL
    ) -> None:
        """`url` is one of the schemes in `SCHEMES`; raises `SettingsError` for any other."""
        self.url = url
        self.clustered = url.startswith("redis+cluster://")
        self._budget, self._probe_every = budget, probe_every
        # No socket time-out: `Silence` bounds each call, and redis-py's own makes a task per call.
        self._client = connect(
            url, max_connections=MAX_CONNECTIONS + SPARE_CONNECTIONS, socket_timeout=None
        )
        self._shared: dict[str, SharedConnection] = {}  # by master; outside a cluster under no name
        # Who waits here waits for this process, and starts to hear Redis's silence after it.
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._failed: dict[str, int] = {}  # in a row, by master; outside a cluster under no name
        self.open_breakers: dict[str, asyncio.Task[None]] = {}  # by master, each with its probe
        self._streams: Any = None  # of a cluster, for all readers
        self._listeners: list[Callable[[bool], None]] = []
        self.timed: Callable[[float], None] = lambda _: None  # hears how many s each call took

    @property
    def up(self) -> bool:
        """Whether calls are tried; False while the breaker is open, in a cluster every master's."""
        if not self.open_breakers:
            return True
        masters = self._client.masters if isinstance(self._client, Cluster) else set()
        return bool(masters - self.open_breakers.keys())

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(up)` whenever the breaker opens or closes."""
        self._listeners.append(listener)

    async def call(self, *command: Any, budget: float | None = None) -> Any:
        """One command's reply.

        Raises:
            DependencyUnavailable: Redis is away, was silent for the budget, or refused.
        """
        keys = await KEYS.get_keys(*command) if self.clustered else ()
        (reply,) = await self._heard(keys, [command], budget=budget)
        return reply

    async def run(
        self, script: Script, keys: Sequence[str], args: Iterable[Any], budget: float | None = None
    ) -> Any:
        """A script's reply, in one round trip; the first time on a server in two.

        Raises:
            DependencyUnavailable: as `call` does.
        """
        command = script.called(keys, args)
        (reply,) = await self._heard(keys, [command], (script,), budget=budget)
        return reply

    async def make_room(self, script: Script, keys: Sequence[str], args: Iterable[Any]) -> Any:
        """The same for a script that gives memory back: also asked of a server that is full, and
        with more time, for it may free much.

        Raises:
            DependencyUnavailable: as `call` does.
        """
        command = script.called(keys, args)
        (reply,) = await self._heard(keys, [command], (script,), budget=ROOM_BUDGET, breaker=False)
        return reply

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """The replies of several scripts, in one round trip (in a cluster one to each master).

        Raises:
            DependencyUnavailable: as `call` does; some of the scripts may have run.
        """
        if not self.clustered:
            return await self._run_together(calls)
        found = await self.run_each(calls)
        for reply in found:
            if isinstance(reply, DependencyUnavailable):
                raise reply
        return found

    async def run_each(self, calls: Sequence[Call]) -> list[Any]:
        """The same, with the error in the place of a reply: in a cluster a part may be away."""
        parts = self._by_master(calls)
        if len(parts) == 1:
            return await self._told([calls[at] for at in parts[0]])
        found: list[Any] = [None] * len(calls)
        told = (self._told([calls[at] for at in part]) for part in parts)
        for part, replies in zip(parts, await asyncio.gather(*told), strict=True):
            for at, reply in zip(part, replies, strict=True):
                found[at] = reply
        return found

    async def _told(self, calls: Sequence[Call]) -> list[Any]:
        try:
            return await self._run_together(calls)
        except DependencyUnavailable as error:
            return [error] * len(calls)

    def _by_master(self, calls: Sequence[Call]) -> list[list[int]]:
        """The places of those that one server has the keys of."""
        if not isinstance(self._client, Cluster):
            return [list(range(len(calls)))]
        parts: dict[str, list[int]] = {}
        for at, one in enumerate(calls):
            owner = self._client.owner(_text(one.keys[0])) if one.keys else ""
            parts.setdefault(owner or f"unknown {at}", []).append(at)
        return list(parts.values())

    async def _run_together(self, calls: Sequence[Call]) -> list[Any]:
        commands = [c.script.called(c.keys, c.args) for c in calls]
        keys = calls[0].keys if calls else ()
        return await self._heard(keys, commands, [c.script for c in calls])

    async def _heard(
        self,
        keys: Sequence[Any],
        commands: Sequence[Command],
        scripts: Sequence[Script] = (),
        *,
        budget: float | None = None,
        breaker: bool = True,
    ) -> list[Any]:
        """The replies to what one server is asked, which has these keys."""
        node: str | None = ""
        budget, began = budget or self._budget, time.perf_counter()
        try:
            if isinstance(self._client, Cluster) and "" not in self.open_breakers:
                node = await self._master(self._client, keys, budget)
            if breaker and node in self.open_breakers:
                raise DependencyUnavailable("redis")
            replies = await self._asked(node, commands, scripts, budget)
            for reply in replies:
                if isinstance(reply, Exception):
                    raise reply
        except (*AWAY, exceptions.RedisError) as error:
            self._failure(error, node, keys)
            raise DependencyUnavailable("redis") from None
        finally:
            self.timed(time.perf_counter() - began)
        if self._failed:
            self._failed.pop(node or "", None)
        return replies

    async def _asked(
        self,
        node: str | None,
        commands: Sequence[Command],
        scripts: Sequence[Script],
        budget: float,
    ) -> list[Any]:
        shared = self._shared_with(node)
        if shared is None:
            each = zip_longest(commands, scripts)
            return [await self._elsewhere(command, script, budget) for command, script in each]
        replies = await shared.ask(commands, budget)
        for at, reply in enumerate(replies):
            script = scripts[at] if scripts else None
            if isinstance(reply, exceptions.NoScriptError) and script is not None:
                (replies[at],) = await shared.ask([script.whole(commands[at])], budget)
            elif isinstance(reply, MOVED):
                replies[at] = await self._elsewhere(commands[at], script, budget)
            elif script is None and not isinstance(reply, Exception):
                parse = self._client.response_callbacks.get(commands[at][0])
                replies[at] = reply if parse is None else parse(reply)
        return replies

    async def _elsewhere(self, command: Command, script: Script | None, budget: float) -> Any:
        """Asked by redis-py, which follows what moved, and finds a node for what has no key."""
        execute = self._client.execute_command
        async with self._free, Silence(budget):
            try:
                return await execute(*command)
            except exceptions.NoScriptError:
                if script is None:
                    raise
                return await execute(*script.whole(command))

    def _shared_with(self, node: str | None) -> SharedConnection | None:
        """The connection to a master, outside a cluster to the server; None: nobody's in it."""
        if not node and isinstance(self._client, Cluster):
            return None
        found = self._shared.get(node or "")
        if found is None:
            found = SharedConnection(self._dialling(node or ""), budget=self._budget)
            self._shared[node or ""] = found
        return found

    def _dialling(self, node: str) -> Callable[[], AbstractConnection]:
        if isinstance(self._client, Cluster):
            return self._client.connection_to(node)
        return self._client.connection_pool.make_connection

    async def _master(self, client: Cluster, keys: Sequence[Any], budget: float) -> str | None:
        """Whose breaker it is; that of the topology has no name. None for what has no key.

        The topology and the command each have a budget: on a busy loop two new connections, one
        after the other, take more turns than one budget has.
        """
        async with Silence(budget):
            await client.initialize()
        return client.owner(_text(keys[0])) if keys else None

    def _failure(self, error: Exception, node: str | None, keys: Sequence[Any]) -> None:
        if not is_away(error):
            # It answers, but not to this: ours to mend, and no reason to refuse the caller.
            log.error("redis refused a command", exc_info=error)
            return
        if node is None:
            return  # any master was asked: its silence says nothing of the others, nor of the whole
        refused = refuses_writes(error)
        more = MAX_FAILURES if refused else 1
        failed = self._failed[node] = self._failed.get(node, 0) + more
        if failed >= MAX_FAILURES and node not in self.open_breakers:
            said = "redis refuses writes" if refused else "redis is away"
            log.warning(said, extra={"kind": type(error).__name__})
            was = self.up
            key = f"loregate:probe:{{{_tag(keys)}}}" if node else "loregate:probe"
            probe = asyncio.create_task(self._probe(node, key), name="redis-probe")
            self.open_breakers[node] = probe
            self._notify(was)

    async def _probe(self, node: str, key: str) -> None:
        """Until Redis takes a write again: an answer to PING is no proof of that."""
        wait = self._probe_every / 16  # a server that only stumbled is taken back soon
        while True:
            await asyncio.sleep(wait)
            wait = min(2 * wait, self._probe_every)
            try:
                async with asyncio.timeout(PROBE_TIMEOUT):
                    if isinstance(self._client, Cluster):
                        await self._client.probe(node, key)
                    else:
                        await self._client.set(key, "1", px=CHECK_TTL)
            except Exception as error:  # a probe that died would leave the breaker open for ever
                log.debug("redis is still away", extra={"kind": type(error).__name__})
                if isinstance(self._client, Cluster):
                    self._client.look_again()  # a replica may have taken its place
            else:
                break
        was = self.up
        self._failed.pop(node, None)
        del self.open_breakers[node]
        log.warning("redis is back")
        self._notify(was)

    def _notify(self, was: bool) -> None:
        if (up := self.up) is not was:
            for listener in self._listeners:
                listener(up)

    async def check(self) -> str | None:
        """None when Redis takes a write within a second, else why not, without the address's
        secrets. In a cluster every master is to take one.
        """
        try:
            await self._write()
        except TimeoutError:
            return "no answer within a second"
        except (*AWAY, exceptions.RedisError) as error:
            return str(error)
        return None

    async def ping(self) -> bool:
        """Whether it takes writes, too; raises `DependencyUnavailable` after a second's silence."""
        try:
            await self._write()
        except (*AWAY, exceptions.RedisError) as error:
            if refuses_writes(error):
                return False
            raise DependencyUnavailable("redis") from None
        return True

    async def _write(self) -> None:
        """A key that is gone within a second, through no breaker: PING is answered while full."""
        async with asyncio.timeout(CHECK_TIMEOUT):
            if isinstance(self._client, Cluster):
                await self._client.probe_all()
            else:
                await self._client.set("loregate:check", "1", px=CHECK_TTL)

    def reader(self) -> BlockingReader:
        """A reader with connections of its own; whoever asks for it closes it."""
        if not self.clustered:
            return BlockingReader(connect(self.url, max_connections=4, socket_timeout=None))
        if self._streams is None:
            self._streams = connect(self.url, max_connections=MAX_READERS, socket_timeout=None)
            if isinstance(self._streams, Cluster) and isinstance(self._client, Cluster):
                self._streams.elder = self._client
        return BlockingReader(self._streams, shared=True)

    async def close(self) -> None:
        probes = list(self.open_breakers.values())
        for probe in probes:
            probe.cancel()
        await asyncio.gather(*probes, return_exceptions=True)
        for shared in self._shared.values():
            await shared.close()
        await self._client.aclose()
        if self._streams is not None:
            await self._streams.aclose()


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def _tag(keys: Sequence[Any]) -> str:
    """What another key needs between braces to stand in the same slot."""
    key = _text(keys[0])
    tag = key.partition("{")[2].partition("}")
    return tag[0] if tag[0] and tag[1] else key
