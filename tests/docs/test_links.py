"""Every link of the pages leads somewhere: files and headings inside; those outside are listed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.doc_blocks import FENCE, PAGES, ROOT

READMES = ("tests/*/README.md", "clients/*/README.md", "examples/README.md")
OTHERS = [page for pattern in READMES for page in sorted(ROOT.glob(pattern))]
ALL = [*PAGES, *OTHERS, ROOT / "docs" / "llms.txt"]
LISTED = ROOT / "tests" / "docs" / "outside_links.txt"
LINK = re.compile(r"\[[^\]]*\]\(<?([^)>\s]+)>?\)|<(https?://[^>\s]+)>")
CODE = re.compile(r"`[^`\n]*`")
HEADING = re.compile(r"^#{1,6} (.+?)\s*$", re.M)
OUTSIDE = re.compile(r"https?://(?!127\.0\.0\.1|localhost)|mailto:")


def prose(page: Path) -> str:
    """The page without its blocks; what stands between backticks inside a link's words stays."""
    return FENCE.sub("", page.read_text())


def links(page: Path) -> Iterator[str]:
    yield from (inside or address for inside, address in LINK.findall(prose(page)))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The slugs of the page's headings, as GitHub and MyST make them."""
    found = set[str]()
    for heading in HEADING.findall(prose(page)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        taken = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{taken}" if taken else slug)
    return frozenset(found)


def broken(page: Path) -> list[str]:
    """The links inside the repository that lead nowhere."""
    return [
        link for link in links(page) if not re.match(r"https?:|mailto:", link) and lost(page, link)
    ]


def lost(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target)


@pytest.mark.parametrize("page", ALL, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_inside_leads_to_a_file_and_a_heading(page: Path) -> None:
    assert broken(page) == []


def test_every_address_outside_is_listed() -> None:
    """Nobody is asked whether they are there; whoever adds one to the list has looked."""
    found = {link for page in ALL for link in links(page) if OUTSIDE.match(link)}
    assert LISTED.read_text().split() == sorted(found)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("[x](nowhere.md)", True),
        ("[x](other.md#there)", False),
        ("[x](other.md#not-there)", True),
        ("[x](#here-it-is)", False),
        ("[`x`](#here)", True),
        ("```text\n[x](nowhere.md)\n```", False),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(tmp_path: Path, text: str, bad: bool) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## There\n")
    (tmp_path / "page.md").write_text(f"# Here: it is\n\n{text}\n")
    assert bool(broken(tmp_path / "page.md")) is bad
