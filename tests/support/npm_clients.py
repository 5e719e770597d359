"""Clients that others wrote, from npm: `tests/clients` with its packages, run by Node.js."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CLIENTS = Path(__file__).parents[1] / "clients"
INSTALL = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]


class NpmClients:
    """Runs the scripts of tests/clients in a folder that has their packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def run(self, script: str, *arguments: str) -> list[Any]:
        """The script's lines of JSON. Fails the test when it fails or takes over 60 s."""
        process = await asyncio.create_subprocess_exec(
            "node", script, *arguments, cwd=self.folder, stdout=-1, stderr=-1
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, err.decode()
        return [json.loads(line) for line in out.decode().splitlines()]


def _install(folder: Path) -> str:
    """Copy the scripts and install their packages; returns why that failed, or nothing."""
    shutil.copytree(CLIENTS, folder, dirs_exist_ok=True, ignore=_modules)
    try:
        done = subprocess.run(INSTALL, cwd=folder, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "npm took over 120 s"
    return "" if done.returncode == 0 else done.stderr.decode()[-300:]


def _modules(_: str, names: list[str]) -> list[str]:
    return [n for n in names if n == "node_modules"]


@pytest.fixture(scope="session")
def npm_clients(tmp_path_factory: pytest.TempPathFactory) -> NpmClients:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("clients")
    if failed := _install(folder):
        pytest.skip(f"npm could not install the clients: {failed}")
    return NpmClients(folder)
