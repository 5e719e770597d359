"""The files of examples/, run as they stand."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.support.snippets import Pasted, pasted

EXAMPLES = Path(__file__).parents[2] / "examples"


def source(name: str) -> str:
    return (EXAMPLES / name).read_text()


def script(name: str, folder: Path, url: str, token: str) -> AbstractAsyncContextManager[Pasted]:
    """An example in JavaScript, in a folder that has its packages."""
    return pasted(["node"], source(name), folder, LOREGATE_URL=url, TOKEN=token)
