"""The console of `loregate serve`: it asks for a token, and keeps it nowhere."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from app.embedded.valkey import EmbeddedValkey
from tests.support import service
from tests.support.browser import Watch
from tests.support.console_page import ConsolePage
from tests.support.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Page

Screenshots = Callable[[str], Awaitable[None]]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

KEPT = """async () => [location.href, document.cookie, document.documentElement.outerHTML,
  JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }),
  JSON.stringify(await indexedDB.databases())].join('\\n')"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """As `loregate serve` with LOREGATE_CONSOLE on: its pages get no token."""
    given = service.settings(tmp_path_factory.mktemp("gateway"), valkey.url, console=True)
    async with service.running(given) as found:
        yield found


async def paste(page: Page, token: str) -> None:
    await page.get_by_role("textbox", name="Token").fill(token)
    await page.keyboard.press("Enter")


async def signed_in(page: Page, token: str) -> ConsolePage:
    console = ConsolePage(page)
    await page.goto("/console")
    await paste(page, token)
    return console


async def test_it_asks_for_a_token_and_then_writes(page: Page, screenshots: Screenshots) -> None:
    await page.goto("/console")
    console = ConsolePage(page)
    await console.says("#gate", "A token, please")
    await screenshots("console-token")
    assert await console.one("main[inert]").count() == 1
    assert await page.evaluate("document.activeElement.id") == "token"
    console = await signed_in(page, service.token("alice"))
    await console.is_ready()
    await console.says("#viewer", "alice")
    assert await console.write()


async def test_the_token_is_in_memory_only(page: Page) -> None:
    token = service.token("alice")
    console = await signed_in(page, token)
    await console.is_ready()
    signature = token.rsplit(".", 1)[1]
    assert signature not in await page.evaluate(KEPT)
    assert await console.one("#token").input_value() == ""
    await page.reload()
    await console.says("#gate", "A token, please")


async def test_a_refused_token_is_said_and_asked_for_again(page: Page, watch: Watch) -> None:
    watch.allow("401")
    console = await signed_in(page, "no.token.atall")
    await console.says("#gate-why", "The token was refused")
    await paste(page, service.token("alice", exp=int(time.time()) - 60))
    await console.says("#gate-why", "The token has expired")
    await paste(page, service.token("alice"))
    await console.is_ready()
    assert await console.one("#gate").is_hidden()


async def test_what_a_token_may_not_is_said_where_it_would_stand(page: Page) -> None:
    token = service.token("bob", permissions=["text:generate", "events:subscribe"])
    console = await signed_in(page, token)
    await console.is_ready()
    await console.says("#content-trouble [role=alert]", "FORBIDDEN")
    await console.says("#content-trouble [role=alert]", "content:read")
