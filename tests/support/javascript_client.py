"""Our own client in JavaScript, in a process of its own: driver.mjs, told what to do."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.npm_clients import NODE, NpmClients
from tests.support.service import Service, token
from tests.support.wire import Wire

CLIENT = Path(__file__).parents[2] / "clients" / "javascript"
SOON = 30.0  # s in which what must happen happens
LINE = 1 << 24  # bytes of the longest line


def options(found: Service | Wire, way: str, **more: Any) -> dict[str, Any]:
    """The driver's, for alice: `way` is "socket" or "stream"."""
    return {"url": found.url, "way": way, "token": token(), **more}


class Driver:
    """The process, and what it told so far."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.lines: list[Any] = []
        self.token: Callable[[], str] | None = None  # answers when it asks for one
        self._heard = asyncio.Condition()
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self.lines.append(json.loads(line))
            if "token" in self.lines[-1] and self.token is not None:
                await self.say(token=self.token())
            async with self._heard:
                self._heard.notify_all()

    async def say(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    def told(self, kind: str) -> list[Any]:
        """All that it told of a kind."""
        return [line[kind] for line in self.lines if isinstance(line, dict) and kind in line]

    @property
    def ids(self) -> list[str]:
        """Of the events that it gave."""
        return [value["id"] for value in self.told("value")]

    async def until(self, holds: Callable[[], Any], seconds: float = SOON) -> None:
        """Until it holds; the test fails with all that was told."""
        try:
            async with asyncio.timeout(seconds), self._heard:
                await self._heard.wait_for(holds)
        except TimeoutError:
            raise AssertionError(f"it told {self.lines[-40:]}") from None

    async def first(self, kind: str, count: int = 1) -> Any:
        """What it told of that kind, once it did so `count` times: the last of these."""
        await self.until(lambda: len(self.told(kind)) >= count)
        return self.told(kind)[count - 1]

    async def ended(self) -> str:
        """Its end when it is told nothing more and nothing keeps it; what it complained of."""
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        async with asyncio.timeout(SOON):
            said = await self._process.stderr.read()
            assert await self._process.wait() == 0, said.decode()
        return said.decode()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._listening.cancel()


class JavaScriptClient:
    """A folder in which `loregate-client` is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def checked(self) -> None:
        """Fails the test unless TypeScript finds what sample.mts expects, and nothing else."""
        process = await asyncio.create_subprocess_exec(
            "../node_modules/.bin/tsc", "-p", "tsconfig.json", cwd=self.folder, stdout=PIPE
        )
        said, _ = await asyncio.wait_for(process.communicate(), SOON)
        assert process.returncode == 0, said.decode()

    @asynccontextmanager
    async def driven(self, **options: Any) -> AsyncIterator[Driver]:
        """The driver, until the block ends; `options` are the client's, and its own."""
        process = await asyncio.create_subprocess_exec(
            *(*NODE, "driver.mjs", json.dumps(options)),
            cwd=self.folder,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=LINE,
        )
        driver = Driver(process)
        try:
            await driver.until(lambda: "ready" in driver.lines)
            yield driver
        finally:
            await driver.kill()


@pytest.fixture(scope="session")
def javascript_client(npm_clients: NpmClients) -> JavaScriptClient:
    folder = npm_clients.folder / "javascript"
    installed = folder / "node_modules"
    installed.mkdir()
    (installed / "loregate-client").symlink_to(CLIENT)
    return JavaScriptClient(folder)
