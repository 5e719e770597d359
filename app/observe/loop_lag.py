"""LoopLag: how late the event loop comes to what is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL = 0.25  # s between looks


async def watch(observe: Callable[[float], None], interval: float = INTERVAL) -> None:
    """Until cancelled: `observe` hears each time by how many seconds a timer was late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + interval
        await asyncio.sleep(interval)
        observe(max(0.0, loop.time() - due))
