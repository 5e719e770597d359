"""The command `loregate` as its own process, the way a user runs it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx2

COMMAND = (sys.executable, "-m", "app.cli")
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def environment(**given: str) -> dict[str, str]:
    """An empty environment, but for what Python itself needs."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given}


async def run(directory: Path, *arguments: str, **given: str) -> tuple[int, str, str]:
    """The command run to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=directory,
        env=environment(**given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(40):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class CliProcess:
    """A server command that answers."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, output: Path) -> None:
        self.process, self.port, self.output = process, port, output
        self.url = f"http://127.0.0.1:{port}"

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def token(self) -> str:
        found = re.search(r"export TOKEN=(\S+)", self.said)
        assert found is not None, self.said
        return found[1]

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def serving(
    directory: Path,
    *arguments: str,
    port: int | None = None,
    command: Sequence[str] = COMMAND,
    **given: str,
) -> AsyncIterator[CliProcess]:
    """`loregate dev` or `serve`, once it answers, until the block ends."""
    port = port or free_port()
    output = directory / f"output-{port}"
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments,
            cwd=directory,
            env=environment(LOREGATE_PORT=str(port), **given),
            stdout=file,
            stderr=file,
        )
    running = CliProcess(process, port, output)
    try:
        await until_it_answers(running)
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(20):
                await process.wait()


async def until_it_answers(running: CliProcess) -> None:
    async with asyncio.timeout(40), httpx2.AsyncClient() as http:
        while True:
            if running.process.returncode is not None:
                raise RuntimeError(running.said)
            with contextlib.suppress(httpx2.TransportError):
                await http.get(f"{running.url}/health/live")
                return
            await asyncio.sleep(0.05)
