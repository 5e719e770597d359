"""Landscape: what kind of place a name speaks of, and who lives by what there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Table = Mapping[str, Any]

WORD = re.compile(r"[^\W_]+")
ENDINGS = {"ford": "river", "mouth": "harbour", "haven": "harbour", "port": "harbour",
           "mere": "marsh", "marsh": "marsh", "wood": "forest", "holt": "forest", "moor": "marsh",
           "burg": "city", "keep": "keep", "hold": "keep", "guard": "keep", "quay": "harbour",
           "deep": "city", "abbey": "monastery", "isle": "island", "fen": "marsh",
           "weir": "river", "ferry": "river", "landing": "river"}  # fmt: skip


def kind(value: str, kinds: Mapping[str, Any]) -> str:
    """The kind of a place by the words of its name, the last one first; `` where they say none."""
    words = [w.lower() for w in WORD.findall(value)]
    if {*kinds["sunken"]["words"]} & {*words}:  # a sunken city is not a city
        return "sunken"
    for word in reversed(words):
        for name, table in kinds.items():
            if word in table["words"] or word.removesuffix("s") in table["words"]:
                return name
    for word in reversed(words):
        for ending, name in ENDINGS.items():
            if word.endswith(ending) and word != ending:
                return name
    return ""


def trades(tables: Sequence[Table], place: str) -> list[Table]:
    """The trades that somebody may live by in a place of this kind; all, where it is ``."""
    return [t for t in tables if not place or place in t.get("of", (place,))]
