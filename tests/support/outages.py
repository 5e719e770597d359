"""A Redis server that fails in each way in which one can."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis as plain

from app.embedded.valkey import EmbeddedValkey, start_valkey


@dataclass
class RedisOutage:
    """One server that can fail in several ways; `mend` undoes the last."""

    server: EmbeddedValkey
    directory: Path

    def paused(self) -> Callable[[], Any]:
        os.kill(self.server.pid, signal.SIGSTOP)
        return lambda: os.kill(self.server.pid, signal.SIGCONT)

    def killed(self) -> Callable[[], Any]:
        self.server.kill()
        return lambda: start_valkey(self.directory, persist=False)

    def read_only(self) -> Callable[[], Any]:
        self._tell("REPLICAOF", "127.0.0.1", "1")
        return lambda: self._tell("REPLICAOF", "NO", "ONE")

    def out_of_memory(self) -> Callable[[], Any]:
        return self._configured("maxmemory", "1", "512mb")

    def without_replicas(self) -> Callable[[], Any]:
        return self._configured("min-replicas-to-write", "1", "0")

    def unsaved(self) -> Callable[[], Any]:
        """It cannot write its data down, as its disk is full: a directory is in the way."""
        (self.directory / "dump.rdb").mkdir()
        self._tell("CONFIG", "SET", "save", "3600 1")
        self._save("err")

        def mend() -> None:
            (self.directory / "dump.rdb").rmdir()
            self._save("ok")

        return mend

    def _save(self, status: str) -> None:
        with plain.Redis.from_url(self.server.url) as client:
            client.bgsave()
            while client.info("persistence")["rdb_last_bgsave_status"] != status:
                time.sleep(0.01)

    def _configured(self, name: str, bad: str, good: str) -> Callable[[], Any]:
        self._tell("CONFIG", "SET", name, bad)
        return lambda: self._tell("CONFIG", "SET", name, good)

    def _tell(self, *command: str) -> None:
        with plain.Redis.from_url(self.server.url) as client:
            client.execute_command(*command)


WRITE_REFUSALS = ["read_only", "out_of_memory", "without_replicas", "unsaved"]
REDIS_OUTAGES = ["paused", "killed", *WRITE_REFUSALS]
