"""The console in `loregate dev`: what a newcomer sees and does first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.console_page import ConsolePage
from tests.support.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

Screenshots = Callable[[str], Awaitable[None]]
WATCH_GAUGE = """(gauge) => {
  const look = () => window.used.push(Number(gauge.getAttribute('aria-valuenow')));
  window.used = [];
  look();
  new MutationObserver(look).observe(gauge, { attributeFilter: ['aria-valuenow'] });
}"""
KINDS = (
    *("characterContent", "campaignContent", "story", "npc", "location", "item"),
    *("themeAnalysis", "contentValidation"),
)
NEWEST = "{ contents(first: 1) { edges { node { contentId } } } }"


async def test_the_first_text_takes_one_press(page: Page, screenshots: Screenshots) -> None:
    console = await ConsolePage(page).open()
    await console.says("#text", "Nothing is written yet.")
    await console.says("#feed-list", "No events yet.")
    await screenshots("console-empty")
    text = await console.write()
    assert len(text.split()) > 60
    assert "storyteller" in await console.text_of("#facts")
    await console.says("#feed-list", "Content generated")
    await screenshots("console-written")


async def test_the_text_grows_on_the_page(page: Page) -> None:
    console = await ConsolePage(page).open()
    await console.watch_text()
    whole = await console.write("story")
    told = [t for t in await console.told() if t]
    growing = [t for t in told if whole.startswith(t.split("\n")[0][:20])]
    assert len({len(t) for t in growing}) > 5
    assert [len(t) for t in growing[:5]] == sorted(len(t) for t in growing[:5])


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_written_from_the_form_as_it_stands(page: Page, kind: str) -> None:
    console = await ConsolePage(page).open()
    assert await console.one("input[name=kind]").count() == len(KINDS)
    assert await console.write(kind)
    assert await console.one("#trouble .notice").count() == 0
    assert await console.one("#facts .attempt").count() >= 1


async def test_the_form_is_the_schemas(page: Page) -> None:
    console = await ConsolePage(page).open()
    options = console.one("select[name=type] option")
    assert await options.all_inner_texts() == ["Backstory", "Personality", "Combat", "Equipment"]
    level = console.one("input[name=characterLevel]")
    assert [await level.get_attribute(a) for a in ("type", "min", "max")] == ["number", "1", "20"]
    await console.choose("npc")
    assert await console.one("select[name=role]").evaluate("e => e.required")


async def test_a_refused_field_is_pointed_at(page: Page) -> None:
    console = await ConsolePage(page).open()
    await console.one("summary", has_text="Model").first.click()
    name = console.one("input[name=name]")
    await name.fill("gpt-nobody-has")
    await console.press_write()
    await console.one("input[name=name][aria-invalid=true]").wait_for()
    assert await name.evaluate("e => e === document.activeElement")
    await console.says("#writing-status", "Nothing was written")


async def test_limits_fill_with_what_is_written(page: Page) -> None:
    console = await ConsolePage(page).open()
    gauge = console.one("[data-scope='operation:text_generation'] [role=meter]")
    await gauge.wait_for()
    await gauge.evaluate(WATCH_GAUGE)
    await console.write("characterContent")
    # Its window slides meanwhile: it may fall, too.
    await page.wait_for_function("() => used.some((now, at) => at > 0 && now > used[at - 1])")


async def test_models_are_shown_with_breaker_and_price(page: Page) -> None:
    console = await ConsolePage(page).open()
    model = console.one("[data-name=gpt-4-turbo]")
    await model.wait_for()
    shown = await model.inner_text()
    assert "Breaker closed" in shown
    assert "$" in shown
    assert "Falls back to gpt-3.5-turbo" in shown


async def test_health_is_told_part_by_part(page: Page) -> None:
    console = await ConsolePage(page).open()
    await console.says("#health", "Database healthy")
    assert await console.one("#health li").count() == 4
    await console.says("#health", "requests a second")


async def test_a_content_is_opened_continued_and_deleted(
    page: Page, gateway: Service, screenshots: Screenshots
) -> None:
    console = await ConsolePage(page).open()
    await console.write("characterContent")
    found = await gateway.data(NEWEST, sub="developer")
    parent = found["contents"]["edges"][0]["node"]["contentId"]
    card = console.one(f"[data-content='{parent}'].card")
    await card.get_by_role("button", name="Continue").click()
    assert await console.one("input[name=parentContentId]").input_value() == parent
    await page.keyboard.press("Enter")
    await console.written()
    await console.says("#content-list", "continues another")
    await card.get_by_role("button", name="Open").click()
    await console.says("#reader", "Continued 1 time")
    await screenshots("console-reader")
    await console.one("#reader .near button").click()
    await console.says("#reader", "Continues ")
    await console.one("#reader").get_by_role("button", name="Delete…").click()
    await console.one("#reader").get_by_role("button", name="Delete", exact=True).click()
    await console.one("#reader[open]").wait_for(state="detached")
    await console.one("#content-list .card", has_text="continues another").wait_for(
        state="detached"
    )


async def test_older_contents_come_page_by_page(page: Page, gateway: Service) -> None:
    made = [(await gateway.generate(sub="developer"))["contentId"] for _ in range(14)]
    console = await ConsolePage(page).open()
    cards = console.one("#content-list .card")
    await cards.nth(11).wait_for()
    assert await cards.count() == 12
    await console.one("#more").click()
    await cards.nth(13).wait_for()
    shown = [await card.get_attribute("data-content") for card in await cards.all()]
    assert shown[:14] == made[::-1]


async def test_usage_is_plotted(page: Page) -> None:
    console = await ConsolePage(page).open()
    await console.choose("themeAnalysis")
    await console.one("textarea[name=content]").fill("The last lamp went out, and nobody spoke.")
    await console.write()
    await console.write()
    plots = console.one("#plots svg[role=img]")
    labels = [await plot.get_attribute("aria-label") or "" for plot in await plots.all()]
    assert any(label.startswith("Cache: Hit 1, Coalesced 0, Miss 1") for label in labels)
    assert any(label.startswith("Tokens of 2 texts") for label in labels)
    await page.get_by_label("Last 50 stored").check()
    await console.says("#plots", "Written by")
