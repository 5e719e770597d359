"""The labelled passages: which are for tuning, and which are kept aside to measure by."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from app.operations.fields import KINDS_OF_TALE

PASSAGES = Path(__file__).parent / "passages"
BETWEEN = "\n---\n"


@dataclass(frozen=True, slots=True)
class Labelled:
    category: str
    number: int  # within its file, from 1
    text: str

    @property
    def kept_aside(self) -> bool:
        """The rule of passages/README.md, fixed before the first figure."""
        return self.number % 2 == 0


def passages(folder: Path = PASSAGES) -> list[Labelled]:
    return [
        Labelled(category, number, text.strip())
        for category in KINDS_OF_TALE
        for number, text in enumerate(
            (folder / f"{category}.txt").read_text(encoding="utf-8").split(BETWEEN), 1
        )
    ]


def tuned_on() -> list[Labelled]:
    """All that weights may be trained on: the odd passages, and those that were looked at since."""
    odd = [p for p in passages() if not p.kept_aside]
    since = (passages(PASSAGES / name) for name in ("training", "voices", "hands"))
    return [*odd, *chain.from_iterable(since)]


def kept_aside() -> list[Labelled]:
    return [p for p in passages() if p.kept_aside]


def fresh() -> list[Labelled]:
    """Written when lists, words and weights were finished; nothing is trained on them."""
    return passages(PASSAGES / "fresh")


def blurbs() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _table("blurbs.toml")["blurb"]
    return found


def traps() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _table("traps.toml")["trap"]
    return found


def cases() -> list[dict[str, Any]]:
    """Texts with one rule each, and the verdict on it, from the two files of cases/."""
    return [case for name in ("good", "bad") for case in _table(f"../cases/{name}.toml")["case"]]


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((PASSAGES / name).read_text(encoding="utf-8"))
