"""EventErasure: takes a user's events out of the log. Positions stay what they are: a reader passes
over what is gone, as it passes over what is another's.

Redis deletes an entry of a stream by marking it: its bytes stay in memory, and in what is saved of
it, until all about a hundred entries of its block are gone. So a stream that lost some is copied,
and the copy takes its place, with the groups of consumers that others have made.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

from app.erasure import MARK_TTL, before
from app.errors import DependencyUnavailable
from app.events.log import PAGE_SIZE, START, Entry, EventLog, erased_key, owner_of, stream_key
from app.redis.client import Script

MAX_PARTITIONS = 64  # streams of more partitions than there are now stand until they are emptied
COPIED = 250  # entries at once; Redis is held for about 1 ms
PAUSE = 0.002  # s between two such copies, in which others have their turn
REPLY_TIMEOUT = 2.0  # s; nobody's request waits for it
COPY_TTL = 60_000  # ms for which a copy, and the lock, outlive whoever makes it
LOCK_TIMEOUT = 60.0  # s for which another erasure is waited for; a million entries take about 20
LOCK_INTERVAL = 0.1  # s

_source = resources.files("app.events")
ERASED, COPY, REPLACE = (
    Script(_source.joinpath(f"{name}.lua").read_text()) for name in ("erased", "copy", "replace")
)


class EventErasure:
    """Of one log. Everything here raises `DependencyUnavailable` when Redis is away."""

    def __init__(self, log: EventLog) -> None:
        self._log, self._redis = log, log.redis

    async def mark(self, user_id: str, mark: str) -> None:
        """From now on none of the user's events from before it is published, by any process."""
        oldest = before(time.time() - MARK_TTL)
        args = [owner_of(user_id), mark, secrets.token_hex(8), round(MARK_TTL * 1000), oldest]
        key = erased_key(self._log.partition(user_id))
        await self._redis.run(ERASED, [key], args)

    async def events(self, user_id: str) -> AsyncIterator[list[Entry]]:
        """The user's entries, a page at a time, of every stream that the log ever had."""
        for partition in range(MAX_PARTITIONS):
            if await self._redis.call("EXISTS", stream_key(partition)):
                async for found in self._of(partition, user_id):
                    yield found

    async def _of(self, partition: int, user_id: str) -> AsyncIterator[list[Entry]]:
        after = START
        while True:
            page = await self._log.read(partition, after, PAGE_SIZE, user_id)
            if found := [e for e in page.entries if e.event.user_id == user_id]:
                yield found
            if page.reached == after:
                return
            after = page.reached

    async def erase(self, user_id: str) -> int:
        """Remove the user's entries; how many there were."""
        count = 0
        for partition in range(MAX_PARTITIONS):
            if await self._redis.call("EXISTS", stream_key(partition)):
                async with self._locked(partition) as token:
                    count += await self._erase(partition, user_id, token)
        return count

    async def _erase(self, partition: int, user_id: str, token: str) -> int:
        count, key, unfinished = 0, stream_key(partition), f"{stream_key(partition)}:unfinished"
        async for found in self._of(partition, user_id):
            await self._redis.call("SET", unfinished, "1")  # whoever comes next copies, if we die
            ids = [str(entry.position.entry_id) for entry in found]
            count += await self._redis.call("XDEL", key, *ids)
        if await self._redis.call("EXISTS", unfinished):
            await self._copy(partition, token)
            await self._redis.call("DEL", unfinished)
        return count

    async def _copy(self, partition: int, token: str) -> None:
        """Put a copy in the stream's place."""
        keys = [stream_key(partition), f"{stream_key(partition)}:copy"]
        lock = _lock_key(partition)
        await self._redis.call("UNLINK", keys[1])
        at, done = str(START), 0
        while not done:
            args = [at, COPIED, COPY_TTL]
            _, last = await self._redis.run(COPY, keys, args, budget=REPLY_TIMEOUT)
            at = last.decode()
            await self._redis.call("PEXPIRE", lock, COPY_TTL)
            args = [at, COPIED, token]
            done = await self._redis.run(REPLACE, [*keys, lock], args, budget=REPLY_TIMEOUT)
            await asyncio.sleep(PAUSE)
        if done < 0:  # this process stood still for a minute: another one copies
            raise DependencyUnavailable("redis")

    @asynccontextmanager
    async def _locked(self, partition: int) -> AsyncIterator[str]:
        """Two erasures would copy what the other one has just removed."""
        token, key = secrets.token_hex(8), _lock_key(partition)
        end = asyncio.get_running_loop().time() + LOCK_TIMEOUT
        while not await self._redis.call("SET", key, token, "NX", "PX", COPY_TTL):
            if asyncio.get_running_loop().time() > end:
                raise DependencyUnavailable("redis")
            await asyncio.sleep(LOCK_INTERVAL)
        try:
            yield token
        finally:
            if await self._redis.call("GET", key) == token.encode():
                await self._redis.call("DEL", key)


def _lock_key(partition: int) -> str:
    return f"{stream_key(partition)}:lock"
