"""The code blocks of the pages for readers, and what a comment in front of one says of it.

<!-- unrun: why -->       its syntax is checked, and it is not run
<!-- until: pattern -->   it runs until it has printed that, and is ended
<!-- prints: pattern -->  it must print that, an error's code too
<!-- example: path -->    it is that file, without its opening comment
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MARKS = ("unrun", "until", "prints", "example")
FENCE = re.compile(
    r"^(?:<!-- (?P<mark>\w+): (?P<said>[^\n]*?) -->\n)?"
    r"(?P<fence>`{3,})(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=fence)$",
    re.M | re.S,
)
INDENTED = re.compile(r"(?:\A|\n\n)((?: {4}[^\n]*\n)+)")
OPENING = {".py": re.compile(r'\A""".*?"""\n', re.S), ".mjs": re.compile(r"\A(?://[^\n]*\n)+")}
LIST = re.compile(r"^(?:[-*]|\d+\.) ", re.M)


@dataclass(frozen=True)
class Block:
    """One block, with the mark in front of it, if any."""

    page: Path
    line: int
    language: str
    text: str
    mark: str | None = None
    said: str = ""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path, text: str | None = None) -> Iterator[Block]:
    """The page's blocks, in their order."""
    text = page.read_text() if text is None else text
    for found in FENCE.finditer(text):
        line = text[: found.start("fence")].count("\n") + 1
        yield Block(
            page, line, found["language"], found["text"], found["mark"], found["said"] or ""
        )


def blocks(language: str | None = None) -> list[Block]:
    """Those of all pages, or those in a language."""
    found = [block for page in PAGES for block in blocks_of(page)]
    return [b for b in found if language in (None, b.language)]


def shown(path: Path) -> str:
    """A file's text behind the comment that it begins with."""
    text = path.read_text()
    return OPENING[path.suffix].sub("", text, count=1).lstrip("\n")


def unfenced(text: str) -> list[str]:
    """Code that is only indented, which no test would see; what a list indents is its own."""
    prose = FENCE.sub("", text)
    return [] if LIST.search(prose) else INDENTED.findall(prose)
