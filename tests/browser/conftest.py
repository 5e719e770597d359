"""A gateway as `loregate dev` has it, and pages of it in a real browser.

A module of this folder begins with

    pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

so that its tests share one gateway and one browser; each has a page of its own, with no memory of
the others. What `page.wait_for_function` is given must be a function (`() => …`): a bare expression
would be evaluated as text, which no page of ours allows. `make test-browser` runs them; with
`BROWSER_SCREENSHOTS=folder` they leave pictures.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from redis import Redis

from app.embedded.valkey import EmbeddedValkey
from tests.support import browser, service
from tests.support.browser import Watch
from tests.support.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

DEVELOPER = "developer"
PATIENCE = 30_000  # ms for anything that a page is waited for


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """With the settings of `loregate dev` and the storyteller; its pages get a token."""
    with Redis.from_url(valkey.url) as redis:
        redis.flushall()
    given = service.settings(tmp_path_factory.mktemp("gateway"), valkey.url, dev=True)
    token = partial(service.token, DEVELOPER)
    async with service.running(given, development_token=token) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with browser.chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def watched(
    gateway: Service, chromium: Browser
) -> AsyncIterator[tuple[BrowserContext, Watch]]:
    """The test fails when a page of this context did what none of ours may do."""
    async with browser.watched_context(chromium, gateway.url) as (context, watch):
        yield context, watch
    assert watch.problems == []


@pytest.fixture
def watch(watched: tuple[BrowserContext, Watch]) -> Watch:
    """What the test's pages do; `watch.allow(pattern)` is for what a test provokes."""
    return watched[1]


@pytest_asyncio.fixture(loop_scope="module")
async def page(watched: tuple[BrowserContext, Watch]) -> Page:
    """An empty page, 1280 wide and light: `await page.goto("/console")` opens one of ours."""
    found = await watched[0].new_page()
    found.set_default_timeout(PATIENCE)
    return found


@pytest.fixture
def screenshots(page: Page) -> Callable[[str], Awaitable[None]]:
    """`await screenshots("name")`: the page as it is now, in four pictures."""
    return partial(browser.screenshots, page)
