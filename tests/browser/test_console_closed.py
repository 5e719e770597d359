"""The console of a gateway that tells nobody its schema."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from app.embedded.valkey import EmbeddedValkey
from tests.support import service
from tests.support.console_page import ConsolePage
from tests.support.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """As `loregate serve` with LOREGATE_CONSOLE on and introspection off."""
    given = service.settings(tmp_path_factory.mktemp("gateway"), valkey.url, console=True)
    given = given.model_copy(update={"introspection": False})
    async with service.running(given) as found:
        yield found


async def test_without_introspection_all_but_writing_works(page: Page, gateway: Service) -> None:
    made = await gateway.generate(sub="carol")
    console = ConsolePage(page)
    await page.goto("/console")
    await page.get_by_role("textbox", name="Token").fill(service.token("carol"))
    await page.keyboard.press("Enter")
    await console.says("#text", "LOREGATE_INTROSPECTION=true turns it on")
    await console.says("#model-list", "storyteller")
    await console.says("#limit-list", "of 1,000 left")
    await console.one("#content-list .card button").first.click()
    await console.says("#reader-body", made["text"].split("\n")[0])
    await page.keyboard.press("Escape")
    await gateway.generate(sub="carol")
    await console.says("#feed-list .event", "Content generated")
