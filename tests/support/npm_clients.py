"""Clients that others wrote, from npm: `tests/clients` with its packages, run by Node.js."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support import service

CLIENTS = Path(__file__).parents[1] / "clients"
INSTALL = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
# Under this condition packages give the build that warns.
NODE = ("node", "--conditions=development")
LONGEST = 60  # s that a script may take, or a line of one
INSTALLED_IN = 300  # s at the most; Bruno's command brings 270 MB


class Script:
    """A script that runs, and the lines of JSON that it prints."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def line(self) -> Any:
        """The next line. Fails the test at the script's end."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), LONGEST)
        assert line, "the script has ended"
        return json.loads(line)

    async def rest(self) -> list[Any]:
        """The lines until its end. Fails the test when the script has failed."""
        out, err = await asyncio.wait_for(self._process.communicate(), LONGEST)
        assert self._process.returncode == 0, err.decode()
        return [json.loads(line) for line in out.decode().splitlines()]


class NpmClients:
    """Runs the scripts of a folder of tests/clients in a copy that has their packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def run(self, script: str, *arguments: str) -> list[Any]:
        """The script's lines of JSON. Fails the test when it fails or takes over 60 s."""
        async with self.started(script, *arguments) as running:
            return await running.rest()

    def run_alone(self, folder: Path, redis_url: str, script: str, *arguments: str) -> list[Any]:
        """What a script says of a service that nobody else uses, once for several tests.

        Its arguments are the endpoint's URL, a token, and those that are given.
        """

        async def run() -> list[Any]:
            async with service.running(service.settings(folder, redis_url)) as found:
                url = f"{found.url}/graphql"
                return await self.run(script, url, service.token(), *arguments)

        return asyncio.run(run())

    @asynccontextmanager
    async def started(self, script: str, *arguments: str) -> AsyncIterator[Script]:
        """The script, until the block ends."""
        process = await asyncio.create_subprocess_exec(
            *NODE, script, *arguments, cwd=self.folder, stdout=PIPE, stderr=PIPE
        )
        try:
            yield Script(process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()


def _install(source: Path, packages: Path) -> str:
    """Install what the scripts need; returns why that failed, or nothing."""
    shutil.copy(source / "package.json", packages)
    try:
        done = subprocess.run(
            INSTALL, cwd=packages, capture_output=True, timeout=INSTALLED_IN, check=False
        )
    except subprocess.TimeoutExpired:
        return f"npm took over {INSTALLED_IN} s"
    return "" if done.returncode == 0 else done.stderr.decode()[-300:]


def _packages(factory: pytest.TempPathFactory, source: Path) -> Path:
    """A folder with the packages, installed by the first of the run's processes that wants it."""
    base = factory.getbasetemp()
    found = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"npm-{source.name}"
    found.mkdir(exist_ok=True)
    done = found / "done"
    with (found / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            done.write_text(_install(source, found))
    if failed := done.read_text():
        pytest.skip(f"npm could not install the clients: {failed}")
    return found


def _modules(_: str, names: list[str]) -> list[str]:
    return [n for n in names if n == "node_modules"]


def _clients(factory: pytest.TempPathFactory, source: Path) -> NpmClients:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm")
    packages, folder = _packages(factory, source), factory.mktemp(source.name)
    shutil.copytree(source, folder, dirs_exist_ok=True, ignore=_modules)
    (folder / "node_modules").symlink_to(packages / "node_modules")
    return NpmClients(folder)


@pytest.fixture(scope="session")
def npm_clients(tmp_path_factory: pytest.TempPathFactory) -> NpmClients:
    return _clients(tmp_path_factory, CLIENTS)


@pytest.fixture(scope="session")
def caching_clients(tmp_path_factory: pytest.TempPathFactory) -> NpmClients:
    """Apollo Client, urql and Relay."""
    return _clients(tmp_path_factory, CLIENTS / "caches")


@pytest.fixture(scope="session")
def sse_clients(tmp_path_factory: pytest.TempPathFactory) -> NpmClients:
    """graphql-sse and fetch-event-source."""
    return _clients(tmp_path_factory, CLIENTS / "sse")


@pytest.fixture(scope="session")
def bruno_client(tmp_path_factory: pytest.TempPathFactory) -> NpmClients:
    """Bruno's command."""
    return _clients(tmp_path_factory, CLIENTS / "bruno")


@pytest.fixture(scope="session")
def manifest_schemas(tmp_path_factory: pytest.TempPathFactory) -> NpmClients:
    """The schemas of Compose and of the Prometheus Operator."""
    return _clients(tmp_path_factory, CLIENTS / "manifests")
