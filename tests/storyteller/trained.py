"""Trains the weights of the theme analysis: `python -m tests.storyteller.trained`.

Multinomial logistic regression in plain Python: the weights that `for` gives each concept are where
it begins, and it pays for every step away from them. The same passages give the same file.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence

from app.storyteller import classifier, concepts
from app.storyteller.classifier import CATEGORIES
from app.storyteller.passage import Passage
from tests.storyteller.labelled import Labelled, tuned_on

ROUNDS, STEP, INERTIA = 400, 0.5, 0.9
FIRST = 0.6  # what a weight of `for` is worth at the beginning
PULL = 0.06  # towards where a concept's weight began, per round
PULL_SHAPE, PULL_BOOKS = 0.03, 0.003  # the same of the shape's and of the plain words' weights
Sample = tuple[str, dict[str, float]]


def measured(text: str) -> dict[str, float]:
    passage = Passage(text)
    return classifier.features(passage, concepts.lexicon().read(text))


def samples(passages: Sequence[Labelled]) -> list[Sample]:
    return [(p.category, measured(p.text)) for p in passages]


def beginning(names: Sequence[str], first: float = FIRST) -> dict[str, dict[str, float]]:
    table = concepts.table()
    weights = {name: dict.fromkeys(CATEGORIES, 0.0) for name in names}
    for name in set(names) & set(table):
        stated = table[name].get("for", {})
        assert isinstance(stated, dict)
        weights[name].update({c: first * float(v) for c, v in stated.items()})
    for category in CATEGORIES:
        if (name := f"{classifier.BOOKS}{category}") in weights:
            weights[name][category] = 1.0
    if classifier.INCONGRUOUS in weights:
        weights[classifier.INCONGRUOUS]["comedy"] = 1.0
    return weights


def pull(name: str) -> float:
    if name.startswith(classifier.BOOKS):
        return PULL_BOOKS
    return PULL if name in concepts.table() else PULL_SHAPE


def trained(data: Sequence[Sample], first: float = FIRST, rounds: int = ROUNDS
            ) -> dict[str, dict[str, float]]:  # fmt: skip
    names = sorted({name for _, row in data for name in row} | set(concepts.table()))
    start = beginning(names, first)
    weights = {n: dict(row) for n, row in start.items()}
    speed = {n: dict.fromkeys(CATEGORIES, 0.0) for n in names}
    for _ in range(rounds):
        slope = {n: dict.fromkeys(CATEGORIES, 0.0) for n in names}
        for category, row in data:
            shares = classifier.likelihoods(row, weights)
            shares[category] -= 1
            for name, value in row.items():
                for c, share in shares.items():
                    slope[name][c] += share * value / len(data)
        for name in names:
            back = pull(name)
            for c in CATEGORIES:
                away = slope[name][c] + back * (weights[name][c] - start[name][c])
                speed[name][c] = INERTIA * speed[name][c] - STEP * (1 - INERTIA) * away
                weights[name][c] += speed[name][c]
    return weights


def loss(data: Sequence[Sample], weights: classifier.Weights) -> float:
    return -sum(math.log(classifier.likelihoods(r, weights)[c]) for c, r in data) / len(data)


def main() -> None:
    weights = trained(samples(tuned_on()))
    rounded = {
        name: {c: round(v, 3) for c, v in row.items() if abs(v) >= 0.005}
        for name, row in weights.items()
    }
    text = json.dumps(rounded, indent=1, sort_keys=True)
    (concepts.LEXICON / "weights.json").write_text(text + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(rounded)} features\n")


if __name__ == "__main__":
    main()
