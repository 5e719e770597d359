"""The console when something goes wrong: it says what, and what can be done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from app.config_file import LimitTable
from app.embedded.valkey import EmbeddedValkey
from tests.support import upstream
from tests.support.browser import Watch
from tests.support.console_page import ConsolePage, gateway_with_models
from tests.support.service import Service
from tests.support.upstream import FAULTS, Behaviour, Upstream, prose

if TYPE_CHECKING:
    from playwright.async_api import Page, Route

Screenshots = Callable[[str], Awaitable[None]]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

BROKEN = Behaviour(tokens=[f"lost{n} " for n in range(40)], pace=0.02, cut_after=20, abort=True)
EVIL = "<img src=x onerror=alert(1)> Then <b>it</b> ended."
ANALYSES = 3  # a minute, in this gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[Upstream]:
    async with upstream.running() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    valkey: EmbeddedValkey, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """As `loregate dev`, with models behind the fake provider and few analyses a minute."""
    limits = (LimitTable(target="operation:theme_analysis", max=ANALYSES),)
    directory = tmp_path_factory.mktemp("gateway")
    async with gateway_with_models(directory, valkey.url, provider, limits) as found:
        yield found


async def test_a_reset_strikes_the_dropped_text_out_and_the_fallback_writes(
    page: Page, provider: Upstream, screenshots: Screenshots
) -> None:
    console = await ConsolePage(page).open()
    provider.then(BROKEN, Behaviour(text=prose(40), pace=0.02))
    await console.press_write()
    await console.says("#text .dropped del", "lost5")
    await console.says("#writing-status", "Its text is dropped")
    await screenshots("console-reset")
    await console.written()
    assert (await console.text_of("#text .result")).startswith("word0 word1")
    await console.says("#text .dropped summary", "gpt-4-turbo failed: cut; gpt-3.5-turbo writes.")
    attempts = await console.one("#facts .attempt").all_inner_texts()
    assert [a.split("\n")[:2] for a in attempts] == [
        ["gpt-4-turbo", "Cut"],
        ["gpt-3.5-turbo", "Ok"],
    ]


async def test_a_model_that_never_answers_is_cancelled(page: Page, provider: Upstream) -> None:
    console = await ConsolePage(page).open()
    provider.then(Behaviour(text=prose(400), pace=0.05))
    await console.press_write()
    await console.says("#text", "word3 ")
    await console.one("#cancel").click()
    await console.says("#writing-status", "Cancelled.")
    assert await console.one("#text .unfinished").count() == 1
    assert await console.one("#write").is_enabled()


async def test_markup_of_a_model_is_text(page: Page, provider: Upstream) -> None:
    console = await ConsolePage(page).open()
    provider.then(Behaviour(text=EVIL))
    assert EVIL in await console.write()
    assert await console.one("#text img, #text b, #feed-list b, #content-list b").count() == 0


async def hold_standing(route: Route) -> None:
    """Leaves the look at all limits without an answer: what moves a gauge is the request's own."""
    if "Standing" not in (route.request.post_data or ""):
        await route.fallback()


async def test_a_full_limit_says_when_there_is_room_again(
    page: Page, screenshots: Screenshots
) -> None:
    console = await ConsolePage(page).open()
    await console.one("[data-scope='operation:theme_analysis']").wait_for()
    await page.route("**/graphql", hold_standing)
    await console.choose("themeAnalysis")
    await console.one("summary", has_text="Cache and delivery").click()
    await console.one("select[name=cache]").select_option("BYPASS")
    for _ in range(ANALYSES):
        await console.write()
    await console.press_write()
    await console.says("#trouble [role=alert]", "RATE_LIMIT_EXCEEDED")
    await console.says("#trouble [role=alert]", "operation:theme_analysis")
    await console.says("#trouble .countdown", "Room again at ")
    assert await console.one("#trouble button").is_disabled()
    full = console.one("[data-scope='operation:theme_analysis'][data-tone=full]")
    await full.wait_for()
    assert "0 of 3 left" in await full.inner_text()
    await screenshots("console-limit")


async def test_no_model_at_all_is_told_with_what_was_tried(page: Page, provider: Upstream) -> None:
    console = await ConsolePage(page).open()
    await console.one("summary", has_text="Cache and delivery").click()
    await console.one("input[name=allowDegraded]").uncheck()
    provider.then(FAULTS["content_filter"])
    await console.press_write()
    await console.says("#trouble [role=alert]", "CONTENT_REJECTED")
    await console.says("#trouble .attempt", "gpt-4-turbo")


async def test_a_gateway_that_is_away_is_said_and_comes_back(page: Page, watch: Watch) -> None:
    watch.allow("Failed to load resource")
    console = await ConsolePage(page).open()

    async def gone(route: Route) -> None:
        await route.abort()

    await page.route("**/graphql", gone)
    await console.press_write()
    await console.says("#away", "The gateway does not answer.")
    await page.unroute("**/graphql")
    await console.one("#away button").click()
    await console.one("#away").wait_for(state="hidden")
    await console.write()
