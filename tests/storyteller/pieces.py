"""Pieces: `python -m tests.storyteller.pieces` prints a page of texts, unselected, of every type.

Seed n goes to the n-th type of `VARIED`, round and round, with a request drawn by the same seed.
The page is docs/storyteller-pieces.md.
"""

from __future__ import annotations

import asyncio
import json
import textwrap
from random import Random
from typing import Any

from tests.support.storyteller_requests import written
from tests.support.varied_requests import VARIED

PIECES = 30
WIDTH = 100
HEAD = """\
# Pieces

What the storyteller writes where no model answers: one text for each of the seeds 1 to {number},
over all kinds, not selected and not touched. Each stands under the request that it answers, which
gives it again. The page is written by `python -m tests.storyteller.pieces`.
"""


async def page() -> str:
    parts = [HEAD.format(number=PIECES)]
    for seed in range(1, PIECES + 1):
        varied = VARIED[(seed - 1) % len(VARIED)]
        raw = varied.request(Random(seed)) | {"model": {"seed": seed}}
        done = await written(varied.operation, raw)
        parts.append(f"## {seed}. {varied.name}\n\n`{_asked(raw)}`\n\n{_told(done.text)}\n")
    return "\n".join(parts)


def _asked(raw: dict[str, Any]) -> str:
    return json.dumps({k: v for k, v in raw.items() if v not in ({}, "", [])}, ensure_ascii=False)


def _told(text: str) -> str:
    """A text as a quotation; the fields of one that has several under their names."""
    if not text.startswith("{"):
        return _quoted(text)
    parts = []
    for name, value in json.loads(text).items():
        if value:
            parts.append(f"**{name.replace('_', ' ')}**\n\n{_field(value)}")
    return "\n\n".join(parts)


def _field(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(_item(item) for item in value)
    return _quoted(str(value))


def _item(item: Any) -> str:
    said = ", ".join(f"{v}" for v in item.values() if v) if isinstance(item, dict) else item
    return textwrap.fill(f"- {said}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _quoted(text: str) -> str:
    lines = []
    for paragraph in text.split("\n\n"):
        for at, line in enumerate(paragraph.split("\n")):
            last = "" if at == paragraph.count("\n") else "  "
            lines.append(_line(line) + last)
        lines.append(">")
    return "\n".join(lines[:-1])


def _line(line: str) -> str:
    inner = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, WIDTH, initial_indent="> ", subsequent_indent=f"> {inner}", break_on_hyphens=False
    )


if __name__ == "__main__":
    print(asyncio.run(page()), end="")
