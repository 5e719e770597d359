"""The console's socket: cut by its button, or killed on the way; nothing is missed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from app.embedded.valkey import EmbeddedValkey
from tests.support import upstream
from tests.support.console_page import ConsolePage, gateway_with_models
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream, prose
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.async_api import Page, WebSocketRoute

Screenshots = Callable[[str], Awaitable[None]]

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

LONG = prose(60)
SLOW = Behaviour(text=LONG, pace=0.05)  # 3 s


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncIterator[Upstream]:
    async with upstream.running() as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    valkey: EmbeddedValkey, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """As `loregate dev`, with models behind the fake provider."""
    directory = tmp_path_factory.mktemp("gateway")
    async with gateway_with_models(directory, valkey.url, provider) as found:
        yield found


async def test_a_text_goes_on_where_the_socket_was_cut(page: Page, provider: Upstream) -> None:
    console = await ConsolePage(page).open()
    await console.watch_text()
    provider.then(SLOW)
    await console.press_write()
    await console.says("#text", "word9 ")
    await console.one("#cut").click()
    await console.says("#writing-status", "The socket is cut")
    assert await console.text_of("#socket") == "cut"
    with_cut = await console.text_of("#text")
    assert "word59" not in with_cut
    await console.one("#cut").click()
    assert await console.written() == f"{LONG}"
    assert all(LONG.startswith(t) for t in await console.told())


async def test_events_from_while_it_was_cut_are_told_once_it_is_resumed(
    page: Page, gateway: Service, screenshots: Screenshots
) -> None:
    console = await ConsolePage(page).open()
    await console.one("#cut").click()
    made = [(await gateway.generate(sub="developer"))["contentId"] for _ in range(3)]
    assert await console.one("#feed-list .event").count() == 0
    await console.one("#cut").click()
    await console.says("#feed-list .mark", "3 of 3 stored contents told, 0 missed, 0 told twice.")
    await screenshots("console-resumed")
    events = await console.one("#feed-list .event").all()
    told = [await event.get_attribute("data-content") for event in events]
    assert told == made[::-1]


async def test_a_socket_that_is_killed_comes_back_and_misses_nothing(
    page: Page, gateway: Service, provider: Upstream
) -> None:
    routes: list[WebSocketRoute] = []

    def through(route: WebSocketRoute) -> None:
        route.connect_to_server()
        routes.append(route)

    await page.route_web_socket("**/graphql", through)
    console = await ConsolePage(page).open()
    provider.then(SLOW)
    await console.press_write()
    await console.says("#text", "word9 ")
    await routes[-1].close(code=1012)
    assert await console.written() == LONG
    await until(lambda: len(routes) == 2)
    await console.says("#socket", "live")
    await console.says("#feed-list .event", "word0")
    assert await console.one("#feed-list .event").count() == 1
