"""The Bruno collection is current and whole, and every request of it succeeds."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import pytest
from starlette.routing import Route

from tests.support.cli_process import ROOT
from tests.support.examples import EXAMPLES
from tests.support.graphql_schema import BUILT
from tests.support.npm_clients import NpmClients
from tests.support.service import Service, token

COLLECTION = EXAMPLES / "bruno"
ENDLESS = {"contentGenerated", "storyGenerated", "themeAnalyzed", "validationCompleted", "events"}
REST = ("/api/v2", "/health", "/metrics")
LONGEST = 120  # s for all requests together


def requests(folder: str) -> list[str]:
    """The texts of a folder's requests."""
    return [p.read_text() for p in (COLLECTION / folder).glob("*.bru") if p.name != "folder.bru"]


def test_it_is_current() -> None:
    made = COLLECTION / "generate.py"
    command = [sys.executable, made, "--check"]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_route_of_rest_is_in_it(loregate: Service) -> None:
    found = [r for r in loregate.app.routes if isinstance(r, Route)]
    routes = [r for r in found if r.path.startswith(REST) and "{rest" not in r.path]
    there = [
        (method.upper(), path.replace("{{", "{").replace("}}", "}"))
        for text in requests("REST")
        for method, path in re.findall(r"^(\w+) \{\n  url: \{\{url\}\}(.*)$", text, re.MULTILINE)
    ]
    assert {(r.path, m) for r in routes for m in wanted(r)} == {
        (route.path, method)
        for method, path in there
        for route in routes
        if method in (route.methods or ()) and route.path_regex.match(path)
    }


def wanted(route: Route) -> set[str]:
    """Events have no end, so their head alone is asked for."""
    methods = set(route.methods or ())
    return {"HEAD"} if route.path == "/api/v2/events" else methods - {"HEAD"}


def test_every_root_field_that_ends_is_in_it() -> None:
    there = {
        (kind, name)
        for text in requests("GraphQL")
        for kind, name in re.findall(r"^  (\w+) \w+.*\{\n    (\w+)", text, re.MULTILINE)
    }
    roots = (BUILT.query_type, BUILT.mutation_type, BUILT.subscription_type)
    assert there == {
        (root.name.lower(), name)
        for root in roots
        if root is not None
        for name in root.fields
        if name not in ENDLESS
    }


@pytest.mark.clients
async def test_every_request_of_it_succeeds(
    loregate: Service, bruno_client: NpmClients, tmp_path: Path
) -> None:
    folder = tmp_path / "bruno"
    shutil.copytree(COLLECTION, folder)
    command = bruno_client.folder / "node_modules" / ".bin" / "bru"
    process = await asyncio.create_subprocess_exec(
        command,
        *("run", "-r", "--env", "local"),
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "LOREGATE_URL": loregate.url,
            "TOKEN": token(),
        },
        stdout=PIPE,
        stderr=STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), LONGEST)
    said = out.decode()
    assert process.returncode == 0, said
    count = len(requests("REST")) + len(requests("GraphQL"))
    assert f"{count} ({count} Passed)" in said
