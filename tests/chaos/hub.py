"""Hub: the Valkey server that everybody shares, and what can happen to it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from app.embedded.valkey import EmbeddedValkey
from tests.chaos.ledger import Ledger

# Confirmed is what is on the disk. With `everysec` a write may wait for two seconds behind a slow
# sync, and a killed server would have lost what it had confirmed: its own choice, not ours.
SYNCED = ("--appendfsync", "always")


class Hub:
    """From `start()` to `stop()`; each outage is noted from its order until the server answers."""

    def __init__(self, directory: Path, ledger: Ledger, options: Sequence[str] = ()) -> None:
        self._directory, self._ledger, self._options = directory, ledger, options
        self._server: EmbeddedValkey | None = None

    @property
    def server(self) -> EmbeddedValkey:
        if self._server is None:
            raise RuntimeError("the server was not started")
        return self._server

    @property
    def url(self) -> str:
        return self.server.url

    async def start(self) -> None:
        self._server = await EmbeddedValkey.start(self._directory, extra=self._options)

    async def stop(self) -> None:
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    async def pause(self, seconds: float) -> None:
        """It says nothing, and then goes on as if nothing had been."""
        began = time.time()
        os.kill(self.server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            os.kill(self.server.pid, signal.SIGCONT)
        self._ended(began, "Redis paused")

    async def restart(self, seconds: float) -> None:
        """Stopped in good order and started again with its data."""
        began = time.time()
        await asyncio.to_thread(self.server.stop)
        await asyncio.sleep(seconds)
        await self.start()
        self._ended(began, "Redis restarted")

    async def crash(self, seconds: float) -> None:
        """Killed and started again with its data."""
        began = time.time()
        await asyncio.to_thread(self.server.kill)
        await asyncio.sleep(seconds)
        await self.start()
        self._ended(began, "Redis killed")

    async def lose(self) -> None:
        """Killed and started again without any data."""
        began = time.time()
        await asyncio.to_thread(self.server.kill)
        await asyncio.to_thread(shutil.rmtree, self._directory / "appendonlydir")
        await self.start()
        self._ended(began, "Redis lost")

    def _ended(self, began: float, what: str) -> None:
        self._ledger.outages.append((began, time.time()))
        self._ledger.counts[what] += 1
