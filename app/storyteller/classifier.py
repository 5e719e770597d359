"""Classifier: how likely each category is for a text, by its concepts and its shape."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import cache

from app.storyteller import concepts, shape
from app.storyteller.concepts import Findings, Sighting
from app.storyteller.passage import Passage

CATEGORIES = ("fantasy", "horror", "mystery", "adventure", "drama", "comedy", "heroic", "dark",
              "epic")  # fmt: skip
BRIEF = 60  # words; a shorter text is measured as if it had so many, or one word would decide

DENIED = 0.6  # what a denied word counts against its concept, beside one that is there

Weights = Mapping[str, Mapping[str, float]]  # by feature, then by category


@cache
def trained() -> Weights:
    """The weights that `python -m tests.storyteller.trained` wrote."""
    path = concepts.LEXICON / "weights.json"
    found: Weights = json.loads(path.read_text(encoding="utf-8"))
    return found


def features(passage: Passage, found: Findings) -> dict[str, float]:
    """What the weights are for: each concept's density, and the shape."""
    per_word = 100 / max(found.total, BRIEF)
    named = [n for n in {*found.seen, *found.denied} if not n.startswith(concepts.ELEMENT)]
    rows = {
        name: math.log1p(per_word * _weight(found.seen.get(name, {}).values()))
        - DENIED * math.log1p(per_word * found.denied[name])
        for name in sorted(named)
    }
    return {"": 1.0, **rows, **shape.measured(passage)}


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
