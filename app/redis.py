"""The only door to Redis: connections, a budget of silence, a breaker, its errors as ours.

Every call ends within `BUDGET` seconds of Redis's silence. Five failures in a row open the
breaker: calls then fail at once, and a probe looks until Redis takes writes again. Whoever calls
decides what to do without Redis; the one error to catch is `DependencyUnavailable("redis")`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import exceptions
from redis.asyncio import Redis as Client
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from app.errors import DependencyUnavailable, SettingsError

BUDGET = 0.05  # s of silence in a request's path; past it the local limiter answers sooner
SLICES = 20  # parts of the budget; see `Silence`
FAILURES = 5  # in a row, until the breaker opens
PROBE_EVERY = 1.0  # s; with PROBE_BUDGET it keeps "heals within 10 s of Redis's return"
PROBE_BUDGET = 2.0  # s
CONNECTIONS = 64  # at once for requests; more only queue in the server, which runs one by one
SPARE = 8  # for the probe and the health check, which must not wait for requests
SCHEMES = ("redis", "rediss", "unix", "redis+cluster", "redis+sentinel")

log = logging.getLogger(__name__)

# What says that Redis cannot serve us now, as opposed to a command that it rejects.
AWAY = (
    exceptions.ConnectionError,  # also AUTH, LOADING and a pool that is used up
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.ClusterDownError,
    exceptions.ClusterError,
    exceptions.RedisClusterException,  # no RedisError: no node of the cluster can be reached
    exceptions.NoPermissionError,
    exceptions.TryAgainError,
    exceptions.MasterDownError,
    OSError,
    TimeoutError,
)
# The same, said by servers in codes that redis-py has no class for.
AWAY_CODES = ("BUSY", "MISCONF", "NOREPLICAS")


class Silence:
    """`async with Silence(0.05):` raises `TimeoutError` after 50 ms in which Redis said nothing.

    A plain time-out also counts the time in which this process was too busy to listen: with 64
    requests in flight it calls a healthy server dead in 6.6 % of calls. So the budget is cut into
    slices, each begun when the last one really fired: a late slice counts only its own length,
    and between any two slices the loop has read what had arrived. On a busy loop a slice takes two
    turns: twenty slices leave room for a new connection, which takes 16 to 23; five did not.
    """

    __slots__ = ("_handle", "_left", "_loop", "_slice", "_timeout")

    def __init__(self, budget: float) -> None:
        self._slice = budget / SLICES
        self._left = SLICES
        self._timeout = asyncio.timeout(None)

    async def __aenter__(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self._timeout.__aenter__()
        self._handle = self._loop.call_later(self._slice, self._tick)

    def _tick(self) -> None:
        self._left -= 1
        if self._left > 0:
            self._handle = self._loop.call_later(self._slice, self._tick)
        else:
            self._timeout.reschedule(self._loop.time())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        await self._timeout.__aexit__(kind, error, trace)


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
        self, url: str, *, budget: float = BUDGET, probe_every: float = PROBE_EVERY
    ) -> None:
        """`url` is one of the schemes in `SCHEMES`; raises `SettingsError` for any other."""
        self.url = url
        self.clustered = url.startswith("redis+cluster://")
        self._budget, self._probe_every = budget, probe_every
        # No socket time-out: `Silence` bounds each call, and redis-py's own makes a task per call.
        self._client = connect(url, max_connections=CONNECTIONS + SPARE, socket_timeout=None)
        # Who waits here waits for this process, and starts to hear Redis's silence after it.
        self._free = asyncio.Semaphore(CONNECTIONS)
        self._failed = 0
        self._probing: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[bool], None]] = []

    @property
    def up(self) -> bool:
        """Whether calls are tried; False while the breaker is open."""
        return self._probing is None

    def on_change(self, listener: Callable[[bool], None]) -> None:
        """Call `listener(up)` whenever the breaker opens or closes."""
        self._listeners.append(listener)

    async def call(self, *command: Any, budget: float | None = None) -> Any:
        """One command's reply.

        Raises:
            DependencyUnavailable: Redis is away, was silent for the budget, or refused.
        """
        return await self._within(self._client.execute_command, *command, budget=budget)

    async def run(
        self, script: Script, keys: Sequence[str], args: Iterable[Any], budget: float | None = None
    ) -> Any:
        """A script's reply, in one round trip; the first time on a server in two.

        Raises:
            DependencyUnavailable: as `call` does.
        """
        return await self._within(self._eval, script, keys, args, budget=budget)

    async def _eval(self, script: Script, keys: Sequence[str], args: Iterable[Any]) -> Any:
        args = list(args)
        execute = self._client.execute_command
        try:
            return await execute("EVALSHA", script.digest, len(keys), *keys, *args)
        except exceptions.NoScriptError:
            return await execute("EVAL", script.source, len(keys), *keys, *args)

    async def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """The replies of several scripts, in one round trip (in a cluster one for each).

        Raises:
            DependencyUnavailable: as `call` does; some of the scripts may have run.
        """
        if len(calls) == 1 or self.clustered:
            return [await self.run(c.script, c.keys, c.args) for c in calls]
        found: list[Any] = await self._within(self._eval_all, calls, budget=None)
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

    async def _within(self, work: Callable[..., Any], *args: Any, budget: float | None) -> Any:
        async with self._free:
            if self._probing is not None:
                raise DependencyUnavailable("redis")
            try:
                async with Silence(budget or self._budget):
                    reply = await work(*args)
            except (*AWAY, exceptions.RedisError) as error:
                self._failure(error)
                raise DependencyUnavailable("redis") from None
        self._failed = 0
        return reply

    def _failure(self, error: Exception) -> None:
        if not _away(error):
            # It answers, but not to this: ours to mend, and no reason to refuse the caller.
            log.error("redis refused a command", exc_info=error)
            return
        self._failed += 1
        if self._failed >= FAILURES and self._probing is None:
            log.warning("redis is away", extra={"kind": type(error).__name__})
            self._probing = asyncio.create_task(self._probe(), name="redis-probe")
            self._tell(up=False)

    async def _probe(self) -> None:
        """Until Redis takes a write again: an answer to PING is no proof of that."""
        wait = self._probe_every / 16  # a server that only stumbled is taken back soon
        while True:
            await asyncio.sleep(wait)
            wait = min(2 * wait, self._probe_every)
            try:
                async with asyncio.timeout(PROBE_BUDGET):
                    await self._client.execute_command("SET", "loregate:probe", "1", "PX", 1000)
            except Exception as error:  # a probe that died would leave the breaker open for ever
                log.debug("redis is still away", extra={"kind": type(error).__name__})
            else:
                break
        self._failed, self._probing = 0, None
        log.warning("redis is back")
        self._tell(up=True)

    def _tell(self, *, up: bool) -> None:
        for listener in self._listeners:
            listener(up)

    async def check(self) -> str | None:
        """None when Redis answers within a second, else why not, without the address's secrets."""
        try:
            async with asyncio.timeout(1.0):
                await self._client.execute_command("PING")
        except TimeoutError:
            return "no answer within a second"
        except (*AWAY, exceptions.RedisError) as error:
            return str(error)
        return None

    def reader(self) -> Reader:
        """A reader with connections of its own; whoever asks for it closes it."""
        return Reader(self.url)

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._client.aclose()


def _away(error: Exception) -> bool:
    if isinstance(error, AWAY):
        return True
    return str(error).partition(" ")[0] in AWAY_CODES


READ_TIMEOUT = 5.0  # s; blocking reads ask for less, so that a dead connection is noticed
BLOCK = 2_000  # ms


class Reader:
    """Reads streams as they grow, apart from the requests' connections and their budget."""

    def __init__(self, url: str) -> None:
        # No socket time-out: redis-py's is a `wait_for`, which on Python 3.11 can lose a
        # cancellation, and a reader that cannot be cancelled cannot be stopped.
        self._client = connect(url, max_connections=4, socket_timeout=None)

    async def read(
        self, streams: Mapping[str, str], count: int
    ) -> list[tuple[str, list[tuple[Any, Any]]]]:
        """Entries behind the given ids, by stream; empty when none came within two seconds.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        ids = streams.values()
        command: list[Any] = ["XREAD", "COUNT", count, "BLOCK", BLOCK, "STREAMS", *streams, *ids]
        try:
            async with asyncio.timeout(READ_TIMEOUT):
                reply = await self._client.execute_command(*command)
        except (*AWAY, exceptions.RedisError) as error:
            log.debug("stream reader lost redis", extra={"kind": type(error).__name__})
            raise DependencyUnavailable("redis") from None
        pairs = reply.items() if isinstance(reply, dict) else reply or ()
        return [(name.decode(), _rows(rows)) for name, rows in pairs]

    async def close(self) -> None:
        await self._client.aclose()


def _rows(rows: Any) -> list[tuple[Any, Any]]:
    """RESP3 wraps one stream's rows in a list of its own."""
    if len(rows) == 1 and rows[0] and isinstance(rows[0][0], tuple | list):
        return list(rows[0])
    return list(rows)


def connect(
    url: str, *, max_connections: int, socket_timeout: float | None
) -> Client | RedisCluster:
    """A client for any of the URL schemes; redis-py's own retries are off.

    A retried EVALSHA would spend twice: with the defaults one slow call ran eleven times.
    Raises `SettingsError`, which shows nothing of the URL but its scheme.
    """
    options: dict[str, Any] = {
        "max_connections": max_connections,
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": 2.0,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "loregate",
        # One command fewer for each new connection; only one vendor's service answers it.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    scheme, found, _ = url.partition("://")
    if not found or scheme not in SCHEMES:
        known = ", ".join(f"{s}://" for s in SCHEMES)
        shown = f"the scheme {scheme!r}" if found else "no scheme"
        raise SettingsError(f"REDIS_URL has {shown}; it may be one of {known}")
    try:
        if scheme == "redis+cluster":
            return RedisCluster.from_url(url.replace("redis+cluster", "redis", 1), **options)
        if scheme == "redis+sentinel":
            return _sentinel(url, options)
        return Client.from_url(url, **options)
    except ValueError:  # its message may quote a part of the URL
        raise SettingsError(f"REDIS_URL, of the scheme {scheme!r}, is not a valid URL") from None


def _sentinel(url: str, options: dict[str, Any]) -> Client:
    """`redis+sentinel://user:password@host:26379,host:26379/service/0`"""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise SettingsError("REDIS_URL names no service; redis+sentinel://host:26379/SERVICE/0")
    user, _, password = login.partition(":")
    nodes = [
        (at.hostname, at.port or 26379) for at in (urlsplit(f"//{h}") for h in hosts.split(","))
    ]
    # One that is down is passed over at once: the next is to be asked within the same budget.
    asking = {"socket_timeout": 1.0, "retry": Retry(NoBackoff(), 0)}
    sentinel: Any = Sentinel(nodes, sentinel_kwargs=asking, **options)  # type: ignore[no-untyped-call]  # upstream
    master: Client = sentinel.master_for(
        service,
        db=int(db or 0),
        username=unquote(user) or None,
        password=unquote(password) or None,
    )
    return master


def address(url: str) -> str:
    """The URL without its login, for people to read."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
