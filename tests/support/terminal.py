"""`loregate` beside a running gateway: in pipes, at a terminal, and on a wire that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import termios
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from typer.testing import CliRunner

from app.cli import cli
from tests.support.cli_process import COMMAND, environment
from tests.support.service import Service, token

ENOUGH = 40.0  # s for a command on a busy machine


def beside(gateway: Service, **claims: object) -> dict[str, str]:
    """The environment of a command that calls this gateway."""
    return {"LOREGATE_URL": gateway.url, "LOREGATE_TOKEN": token(**claims)}  # type: ignore[arg-type]


@dataclass
class Piped:
    """A command whose streams are pipes."""

    process: asyncio.subprocess.Process

    async def line(self) -> str:
        """The next line of standard output."""
        assert self.process.stdout is not None
        async with asyncio.timeout(ENOUGH):
            return (await self.process.stdout.readline()).decode()

    async def ended(self) -> tuple[int, str, str]:
        """Exit code, and the rest of standard output and standard error."""
        async with asyncio.timeout(ENOUGH):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, out.decode(), err.decode()


@contextlib.asynccontextmanager
async def piped(*arguments: str, **given: str) -> AsyncIterator[Piped]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env=environment(**given),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield Piped(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def run(*arguments: str, **given: str) -> tuple[int, str, str]:
    """The command run to its end in pipes: exit code, standard output, standard error."""
    async with piped(*arguments, **given) as found:
        return await found.ended()


async def invoke(*arguments: str, text: str = "", **given: str) -> tuple[int, str, str]:
    """The same without a process, beside the loop, where a start would prove nothing more."""
    found = await asyncio.to_thread(CliRunner().invoke, cli, [*arguments], input=text, env=given)
    if not isinstance(found.exception, SystemExit | None):
        raise found.exception
    return found.exit_code, found.stdout, found.stderr


class Terminal:
    """A command at a terminal: `shown` is all that it wrote there."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master, self.process = master, process
        self._bytes = b""
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(master, self._read)

    def _read(self) -> None:
        try:
            found = os.read(self._master, 1 << 16)
        except OSError:  # nobody has the other end any more
            found = b""
        if not found:
            self._loop.remove_reader(self._master)
        self._bytes += found
        self._changed.set()

    @property
    def shown(self) -> str:
        return self._bytes.decode(errors="replace").replace("\r\n", "\n")

    async def until(self, holds: Callable[[str], bool]) -> None:
        async with asyncio.timeout(ENOUGH):
            while not holds(self.shown):
                self._changed.clear()
                await self._changed.wait()

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    async def ended(self) -> int:
        async with asyncio.timeout(ENOUGH):
            code = await self.process.wait()
        self._read()
        return code


@contextlib.asynccontextmanager
async def at_terminal(*arguments: str, columns: int = 80, **given: str) -> AsyncIterator[Terminal]:
    """The command with a terminal of its own, where Ctrl-C is what a key sends."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env=environment(TERM="xterm-256color", **given),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    found = Terminal(master, process)
    try:
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)


class Wire:
    """Passes connections on to a server, and cuts them all when it is told to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []
        self.opened = 0

    async def join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers += [writer, back]
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(_pass(reader, back), _pass(there, writer))

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()


@contextlib.asynccontextmanager
async def wired(gateway: Service) -> AsyncIterator[tuple[Wire, str]]:
    """A wire to this gateway, and its address."""
    wire = Wire(int(gateway.url.rpartition(":")[2]))
    server = await asyncio.start_server(wire.join, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield wire, f"http://127.0.0.1:{port}"
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()
