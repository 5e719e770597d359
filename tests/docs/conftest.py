"""The site, built once for all tests that look at it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

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
