"""The site that `make docs` builds: whole, without warnings, and with nothing from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.events.types import EVENT_TYPES
from app.rest.error_pages import EXPLAINED
from app.rest.openapi import openapi_document
from app.settings import Settings
from tests.docs.conftest import DOCS
from tests.support.browser import Browser
from tests.support.graphql_schema import BUILT

pytestmark = pytest.mark.docs

LOADS = {"src", "srcset", "poster", "data", "action", "xlink:href"}
OUTSIDE = re.compile(r"^\s*(https?:)?//", re.I)
IN_STYLES = re.compile(r"@import|url\(\s*['\"]?(?:https?:)?//", re.I)
IN_SCRIPTS = re.compile(r"(?:import|fetch|src|open)\W{1,4}['\"`](?:https?:)?//", re.I)


class Loaded(HTMLParser):
    """The addresses that a browser asks for by itself when it shows a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in LOADS or (name == "href" and tag in ("link", "use", "image", "base")):
                self.addresses.append(value or "")


def loaded(path: Path) -> list[str]:
    """What a file would have loaded from other hosts."""
    text = path.read_text()
    if path.suffix in (".html", ".svg"):
        found = [a for a in Loaded(text).addresses if OUTSIDE.match(a)]
        return found + IN_STYLES.findall(text)
    return (IN_STYLES if path.suffix == ".css" else IN_SCRIPTS).findall(text)


def test_nothing_is_loaded_from_another_host(site: Path) -> None:
    files = [p for p in site.rglob("*") if p.suffix in (".html", ".css", ".js", ".svg")]
    assert len(files) > 60
    assert {str(p.relative_to(site)): found for p in files if (found := loaded(p))} == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<link rel="stylesheet" href="https://fonts.example/a.css">'),
        ("a.html", '<script src="//cdn.example/a.js"></script>'),
        ("a.html", '<img src="https://example.org/a.png">'),
        ("a.html", "<style>@import 'a.css'</style>"),
        ("a.css", "@font-face { src: url(https://fonts.example/a.woff2) }"),
        ("a.js", "fetch('https://example.org')"),
        ("a.js", 'import "https://cdn.example/a.js"'),
    ],
)
def test_what_would_be_loaded_from_another_host_is_seen(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text)
    assert loaded(tmp_path / name)


def test_every_page_is_there_as_html_and_as_markdown(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        path = site / page.relative_to(DOCS)
        assert path.with_suffix(".html").exists(), page
        assert "<!-- reference" not in path.read_text()
    assert (site / "llms.txt").read_text() == (DOCS / "llms.txt").read_text()


def test_the_references_have_everything_that_the_code_has(site: Path) -> None:
    def page(name: str) -> str:
        return (site / f"{name}.md").read_text()

    assert [code for code in EXPLAINED if f"\n## {code}\n" not in page("reference/errors")] == []
    aliases = [f.alias for f in Settings.model_fields.values() if f.alias]
    taken = page("settings").partition("## What each takes")[2]
    assert [a for a in aliases if f"| `{a}` |" not in taken] == []
    paths = openapi_document()["paths"]
    assert [p for p in paths if f" {p}\n" not in page("reference/rest")] == []
    assert [e for e in EVENT_TYPES if f": {e}\n" not in page("reference/events")] == []
    types = [t for t in BUILT.type_map if not t.startswith("__")]
    roots = {"Query", "Mutation", "Subscription", "String", "Int", "Float", "Boolean", "ID"}
    graphql = page("reference/graphql")
    assert [t for t in types if t not in roots and f"\n### {t}\n" not in graphql] == []


async def test_the_search_finds_a_page_without_a_server(site: Path, browser: Browser) -> None:
    shown = await browser.load(f"file://{site}/search.html?q=idempotency")
    assert "reference/errors.html" in shown
