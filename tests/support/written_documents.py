"""Every GraphQL document that is written down in the repository."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

from resolvers.documents import Documents
from resolvers.errors import InvalidDocument
from tests.support.graphql_schema import BUILT

ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "clients", "docs", "examples", "tests")
FOREIGN = {"node_modules", "__pycache__"}
MAX_FILE = 100_000  # bytes; longer ones are others' programs
MAX_WRITTEN = 5_000  # characters of a document
BEGINS = re.compile(r"\b(?:query|mutation|subscription)\b[^{}`;=]{0,300}\{|(?<=`)\{")


@cache
def documents() -> tuple[str, ...]:
    """Those that are valid, each once."""
    reader = Documents(BUILT, introspection=True)
    found: dict[str, None] = {}
    for text in _texts():
        if text not in found and len(text) < MAX_WRITTEN:
            with suppress(InvalidDocument):
                reader.read(text)
                found[text] = None
    return tuple(found)


def _texts() -> Iterator[str]:
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))]
    for path in files:
        if FOREIGN & set(path.parts) or not path.is_file() or path.stat().st_size > MAX_FILE:
            continue
        if path.suffix == ".py":
            yield from _strings(path.read_text())
        elif path.suffix in (".md", ".mjs", ".js", ".ts", ".graphql"):
            yield from _braced(path.read_text())


def _strings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "{" in node.value:
            yield node.value


def _braced(text: str) -> Iterator[str]:
    """What stands between braces that belong together, with the word in front of them."""
    for found in BEGINS.finditer(text):
        depth = 0
        for at in range(found.end() - 1, min(len(text), found.end() + 4_000)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if not depth:
                yield text[found.start() : at + 1]
                break
