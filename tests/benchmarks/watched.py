"""`loregate serve` on one core, with a watch on its loop; `floods.py` starts it.

    python -m tests.benchmarks.watched CORE FILE

FILE gets one float of 8 bytes: the longest time, in seconds, for which the loop was held since the
float was last set to 0. What is measured is the CPU time of the loop's thread between two ticks of
5 ms, so that a machine which does other things besides is not blamed on the gateway.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import sys
import time
from pathlib import Path
from typing import Any

from app import server
from app.observe import logs
from app.settings import Settings

TICK = 0.005  # s
FORM = "d"


class Watch:
    """The float in the file."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), struct.calcsize(FORM))

    @property
    def worst(self) -> float:
        [found] = struct.unpack_from(FORM, self._memory)
        return float(found)

    @worst.setter
    def worst(self, seconds: float) -> None:
        struct.pack_into(FORM, self._memory, 0, seconds)

    async def run(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(TICK)
            self.worst = max(self.worst, time.thread_time() - before)


class Watched:
    """An ASGI app with the watch beside it, while it runs."""

    def __init__(self, app: Any, watch: Watch) -> None:
        self._app, self._watch = app, watch

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        watching = asyncio.create_task(self._watch.run())
        try:
            await self._app(scope, receive, send)
        finally:
            watching.cancel()


def app() -> Watched:
    return Watched(server.worker(), Watch(Path(sys.argv[2])))


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    server.run(
        server.configuration("tests.benchmarks.watched:app", settings), server.listen(settings)
    )
