"""Clients that others wrote work as they are: npm's graphql-http audits and graphql-ws."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.service import Service, token

CLIENTS = Path(__file__).parent / "clients"
INSTALL = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]


class Node:
    """Runs the scripts of tests/clients in a folder that has their packages."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def run(self, script: str, *arguments: str) -> list[Any]:
        """The script's lines of JSON. Fails the test when it fails or takes over 60 s."""
        process = await asyncio.create_subprocess_exec(
            "node", script, *arguments, cwd=self._folder, stdout=-1, stderr=-1
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
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("clients")
    if failed := _install(folder):
        pytest.skip(f"npm could not install the clients: {failed}")
    return Node(folder)


async def test_every_audit_of_graphql_over_http_passes(loregate: Service, node: Node) -> None:
    [found] = await node.run("audit.mjs", f"{loregate.url}/graphql", token())
    assert found["failed"] == []
    assert found["total"] >= 61


async def test_the_stock_graphql_ws_client_resumes_and_then_follows(
    loregate: Service, node: Node
) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    before = await loregate.generate()
    url = loregate.url.replace("http", "ws", 1) + "/graphql"
    receiving = asyncio.create_task(node.run("subscribe.mjs", url, token(), cursor))
    while not loregate.gateway.fanout._by_user:
        await asyncio.sleep(0.01)  # npm's client has no way to say that it listens
    after = await loregate.generate()
    events = [line["data"]["contentGenerated"] for line in await receiving]
    assert [e["contentId"] for e in events] == [before["contentId"], after["contentId"]]
    assert [e["content"]["text"] for e in events] == [before["text"], after["text"]]
    assert len({e["cursor"] for e in events} | {cursor}) == 3
