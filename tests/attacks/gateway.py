"""A gateway under attack: `loregate serve` as a process, on a real Valkey and a fake provider.

A process of its own, so that its CPU time and its memory are its own, and its log is what an
operator would read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from app.embedded.valkey import start_valkey
from app.storage.migrate import migrate
from tests.support.cli_process import COMMAND, ROOT, environment, free_port
from tests.support.service import SECRET
from tests.support.upstream import Upstream, running

START = 40.0  # s; two busy cores have taken ten
STOP = 5.0  # s; what is left of an attack is not waited for
PAGE = 4096  # bytes


class Gateway:
    """A running gateway, its provider and its log."""

    def __init__(
        self, process: subprocess.Popen[bytes], port: int, log: Path, provider: Upstream
    ) -> None:
        self.process, self.port, self.provider = process, port, provider
        self._log, self._read = log, 0
        # Linux's own clock of another process: what its threads have had of the cores.
        self._clock = (~process.pid) << 3 | 2

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has taken."""
        return time.clock_gettime(self._clock)

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        return int(fields[1]) * PAGE

    @property
    def calls(self) -> int:
        """How often a model was called."""
        return len(self.provider.requests)

    @property
    def said(self) -> str:
        """The whole log."""
        return self._log.read_text()

    def new_lines(self) -> list[str]:
        """What was logged since this was last asked."""
        with self._log.open() as file:
            file.seek(self._read)
            text = file.read()
        whole, _, _ = text.rpartition("\n")
        self._read += len(whole.encode()) + bool(whole)
        return whole.splitlines()


def faults(lines: list[str]) -> list[str]:
    """Of lines of the log those that tell of a fault, or that somebody has broken in two."""
    found = []
    for line in lines:
        try:
            told: Any = json.loads(line)
        except ValueError:
            found.append(line)
            continue
        if told.get("level") in ("error", "critical") or "exception" in told:
            found.append(line)
    return found


@contextlib.contextmanager
def serving(
    directory: Path, *, command: Sequence[str] = (*COMMAND, "serve"), **given: str
) -> Iterator[Gateway]:
    """The gateway in this directory, once it answers; `given` are environment variables."""
    database = f"sqlite+aiosqlite:///{directory / 'attacked.db'}"
    migrate(database)
    port, log = free_port(), directory / "log"
    with contextlib.ExitStack() as stack:
        valkey = start_valkey(directory / "valkey", persist=False)
        stack.callback(valkey.stop)
        provider = stack.enter_context(_provider())
        told = {
            "LOREGATE_PORT": str(port),
            "LOREGATE_DATA_DIR": str(directory),
            "LOREGATE_LOG_FORMAT": "json",
            "LOREGATE_JWT_SECRET": SECRET,
            "LOREGATE_INTROSPECTION": "true",
            "LOREGATE_METRICS_ADDRESS": "open",
            "DATABASE_URL": database,
            "REDIS_URL": valkey.url,
            "OPENAI_BASE_URL": provider.url,
            **given,
        }
        file = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(**told), stdout=file, stderr=file
        )
        stack.callback(_stopped, process)
        _until_it_answers(process, port, log)
        yield Gateway(process, port, log, provider)


def _until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + START
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(log.read_text())
        time.sleep(0.02)


def _stopped(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _provider() -> Iterator[Upstream]:
    """A fake OpenAI server on a loop in a thread, for tests that have none."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="provider", daemon=True)
    thread.start()

    def done(coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(STOP)

    held = contextlib.AsyncExitStack()
    try:
        yield done(held.enter_async_context(running()))
    finally:
        done(held.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
