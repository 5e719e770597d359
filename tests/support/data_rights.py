"""Everything that the stores hold, as bytes: to look for somebody in it."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis
from redis.cluster import RedisCluster
from sqlalchemy import select

from app.storage.store import Store
from app.storage.tables import metadata

STAMPED = 15  # bytes in front of a cached answer that is squeezed


def _all(client: Any, key: bytes) -> Iterator[bytes]:
    """What a key holds, whatever its kind."""
    kind = client.type(key)
    if kind == b"string":
        value = client.get(key) or b""
        yield value
        with contextlib.suppress(zlib.error):
            yield zlib.decompress(value[STAMPED:])
    elif kind == b"list":
        yield from client.lrange(key, 0, -1)
    elif kind == b"set":
        yield from sorted(client.smembers(key))
    elif kind == b"zset":
        yield from (member for member, _ in client.zrange(key, 0, -1, withscores=True))
    elif kind == b"hash":
        yield from (part for pair in sorted(client.hgetall(key).items()) for part in pair)
    elif kind == b"stream":
        for entry, fields in client.xrange(key):
            yield entry
            yield from (part for pair in fields.items() for part in pair)


@contextlib.contextmanager
def _clients(url: str) -> Iterator[list[Any]]:
    """A client of each server that has keys of its own."""
    if not url.startswith("redis+cluster"):
        with redis.Redis.from_url(url) as one:
            yield [one]
        return
    cluster = RedisCluster.from_url(url.replace("redis+cluster", "redis"))
    try:
        yield [node.redis_connection for node in cluster.get_primaries()]
    finally:
        cluster.close()


def redis_holds(url: str) -> dict[bytes, bytes]:
    """Every key of every server with all that it holds."""
    found = {}
    with _clients(url) as clients:
        for client in clients:
            for key in client.scan_iter(count=1000):
                found[key] = b"\n".join(_all(client, key))
    return found


async def database_holds(store: Store) -> dict[str, list[str]]:
    """Every row of every table."""
    found: dict[str, list[str]] = {}
    for table in metadata.sorted_tables:
        rows = await store.database.read(lambda c, t=table: c.execute(select(t)).all())  # type: ignore[misc]
        found[table.name] = sorted(repr(tuple(row)) for row in rows)
    return found


def files_hold(folder: Path) -> dict[str, bytes]:
    """Every file below the folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def naming(found: dict[Any, Any], words: tuple[str, ...]) -> list[Any]:
    """What names one of the words, in its own name or in what it holds, in whatever case."""
    names = []
    for name, held in found.items():
        text = b" ".join((_bytes(name), _bytes(held))).lower()
        if any(word.lower().encode() in text for word in words):
            names.append(name)
    return names


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
