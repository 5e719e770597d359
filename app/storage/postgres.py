"""PostgreSQL: pools of connections; the writer has its own, which no crowd of readers can take."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from sqlalchemy import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.storage.database import CommitProgress, Database, T, Work, translated

CONNECT_TIMEOUT = 2.0  # s
POOL_TIMEOUT = 2.0  # s; a reader that waited longer would find its caller gone
DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError)


class Postgres(Database):
    """A server. Nothing is connected before the first work."""

    def __init__(self, url: URL, timeout: float) -> None:
        super().__init__(timeout)
        # Overflow lets the next batch go on while a silent connection is still being closed.
        self._writer = _engine(url, timeout, pool_size=1, max_overflow=2)
        self._reader = _engine(
            url, timeout, pool_size=10, max_overflow=5, isolation_level="AUTOCOMMIT"
        )  # autocommit saves a lone SELECT the round trip of its BEGIN

    def _reading(self, work: Work[T]) -> asyncio.Future[T]:
        return asyncio.ensure_future(self._read(work))

    def _writing(self, work: Work[None], progress: CommitProgress) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._write(work, progress))

    def _scrubbing(self) -> asyncio.Future[bool]:
        """Dead rows leave the files when the server vacuums them; it is not told when."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        done.set_result(True)
        return done

    def _disposing(self) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._dispose())

    async def _read(self, work: Work[T]) -> T:
        with translated(*DRIVER):
            async with self._reader.connect() as connection:
                return await connection.run_sync(work)

    async def _write(self, work: Work[None], progress: CommitProgress) -> None:
        def transaction(connection: Connection) -> None:
            work(connection)
            progress.commit(connection)

        with translated(*DRIVER, progress=progress):
            async with self._writer.connect() as connection:
                await connection.run_sync(transaction)

    async def _dispose(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()


def _engine(url: URL, timeout: float, **options: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_timeout=POOL_TIMEOUT,
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_TIMEOUT,
            "command_timeout": timeout,
            "server_settings": {"application_name": "loregate"},
        },
        **options,
    )
