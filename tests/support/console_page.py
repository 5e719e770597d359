"""The console as a user has it: open, write, wait for what is seen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.config_file import ConfigFile, LimitTable
from tests.support import service
from tests.support.service import Service
from tests.support.upstream import Upstream

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

DONE = 15_000  # ms until something is on the page; 300 on an idle machine
WATCH_TEXT = """() => {
  window.told = [];
  const text = document.getElementById('text');
  new MutationObserver(() => window.told.push(text.textContent)).observe(
    text, { childList: true, subtree: true });
}"""


@contextlib.asynccontextmanager
async def gateway_with_models(
    directory: Path, redis_url: str, provider: Upstream, limits: tuple[LimitTable, ...] = ()
) -> AsyncIterator[Service]:
    """As `loregate dev`, with models behind the fake provider."""
    given = service.settings(directory, redis_url, dev=True, openai_base_url=provider.url)
    given = given.model_copy(update={"file": ConfigFile(limits=limits)})
    token = partial(service.token, "developer")
    async with service.running(given, development_token=token) as found:
        yield found


class ConsolePage:
    """The page, by what stands on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(DONE)

    async def open(self) -> ConsolePage:
        """Until it can write, and listens to events."""
        await self.page.goto("/console")
        await self.is_ready()
        return self

    async def is_ready(self) -> None:
        await self.one("#write:enabled").wait_for()
        await self.one("#socket[data-state=open]").wait_for()

    def one(self, selector: str, **having: Any) -> Locator:
        return self.page.locator(selector, **having)

    async def text_of(self, selector: str) -> str:
        return await self.one(selector).inner_text()

    async def says(self, selector: str, text: str) -> None:
        """Until the element has this text somewhere in it."""
        await self.one(selector, has_text=text).first.wait_for()

    async def choose(self, kind: str) -> None:
        await self.one(f"input[name=kind][value={kind}]").check()

    async def press_write(self) -> None:
        await self.one("#write").click()

    async def write(self, kind: str | None = None) -> str:
        """One text, from the form as it stands; what is read in the end."""
        if kind is not None:
            await self.choose(kind)
        await self.press_write()
        return await self.written()

    async def written(self) -> str:
        await self.says("#writing-status", "Done: ")
        return await self.text_of("#text")

    async def watch_text(self) -> None:
        """From now on keep each state of the text; `told` has them."""
        await self.page.evaluate(WATCH_TEXT)

    async def told(self) -> list[str]:
        found: list[str] = await self.page.evaluate("window.told")
        return found

    async def is_as_wide_as_the_window(self) -> bool:
        found: bool = await self.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        return found
