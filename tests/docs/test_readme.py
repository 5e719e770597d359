"""The README is short and shows what it is; the pages are all in the site and in `llms.txt`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.doc_blocks import ROOT

README = (ROOT / "README.md").read_text()
DOCS = ROOT / "docs"
LLMS = (DOCS / "llms.txt").read_text()
OWN = {"index.md", *(f"project/{name}.md" for name in ("contributing", "changelog", "security"))}
PAGES = sorted(
    str(page.relative_to(DOCS))
    for page in DOCS.rglob("*.md")
    if not page.match("decisions/0*.md") and str(page.relative_to(DOCS)) not in OWN
)


def test_the_readme_has_at_most_150_lines() -> None:
    assert len(README.splitlines()) <= 150


def test_its_one_picture_is_small_and_said_in_words() -> None:
    [(words, path)] = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", README)
    assert len(words) > 20
    picture = (ROOT / path).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200_000


def test_its_figures_are_those_of_the_page_of_costs() -> None:
    costs = (DOCS / "guides" / "costs.md").read_text()
    rows = re.search(r"(\| at 64.*?)\n\n", README, re.S)
    assert rows is not None
    figures = re.findall(r"\b\d[\d,]*\.?\d*\b", rows[1].partition("|---")[2])
    assert figures
    assert [f for f in figures if f not in costs] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_in_the_readme_the_site_and_llms_txt(page: str) -> None:
    index = (DOCS / "index.md").read_text()
    assert re.search(rf"^(?:.* <)?{re.escape(page.removesuffix('.md'))}>?$", index, re.M)
    assert f"]({page})" in LLMS
    if page.startswith("project/"):
        return  # the README links to where it stands
    linked = {"reference/graphql-examples.md", "rest.md", "conformance.md", "guides/costs.md"}
    assert f"(docs/{page})" in README or page in linked


def test_llms_txt_has_the_form_of_llmstxt_org() -> None:
    """A title, a quotation that says what it is, then lists of links under headings."""
    lines = [line for line in LLMS.splitlines() if line]
    assert lines[0] == "# Loregate"
    assert lines[1].startswith("> ")
    sections = LLMS.split("\n## ")[1:]
    for section in sections:
        rows = [line for line in section.splitlines()[1:] if line]
        assert rows
        assert all(re.fullmatch(r"- \[[^\]]+\]\([^)\s]+\): .+", row) for row in rows), section
    assert [s for s in sections if s.startswith("Optional\n")]


def test_the_architectures_picture_says_what_its_source_says() -> None:
    """The site shows an SVG where GitHub draws the page's Mermaid."""
    page = (DOCS / "architecture.md").read_text()
    [source] = re.findall(r"^```mermaid\n(.*?)^```$", page, re.M | re.S)
    labels = re.findall(r'\[+\(*"([^"]+)"', source)
    picture = re.sub(r"<[^>]+>", "\n", (DOCS / "images" / "architecture.svg").read_text())
    said = {line.strip() for line in picture.splitlines()}
    parts = [part for label in labels for part in label.split("<br/>")]
    assert len(parts) > 30
    assert [part for part in parts if part not in said] == []


def test_the_security_policy_says_where_to_write_and_how_soon() -> None:
    policy = Path(ROOT / "SECURITY.md").read_text()
    assert "privately" in policy
    assert "working days" in policy
