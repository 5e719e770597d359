"""The REST reference in a browser: whole, with the token, and its requests work when sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest

from app.rest.openapi import openapi_document
from tests.support.openapi import operations, resolved
from tests.support.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]


IDENTITIES = "(blocks) => blocks.map((block) => block.id.split('-').at(-1))"
PARAMETERS = "(rows) => rows.map((row) => [row.dataset.paramName, row.dataset.paramIn])"


async def opened(page: Page) -> None:
    await page.goto("/api/v2/docs")
    await page.wait_for_selector(".opblock")


def block(page: Page, identity: str) -> Locator:
    """An operation of the page, by its `operationId`."""
    return page.locator(f".opblock[id$='-{identity}']")


async def expanded(page: Page, identity: str) -> Locator:
    found = block(page, identity)
    await found.locator(".opblock-summary-control").click()
    await found.locator(".opblock-body").wait_for()
    return found


async def sent(found: Locator) -> tuple[str, str]:
    """Press Execute: the status and the body of the answer."""
    await found.locator("button.execute").click()
    return await answered(found)


async def answered(found: Locator) -> tuple[str, str]:
    answer = found.locator(".live-responses-table tr.response")
    await answer.locator("td.response-col_status").wait_for()
    status = await answer.locator("td.response-col_status").inner_text()
    return status.split()[0], await answer.locator("td.response-col_description").inner_text()


async def test_every_operation_stands_there(page: Page) -> None:
    await opened(page)
    shown = await page.locator(".opblock").evaluate_all(IDENTITIES)
    assert sorted(shown) == sorted(operation["operationId"] for _, operation in operations())


@pytest.mark.parametrize(
    "identity", ["generateStory", "runBatch", "followGeneration", "subscribeToEvents"]
)
async def test_an_operation_shows_each_of_its_parameters_and_headers(
    page: Page, identity: str
) -> None:
    await opened(page)
    [(path, operation)] = [o for o in operations() if o[1]["operationId"] == identity]
    item = openapi_document()["paths"][path]
    declared = map(resolved, [*item.get("parameters", ()), *operation["parameters"]])
    found = await expanded(page, identity)
    shown = await found.locator(".parameters [data-param-name]").evaluate_all(PARAMETERS)
    assert sorted(map(tuple, shown)) == sorted((p["name"], p["in"]) for p in declared)
    answered = await found.locator(".responses-inner").inner_text()
    for response in operation["responses"].values():
        assert all(header in answered for header in response["headers"])


async def test_an_operation_works_as_it_stands(
    page: Page, screenshots: Callable[[str], Awaitable[None]]
) -> None:
    await opened(page)
    await screenshots("reference-open")
    found = await expanded(page, "generateCharacterContent")
    status, body = await sent(found)
    assert status == "200"
    assert '"model_used": "storyteller"' in body
    await found.locator(".live-responses-table").scroll_into_view_if_needed()
    await screenshots("reference-answer")


async def test_a_stored_answer_is_found_by_the_id_that_is_filled_in(page: Page) -> None:
    await opened(page)
    for identity in ("readContent", "readGeneration", "followGeneration", "deleteContent"):
        status, _ = await sent(await expanded(page, identity))
        assert status in ("200", "204"), identity


async def test_a_stream_without_an_end_is_listened_to_for_a_while(
    page: Page, gateway: Service, screenshots: Callable[[str], Awaitable[None]]
) -> None:
    await opened(page)
    found = await expanded(page, "subscribeToEvents")
    await found.locator("button.execute").click()
    await found.locator(".loading-container, .loading").first.wait_for()
    content = await gateway.generate(sub="developer")
    status, body = await answered(found)
    assert status == "200"
    assert content["contentId"] in body
    assert "the page stopped listening" in body
    await screenshots("reference-events")


async def test_health_is_asked_without_a_token(page: Page) -> None:
    await opened(page)
    status, body = await sent(await expanded(page, "readHealth"))
    assert status == "200"
    assert '"message_hub"' in body
