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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from redis import exceptions
from redis.asyncio import Redis as Client

from app.errors import DependencyUnavailable
from app.redis.address import address as address  # part of this door
from app.redis.address import connect as connect
from app.redis.cluster import Cluster, Keys
from app.redis.silence import Silence
from app.redis.streams import Rows, by_stream

BUDGET = 0.05  # s of silence in a request's path; past it the local limiter answers sooner
MAX_FAILURES = 5  # in a row, until the breaker opens
PROBE_INTERVAL = 1.0  # s; with PROBE_BUDGET it keeps "heals within 10 s of Redis's return"
PROBE_TIMEOUT = 2.0  # s
CHECK_TIMEOUT = 1.0  # s
CHECK_TTL = 1_000  # ms for which what a probe or a check writes lives
ROOM_BUDGET = 2.0  # s; to cut a million entries off a stream takes some 100 ms
MAX_CONNECTIONS = 64  # at once for requests; more only queue in the server, which runs one by one
SPARE_CONNECTIONS = 8  # for the probe and the health check, which must not wait for requests

KEYS = Keys()
log = logging.getLogger(__name__)

# What says that Redis cannot serve us now, as opposed to a command that it rejects.
AWAY = (
    exceptions.ConnectionError,  # also AUTH, LOADING and a pool that is used up
    exceptions.TimeoutError,
    exceptions.ClusterDownError,
    exceptions.ClusterError,
    exceptions.RedisClusterException,  # no RedisError: no node of the cluster can be reached
    exceptions.NoPermissionError,
    exceptions.TryAgainError,
    exceptions.MasterDownError,
    OSError,
    TimeoutError,
)
# Said by a server that may still be read: it is full under `noeviction`, or a replica.
WRITES_REFUSED = (exceptions.OutOfMemoryError, exceptions.ReadOnlyError)
# The same, of which redis-py has no class: it cannot save its data, or has no replicas left.
WRITES_REFUSED_CODES = ("MISCONF", "NOREPLICAS")


@lru_cache(10_000)
def user_slot(user_id: str) -> str:
    """How a user's keys begin: all of them in one slot of a cluster, of bounded length, no name."""
    return "loregate:{u:" + hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest() + "}"


class Script:
    """A Lua script, known to the server by its digest."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


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
        # Who waits here waits for this process, and starts to hear Redis's silence after it.
        self._free = asyncio.Semaphore(MAX_CONNECTIONS)
        self._failed: dict[str, int] = {}  # in a row, by master; outside a cluster under no name
        self.open_breakers: dict[str, asyncio.Task[None]] = {}  # by master, each with its probe
        self._streams: Client | Cluster | None = None  # of a cluster, for all readers
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
        return await self._within(keys, self._client.execute_command, *command, budget=budget)

    async def run(
        self, script: Script, keys: Sequence[str], args: Iterable[Any], budget: float | None = None
    ) -> Any:
        """A script's reply, in one round trip; the first time on a server in two.

        Raises:
            DependencyUnavailable: as `call` does.
        """
        return await self._within(keys, self._eval, script, keys, args, budget=budget)

    async def make_room(self, script: Script, keys: Sequence[str], args: Iterable[Any]) -> Any:
        """The same for a script that gives memory back: also asked of a server that is full, and
        with more time, for it may free much.

        Raises:
            DependencyUnavailable: as `call` does.
        """
        work = self._eval, script, keys, args
        return await self._within(keys, *work, budget=ROOM_BUDGET, breaker=False)

    async def _eval(self, script: Script, keys: Sequence[str], args: Iterable[Any]) -> Any:
        args = list(args)
        execute = self._client.execute_command
        try:
            return await execute("EVALSHA", script.digest, len(keys), *keys, *args)
        except exceptions.NoScriptError:
            return await execute("EVAL", script.source, len(keys), *keys, *args)

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """The replies of several scripts, in one round trip (in a cluster beside each other).

        Raises:
            DependencyUnavailable: as `call` does; some of the scripts may have run.
        """
        found = await self.run_each(calls)
        for reply in found:
            if isinstance(reply, DependencyUnavailable):
                raise reply
        return found

    async def run_each(self, calls: Sequence[Call]) -> list[Any]:
        """The same, with the error in the place of a reply: in a cluster a part may be away."""
        if len(calls) == 1 or self.clustered:
            each = (self.run(c.script, c.keys, c.args) for c in calls)
            found = await asyncio.gather(*each, return_exceptions=True)
        else:
            try:
                found = await self._within((), self._eval_all, calls, budget=None)
            except DependencyUnavailable as error:
                found = [error] * len(calls)
        for reply in found:
            if isinstance(reply, BaseException) and not isinstance(reply, DependencyUnavailable):
                raise reply
        return found

    async def _eval_all(self, calls: Sequence[Call]) -> list[Any]:
        pipeline: Any = self._client.pipeline(transaction=False)
        for c in calls:
            pipeline.execute_command("EVALSHA", c.script.digest, len(c.keys), *c.keys, *c.args)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)
        for at, reply in enumerate(replies):
            if isinstance(reply, exceptions.NoScriptError):
                replies[at] = await self._eval(calls[at].script, calls[at].keys, calls[at].args)
            elif isinstance(reply, Exception):
                raise reply
        return replies

    async def _within(
        self,
        keys: Sequence[Any],
        work: Callable[..., Any],
        *args: Any,
        budget: float | None,
        breaker: bool = True,
    ) -> Any:
        began = time.perf_counter()
        try:
            return await self._heard(keys, work, args, budget or self._budget, breaker)
        finally:
            self.timed(time.perf_counter() - began)

    async def _heard(
        self, keys: Sequence[Any], work: Callable[..., Any], args: Any, budget: float, breaker: bool
    ) -> Any:
        node: str | None = ""
        async with self._free:
            try:
                if isinstance(self._client, Cluster) and "" not in self.open_breakers:
                    node = await self._master(self._client, keys, budget)
                if breaker and node in self.open_breakers:
                    raise DependencyUnavailable("redis")
                async with Silence(budget):
                    reply = await work(*args)
            except (*AWAY, exceptions.RedisError) as error:
                self._failure(error, node, keys)
                raise DependencyUnavailable("redis") from None
        if self._failed:
            self._failed.pop(node or "", None)
        return reply

    async def _master(self, client: Cluster, keys: Sequence[Any], budget: float) -> str | None:
        """Whose breaker it is; that of the topology has no name. None for what has no key.

        The topology and the command each have a budget: on a busy loop two new connections, one
        after the other, take more turns than one budget has.
        """
        async with Silence(budget):
            await client.initialize()
        return client.owner(_text(keys[0])) if keys else None

    def _failure(self, error: Exception, node: str | None, keys: Sequence[Any]) -> None:
        if not _away(error):
            # It answers, but not to this: ours to mend, and no reason to refuse the caller.
            log.error("redis refused a command", exc_info=error)
            return
        if node is None:
            return  # any master was asked: its silence says nothing of the others, nor of the whole
        refused = _refuses_writes(error)
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
            if _refuses_writes(error):
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
        await self._client.aclose()
        if self._streams is not None:
            await self._streams.aclose()


def _away(error: Exception) -> bool:
    return isinstance(error, AWAY) or _refuses_writes(error) or _code(error) == "BUSY"


def _refuses_writes(error: Exception) -> bool:
    return isinstance(error, WRITES_REFUSED) or _code(error) in WRITES_REFUSED_CODES


def _code(error: Exception) -> str:
    return str(error).partition(" ")[0]


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


def _tag(keys: Sequence[Any]) -> str:
    """What another key needs between braces to stand in the same slot."""
    key = _text(keys[0])
    tag = key.partition("{")[2].partition("}")
    return tag[0] if tag[0] and tag[1] else key


MAX_READERS = 64  # as many as the log may have partitions, and all may be on one master
READ_TIMEOUT = 5.0  # s; blocking reads ask for less, so that a dead connection is noticed
BLOCK_MS = 2_000  # ms


class BlockingReader:
    """Reads streams as they grow, apart from the requests' connections and their budget."""

    def __init__(self, client: Client | Cluster, *, shared: bool = False) -> None:
        """`client` has no socket time-out; one that is shared is closed by whoever shares it."""
        # redis-py's time-out is a `wait_for`, which on Python 3.11 can lose a cancellation, and a
        # reader that cannot be cancelled cannot be stopped.
        self._client, self._shared = client, shared

    async def read(self, streams: Mapping[str, str], count: int) -> list[tuple[str, Rows]]:
        """Entries behind the given ids, by stream; empty when none came within two seconds.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        ids = streams.values()
        command: list[Any] = ["XREAD", "COUNT", count, "BLOCK", BLOCK_MS, "STREAMS", *streams, *ids]
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                reply = await self._client.execute_command(*command)
        except (*AWAY, exceptions.RedisError) as error:
            log.debug("stream reader lost redis", extra={"kind": type(error).__name__})
            if isinstance(self._client, Cluster):
                self._client.look_again()
            raise DependencyUnavailable("redis") from None
        return by_stream(reply)

    async def close(self) -> None:
        if not self._shared:
            await self._client.aclose()
