"""Waiting for what nobody announces."""

from __future__ import annotations

import asyncio
from typing import Any


async def until(holds: Any) -> None:
    """Until it holds, looked at a hundred times a second; fails after ten seconds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def tasks_named(name: str) -> list[asyncio.Task[Any]]:
    """The tasks of this name that run."""
    return [task for task in asyncio.all_tasks() if task.get_name() == name]
