"""Shutdown: at the first signal what is open says farewell; then the server's own handling begins.

uvicorn closes sockets before it tells the application that it stops. So the signal is heard here
first, in each worker, and handed on when the sockets and streams are closed, or soon after.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from app.open_streams import OpenStreams

FAREWELL_TIMEOUT = 3.0  # s for all sockets and streams; 5,000 take half of one
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def graceful_shutdown(open_streams: OpenStreams) -> Iterator[None]:
    """Signals end what is open before the server hears of them. A second one is not kept."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals; tests may run a server in another
        return
    loop = asyncio.get_running_loop()
    servers: dict[int, Any] = {s: signal.getsignal(s) for s in SIGNALS}
    waiting: set[asyncio.Task[None]] = set()

    def handle(number: int, _: FrameType | None) -> None:
        if open_streams.stopping or not callable(servers[number]):
            _hand_on(servers[number], number)
        else:
            loop.call_soon_threadsafe(begin, number)

    def begin(number: int) -> None:
        waiting.add(loop.create_task(farewell(number), name="farewell"))

    async def farewell(number: int) -> None:
        try:
            open_streams.end_all()
            await open_streams.emptied(FAREWELL_TIMEOUT)
        finally:  # whatever fails here, the process stops
            _hand_on(servers[number], number)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in SIGNALS:
            if signal.getsignal(number) is handle:
                signal.signal(number, servers[number])


def _hand_on(handler: Any, number: int) -> None:
    if callable(handler):
        handler(number, None)
