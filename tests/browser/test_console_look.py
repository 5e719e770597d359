"""The console on any screen, by keyboard alone, and for who does not see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.console_page import ConsolePage

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

GROUND = "getComputedStyle(document.body).backgroundColor"
KINDS = ("characterContent", "contentValidation", "item")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
async def test_nothing_is_wider_than_the_window(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    console = await ConsolePage(page).open()
    assert await console.is_as_wide_as_the_window()
    for kind in KINDS:
        await console.write(kind)
        assert await console.is_as_wide_as_the_window(), kind
    await console.one("#content-list .card button").first.click()
    await console.one("#reader .facts").wait_for()
    assert await console.is_as_wide_as_the_window()


async def test_on_a_phone_the_text_comes_into_sight(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    console = await ConsolePage(page).open()
    await console.write()
    await page.wait_for_function(
        "() => document.getElementById('text').getBoundingClientRect().top < innerHeight / 2"
    )


async def test_it_is_light_or_dark_as_the_system_is(page: Page) -> None:
    await ConsolePage(page).open()
    grounds = {}
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        grounds[scheme] = await page.evaluate(GROUND)
    assert grounds["light"] != grounds["dark"]


async def test_its_switch_overrules_the_system_and_is_remembered(page: Page) -> None:
    await page.emulate_media(color_scheme="light")
    await ConsolePage(page).open()
    light = await page.evaluate(GROUND)
    await page.get_by_role("button", name="Colours: auto").click()
    await page.get_by_role("button", name="Colours: light").click()
    dark = await page.evaluate(GROUND)
    assert dark != light
    await page.reload()
    await page.get_by_role("button", name="Colours: dark").wait_for()
    assert await page.evaluate(GROUND) == dark


async def test_a_first_text_needs_the_keyboard_alone(page: Page) -> None:
    console = await ConsolePage(page).open()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the Write button"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")
    assert len((await console.written()).split()) > 60
    assert await page.evaluate("document.activeElement.id") == "write"


async def test_what_has_the_focus_is_seen(page: Page) -> None:
    await ConsolePage(page).open()
    for _ in range(40):
        await page.keyboard.press("Tab")
        found = await page.evaluate(
            """() => {
              const at = document.activeElement;
              const shown = at.type === 'radio' ? at.nextElementSibling : at;
              const style = getComputedStyle(shown);
              const { width } = shown.getBoundingClientRect();
              return [at.outerHTML.slice(0, 90), style.outlineStyle, width];
            }"""
        )
        assert found[1] != "none", found
        assert found[2] > 0, found


async def test_a_screen_reader_is_told_when_it_is_done_and_not_each_token(page: Page) -> None:
    console = await ConsolePage(page).open()
    assert await console.one("#text[aria-live], [aria-live] #text, [role=log]").count() == 0
    await console.one("#manuscript[aria-busy=false]").wait_for()
    await page.evaluate(
        """() => {
          window.said = [];
          const status = document.getElementById('writing-status');
          new MutationObserver(() => window.said.push(status.textContent)).observe(
            status, { childList: true, subtree: true, characterData: true });
        }"""
    )
    await console.write("story")
    said = await page.evaluate("window.said")
    assert said[0] == "Writing: story…"
    assert said[-1].startswith("Done: ")
    assert len(said) <= 4


async def test_every_control_and_landmark_has_a_name(page: Page) -> None:
    console = await ConsolePage(page).open()
    tree = await console.one("body").aria_snapshot()
    unnamed = [
        line
        for line in tree.splitlines()
        if line.strip(" -:").split(" [")[0]
        in ("button", "textbox", "combobox", "spinbutton", "checkbox", "meter", "region")
    ]
    assert unnamed == []
    for landmark in ("banner", "navigation", "main", "contentinfo"):
        assert f"- {landmark}" in tree
