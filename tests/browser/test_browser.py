"""The browser of the tests sees what a page of ours must not do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import Watch
from tests.support.service import Service

if TYPE_CHECKING:
    from playwright.async_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

WRONG = {
    "an error on the console": ("console.error('no')", "error: no"),
    "an uncaught error": ("setTimeout(() => { throw new Error('oops') })", "uncaught: oops"),
    "a request to another host": (
        "fetch('http://127.0.0.1:9/x').catch(() => 0)",
        "CSP: connect-src",
    ),
    "an inline style": (
        "document.body.append(Object.assign(document.createElement('style'),"
        " { textContent: 'b { color: red }' }))",
        "CSP: style-src-elem",
    ),
    "an inline script": (
        "document.body.append(Object.assign(document.createElement('script'),"
        " { textContent: '1' }))",
        "CSP: script-src-elem",
    ),
    "text run as a script": (
        "Object.assign(document.createElement('b'), {}).setAttribute('onclick', '1')",
        "CSP: script-src-attr",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_a_page_must_not_do_is_seen(page: Page, watch: Watch, what: str) -> None:
    script, expected = WRONG[what]
    watch.allow(".")
    await page.goto("/console")
    await page.evaluate(script)
    async with asyncio.timeout(10):
        while not any(expected in seen for seen in watch.seen):
            await page.evaluate("new Promise(requestAnimationFrame)")


async def test_a_page_of_dev_gets_a_token_that_works(page: Page, gateway: Service) -> None:
    await page.goto("/console")
    session = await page.evaluate("fetch('/console/session').then((r) => r.json())")
    assert session["dev"] is True
    headers = {"Authorization": f"Bearer {session['token']}"}
    answer = await gateway.http.post("/graphql", json={"query": "{ eventCursor }"}, headers=headers)
    assert "errors" not in answer.json()
