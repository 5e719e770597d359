"""Generators of clients that others wrote, and linters: what they make of the OpenAPI document
and of that of the events.

Those of npm stand in a folder with its packages, those of PyPI in an environment of their own,
which `make test-generators` sets up: they depend on more than the project does.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.events.asyncapi import asyncapi_document
from app.rest.openapi import openapi_document

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "generators"
ENVIRONMENT = ROOT / ".venv-generators" / "bin"
INSTALL = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
PATIENCE = 240.0  # s for a generator: openapi-generator compiles nothing, and takes 20 on one core


class Workshop:
    """A folder with the document, the scripts, and the tools that they need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = f"{ENVIRONMENT}:{folder / 'node_modules' / '.bin'}:{os.environ['PATH']}"

    async def run(self, *command: str, cwd: str = ".", **variables: str) -> str:
        """What the command prints. Fails the test, with that, when the command fails."""
        environment = {**os.environ, "PATH": self._path, "NO_COLOR": "1", **variables}
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder / cwd, env=environment, stdout=-1, stderr=-1
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        said = f"{out.decode()}\n{err.decode()}"
        assert process.returncode == 0, f"{' '.join(command)}\n{said}"
        return said

    async def typescript(self, script: str, *arguments: str) -> Any:
        """The one line of JSON of a script, once it and what was generated fit their types."""
        config = {"extends": "./tsconfig.json", "files": [script]}
        (self.folder / f"tsconfig.{script}.json").write_text(json.dumps(config))
        await self.run("tsc", "-p", f"tsconfig.{script}.json")
        made = f"{script}.mjs"
        bundle = ("--bundle", "--platform=node", "--format=esm", "--target=es2022")
        await self.run("esbuild", script, *bundle, f"--outfile={made}", "--log-level=error")
        return json.loads((await self.run("node", made, *arguments)).strip().splitlines()[-1])

    async def python(self, script: str, package: str, *arguments: str) -> Any:
        """The same for Python; `package`: the folder in which the generated package stands."""
        found = str(self.folder / package)
        await self.run("mypy", script, MYPYPATH=found)
        said = await self.run("python", script, *arguments, PYTHONPATH=found)
        return json.loads(said.strip().splitlines()[-1])


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    folder = tmp_path_factory.mktemp("generators")
    shutil.copytree(SCRIPTS, folder, dirs_exist_ok=True, ignore=_modules)
    (folder / "openapi.json").write_text(json.dumps(openapi_document(), indent=1))
    (folder / "asyncapi.json").write_text(json.dumps(asyncapi_document(), indent=1))
    return Workshop(folder)


@pytest.fixture(scope="session")
def npm_workshop(workshop: Workshop) -> Workshop:
    """With the packages of npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs node and npm")
    done = subprocess.run(
        INSTALL, cwd=workshop.folder, capture_output=True, timeout=300, check=False
    )
    if done.returncode:
        pytest.skip(f"npm could not install the generators: {done.stderr.decode()[-300:]}")
    return workshop


@pytest.fixture(scope="session")
def pypi_workshop(workshop: Workshop) -> Workshop:
    """With those of PyPI."""
    if not (ENVIRONMENT / "openapi-generator-cli").exists():
        pytest.skip(f"needs {ENVIRONMENT.parent.name}: make test-generators sets it up")
    assert sys.prefix != str(ENVIRONMENT.parent)
    return workshop


def _modules(_: str, names: list[str]) -> list[str]:
    return [n for n in names if n == "node_modules"]
