"""Vocabulary: to which categories the plain words of a text lean, as they do in books of each.

The lists of `concepts.toml` know what is typical, which most words of a text are not. Of these,
134 books out of copyright say a little each: `python -m tests.storyteller.learned` wrote it down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import cache

from app.storyteller.concepts import LEXICON

CATEGORIES = ("fantasy", "horror", "mystery", "adventure", "drama", "comedy", "heroic", "dark",
              "epic")  # fmt: skip
SCALE = 10  # the file has tenths of a logarithm: how much likelier a word is in such books
LEAST_WORDS = 40  # a shorter text is measured as if it had so many

# A word's leanings are one integer with a lane for each category: one addition for a word instead
# of nine, which takes less than half of the time.
LANE, BIAS = 28, 32  # bits of a lane; what makes every leaning positive
PARTS = 16  # a weight is counted in sixteenths
MASK = (1 << LANE) - 1
MAX_TIMES = 1000  # of a word; 9,000 words as often as that fit the lanes


@cache
def learned() -> Mapping[str, int]:
    """Each word of the file with its lanes. Reading them takes some 20 ms, once."""
    lines = (LEXICON / "words.txt").read_text(encoding="utf-8").splitlines()
    rows = (line.split(" ") for line in lines if not line.startswith("#"))
    return {word: _packed(map(int, numbers)) for word, *numbers in rows}


def leanings(counted: Mapping[str, int]) -> dict[str, float]:
    """What the words of a text together say for each category; zero is what most texts have."""
    known = learned()
    lanes = weights = 0
    for word in known.keys() & counted.keys():
        weight = WEIGHTS[min(counted[word], MAX_TIMES)]
        lanes += known[word] * weight
        weights += weight
    sums = [(lanes >> LANE * at & MASK) - BIAS * weights for at in range(len(CATEGORIES))]
    mean = sum(sums) / len(sums)
    size = SCALE * PARTS * math.sqrt(max(LEAST_WORDS, sum(counted.values())))
    return {c: (s - mean) / size for c, s in zip(CATEGORIES, sums, strict=True)}


def _packed(numbers: Iterable[int]) -> int:
    return sum((number + BIAS) << LANE * at for at, number in enumerate(numbers))


# What stands often counts less each time.
WEIGHTS = (0, *(round(PARTS * (1 + math.log(times))) for times in range(1, MAX_TIMES + 1)))
