"""A service whose SQLite has no page left, as on a full disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.support.rest_bodies import TEXT, context
from tests.support.rest_requests import ask
from tests.support.service import Service


@asynccontextmanager
async def full(found: Service) -> AsyncIterator[None]:
    database: Any = found.parts.store.database

    async def pages(most: int) -> None:
        await database.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count = {most}").all())

    await pages(1)  # no fewer than it has
    for number in range(200):  # the last page has some room
        filling = await ask(
            found, TEXT, context(character_class=f"clerk {number}"), cache="no-store"
        )
        if filling.status_code == 503:
            break
    assert filling.status_code == 503
    try:
        yield
    finally:
        await pages(2**30)
