"""GraphiQL in a browser: its examples run, subscriptions live, and the token is there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

HEADERS_TAB = "button:has-text('Headers')"
# What stands in an editor; CodeMirror shows only the lines that fit.
VALUE = "(editor) => editor.CodeMirror.getValue()"
STORED = "() => sessionStorage['graphiql:tabState']?.includes('query Me')"
HOLDS = "([s, text]) => document.querySelector(s)?.CodeMirror.getValue().includes(text)"


async def opened(page: Page) -> None:
    await page.goto("/graphql")
    await page.wait_for_selector(".graphiql-query-editor .CodeMirror")


def response(page: Page) -> Locator:
    return page.locator(".result-window .CodeMirror")


async def value(editor: Locator) -> str:
    found: str = await editor.evaluate(VALUE)
    return found


async def example(page: Page, kind: str, field: str) -> None:
    """Open an example; `kind` is the heading that it stands under."""
    group = page.locator(f".examples h3:text-is('{kind}') + ul")
    tabs = await page.locator(".graphiql-tab").count()
    await group.locator(f"button:has(code:text-is('{field}'))").click()
    await page.locator(".graphiql-tab").nth(tabs).wait_for()


async def run(page: Page, expected: str) -> str:
    """Press play until the answer has this text; the answer."""
    await page.click(".graphiql-execute-button")
    await shown(page, expected)
    return await value(response(page))


async def shown(page: Page, expected: str) -> None:
    await page.wait_for_function(HOLDS, arg=[".result-window .CodeMirror", expected])


async def test_it_opens_with_an_example_and_the_development_token_in_headers(
    page: Page, screenshots: Callable[[str], Awaitable[None]]
) -> None:
    await opened(page)
    await page.click(HEADERS_TAB)
    headers = page.locator(".graphiql-editor-tool .CodeMirror").last
    assert '"Authorization": "Bearer ey' in await value(headers)
    await page.wait_for_selector("button:has-text('Variables')")
    await screenshots("graphiql-open")


async def test_the_first_example_writes_a_text(
    page: Page, screenshots: Callable[[str], Awaitable[None]]
) -> None:
    await opened(page)
    answer = await run(page, '"modelUsed": "storyteller"')
    assert "errors" not in answer
    await screenshots("graphiql-mutation")


async def test_a_query_runs_from_the_list_of_examples(page: Page) -> None:
    await opened(page)
    await example(page, "Read", "viewer")
    assert '"id": "developer"' in await run(page, '"permissions"')


async def test_an_example_that_needs_an_id_has_one(page: Page) -> None:
    await opened(page)
    await example(page, "Read", "content")
    assert '"__typename": "GeneratedContent"' in await run(page, '"contentId"')


async def test_a_subscription_shows_events_as_they_happen(
    page: Page, gateway: Service, screenshots: Callable[[str], Awaitable[None]]
) -> None:
    await opened(page)
    await example(page, "Subscribe", "contentGenerated")
    await page.click(".graphiql-execute-button")
    first = await gateway.generate(sub="developer")
    await shown(page, first["contentId"])
    second = await gateway.generate(sub="developer")
    await shown(page, second["contentId"])
    await screenshots("graphiql-subscription")


async def test_the_text_of_a_generation_is_followed_to_its_end(page: Page) -> None:
    await opened(page)
    await example(page, "Subscribe", "generation")
    await run(page, "GenerationCompleted")


async def test_the_documentation_opens(
    page: Page, screenshots: Callable[[str], Awaitable[None]]
) -> None:
    await opened(page)
    await page.click("[aria-label='Show Documentation Explorer']")
    docs = ".graphiql-doc-explorer-content"
    await page.click(f"{docs} a:text-is('Mutation')")
    await page.wait_for_selector(f"{docs} a:text-is('generateCharacterContent')")
    await screenshots("graphiql-docs")


async def test_the_builder_ticks_what_the_document_asks_for(
    page: Page, screenshots: Callable[[str], Awaitable[None]]
) -> None:
    await opened(page)
    await page.click("[aria-label='Show GraphiQL Explorer']")
    await page.wait_for_selector(".graphiql-explorer-root >> text=generateCharacterContent")
    await screenshots("graphiql-builder")


async def test_settings_and_short_keys_open_as_dialogs(page: Page) -> None:
    await opened(page)
    for label in ("Open settings dialog", "Open short keys dialog"):
        await page.click(f"[aria-label='{label}']")
        await page.wait_for_selector("[role='dialog']")
        await page.keyboard.press("Escape")
        await page.wait_for_selector("[role='dialog']", state="detached")


async def test_a_reload_keeps_the_tabs_and_stores_no_token(page: Page) -> None:
    await opened(page)
    await example(page, "Read", "viewer")
    tabs = await page.locator(".graphiql-tab").count()
    await page.wait_for_function(STORED)
    await page.reload()
    await page.wait_for_selector(".graphiql-query-editor .CodeMirror")
    assert await page.locator(".graphiql-tab").count() == tabs
    assert '"id": "developer"' in await run(page, '"permissions"')
    await page.wait_for_function("() => localStorage['graphiql:queries']?.includes('query Me')")
    stored = await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }])")
    assert "Me" in stored
    assert "Bearer" not in stored
