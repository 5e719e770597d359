"""Every file, name and test that the pages for contributors name is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    *(DOCS / "architecture.md", ROOT / "CONTRIBUTING.md", ROOT / "README.md"),
    *sorted({*DOCS.rglob("*.md"), *ROOT.glob("tests/*/README.md")} - {DOCS / "architecture.md"}),
]
FILE = re.compile(r"`((?:app|resolvers|tests|docs|clients|deploy|examples)/[\w./-]+)(?:::(\w+))?`")
# "`admit` in `app/pipeline/admission.py`"; several names may stand before one file.
NAMED = re.compile(
    r"((?:`\w+`(?:, | and |, and )?)+)\s(?:of\s|in\s|\()`((?:app|resolvers|tests)/[\w./-]+\.py)`"
)
TEST = re.compile(r"`(test_\w+)`")  # a test by its name alone
BARE = re.compile(r"`([\w-]+\.(?:py|lua))`")  # without its folder, which must be the page's own


def defined(path: Path) -> set[str]:
    """The classes, functions, methods and constants of a module."""
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


@cache
def all_tests() -> str:
    return "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))


def missing(text: str, folder: Path = ROOT) -> Iterator[str]:
    """What a text in that folder names and is not there."""
    for path, test in FILE.findall(text):
        if not (ROOT / path).exists():
            yield path
        elif test and f"def {test}(" not in (ROOT / path).read_text():
            yield f"{path}::{test}"
    for names, path in NAMED.findall(text):
        known = defined(ROOT / path) if (ROOT / path).exists() else set()
        yield from (f"{n} in {path}" for n in re.findall(r"\w+(?=`)", names) if n not in known)
    yield from (name for name in TEST.findall(text) if f"def {name}(" not in all_tests())
    yield from (name for name in BARE.findall(text) if not (folder / name).exists())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_what_a_page_names_is_there(page: Path) -> None:
    assert list(missing(page.read_text(), page.parent)) == []


def test_the_recipes_and_the_map_name_files_names_and_tests() -> None:
    architecture, recipes = (page.read_text() for page in PAGES[:2])
    assert len(FILE.findall(recipes)) > 30
    assert any(test for _, test in FILE.findall(recipes))
    assert len(NAMED.findall(architecture)) > 60


@pytest.mark.parametrize(
    "text",
    [
        "`app/nowhere.py`",
        "`tests/service/test_pages.py::test_nothing`",
        "`Frame` in `app/nowhere.py`",
        "`Frame`, `Nothing` in `app/sse.py`",
        "a `Nothing` (`app/sse.py`)",
        "`sse.py`",
        "`test_no_such`",
    ],
)
def test_a_page_that_names_what_is_not_there_is_seen(text: str) -> None:
    assert list(missing(text))
