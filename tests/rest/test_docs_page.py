"""The page of REST v2, in a real browser: every operation stands there, whole."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from app.rest.openapi import openapi_document
from tests.support.browser import Browser
from tests.support.openapi import resolved
from tests.support.service import Service

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace", "query"}


class Shown(HTMLParser):
    """The text of each `details`, with one space for any blank, by its `summary`."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.operations: dict[str, str] = {}
        self._summary: list[str] | None = None
        self._text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "details":
            self._text = []
        if tag == "summary":
            self._summary = []

    def handle_data(self, data: str) -> None:
        self._text.append(data)
        if self._summary is not None:
            self._summary.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "summary":
            self._name, self._summary = " ".join(self._summary or ()), None
        if tag == "details":
            self.operations[_even(self._name)] = _even(" ".join(self._text))


def _even(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def declared() -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Each operation of the document: its parameters, those of its path included, and itself."""
    found = {}
    for path, item in openapi_document()["paths"].items():
        for method in item.keys() & METHODS:
            given = [
                resolved(p)
                for p in [*item.get("parameters", ()), *item[method].get("parameters", ())]
            ]
            found[f"{method.upper()} {path} {item[method]['summary']}"] = given, item[method]
    return found


async def test_a_browser_shows_every_operation_with_its_parameters_and_headers(
    loregate: Service, browser: Browser
) -> None:
    shown = Shown(await browser.load(f"{loregate.url}/api/v2/docs")).operations
    assert browser.said == ""
    assert sorted(shown) == sorted(declared())
    for name, (parameters, operation) in declared().items():
        text = shown[name]
        for parameter in parameters:
            what = parameter.get("description", "").replace("`", " ")
            assert f" {parameter['name']} {parameter['in']} " in text, name
            assert _even(what).replace(" ", "") in text.replace(" ", ""), name
        for status, response in operation["responses"].items():
            assert f" {status} " in f"{text} "
            assert all(f" {header} " in text for header in response.get("headers", {})), name
