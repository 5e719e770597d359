"""A real browser, without a window: Debian's Chromium, where it is installed."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr"),
)
BUDGET = 20_000  # ms of the page's own time, which stands still while it waits for an answer
PATIENCE = 120.0  # s; it takes 2 on an idle machine


class Browser:
    """Loads pages, each in a new process with an empty profile."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program, self._directory = program, directory
        self.said = ""  # on the console, by the last page

    async def load(self, url: str, *more: str) -> str:
        """The page's HTML once its scripts have run; the test fails when it cannot be had."""
        process = await asyncio.create_subprocess_exec(
            self._program,
            *QUIET,
            f"--user-data-dir={self._directory}",
            f"--virtual-time-budget={BUDGET}",
            "--dump-dom",
            *more,
            url,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        lines = err.decode(errors="replace").splitlines()
        self.said = "\n".join(line for line in lines if "CONSOLE" in line)
        assert process.returncode == 0, err.decode(errors="replace")
        return out.decode()


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("NO BROWSER: pages are not looked at; apt-get install chromium")
    return Browser(program, tmp_path / "profile")
