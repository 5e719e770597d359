"""The site, built once for all tests that look at it; and a gateway for the pages' commands."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_process import CliProcess, serving

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fresh build, in which every warning is an error."""
    if importlib.util.find_spec("sphinx") is None:
        pytest.skip("needs Sphinx: make test-docs installs it")
    built = tmp_path_factory.mktemp("site") / "html"
    command = ["-m", "sphinx", "-q", "-E", "-W", "--keep-going", "-b", "html", DOCS, built]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliProcess]:
    """`loregate dev`, as the pages' readers have it."""
    serves = serving(tmp_path_factory.mktemp("dev"), "dev")
    with asyncio.Runner() as runner:
        running = runner.run(serves.__aenter__())
        try:
            yield running
        finally:
            runner.run(serves.__aexit__(None, None, None))
