"""A real browser, without a window: Debian's Chromium, where it is installed.

`tests/browser/conftest.py` has the fixtures: a gateway, a page that is watched, screenshots.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:  # of the extra `browser`, which `make test` does without
    from playwright.async_api import Browser as Chromium
    from playwright.async_api import BrowserContext, ConsoleMessage, Page

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


PLAYWRIGHT_ARGUMENTS = [
    *("--disable-gpu", "--disable-quic", "--disable-component-update", "--disable-sync"),
    *("--disable-background-networking", "--disable-dev-shm-usage"),
]
SCREENSHOTS = "BROWSER_SCREENSHOTS"  # the folder that they go to; without it none are made
SIZES = {"wide": (1280, 800), "narrow": (390, 844)}
LOUD = ("error", "warning")
MAX_TEXT = 300  # characters of a message; one may quote a font
# A refusal reaches the console by itself, but not what a policy forbids in a worker or a frame.
REPORT_VIOLATIONS = """
addEventListener('securitypolicyviolation', (event) => console.error(
  `CSP: ${event.effectiveDirective} forbids ${event.blockedURI} in ${event.sourceFile}`));
"""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    """A running browser; the test is skipped where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("NO BROWSER: pages are not looked at; apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.async_api", reason="NO PLAYWRIGHT: pages are not looked at; make test-browser"
    )
    async with playwright.async_playwright() as driver:
        found = await driver.chromium.launch(
            executable_path=program, args=PLAYWRIGHT_ARGUMENTS, chromium_sandbox=False
        )
        try:
            yield found
        finally:
            await found.close()


class Watch:
    """Everything that a page of ours must not do: errors, warnings, requests to other hosts."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).netloc
        self._allowed: list[re.Pattern[str]] = []
        self.seen: list[str] = []

    @property
    def problems(self) -> list[str]:
        """What was seen and is not allowed."""
        return [seen for seen in self.seen if not any(a.search(seen) for a in self._allowed)]

    def allow(self, pattern: str) -> None:
        """A test that provokes something, such as a refusal, says what the console may say."""
        self._allowed.append(re.compile(pattern))

    def watch(self, page: Page) -> None:
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.seen.append(f"uncaught: {error}"))
        page.on("request", lambda request: self._asked(request.url))
        page.on("websocket", lambda socket: self._asked(socket.url))

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in LOUD:
            where = message.location.get("url", "")
            self.seen.append(f"{message.type}: {message.text[:MAX_TEXT]} ({where})")

    def _asked(self, url: str) -> None:
        scheme, host, *_ = urlsplit(url)
        if scheme not in ("data", "blob") and host != self._host:
            self.seen.append(f"a request to {url}")


@contextlib.asynccontextmanager
async def watched_context(
    browser: Chromium, url: str
) -> AsyncIterator[tuple[BrowserContext, Watch]]:
    """A context whose pages begin at `url`; what they do is in the watch."""
    context = await browser.new_context(
        base_url=url, viewport={"width": 1280, "height": 800}, color_scheme="light"
    )
    watch = Watch(url)
    await context.add_init_script(REPORT_VIOLATIONS)
    context.on("page", watch.watch)
    try:
        yield context, watch
    finally:
        await context.close()


async def screenshots(page: Page, name: str) -> None:
    """The page wide and narrow, light and dark, as PNGs in the folder that `BROWSER_SCREENSHOTS`
    names, if it does; afterwards the page looks as before."""
    folder = os.environ.get(SCREENSHOTS)
    if folder is None:
        return
    before = page.viewport_size
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=Path(folder) / f"{name}-{size}-{scheme}.png")
    await page.emulate_media(color_scheme="light")
    if before is not None:
        await page.set_viewport_size(before)
