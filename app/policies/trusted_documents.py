"""Trusted documents: where their list is, a file or Redis, and a watch on how it changes.

Nothing here runs in a request's path: each process holds the whole list and looks for another
version every two seconds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import orjson

from app.errors import DependencyUnavailable, SettingsError
from app.policies import manifests
from app.policies.manifests import MAX_DOCUMENTS
from app.redis.client import Redis, Script

LOOK_INTERVAL = 2.0  # s between looks at the version
LOOK_BUDGET = 1.0  # s; no request waits for it
READ_BUDGET = 10.0  # s for a whole list: 10,000 documents are some 20 MB
# In one slot of a cluster.
TEXTS, VERSION = "loregate:{documents}:texts", "loregate:{documents}:version"

# The version is the caller's to make up: a count would come again in a Redis that lost its data.
ADD = Script("""
local new = 0
for i = 3, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then new = new + 1 end
end
if redis.call('HLEN', KEYS[1]) + new > tonumber(ARGV[2]) then return -1 end
for i = 3, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('SET', KEYS[2], ARGV[1])
return new
""")
REMOVE = Script("""
for i = 2, #ARGV do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 0 then return ARGV[i] end
end
for i = 2, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
redis.call('SET', KEYS[2], ARGV[1])
return false
""")

log = logging.getLogger(__name__)


class DocumentList(Protocol):
    """A list of trusted documents that somebody keeps."""

    @property
    def name(self) -> str: ...

    async def version(self) -> str | None:
        """Something else whenever the list is another; None for a list that is not there."""

    async def read(self) -> dict[str, str]:
        """The texts by their ids. Raises `SettingsError`, `DependencyUnavailable`."""

    async def add(self, texts: Mapping[str, str]) -> int:
        """How many were new. All or none. Raises as `read`."""

    async def remove(self, ids: Collection[str]) -> None:
        """All or none. Raises as `read`, and `LookupError` with an id that is not there."""


class DocumentFile:
    """A manifest in a file."""

    def __init__(self, path: Path) -> None:
        self._path, self.name = path, str(path)

    async def version(self) -> str | None:
        try:
            found = await asyncio.to_thread(self._path.stat)
        except OSError:
            return None
        return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"

    async def read(self) -> dict[str, str]:
        return await asyncio.to_thread(self.read_now)

    def read_now(self) -> dict[str, str]:
        return manifests.read(self._content(), self.name)

    def _content(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError as error:
            raise SettingsError(f"{self.name} cannot be read: {error.strerror}") from None

    async def add(self, texts: Mapping[str, str]) -> int:
        found = self._own() if self._path.exists() else {}
        listed = found | dict(texts)
        if len(listed) > MAX_DOCUMENTS:
            raise _full(self.name)
        self._write(listed)
        return len(listed) - len(found)

    async def remove(self, ids: Collection[str]) -> None:
        found = self._own()
        for one in ids:
            if one not in found:
                raise LookupError(one)
        self._write({name: text for name, text in found.items() if name not in ids})

    def _own(self) -> dict[str, str]:
        """The list, where it is ours to edit: what Apollo's tool makes it makes anew."""
        if manifests.is_apollos(manifests.decoded(self._content(), self.name)):
            raise SettingsError(
                f"{self.name} is a manifest of Apollo's: make it anew with Apollo's tool, or add "
                "it to a list of the gateway's own"
            )
        return self.read_now()

    def _write(self, texts: Mapping[str, str]) -> None:
        """The whole file or nothing of it: a process may read it at any time."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        try:
            with tempfile.NamedTemporaryFile(
                dir=self._path.parent, prefix=".documents-", delete=False
            ) as file:
                file.write(orjson.dumps(dict(texts), option=options))
                file.flush()
                os.fsync(file.fileno())
            mode = self._path.stat().st_mode & 0o777 if self._path.exists() else 0o644
            written = Path(file.name)
            written.chmod(mode)
            written.replace(self._path)
        except OSError as error:
            raise SettingsError(f"{self.name} cannot be written: {error.strerror}") from None


class DocumentsInRedis:
    """A list in Redis, which all processes share."""

    name = "redis"

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def version(self) -> str | None:
        found = await self._redis.call("GET", VERSION, budget=LOOK_BUDGET)
        return None if found is None else found.decode()

    async def read(self) -> dict[str, str]:
        found = await self._redis.call("HGETALL", TEXTS, budget=READ_BUDGET)
        pairs = (
            found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        )
        texts = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in pairs}
        for name in [*texts]:  # whoever may write to Redis may have written anything
            if said := manifests.wrong(name, texts[name]):
                log.warning("a trusted document in redis is passed over", extra={"why": said})
                del texts[name]
        return texts

    async def add(self, texts: Mapping[str, str]) -> int:
        listed = [part for pair in texts.items() for part in pair]
        args = [uuid4().hex, MAX_DOCUMENTS, *listed]
        found: int = await self._redis.run(ADD, [TEXTS, VERSION], args, budget=READ_BUDGET)
        if found < 0:
            raise _full(self.name)
        return found

    async def remove(self, ids: Collection[str]) -> None:
        args = [uuid4().hex, *ids]
        missing = await self._redis.run(REMOVE, [TEXTS, VERSION], args, budget=READ_BUDGET)
        if missing is not None:
            raise LookupError(missing.decode())


def _full(name: str) -> SettingsError:
    return SettingsError(f"{name}: at most {MAX_DOCUMENTS} documents may be listed; remove some")


class DocumentWatch:
    """Hands each new version of a list on. What was handed on last holds until there is another."""

    def __init__(
        self,
        source: DocumentList,
        hand_on: Callable[[Mapping[str, str]], Awaitable[None]],
        *,
        interval: float = LOOK_INTERVAL,
    ) -> None:
        self._source, self._hand_on, self._interval = source, hand_on, interval
        self._version: str | None = None
        self._told: str | None = None  # what was logged last, so that it is not logged every 2 s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self.look()
        self._task = asyncio.create_task(self._watch(), name="documents")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self.look()

    async def look(self) -> None:
        """Hand the list on if it is another one; a list that cannot be read changes nothing."""
        try:
            version = await self._source.version()
            if version is None and self._version is not None:
                raise SettingsError("it is gone")
            if version is None or version != self._version:
                await self._hand_on(await self._source.read())
        except (SettingsError, DependencyUnavailable) as error:
            self._tell(str(error))
        except Exception:  # a watch that died would hold an old list for ever
            log.exception("trusted documents could not be looked at")
        else:
            self._version, self._told = version, None

    def _tell(self, why: str) -> None:
        if why != self._told:
            log.warning(
                "trusted documents cannot be read; the last list that was read holds",
                extra={"where": self._source.name, "why": why},
            )
            self._told = why

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
