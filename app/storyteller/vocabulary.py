"""Vocabulary: to which categories the plain words of a text lean, as they do in books of each.

The lists of `concepts.toml` know what is typical, which most words of a text are not. Of these,
134 books out of copyright say a little each: `python -m tests.storyteller.learned` wrote it down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

from app.storyteller.concepts import LEXICON

CATEGORIES = ("fantasy", "horror", "mystery", "adventure", "drama", "comedy", "heroic", "dark",
              "epic")  # fmt: skip
SCALE = 10  # the file has tenths of a logarithm: how much likelier a word is in such books
LEAST_WORDS = 40  # a shorter text is measured as if it had so many

Leanings = tuple[int, ...]  # in the order of `CATEGORIES`


@cache
def learned() -> Mapping[str, Leanings]:
    """Each word of the file with its leanings. Reading them takes some 10 ms, once."""
    lines = (LEXICON / "words.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split(" ") for line in lines if not line.startswith("#"))
    return {word: tuple(map(int, numbers)) for word, *numbers in rows}


def leanings(counted: Mapping[str, int]) -> dict[str, float]:
    """What the words of a text together say for each category; zero is what most texts have."""
    known = learned()
    sums = [0.0] * len(CATEGORIES)
    for word, times in counted.items():
        if row := known.get(word):
            weight = 1 + math.log(times) if times > 1 else 1.0
            sums = [s + weight * r for s, r in zip(sums, row, strict=True)]
    mean = sum(sums) / len(sums)
    size = SCALE * math.sqrt(max(LEAST_WORDS, sum(counted.values())))
    return {c: (s - mean) / size for c, s in zip(CATEGORIES, sums, strict=True)}
