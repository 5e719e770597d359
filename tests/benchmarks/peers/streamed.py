"""Load of answers that are streamed: the clients of `streams.py`, at any of the servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.benchmarks import bench, stream_clients, streams
from tests.benchmarks.peers.rows import Row, encoded


def measure(row: Row, connections: int, seconds: float, session: int) -> streams.Found:
    """Streams one after another on so many connections, each the whole text and one call.

    Raises `stream_clients.Wrong` otherwise.
    """

    @asynccontextmanager
    async def events(
        _: int, path: str, body: Any, bearer: str
    ) -> AsyncIterator[stream_clients.Ask]:
        async with stream_clients.http(bench.SERVER) as connection:
            yield lambda: connection.stream(encoded(row, bearer))

    client = stream_clients.generations if row.via == "websocket" else events
    asked = streams.Row(row.name, row.server, row.path, row.body, row.says, client)
    load = streams.Load(asked, bench.SERVER, connections)
    return streams.measure(load, seconds, bench.PROVIDER, session)
