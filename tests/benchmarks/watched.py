"""`loregate serve` on one core, with a watch on its loop; `floods.py` starts it.

    python -m tests.benchmarks.watched CORE FILE

FILE gets one float of 8 bytes, the longest time in seconds for which the loop was held since the
float was last set to 0, and behind it by what, see `watchdog.py`.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import sys
from pathlib import Path
from typing import Any

from app import server
from app.observe import logs
from app.settings import Settings
from tests.benchmarks.watchdog import Watchdog

PAUSE = 0.02  # s between two looks at the watchdog
FORM = "d1000s"
SIZE = struct.calcsize(FORM)  # bytes of the file


class Watch:
    """The float and the text in the file."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._memory = mmap.mmap(opened.fileno(), SIZE)

    @property
    def worst(self) -> float:
        return float(struct.unpack_from(FORM, self._memory)[0])

    @property
    def where(self) -> str:
        told: bytes = struct.unpack_from(FORM, self._memory)[1]
        return told.rstrip(b"\0").decode(errors="replace")

    def reset(self) -> None:
        struct.pack_into(FORM, self._memory, 0, 0.0, b"")

    async def run(self) -> None:
        """Writes down what is worse than what is there."""
        dog = Watchdog()
        watching = asyncio.create_task(dog.watch())
        try:
            while True:
                await asyncio.sleep(PAUSE)
                hold = dog.longest
                if hold.seconds > self.worst:
                    struct.pack_into(FORM, self._memory, 0, hold.seconds, hold.where.encode())
                dog.reset()
        finally:
            watching.cancel()


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
