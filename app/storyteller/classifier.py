"""Classifier: how likely each category is for a text, by its concepts and its shape."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import cache

from app.storyteller import concepts, shape
from app.storyteller.concepts import Findings, Sighting
from app.storyteller.passage import Passage
from app.storyteller.vocabulary import CATEGORIES, leanings

BRIEF = 60  # words; a shorter text is measured as if it had so many, or one word would decide

DENIED = 0.6  # what a denied word counts against its concept, beside one that is there
BOOKS = "books:"  # before a category: how far the plain words lean to it
# The form to be filled in and the dragon: what is of every day beside what is not makes comedy.
INCONGRUOUS = "incongruous"
EVERYDAY = ("officialdom", "pantry", "dress", "menagerie", "hours", "deadpan")
RARE = ("undead", "fair_folk", "magic", "dread", "oppressor", "deities", "throne", "prophecy",
        "crime", "valour")  # fmt: skip

Weights = Mapping[str, Mapping[str, float]]  # by feature, then by category


@cache
def trained() -> Weights:
    """The weights that `python -m tests.storyteller.trained` wrote."""
    path = concepts.LEXICON / "weights.json"
    found: Weights = json.loads(path.read_text(encoding="utf-8"))
    return found


def features(passage: Passage, found: Findings) -> dict[str, float]:
    """What the weights are for: each concept's density, the plain words and the shape."""
    per_word = 100 / max(found.total, BRIEF)
    named = [n for n in {*found.seen, *found.denied} if not n.startswith(concepts.ELEMENT)]
    rows = {
        name: math.log1p(per_word * _weight(found.seen.get(name, {}).values()))
        - DENIED * math.log1p(per_word * found.denied[name])
        for name in sorted(named)
    }
    words = {f"{BOOKS}{c}": v for c, v in leanings(passage.counted).items()}
    both = {INCONGRUOUS: min(_together(rows, EVERYDAY), _together(rows, RARE))}
    return {"": 1.0, **rows, **words, **both, **shape.measured(passage)}


def _together(rows: Mapping[str, float], names: Iterable[str]) -> float:
    return sum(max(0.0, rows.get(name, 0.0)) for name in names)


def _weight(seen: Iterable[Sighting]) -> float:
    """What stands often counts less each time."""
    return sum(1 + 0.5 * math.log(s.times) for s in seen)


def likelihoods(measured: Mapping[str, float], weights: Weights) -> dict[str, float]:
    """A share for each category; all of them together are one."""
    sums = dict.fromkeys(CATEGORIES, 0.0)
    for name, value in measured.items():
        for category, weight in weights.get(name, {}).items():
            sums[category] += weight * value
    most = max(sums.values())
    raised = {c: math.exp(v - most) for c, v in sums.items()}
    total = sum(raised.values())
    return {c: v / total for c, v in raised.items()}
